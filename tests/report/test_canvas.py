import numpy as np
import pytest
from art import art, holds, tile

from diffdemo.report.canvas import LEGEND, MARK, Canvas, scaled


@pytest.mark.parametrize(
    ("side", "edge", "size"), [(16, 96, 96), (16, 100, 96), (16, 16, 16), (96, 64, 64), (7, 20, 14)]
)
def test_a_picture_is_enlarged_by_a_whole_number_or_averaged_down(side, edge, size):
    assert scaled(art(side), edge).size == (size, size)


def test_an_enlarged_picture_has_the_same_pixels():
    picture = art(16, 1)
    large = np.asarray(scaled(picture, 48))
    assert np.array_equal(large[::3, ::3], picture.repeat(3, 2))


def test_a_wide_picture_keeps_its_shape():
    picture = np.zeros((4, 16, 3), dtype=np.uint8)
    assert scaled(picture, 32).size == (32, 8)
    assert scaled(picture, 8).size == (8, 2)
    assert scaled(np.zeros((1, 64, 3), dtype=np.uint8), 8).size == (8, 1)


def test_a_tile_is_drawn_in_the_middle_of_its_cell():
    canvas = Canvas(100, 100)
    one = tile("x", back=True)
    canvas.tile(50, 0, one, 64, 64)
    page = np.asarray(canvas.image)
    assert holds(page, one.picture, 4)
    assert np.array_equal(page[5 : 5 + 64, 18 : 18 + 64], one.picture.repeat(4, 0).repeat(4, 1))


def test_a_caption_is_no_wider_than_its_room():
    canvas = Canvas(200, 20)
    canvas.caption(100, 10, True, "a label that is much too long", 60)
    drawn = np.argwhere((np.asarray(canvas.image) != 255).any(-1))[:, 1]
    assert drawn.min() >= 100 - 31
    assert drawn.max() <= 100 + 31


def test_the_two_marks_differ_in_shape():
    marks = []
    for back, _ in LEGEND:
        canvas = Canvas(MARK, MARK)
        canvas.mark(0, MARK // 2, back)
        marks.append(np.asarray(canvas.image).min(-1) < 200)
    assert not np.array_equal(*marks)
