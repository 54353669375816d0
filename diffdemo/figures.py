"""Line charts for the README and the command line, drawn with Pillow alone: arrays in, one picture out."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from diffdemo import letters
from diffdemo.errors import DiffdemoError

WIDTH, HEIGHT = 1000, 560
FINE = 3  # everything is drawn this many times larger and averaged down
LEFT, MARGIN, SPILL = 64, 26, 6  # the plot's left edge, what stays free at its right, how far a dot may reach over its border
TITLE_SIZE, TEXT_SIZE, TICK_SIZE, ROW = 21, 15, 14, 25
INK, SOFT, GRID, AXIS = "#1d2733", "#536070", "#e6eaee", "#8a96a3"
BAND_ALPHA, MOST_DOTS = "2c", 60
_DASH, _DOTTED = (9, 5), (3, 4)  # drawn and left out, in pixels

Point = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Line:
    """One curve.

    Attributes:
        label: its name in the legend.
        y: (P,) values; NaN leaves a gap.
        colour: "#rrggbb".
        low, high: (P,) each, the edges of a translucent band; both or neither.
        dashed: drawn with dashes and without dots.

    Raises:
        DiffdemoError: a colour of another form, or a band that lacks an edge or has another length than y.
    """

    label: str
    y: np.ndarray
    colour: str
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    dashed: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch("#[0-9a-fA-F]{6}", self.colour):
            raise DiffdemoError(f"The colour of the line {self.label!r} is written #rrggbb, not {self.colour!r}.")
        if (self.low is None) != (self.high is None):
            raise DiffdemoError(f"The band of the line {self.label!r} needs both edges, low and high.")
        for name in ("y", "low", "high"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _values(getattr(self, name), f"{name} of the line {self.label!r}"))
        if self.low is not None and self.high is not None and not self.low.shape == self.high.shape == self.y.shape:
            raise DiffdemoError(f"The line {self.label!r} has {len(self.y)} values, but its band {len(self.low)} and {len(self.high)}.")

    @property
    def dotted(self) -> bool:
        """Each value gets a dot, unless the line is dashed or has very many."""
        return not self.dashed and len(self.y) <= MOST_DOTS


@dataclass(frozen=True, eq=False)
class Chart:
    """Lines over one axis, with what is needed to read them.

    Attributes:
        title, x_label, y_label: words; the font has ASCII letters and most accents, no Greek.
        x: (P,) finite and rising.
        lines: curves of P values each.
        levels: horizontal reference lines as (label, y).
        marks: vertical reference lines as (label, x).
        y_range: bottom and top of the left axis; what lies outside is cut off.
        right: a second scale for the same lines as (label, what the left axis' 1 means there), such as ("bits", 13.3).

    Raises:
        DiffdemoError: lengths differ, x does not rise, a reference line is off the axes, or the font lacks a letter.
    """

    title: str
    x_label: str
    y_label: str
    x: np.ndarray
    lines: tuple[Line, ...]
    levels: tuple[tuple[str, float], ...] = ()
    marks: tuple[tuple[str, float], ...] = ()
    y_range: tuple[float, float] = (0.0, 1.0)
    right: tuple[str, float] | None = None

    def __post_init__(self) -> None:
        x = _values(self.x, "x of the chart")
        object.__setattr__(self, "x", x)
        if len(x) < 2 or not np.isfinite(x).all() or not (np.diff(x) > 0).all():
            raise DiffdemoError("The x of a chart are at least two finite values that rise.")
        bottom, top = self.y_range
        if not (np.isfinite([bottom, top]).all() and bottom < top) or (self.right is not None and not 0 < self.right[1] < np.inf):
            raise DiffdemoError("An axis of a chart ends above where it starts.")
        for line in self.lines:
            if len(line.y) != len(x):
                raise DiffdemoError(f"The line {line.label!r} has {len(line.y)} values for {len(x)} places on the x axis.")
        for label, value, low, high in [*((*level, bottom, top) for level in self.levels), *((*mark, x[0], x[-1]) for mark in self.marks)]:
            if not low <= value <= high:
                raise DiffdemoError(f"The reference line {label!r} at {value:g} lies outside its axis, {low:g} to {high:g}.")
        for text in self._words():
            letters.check_letters(text)

    def _words(self) -> list[str]:
        named = [*self.levels, *self.marks, *([self.right] if self.right else [])]
        return [self.title, self.x_label, self.y_label, *(line.label for line in self.lines), *(label for label, _ in named)]


def _values(given: Sequence[float] | np.ndarray, what: str) -> np.ndarray:
    try:
        return np.asarray(given, dtype=np.float64).reshape(len(given))
    except (TypeError, ValueError) as error:
        raise DiffdemoError(f"The {what} is a row of numbers.") from error


def _font(size: int) -> ImageFont.FreeTypeFont:
    return letters.font(size * FINE)


def _length(text: str, size: int) -> float:
    return letters.length(text, size * FINE) / FINE


@dataclass(frozen=True)
class Frame:
    """Where the plot lies on the page, in pixels of the finished picture; `mark_rows` and `legend` are lines of text around it."""

    chart: Chart
    left: float
    right: float
    top: float
    bottom: float
    mark_rows: tuple[tuple[int, float], ...]
    legend: tuple[tuple[int, float], ...]

    def at(self, x: float, y: float) -> Point:
        """(column, row) of a data point."""
        (low, high), first, last = self.chart.y_range, self.chart.x[0], self.chart.x[-1]
        across, up = (x - first) / (last - first), (y - low) / (high - low)
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)


def frame(chart: Chart) -> Frame:
    """The place of everything: the labels of marks take as many rows above the plot as they need not to touch, the legend as many below."""
    left, right = LEFT, WIDTH - (64 if chart.right else MARGIN)
    centres = [left + (x - chart.x[0]) / np.ptp(chart.x) * (right - left) for _, x in chart.marks]
    mark_rows = _spread([_length(label, TICK_SIZE) for label, _ in chart.marks], centres, right)
    legend = _flow([42 + _length(line.label, TEXT_SIZE) for line in chart.lines], left, right)
    top = 56 + 20 * (1 + max((row for row, _ in mark_rows), default=-1))
    bottom = HEIGHT - 72 - ROW * (1 + max((row for row, _ in legend), default=-1))
    return Frame(chart, left, right, top, bottom, mark_rows, legend)


def _spread(widths: list[float], centres: list[float], right: float) -> tuple[tuple[int, float], ...]:
    """(row, left edge) of texts that want to be centred: each takes the lowest row where it touches no other."""
    found: dict[int, tuple[int, float]] = {}
    for i in np.argsort(centres, kind="stable").tolist():
        start = max(4.0, min(centres[i] - widths[i] / 2, right + MARGIN - widths[i]))
        touched = {row for k, (row, other) in found.items() if start < other + widths[k] + 12 and other < start + widths[i] + 12}
        found[i] = next(row for row in range(len(widths)) if row not in touched), start
    return tuple(found[i] for i in range(len(widths)))


def _flow(widths: list[float], left: float, right: float) -> tuple[tuple[int, float], ...]:
    """(row, left edge) of texts one after the other, broken where a row is full."""
    row, start, found = 0, left, []
    for width in widths:
        if start > left and start + width > right:
            row, start = row + 1, left
        found.append((row, start))
        start += width + 26
    return tuple(found)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from low to high, at most `most` and those the finest that fit."""
    rough = (high - low) / (most - 1)
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * (1 - 1e-9))
    return [k * step for k in range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)]


def _numbered(values: list[float]) -> list[tuple[float, str]]:
    """Numbers, each with its digits: as many decimals as the finest of them needs."""
    decimals = next((d for d in range(9) if all(abs(v - round(v, d)) < 1e-9 * max(1, abs(v)) for v in values)), 9)
    return [(v, f"{v:.{decimals}f}") for v in values]


def line_chart(chart: Chart) -> np.ndarray:
    """The picture of a chart, (560, 1000, 3) uint8."""
    place, pen = frame(chart), _Pen()
    _rules(pen, place)
    for paint in (_band, _curve):
        for line in chart.lines:
            paint(pen, place, line)
    pen.clear_around(place.left - SPILL, place.top - SPILL, place.right + SPILL, place.bottom + SPILL)
    for finish in (_axes, _reference_labels, _titles, _legend):
        finish(pen, place)
    return np.asarray(pen.page.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))


class _Pen:
    """Draws on an enlarged white page; all arguments are in pixels of the finished picture."""

    def __init__(self) -> None:
        self.page = Image.new("RGB", (WIDTH * FINE, HEIGHT * FINE), "white")
        self.draw = ImageDraw.Draw(self.page, "RGBA")  # this mode blends translucent colours

    def path(self, points: list[Point], colour: str, width: float, dash: tuple[float, float] | None = None) -> None:
        for part in [points] if dash is None else _dashes(points, *dash):
            self.draw.line([(x * FINE, y * FINE) for x, y in part], colour, round(width * FINE), joint="curve")

    def dot(self, x: float, y: float, colour: str, radius: float) -> None:
        self.draw.circle((x * FINE, y * FINE), radius * FINE, colour)

    def area(self, points: list[Point], colour: str) -> None:
        self.draw.polygon([(x * FINE, y * FINE) for x, y in points], colour)

    def clear_around(self, left: float, top: float, right: float, bottom: float) -> None:
        corner = round(left * FINE), round(top * FINE)
        kept = self.page.crop((*corner, round(right * FINE), round(bottom * FINE)))
        self.draw.rectangle((0, 0, *self.page.size), "white")
        self.page.paste(kept, corner)

    def text(self, x: float, y: float, text: str, size: int, colour: str = SOFT, anchor: str = "lm", halo: float = 0) -> None:
        self.draw.text((x * FINE, y * FINE), text, colour, _font(size), anchor, stroke_width=round(halo * FINE), stroke_fill="white")

    def upright(self, x: float, y: float, text: str, size: int, colour: str = INK) -> None:
        width, height = round(_font(size).getlength(text)) + 4 * FINE, 2 * size * FINE
        strip = Image.new("L", (width, height))
        ImageDraw.Draw(strip).text((width / 2, height / 2), text, 255, _font(size), "mm")
        turned = strip.transpose(Image.Transpose.ROTATE_90)
        self.page.paste(colour, (round(x * FINE) - height // 2, round(y * FINE) - width // 2), turned)


def _dashes(points: list[Point], drawn: float, blank: float) -> Iterator[list[Point]]:
    """Cut a path into dashes of equal length along it."""
    corners = np.array(points)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    for start in np.arange(0, along[-1], drawn + blank):
        end = min(start + drawn, along[-1])
        places = np.concatenate([[start], along[(along > start) & (along < end)], [end]])
        yield [(float(np.interp(s, along, corners[:, 0])), float(np.interp(s, along, corners[:, 1]))) for s in places]


def _runs(known: np.ndarray) -> list[np.ndarray]:
    """The indices of each unbroken stretch where `known` (P,) is true."""
    found = np.flatnonzero(known)
    return [run for run in np.split(found, np.flatnonzero(np.diff(found) > 1) + 1) if len(run)]


def _band(pen: _Pen, place: Frame, line: Line) -> None:
    x, low, high = place.chart.x, line.low, line.high
    if low is None or high is None:
        return
    for run in _runs(np.isfinite(low) & np.isfinite(high)):
        if len(run) > 1:
            pen.area([place.at(x[i], low[i]) for i in run] + [place.at(x[i], high[i]) for i in run[::-1]], line.colour + BAND_ALPHA)


def _curve(pen: _Pen, place: Frame, line: Line) -> None:
    for run in _runs(np.isfinite(line.y)):
        points = [place.at(place.chart.x[i], line.y[i]) for i in run]
        if len(points) > 1:
            pen.path(points, line.colour, 2.4, _DASH if line.dashed else None)
        for point in points if line.dotted or len(points) == 1 else []:
            pen.dot(*point, line.colour, 3.6)


def _axes(pen: _Pen, place: Frame) -> None:
    """The two or three axes and their numbers."""
    chart, (low, high) = place.chart, place.chart.y_range
    pen.path([(place.left, place.bottom), (place.right, place.bottom)], AXIS, 1)
    for y, number in _numbered(ticks(low, high)):
        pen.text(place.left - 9, place.at(chart.x[0], y)[1], number, TICK_SIZE, anchor="rm")
    for x, number in _numbered(ticks(chart.x[0], chart.x[-1], 11)):
        column = place.at(x, low)[0]
        pen.path([(column, place.bottom), (column, place.bottom + 5)], AXIS, 1)
        pen.text(column, place.bottom + 16, number, TICK_SIZE, anchor="mm")
    if chart.right:
        pen.path([(place.right, place.top), (place.right, place.bottom)], AXIS, 1)
        for value, number in _numbered(ticks(low * chart.right[1], high * chart.right[1], 8)):
            row = place.at(chart.x[0], value / chart.right[1])[1]
            pen.path([(place.right, row), (place.right + 5, row)], AXIS, 1)
            pen.text(place.right + 10, row, number, TICK_SIZE)


def _rules(pen: _Pen, place: Frame) -> None:
    """The grid and the lines of levels and marks."""
    chart = place.chart
    grid = [(y, GRID, 1, None) for y in ticks(*chart.y_range)]
    for y, colour, width, dash in [*grid, *((y, SOFT, 1.3, _DASH) for _, y in chart.levels)]:
        pen.path([place.at(chart.x[0], y), place.at(chart.x[-1], y)], colour, width, dash)
    for _, x in chart.marks:
        pen.path([place.at(x, chart.y_range[0]), place.at(x, chart.y_range[1])], SOFT, 1.2, _DOTTED)


def _reference_labels(pen: _Pen, place: Frame) -> None:
    """The label of each mark above the plot; of each level beside it, where the lines leave most room."""
    marks = [(label, place.at(x, 0)[0], *spot) for (label, x), spot in zip(place.chart.marks, place.mark_rows, strict=True)]
    for _, column, row, _ in marks:
        pen.path([(column, place.top), (column, place.top - 4 - 20 * row)], SOFT, 1.2)
    for label, _, row, start in marks:
        pen.text(start, place.top - 16 - 20 * row, label, TICK_SIZE, halo=2)
    for label, y in place.chart.levels:
        width, level = _length(label, TICK_SIZE), place.at(place.chart.x[0], y)[1]
        starts = np.linspace(place.left + 8, place.right - width - 8, 13)
        spots = [(float(start), level + shift) for start in starts for shift in (-11, 12) if place.top + 8 < level + shift < place.bottom - 8]
        left, middle = max(spots, key=lambda spot: min(_room(place, spot, width), 24))
        pen.text(left, middle, label, TICK_SIZE, halo=2.5)


def _room(place: Frame, spot: Point, width: float) -> float:
    """How far the nearest line, band edge or mark is from words that begin at a spot, in pixels."""
    chart, (start, row) = place.chart, spot
    columns = np.array([place.at(x, 0)[0] for x in chart.x])
    under = np.linspace(start, start + width, 12)
    edges = [edge for line in chart.lines for edge in (line.y, line.low, line.high) if edge is not None]
    rows = [np.array([place.at(0, y)[1] for y in np.interp(under, columns, edge)]) for edge in edges]
    gaps = [np.abs(r - row) for r in rows] + [np.abs(under - place.at(x, 0)[0]) for _, x in chart.marks]
    return min((float(np.nan_to_num(gap, nan=np.inf).min()) for gap in gaps), default=np.inf)


def _titles(pen: _Pen, place: Frame) -> None:
    chart, middle = place.chart, (place.top + place.bottom) / 2
    pen.text(place.left, 26, chart.title, TITLE_SIZE, INK)
    pen.text((place.left + place.right) / 2, place.bottom + 42, chart.x_label, TEXT_SIZE, INK, "mm")
    for column, label in [(16, chart.y_label), *([(WIDTH - 16, chart.right[0])] if chart.right else [])]:
        pen.upright(column, middle, label, TEXT_SIZE)


def _legend(pen: _Pen, place: Frame) -> None:
    for line, (row, start) in zip(place.chart.lines, place.legend, strict=True):
        y = place.bottom + 76 + ROW * row
        if line.low is not None:
            pen.area([(start, y - 7), (start + 32, y - 7), (start + 32, y + 7), (start, y + 7)], line.colour + BAND_ALPHA)
        pen.path([(start, y), (start + 32, y)], line.colour, 2.4, _DASH if line.dashed else None)
        if line.dotted:
            pen.dot(start + 16, y, line.colour, 3.6)
        pen.text(start + 41, y, line.label, TEXT_SIZE, INK)
