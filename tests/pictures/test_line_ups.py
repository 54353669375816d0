from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import pytest
import torch

from diffdemo.lab.prepare import picture
from diffdemo.pictures import images, line_ups


@pytest.fixture(scope="module", params=["faces", "digits"])
def line_up(request):
    return line_ups.line_up(request.param)


def test_a_line_up_has_10_000_different_pictures_with_names_and_values(line_up):
    assert len(line_up) == len(line_up.names) == len(line_up.values) == 10_000
    assert line_up.values.shape[1] == len(line_up.attributes)
    assert len({pixels.tobytes() for pixels in images.to_uint8(line_up.pictures)}) > 9_990
    assert line_ups.unrelated_rmse(line_up.name) > 0.3


def test_a_picture_of_the_line_up_never_counts_twice(faces_model):
    line_up = line_ups.line_up("faces")
    same, place = line_up.with_picture(picture("face:17", faces_model), "face:17")
    assert same is line_up
    assert place == 17
    more, place = line_up.with_picture(picture("face:900000", faces_model), "face:900000")
    assert (len(more), place, more.names[place]) == (10_001, 10_000, "face:900000")
    assert len(line_up) == 10_000


def test_a_face_keeps_its_own_attributes_and_others_keep_few_of_them(faces_model):
    line_up = line_ups.line_up("faces")
    x0 = picture("face:17", faces_model)
    original = line_up.describe("face:17", x0)
    assert 8 <= int(original.visible.sum()) <= 14
    assert line_up.attributes_kept(original, x0).tolist() == [1.0]
    others = line_up.attributes_kept(original, line_up.pictures[100:400])
    chance = line_up.kept_by_chance(original)
    assert float(others.mean()) == pytest.approx(chance, abs=0.06)
    assert 0.1 < chance < 0.5


def test_a_picture_is_described_where_it_is_nearly_a_face(faces_model):
    line_up = line_ups.line_up("faces")
    x0 = picture("face:23", faces_model)
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    assert line_up.describe("png:x", x0 + 0.02 * noise) is not None
    assert line_up.describe("png:x", torch.rand(1, 3, 16, 16) * 2 - 1) is None


def test_a_digit_is_described_by_its_class():
    line_up = line_ups.line_up("digits")
    for index, digit in enumerate((7, 2, 1)):
        found = line_up.describe(f"digit:{index}", line_up.pictures[index : index + 1])
        assert found.values.tolist() == [digit]
        assert found.visible.tolist() == [True]
        assert line_up.kept_by_chance(found) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("seed", [12, 14, 33])
def test_a_face_that_the_reader_misreads_has_its_true_attributes_and_keeps_all(seed):
    line_up = line_ups.line_up("faces")
    x0 = line_up.pictures[seed : seed + 1]
    original = line_up.describe(f"face:{seed}", x0)
    assert not torch.equal(original.read, original.values)
    assert torch.equal(original.values, line_up.values[seed])
    assert torch.equal(line_up.read_beside(original, x0)[0], original.values)
    assert line_up.attributes_kept(original, x0).tolist() == [1.0]


def test_a_picture_of_another_kind_is_foreign_and_has_no_attributes():
    plain = torch.zeros(1, 3, 16, 16) + torch.tensor([0.5, 0.3, 0.1]).view(1, 3, 1, 1)
    faces = line_ups.line_up("faces")
    digits = line_ups.line_up("digits")
    for line_up, x0 in ((faces, plain), (digits, -digits.pictures[:1])):
        assert line_up.foreign("png:x", x0)
        assert line_up.describe("png:x", x0) is None
        assert not line_up.foreign("png:x", line_up.pictures[:1])
        assert not line_up.foreign(line_up.names[5], line_up.pictures[5:6])
    assert digits.foreign("face:3", -digits.pictures[:1])


def test_a_picture_is_not_described_where_the_reader_is_unsure():
    line_up = line_ups.line_up("digits")
    unsure = SimpleNamespace(
        read=line_up.reader.read, confidence=lambda x: torch.full((len(x), 1), 0.5)
    )
    line_up = replace(line_up, reader=unsure)
    assert line_up.describe("png:x", line_up.pictures[:1]) is None
    assert line_up.describe("digit:0", line_up.pictures[:1]) is not None


def test_values_have_names():
    assert line_ups.line_up("digits").value_name(0, 7) == "7"
    assert line_ups.line_up("faces").value_name(12, -1) == "no hat"


def shared(values):
    """The share of equal values over all pairs of rows, pair by pair."""
    shares = [float((a == b).float().mean()) for a, b in combinations(values, 2)]
    return sum(shares) / len(shares)


def test_shared_attributes_are_the_mean_over_pairs(line_up):
    some = line_up.pictures[:12]
    twice = torch.cat([some[:2], some[:2]])
    for x in (some, twice):
        expected = shared(line_up.reader.read(x))
        assert line_up.attributes_shared(x) == pytest.approx(expected, abs=1e-6)
    assert line_up.attributes_shared(some[:1].expand(4, -1, -1, -1)) == 1


def test_two_pictures_of_the_line_up_share_attributes_by_chance(line_up):
    pairs = torch.randint(10_000, (2, 20_000), generator=torch.Generator().manual_seed(0))
    one, other = (line_up.values[row] for row in pairs[:, pairs[0] != pairs[1]])
    expected = float((one == other).float().mean())
    assert line_up.shared_by_chance == pytest.approx(expected, abs=0.01)


def test_two_digits_are_equal_one_time_in_ten_and_none_is_paired_with_itself():
    line_up = line_ups.line_up("digits")
    assert line_up.shared_by_chance == pytest.approx(0.1, abs=0.002)
    assert replace(line_up, values=torch.tensor([[3], [4]])).shared_by_chance == 0
