from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from diffdemo.errors import DiffdemoError
from diffdemo.measure import charts
from diffdemo.measure.charts import BAND_ALPHA, Chart, Line

agg = pytest.importorskip("matplotlib.backends.backend_agg")

BLUE = "#1d4f91"
RED = "#b04e00"
X = np.linspace(0, 1000, 21)
FALL = np.linspace(0.9, 0.1, 21)
HALF = np.full(21, 0.5)


class Drawn:
    """A chart as pixels, (560, 1000, 3), with the place of each data point."""

    def __init__(self, chart):
        figure = charts.page([chart])
        canvas = agg.FigureCanvasAgg(figure)
        canvas.draw()
        self.ax = figure.axes[0]
        self.pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)

    def place(self, x, y):
        column, row = self.ax.transData.transform((x, y))
        return int(column), int(len(self.pixels) - row)

    def at(self, x, y):
        column, row = self.place(x, y)
        return self.pixels[row, column]


def rgb(colour):
    return np.array(list(bytes.fromhex(colour[1:])))


def near(found, colour, within=12):
    return np.abs(found - rgb(colour)).max() <= within


@pytest.fixture
def chart():
    return Chart("A title", "n", "share", X, (Line("down", FALL, BLUE), Line("up", 1 - FALL, RED)))


def test_each_value_is_drawn_at_its_place_in_its_colour(chart):
    drawn = Drawn(chart)
    assert drawn.pixels.shape == (560, 1000, 3)
    for x, down in zip(X, FALL, strict=True):
        if x != 500:  # the two lines cross there
            assert near(drawn.at(x, down), BLUE)
        assert near(drawn.at(x, 1 - down), RED)
    assert near(drawn.at(20, FALL[0] - 0.08), "#ffffff")


def test_a_band_is_paler_than_its_line(chart):
    line = Line("down", HALF, BLUE, np.full(21, 0.3), np.full(21, 0.7))
    drawn = Drawn(replace(chart, lines=(line,)))
    expected = 255 + (rgb(BLUE) - 255) * BAND_ALPHA
    assert np.abs(drawn.at(125, 0.65) - expected).max() <= 3
    assert near(drawn.at(125, 0.75), "#ffffff", 2)
    assert near(drawn.at(150, 0.5), BLUE)


def test_nan_leaves_a_gap_and_a_value_between_gaps_a_dot(chart):
    y = HALF.copy()
    y[8:13] = np.nan
    y[10] = 0.5
    drawn = Drawn(replace(chart, lines=(Line("gap", y, BLUE, y - 0.1, y + 0.1),)))
    for x, share in ((475, 0.5), (425, 0.45), (575, 0.5)):
        assert near(drawn.at(x, share), "#ffffff", 2)
    for x in (350, 500, 650):
        assert near(drawn.at(x, 0.5), BLUE)


def test_a_dashed_line_is_broken(chart):
    drawn = Drawn(replace(chart, lines=(Line("dashed", np.full(21, 0.51), BLUE, dashed=True),)))
    left, row = drawn.place(0, 0.51)
    right, _ = drawn.place(1000, 0.51)
    line = drawn.pixels[row - 1 : row + 2, left:right]
    inked = (np.abs(line - rgb(BLUE)).max(2) < 60).any(0)
    assert 0.4 < inked.mean() < 0.9


def test_a_dashed_line_above_the_axis_is_cut_off(chart):
    high = Line("high", np.linspace(0, 3, 21), BLUE, dashed=True)
    drawn = Drawn(replace(chart, lines=(high,)))
    _, top = drawn.place(0, 1)
    without = Drawn(replace(chart, lines=(replace(high, y=high.y * np.nan),)))
    assert np.array_equal(drawn.pixels[: top - 2], without.pixels[: top - 2])


def test_reference_lines_are_drawn_across_the_plot_with_their_labels(chart):
    references = {"level": ("chance", 0.31), "mark": ("here", 730)}
    drawn = Drawn(replace(chart, lines=chart.lines[:1], **references))
    left, bottom = drawn.place(0, 0)
    right, top = drawn.place(1000, 1)
    column, row = drawn.place(730, 0.31)
    across = drawn.pixels[row - 1 : row + 2, left:right].min((0, 2))
    down = drawn.pixels[top:bottom, column - 1 : column + 2].min((1, 2))
    assert (across < 150).mean() > 0.5
    assert (down < 200).mean() > 0.35
    legend = [text.get_text() for text in drawn.ax.get_legend().get_texts()]
    assert legend == ["down", "chance"]
    assert "here" in [text.get_text() for text in drawn.ax.texts]


def test_a_second_scale_says_what_the_first_means_and_moves_no_line(chart):
    drawn = Drawn(replace(chart, right=("bits", 13.3), top=1.2))
    assert near(drawn.at(X[4], FALL[4]), BLUE)
    second = drawn.ax.figure.axes[1]
    assert second.get_ylim() == pytest.approx((0, 1.2 * 13.3))
    assert second.get_ylabel() == "bits"


def test_a_page_of_charts_is_written_row_by_row_as_a_small_file(chart, tmp_path):
    path = tmp_path / "charts.png"
    charts.write([chart, replace(chart, lines=chart.lines[:1]), chart], path, columns=2)
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert picture.shape == (1120, 2000, 3)
    red = np.abs(picture - rgb(RED)).max(2) < 40
    quarters = [red[y : y + 560, x : x + 1000].any() for y in (0, 560) for x in (0, 1000)]
    assert quarters == [True, False, True, False]
    assert path.stat().st_size < 60_000


def test_without_matplotlib_there_is_one_sentence(chart, tmp_path, monkeypatch):
    monkeypatch.setattr(charts, "find_spec", lambda name: None)
    with pytest.raises(DiffdemoError, match=r"matplotlib, which is not installed; .*\.$"):
        charts.write([chart], tmp_path / "x.png")
