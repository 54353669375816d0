from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from diffdemo.errors import DiffdemoError
from diffdemo.figures import Chart, Line, frame, line_chart, ticks

BLUE, RED = "#1d4f91", "#b04e00"
X = np.linspace(0, 1000, 21)
FALL = np.linspace(0.9, 0.1, 21)


def rgb(colour):
    return np.array(list(bytes.fromhex(colour[1:])))


def pixel(picture, chart, x, y):
    column, row = frame(chart).at(x, y)
    return picture[int(row), int(column)].astype(int)


def near(found, colour, within=12):
    return np.abs(found - rgb(colour)).max() <= within


@pytest.fixture
def chart():
    return Chart("A title", "n", "share", X, (Line("down", FALL, BLUE), Line("up", 1 - FALL, RED)))


def test_each_value_is_where_the_axes_say_in_its_colour(chart):
    picture = line_chart(chart)
    assert picture.shape == (560, 1000, 3)
    assert picture.dtype == np.uint8
    for x, down in zip(X, FALL, strict=True):
        if x != 500:  # the two lines cross there
            assert near(pixel(picture, chart, x, down), BLUE)
        assert near(pixel(picture, chart, x, 1 - down), RED)
    assert near(pixel(picture, chart, 20, FALL[0] - 0.08), "#ffffff")


def test_the_axes_run_from_left_to_right_and_bottom_to_top(chart):
    place = frame(chart)
    assert place.at(0, 0) == (place.left, place.bottom)
    assert place.at(1000, 1) == (place.right, place.top)
    assert 0 < place.left < place.right < 1000
    assert 0 < place.top < place.bottom < 560


def test_a_band_is_paler_than_its_line_and_lets_the_grid_through(chart):
    line = Line("down", np.full(21, 0.5), BLUE, np.full(21, 0.3), np.full(21, 0.7))
    chart = replace(chart, lines=(line,))
    picture = line_chart(chart)
    inside, on_grid = pixel(picture, chart, 125, 0.65), pixel(picture, chart, 125, 0.6)
    expected = 255 + (rgb(BLUE) - 255) * 44 / 255
    assert np.abs(inside - expected).max() <= 3
    assert (on_grid < inside).all()
    assert near(pixel(picture, chart, 125, 0.75), "#ffffff", 2)
    assert near(pixel(picture, chart, 150, 0.5), BLUE)


def test_nan_leaves_a_gap(chart):
    y = np.full(21, 0.5)
    y[8:12] = np.nan
    chart = replace(chart, lines=(Line("gap", y, BLUE, y - 0.1, y + 0.1),))
    picture = line_chart(chart)
    assert near(pixel(picture, chart, 475, 0.5), "#ffffff", 2)
    assert near(pixel(picture, chart, 475, 0.45), "#ffffff", 2)
    assert near(pixel(picture, chart, 350, 0.5), BLUE)
    assert near(pixel(picture, chart, 600, 0.5), BLUE)


def test_one_value_between_gaps_is_still_seen(chart):
    y = np.full(21, np.nan)
    y[10] = 0.5
    chart = replace(chart, lines=(Line("alone", y, BLUE, dashed=True), Line("nothing", y * np.nan, RED)), levels=(("half", 0.25),))
    assert near(pixel(line_chart(chart), chart, 500, 0.5), BLUE)


def test_a_dashed_line_is_broken(chart):
    chart = replace(chart, lines=(Line("dashed", np.full(21, 0.5), BLUE, dashed=True),))
    place = frame(chart)
    row = line_chart(chart)[int(place.at(0, 0.5)[1]), round(place.left) : round(place.right)].astype(int)
    inked = np.abs(row - rgb(BLUE)).max(1) < 40
    assert 0.4 < inked.mean() < 0.8


def test_reference_lines_are_drawn_across_the_plot(chart):
    with_lines = replace(chart, lines=chart.lines[:1], levels=(("chance", 0.31),), marks=(("here", 730),))
    without = replace(with_lines, levels=(), marks=())
    place = frame(with_lines)
    assert place == replace(frame(replace(without, marks=with_lines.marks)), chart=with_lines)
    picture = line_chart(with_lines)
    column, row = (int(v) for v in place.at(730, 0.31))
    across = picture[row - 1 : row + 2, round(place.left) : round(place.right)].min((0, 2))
    down = picture[round(place.top) : round(place.bottom), column - 1 : column + 2].min((1, 2))
    assert (across < 150).mean() > 0.5
    assert (down < 150).mean() > 0.35


def test_what_lies_outside_the_range_is_cut_off(chart):
    chart = replace(chart, lines=(Line("high", np.linspace(0, 3, 21), BLUE),))
    empty = replace(chart, lines=(Line("high", np.full(21, np.nan), BLUE),))
    top = round(frame(chart).top) - 10
    assert np.array_equal(line_chart(chart)[:top], line_chart(empty)[:top])


def test_a_second_scale_is_drawn_without_moving_the_lines_off_their_values(chart):
    chart = replace(chart, right=("bits", 13.3))
    picture = line_chart(chart)
    assert near(pixel(picture, chart, X[4], FALL[4]), BLUE)
    assert (picture[:, round(frame(chart).right) + 8 :] < 150).any()


def test_labels_of_marks_and_legend_entries_do_not_touch(chart):
    marks = tuple((f"a rather long label {k}", x) for k, x in enumerate((0, 20, 40, 500, 980, 1000)))
    lines = tuple(Line("a legend entry of some length", FALL, BLUE) for _ in range(6))
    place = frame(replace(chart, marks=marks, lines=lines))
    for spots in (place.mark_rows, place.legend):
        for row in {row for row, _ in spots}:
            starts = sorted(start for r, start in spots if r == row)
            assert all(b - a > 110 for a, b in pairwise(starts))
            assert starts[0] >= 0
    assert place.bottom - place.top > 200


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 1000, [0, 200, 400, 600, 800, 1000]), (0, 13.3, [0, 5, 10]), (-0.25, 2, [0, 0.5, 1, 1.5, 2])],
)
def test_ticks_are_round(low, high, expected):
    assert np.allclose(ticks(low, high), expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Chart("", "", "", X, (Line("short", FALL[:-1], BLUE),)),
        lambda: Chart("", "", "", X[::-1], (Line("a", FALL, BLUE),)),
        lambda: Chart("", "", "", [0, np.nan], ()),
        lambda: Chart("", "", "", [0], ()),
        lambda: Chart("", "", "", X, (), y_range=(1, 0)),
        lambda: Chart("", "", "", X, (), levels=(("off", 1.2),)),
        lambda: Chart("", "", "", X, (), marks=(("off", np.nan),)),
        lambda: Chart("", "", "", X, (), right=("bits", 0)),
        lambda: Chart("the noise \u03b5", "", "", X, ()),
        lambda: Line("a", FALL, "blue"),
        lambda: Line("a", FALL, BLUE, low=FALL),
        lambda: Line("a", FALL, BLUE, low=FALL, high=FALL[1:]),
        lambda: Line("a", FALL.reshape(3, 7), BLUE),
        lambda: Line("a", ["x", "y"], BLUE),
        lambda: Line("a", 3, BLUE),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_one_sentence(make):
    with pytest.raises(DiffdemoError) as caught:
        make()
    assert str(caught.value).endswith(".")
