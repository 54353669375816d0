"""Contact sheets and the stills of a film, drawn with Pillow alone: pictures and words in, one picture out.

A picture that came back has a teal frame and a tick, one that did not an orange frame and a struck equals sign; all others are left plain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby

import numpy as np
from PIL import Image, ImageDraw

from diffdemo.letters import check_letters, font, length, shortened, wrapped

INK, SOFT, HAIR, TRACK = "#1d2733", "#536070", "#dde3e9", "#8a96a3"
BACK, CHANGED = "#0b766f", "#b04e00"
MAX_WIDTH, MAX_HEIGHT = 4000, 6000
MARGIN, GAP, RIM = 32, 10, 5  # around the page, between tiles, between a picture and the outside of its frame
TITLE_SIZE, LABEL_SIZE, SMALL_SIZE, UNDER, MARK = 21, 14, 13, 20, 11  # letters; the line under a tile; the marks
LEAST_WIDTH, BLOCK_GAP, FEW = 640, 28, 12  # up to so many columns, their words may widen them
EDGES = ((96, 2000), (80, 2400), (64, MAX_WIDTH), (48, MAX_WIDTH), (32, MAX_WIDTH), (24, MAX_WIDTH), (16, MAX_WIDTH), (8, MAX_WIDTH))
FINE = 8  # marks are drawn this many times larger and averaged down
LARGEST = 256  # pixels of an edge that are shown of a picture at most


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture with its words.

    Attributes:
        name: unlike all others of its sheet, and fit to be the name of a file.
        label: a few words under it.
        back: whether the original came back; None where that is no question.
        picture: (H, W, C) uint8, C = 1 or 3.
    """

    name: str
    label: str
    back: bool | None
    picture: np.ndarray


@dataclass(frozen=True, eq=False)
class TileRow:
    """Tiles side by side, and what they are."""

    label: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, eq=False)
class Still:
    """One picture of a film.

    Attributes:
        tiles: as many in every still, laid out row by row.
        text: the line above.
        share: how much of all noise there is, 0..1, drawn as a bar.
        rising: noise is being added (True), taken away (False), or neither.
        beside: what stands large at the left of all rows, if anything.
    """

    tiles: tuple[Tile, ...]
    text: str
    share: float
    rising: bool | None = None
    beside: Tile | None = None


def sheet(title: str, rows: Sequence[TileRow], foot: str = "") -> np.ndarray:
    """All tiles on one white page of at most 4000 x 6000 pixels: (H, W, 3) uint8.

    Rows of the same number of tiles form a table; where all of a column have the same label, it stands once above. A long table of short
    rows goes on beside itself.

    Args:
        title: wrapped over as many lines as it needs.
        rows: at least one tile in each.
        foot: the small print.

    Raises:
        DiffdemoError: the font lacks a letter.
    """
    for text in [title, foot, *(row.label for row in rows), *(tile.label for row in rows for tile in row.tiles)]:
        check_letters(text)
    tables, width = _arranged([list(group) for _, group in groupby(rows, key=lambda row: len(row.tiles))])
    lines, small, marked = wrapped(title, TITLE_SIZE, width), wrapped(foot, SMALL_SIZE, width), any(t.back is not None for r in rows for t in r.tiles)
    top = MARGIN + 30 * len(lines) + 12
    height = top + sum(table.height for table in tables) + (28 if marked else 0) + 20 * len(small) + MARGIN - GAP
    page = _Page(width + 2 * MARGIN, height)
    for k, line in enumerate(lines):
        page.text(MARGIN, MARGIN + 30 * k + 12, line, TITLE_SIZE, INK)
    for table in tables:
        table.draw(page, top)
        top += table.height
    if marked:
        page.legend(MARGIN, top + 10)
        top += 28
    for k, line in enumerate(small):
        page.text(MARGIN, top + 20 * k + 8, line, SMALL_SIZE, SOFT)
    return np.asarray(page.image)


def _arranged(groups: list[list[TileRow]]) -> tuple[list["_Table"], int]:
    """The tables with the largest tiles that a page of handy shape holds, and the width inside its margins."""
    side = min(LARGEST, max(max(tile.picture.shape[:2]) for rows in groups for row in rows for tile in row.tiles))
    edges = [(edge, MAX_WIDTH) for edge in (256, 192, 128) if edge <= side] + list(EDGES)
    label = max(round(length(row.label, LABEL_SIZE)) for rows in groups for row in rows) + 14
    for edge, most in edges:
        narrow = [_Table.of(rows, edge, label) for rows in groups]
        for width in range(LEAST_WIDTH, most - 2 * MARGIN + 1, 80):
            tables = [table.spread(width) for table in narrow]
            height, taken = sum(table.height for table in tables), max(LEAST_WIDTH, *(table.width for table in tables))
            widest = width + 80 > most - 2 * MARGIN
            if taken <= width and height <= MAX_HEIGHT - 400 and (height <= 1.3 * taken or widest):
                return tables, taken
    return tables, MAX_WIDTH - 2 * MARGIN


@dataclass(frozen=True, eq=False)
class _Table:
    """Rows of equally many tiles, in `across` blocks beside each other; all lengths in pixels.

    Attributes:
        heads: what stands once above each column; empty where the tiles differ.
        words: whether a row needs a line under its tiles.
        pitches: the width of each column.
    """

    rows: list[TileRow]
    edge: int
    cell: int
    label: int
    heads: tuple[str, ...]
    words: tuple[bool, ...]
    pitches: tuple[int, ...]
    across: int = 1

    @classmethod
    def of(cls, rows: list[TileRow], edge: int, label: int) -> "_Table":
        """One block, as wide as its words need."""
        columns = list(zip(*(row.tiles for row in rows), strict=True))
        heads = tuple(column[0].label if len(rows) > 1 and _alike(column) else "" for column in columns)
        cell = max(max(scaled(tile.picture, edge).size) for tile in {tile.picture.shape: tile for row in rows for tile in row.tiles}.values())
        pitches = []
        for head, column in zip(heads, columns, strict=True):
            words = [length(head, SMALL_SIZE), *(_width(tile, not head) for tile in column)] if len(columns) <= FEW else []
            pitches.append(round(max([cell + 2 * RIM, *words])) + GAP)
        under = tuple(any(tile.back is not None or (tile.label and not head) for head, tile in zip(heads, row.tiles, strict=True)) for row in rows)
        return cls(rows, edge, cell, label, heads, under, tuple(pitches))

    def spread(self, width: int) -> "_Table":
        """As many blocks beside each other as the width takes, and no fewer lines than that needs."""
        most = max(1, min((width + BLOCK_GAP) // (self.block + BLOCK_GAP), len(self.rows)))
        across = -(-len(self.rows) // -(-len(self.rows) // most))
        words = self.words if across == 1 else (any(self.words),) * len(self.rows)  # blocks beside each other keep their rows in line
        return replace(self, across=across, words=words)

    @property
    def block(self) -> int:
        return self.label + sum(self.pitches)

    @property
    def lines(self) -> int:
        return -(-len(self.rows) // self.across)

    @property
    def width(self) -> int:
        return self.across * (self.block + BLOCK_GAP) - BLOCK_GAP

    @property
    def height(self) -> int:
        return sum(self._line(row) for row in range(self.lines)) + (22 if any(self.heads) else 0) + 8

    def _line(self, row: int) -> int:
        return self.cell + 2 * RIM + GAP + (UNDER if self.words[row] else 0)

    def draw(self, page: "_Page", top: int) -> None:
        for block in range(self.across):
            left, y = MARGIN + block * (self.block + BLOCK_GAP), top
            if any(self.heads):
                self._draw_heads(page, left + self.label, y)
                y += 22
            for number, row in enumerate(self.rows[block * self.lines : (block + 1) * self.lines]):
                page.text(left, y + RIM + self.cell // 2, row.label, LABEL_SIZE, INK)
                x = left + self.label
                for tile, head, pitch in zip(row.tiles, self.heads, self.pitches, strict=True):
                    page.tile(x + (pitch - GAP) // 2, y, tile, self.edge, self.cell, "" if head else tile.label, pitch - 4)
                    x += pitch
                y += self._line(number)

    def _draw_heads(self, page: "_Page", left: int, top: int) -> None:
        """The heads of the columns; where they would touch, only every second, third, …"""
        widest = max(length(head, SMALL_SIZE) for head in self.heads)
        every = 1 if len(self.heads) <= FEW else -(-round(widest + 8) // min(self.pitches))
        for k, (head, pitch) in enumerate(zip(self.heads, self.pitches, strict=True)):
            if k % every == 0:
                page.text(left + (pitch - GAP) // 2, top + 8, head, SMALL_SIZE, SOFT, "mm")
            left += pitch


def _alike(column: Sequence[Tile]) -> bool:
    """All tiles have one label, and it says what they are, not what came of them."""
    return len({tile.label for tile in column}) == 1 and any(tile.back is None for tile in column)


def _width(tile: Tile, named: bool) -> float:
    """Of the line under a tile."""
    return (length(tile.label, SMALL_SIZE) if named else 0) + (MARK + 4 if tile.back is not None else 0)


def film(stills: Sequence[Still], columns: int, ends: tuple[str, str] = ("0", "1000")) -> list[np.ndarray]:
    """The frames of a film, (H, W, 3) uint8 each and all of one size; a still equal to the one before is left out.

    Args:
        stills: what to draw; the same number of tiles in each.
        columns: tiles beside each other.
        ends: what stands at the two ends of the bar.

    Raises:
        DiffdemoError: the font lacks a letter.
    """
    edge = _film_edge([tile.picture for still in stills for tile in still.tiles], len(stills[0].tiles))
    cell = max(max(scaled(tile.picture, edge).size) for still in stills for tile in still.tiles)
    frames = [_drawn(still, columns, ends, edge, cell) for still in stills]
    return [frame for k, frame in enumerate(frames) if k == 0 or not np.array_equal(frame, frames[k - 1])]


def _film_edge(pictures: list[np.ndarray], count: int) -> int:
    """The edge of a tile: the fewer, the larger, and at least 64 pixels."""
    side = max(max(picture.shape[:2]) for picture in pictures)
    wanted = 160 if count <= 2 else 112 if count <= 8 else 80
    return min(LARGEST, max(-(-64 // side), wanted // side) * side)


def _drawn(still: Still, columns: int, ends: tuple[str, str], edge: int, cell: int) -> np.ndarray:
    pitch, line, rows = cell + 2 * RIM + GAP, cell + 2 * RIM + UNDER + GAP, -(-len(still.tiles) // columns)
    large = rows * line - 2 * RIM - UNDER - GAP if still.beside else 0
    aside = large + 2 * RIM + 3 * GAP if still.beside else 0
    needed = aside + columns * pitch - GAP
    inside, margin = max(320, needed), 24
    page = _Page(inside + 2 * margin, 74 + rows * line + 14)
    check_letters(still.text)
    page.text(margin, 26, shortened(still.text, 19, inside), 19, INK)
    page.bar(margin, 52, inside, still.share, ends, still.rising)
    left = margin + (inside - needed) // 2
    if still.beside:
        page.tile(left + large // 2 + RIM, 74, still.beside, large, large, still.beside.label, large)
    for k, tile in enumerate(still.tiles):
        row, column = divmod(k, columns)
        page.tile(left + aside + column * pitch + (pitch - GAP) // 2, 74 + row * line, tile, edge, cell, tile.label, pitch - 2)
    return np.asarray(page.image)


def scaled(picture: np.ndarray, edge: int) -> Image.Image:
    """(H, W, C) uint8, enlarged by a whole number to at most `edge` pixels a side; a larger one is averaged down to it."""
    image = Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).convert("RGB")
    side = max(image.size)
    if side <= edge:
        return image.resize((image.width * (edge // side), image.height * (edge // side)), Image.Resampling.NEAREST)
    size = (max(1, round(image.width * edge / side)), max(1, round(image.height * edge / side)))
    return image.resize(size, Image.Resampling.BOX)


class _Page:
    """A white page to draw on."""

    def __init__(self, width: int, height: int):
        self.image = Image.new("RGB", (width, height), "white")
        self.draw = ImageDraw.Draw(self.image)

    def text(self, x: float, y: float, text: str, size: int, colour: str, anchor: str = "lm") -> None:
        self.draw.text((x, y), text, colour, font(size), anchor)

    def tile(self, middle: int, top: int, tile: Tile, edge: int, cell: int, label: str, room: int) -> None:
        """A picture centred at a column, its frame, and under it the mark and as much of the label as there is room for."""
        picture = scaled(tile.picture, edge)
        x, y = middle - picture.width // 2, top + RIM + (cell - picture.height) // 2
        self.image.paste(picture, (x, y))
        if tile.back is None:
            self.draw.rectangle((x - 1, y - 1, x + picture.width, y + picture.height), outline=HAIR)
        else:
            outside = (x - RIM, y - RIM, x + picture.width + RIM - 1, y + picture.height + RIM - 1)
            self.draw.rectangle(outside, outline=BACK if tile.back else CHANGED, width=3)
        mark = 0 if tile.back is None else MARK
        label = shortened(label, SMALL_SIZE, room - (mark + 4 if mark else 0))
        width = length(label, SMALL_SIZE) + (mark + (4 if label else 0) if mark else 0)
        start, row = middle - width / 2, top + cell + 2 * RIM + UNDER // 2 + 1
        if mark:
            self.mark(round(start), row, tile.back)
            start += mark + 4
        self.text(start, row, label, SMALL_SIZE, SOFT)

    def mark(self, left: int, middle: int, back: bool | None) -> None:
        """A tick or a struck equals sign."""
        colour = BACK if back else CHANGED
        self.image.paste(colour, (left, middle - MARK // 2), _mark(bool(back)))

    def legend(self, left: int, middle: int) -> None:
        for back, words in ((True, "came back"), (False, "another picture")):
            self.mark(left, middle, back)
            self.text(left + MARK + 5, middle, words, SMALL_SIZE, SOFT)
            left += MARK + 28 + round(length(words, SMALL_SIZE))

    def bar(self, left: int, middle: int, width: int, share: float, ends: tuple[str, str], rising: bool | None) -> None:
        """How much noise there is, with an arrow the way it goes."""
        first, last = (round(length(text, SMALL_SIZE)) + 8 for text in ends)
        self.text(left, middle, ends[0], SMALL_SIZE, SOFT)
        self.text(left + width, middle, ends[1], SMALL_SIZE, SOFT, "rm")
        start, end = left + first + 6, left + width - last - 6
        at = start + round(share * (end - start))
        self.draw.rectangle((start, middle - 1, end, middle + 1), HAIR)
        self.draw.rectangle((start, middle - 1, at, middle + 1), TRACK)
        tip = _tip(0 if rising is None else 1 if rising else -1)
        self.image.paste(INK, (at - tip.width // 2, middle - tip.height // 2), tip)


@cache
def _tip(way: int) -> Image.Image:
    """The end of the bar as a mask: an arrow to the right (1) or left (-1), or a dot (0)."""
    size = 17 * FINE
    mask = Image.new("L", (size, size))
    pen, middle = ImageDraw.Draw(mask), size / 2
    if way:
        pen.polygon([(middle + 8 * FINE * way, middle), (middle - 4 * FINE * way, size * 0.08), (middle - 4 * FINE * way, size * 0.92)], 255)
    else:
        pen.circle((middle, middle), 5 * FINE, 255)
    return mask.resize((17, 17), Image.Resampling.BOX)


@cache
def _mark(back: bool) -> Image.Image:
    """A mark as a mask, drawn large and averaged down."""
    mask = Image.new("L", (MARK * FINE, MARK * FINE))
    pen, size = ImageDraw.Draw(mask), MARK * FINE
    strokes = (
        [[(0.06, 0.55), (0.38, 0.86), (0.94, 0.14)]]
        if back
        else [[(0.06, 0.36), (0.94, 0.36)], [(0.06, 0.66), (0.94, 0.66)], [(0.28, 0.98), (0.72, 0.02)]]
    )
    for stroke in strokes:
        pen.line([(x * size, y * size) for x, y in stroke], 255, round(1.8 * FINE if back else 1.4 * FINE), joint="curve")
    return mask.resize((MARK, MARK), Image.Resampling.BOX)
