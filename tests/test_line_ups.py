from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from diffdemo import images, line_ups
from diffdemo.lab import picture


@pytest.mark.parametrize("name", ["faces", "digits"])
def test_a_line_up_has_10_000_different_pictures_with_names_and_values(name):
    line_up = line_ups.line_up(name)
    assert len(line_up) == len(line_up.names) == len(line_up.values) == 10_000
    assert line_up.values.shape[1] == len(line_up.attributes)
    assert len({p.tobytes() for p in images.to_uint8(line_up.pictures)}) > 9_990
    assert line_ups.unrelated_rmse(name) > 0.3


def test_a_picture_of_the_line_up_never_counts_twice(faces_model):
    line_up = line_ups.line_up("faces")
    same, place = line_up.with_picture(picture("face:17", faces_model), "face:17")
    assert same is line_up
    assert place == 17
    more, place = line_up.with_picture(picture("face:900000", faces_model), "face:900000")
    assert (len(more), place, more.names[place]) == (10_001, 10_000, "face:900000")
    assert len(line_up) == 10_000


def test_what_shows_in_a_face_is_kept_by_itself_and_rarely_by_others(faces_model):
    line_up, x0 = line_ups.line_up("faces"), picture("face:17", faces_model)
    shown = line_up.shown("face:17", x0)
    assert 8 <= int(shown.visible.sum()) <= 14
    assert line_up.kept(shown, x0).tolist() == [1.0]
    others = line_up.kept(shown, line_up.pictures[100:400])
    assert float(others.mean()) == pytest.approx(line_up.chance(shown), abs=0.06)
    assert 0.1 < line_up.chance(shown) < 0.5


def test_a_drawn_picture_is_read_where_it_is_nearly_a_face_and_not_elsewhere(faces_model):
    line_up, x0 = line_ups.line_up("faces"), picture("face:23", faces_model)
    assert line_up.shown("png:x", x0 + 0.02 * torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))) is not None
    assert line_up.shown("png:x", torch.rand(1, 3, 16, 16) * 2 - 1) is None


def test_digits_show_their_class_and_what_the_reader_doubts_shows_nothing():
    line_up = line_ups.line_up("digits")
    for index in (0, 1, 2):
        shown = line_up.shown(f"digit:{index}", line_up.pictures[index : index + 1])
        assert shown.values.tolist() == [[7, 2, 1][index]]
        assert shown.visible.tolist() == [True]
        assert line_up.chance(shown) == pytest.approx(0.1, abs=0.02)
    doubtful = replace(line_up, reader=SimpleNamespace(read=line_up.reader.read, confidence=lambda x: torch.full((len(x), 1), 0.5)))
    assert doubtful.shown("png:x", line_up.pictures[:1]) is None
    assert doubtful.shown("digit:0", line_up.pictures[:1]) is not None
    assert line_up.word(0, 7) == "7"
    assert line_ups.line_up("faces").word(12, -1) == "none"
