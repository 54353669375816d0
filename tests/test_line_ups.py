from dataclasses import replace
from itertools import combinations
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


def shared(values):
    """The share of equal values over all pairs of rows, pair by pair."""
    return sum(float((a == b).float().mean()) for a, b in combinations(values, 2)) / (len(values) * (len(values) - 1) / 2)


@pytest.mark.parametrize("name", ["faces", "digits"])
def test_what_pictures_have_in_common_is_the_mean_over_their_pairs(name):
    line_up = line_ups.line_up(name)
    some = line_up.pictures[:12]
    assert line_up.alike(some) == pytest.approx(shared(line_up.reader.read(some)), abs=1e-6)
    assert line_up.alike(some[:1].expand(4, -1, -1, -1)) == 1
    assert line_up.alike(torch.cat([some[:2], some[:2]])) == pytest.approx(shared(line_up.reader.read(torch.cat([some[:2], some[:2]]))), abs=1e-6)


@pytest.mark.parametrize("name", ["faces", "digits"])
def test_pictures_of_the_line_up_are_as_alike_as_chance_has_it(name):
    line_up = line_ups.line_up(name)
    pairs = torch.randint(10_000, (2, 20_000), generator=torch.Generator().manual_seed(0))
    one, other = (line_up.values[row] for row in pairs[:, pairs[0] != pairs[1]])
    assert line_up.alike_by_chance == pytest.approx(float((one == other).float().mean()), abs=0.01)


def test_unrelated_digits_are_the_same_one_time_in_ten_and_no_pair_counts_with_itself():
    assert line_ups.line_up("digits").alike_by_chance == pytest.approx(0.1, abs=0.002)
    both = replace(line_ups.line_up("digits"), values=torch.tensor([[3], [4]]))
    assert both.alike_by_chance == 0
