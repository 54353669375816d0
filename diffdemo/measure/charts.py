"""Line charts for the README, drawn by matplotlib, which only developers install."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from diffdemo.errors import DiffdemoError
from diffdemo.report.colours import INK, LINE, RULE, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PURPLE = "#7a4fa3"
WIDTH = 10.0  # inches, of one chart
HEIGHT = 5.6
DPI = 100  # pixels an inch
COLOURS = 64  # of the file: enough for lines and letters, and a third of the bytes
DASHES = (0, (6, 3))  # points drawn and left out
LONG_DASHES = (0, (9, 5))
THIN = 1.1  # points
BAND_ALPHA = 0.17
STYLE = {
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.labelpad": 8,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 15,
    "axes.titlelocation": "left",
    "axes.titlepad": 14,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.15,
    "figure.constrained_layout.w_pad": 0.15,
    "grid.color": RULE,
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.color": LINE,
    "ytick.labelcolor": SOFT,
    "ytick.left": False,
}


@dataclass(frozen=True, eq=False)
class Line:
    """One curve.

    Attributes:
        label: its name in the legend.
        y: (P,) values; NaN leaves a gap.
        colour: "#rrggbb".
        low, high: (P,) the edges of a translucent band; both or neither.
        dashed: drawn with dashes, without a dot at each value.
    """

    label: str
    y: np.ndarray
    colour: str
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class Chart:
    """Curves over one x axis.

    Attributes:
        title, x_label, y_label: words.
        x: (P,) rising.
        lines: curves of P values each.
        top: upper end of the y axis, which starts at 0.
        level: a horizontal reference line, as (label, y).
        mark: a vertical reference line, as (label, x).
        right: a second y axis for the same curves, as (label, what 1 on the left means there).
    """

    title: str
    x_label: str
    y_label: str
    x: np.ndarray
    lines: Sequence[Line]
    top: float = 1.0
    level: tuple[str, float] | None = None
    mark: tuple[str, float] | None = None
    right: tuple[str, float] | None = None


def require_matplotlib() -> None:
    """Refuse to go on where charts cannot be drawn.

    Raises:
        DiffdemoError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        needed = "pip install -r .ci/requirements.txt installs it"
        raise DiffdemoError(f"Charts are drawn by matplotlib, which is not installed; {needed}.")


def write(charts: Sequence[Chart], path: Path, columns: int = 1) -> None:
    """Draw charts on one page and write it as a PNG file; arguments and errors as in `page`."""
    figure = page(charts, columns)
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def page(charts: Sequence[Chart], columns: int = 1) -> "Figure":
    """Draw charts on one page, row by row, each 1000 x 560 pixels large.

    Raises:
        DiffdemoError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib import style
    from matplotlib.figure import Figure

    rows = -(-len(charts) // columns)
    with style.context(STYLE):
        figure = Figure((WIDTH * columns, HEIGHT * rows), DPI)
        axes = figure.subplots(rows, columns, squeeze=False).flat
        for chart, ax in zip(charts, axes, strict=False):
            _draw(chart, ax)
        figure.draw_without_rendering()  # makes the ticks, while the style is in force
    return figure


def _draw(chart: Chart, ax: "Axes") -> None:
    ax.set_title(chart.title, pad=30 if chart.mark else None)
    ax.set_xlabel(chart.x_label)
    ax.set_ylabel(chart.y_label)
    ax.set_xlim(chart.x[0], chart.x[-1])
    ax.set_ylim(0, chart.top)
    ax.locator_params(axis="x", nbins=10)
    ax.grid(axis="y")
    ax.set_axisbelow(True)
    for line in chart.lines:
        _draw_line(chart.x, line, ax)
    _draw_references(chart, ax)
    ax.legend(loc="upper left", bbox_to_anchor=(-0.01, -0.15), ncols=3, borderaxespad=0)


def _draw_line(x: np.ndarray, line: Line, ax: "Axes") -> None:
    if line.low is not None and line.high is not None:
        ax.fill_between(x, line.low, line.high, color=line.colour, alpha=BAND_ALPHA, linewidth=0)
    style = {"linestyle": DASHES} if line.dashed else {"marker": "o", "clip_on": False}
    ax.plot(x, line.y, color=line.colour, label=line.label, **style)


def _draw_references(chart: Chart, ax: "Axes") -> None:
    """Draw the reference lines and the second axis."""
    if chart.level:
        label, y = chart.level
        ax.axhline(y, color=SOFT, linewidth=THIN, linestyle=LONG_DASHES, label=label)
    if chart.mark:
        label, x = chart.mark
        ax.axvline(x, color=SOFT, linewidth=THIN, linestyle=":")
        place = ax.get_xaxis_transform()
        ax.text(x, 1.02, label, color=SOFT, transform=place, horizontalalignment="center")
    if chart.right:
        label, scale = chart.right
        right = ax.twinx()
        ax.tick_params(axis="y", left=False)  # `twinx` has turned the ticks on
        right.set_ylim(0, chart.top * scale)
        right.set_ylabel(label)
        right.spines["right"].set_visible(True)
