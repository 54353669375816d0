import math

import pytest
import torch
from torch.nn.functional import avg_pool2d

from diffdemo.errors import ExperimentError
from diffdemo.noise import STATISTICS, NoiseStream, bands, correlation, gaussianity, noise, passes

SHAPE = (3, 16, 16)
SHAPES = (SHAPE, (1, 32, 32))


def test_a_row_depends_on_its_seed_alone():
    sweep = noise(range(16), SHAPE)
    assert torch.equal(noise(range(4), SHAPE), sweep[:4])
    assert torch.equal(noise([9], SHAPE)[0], sweep[9])
    assert sweep.dtype == torch.float32


def test_global_random_state_is_neither_read_nor_changed():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = noise([3], SHAPE)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(noise([3], SHAPE), first)


def test_later_draws_are_new_numbers():
    stream = NoiseStream([5, 6], SHAPE)
    draws = torch.stack([stream.draw().flatten() for _ in range(4)])
    assert torch.equal(draws[0], noise([5, 6], SHAPE).flatten())
    correlation = torch.corrcoef(draws) - torch.eye(4)
    assert float(correlation.abs().max()) < 4 / draws.shape[1] ** 0.5


def test_draws_are_standard_normal_and_seeds_unrelated():
    x = noise(range(200), SHAPE).flatten(1)
    assert abs(float(x.mean())) < 0.01
    assert abs(float(x.var()) - 1) < 0.01
    off = torch.corrcoef(x) - torch.eye(200)
    assert float(off.abs().max()) < 6 / x.shape[1] ** 0.5


@pytest.mark.parametrize("seed", [-1, 2**31, 1.5, "1", None, True])
def test_impossible_seeds_are_refused(seed):
    with pytest.raises(ExperimentError, match="seed"):
        noise([seed], SHAPE)


def test_no_seeds_is_an_empty_batch():
    assert noise([], SHAPE).shape == (0, *SHAPE)


def smooth_picture(shape):
    """A picture as pictures are: neighbours alike, from -1 to 1."""
    _, height, width = shape
    rows, columns = torch.linspace(-1, 1, height)[:, None], torch.linspace(0, 3, width)[None]
    return (rows * torch.cos(columns)).expand(1, *shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_statistic_of_true_noise_lies_in_its_band_95_times_in_100(shape):
    found = gaussianity(noise(range(1000), shape), smooth_picture(shape))
    assert tuple(found) == STATISTICS
    for name, band in bands(shape).items():
        inside = (found[name] >= band.low) & (found[name] <= band.high)
        assert 0.93 <= float(inside.float().mean()) <= 0.97, name
        assert float(found[name].mean()) == pytest.approx(band.expected, abs=4 * float(found[name].std()) / 1000**0.5 + 1e-3), name
    assert 0.93 <= float(passes(found, shape).float().mean()) <= 0.98


@pytest.mark.parametrize("shape", SHAPES)
def test_bands_are_where_theory_has_them(shape):
    d, known = math.prod(shape), bands(shape)
    assert known["mean"].high == pytest.approx(1.96 / d**0.5, rel=0.06)
    assert known["variance"].high - 1 == pytest.approx(1.96 * (2 / d) ** 0.5, rel=0.08)
    assert known["picture"].low == pytest.approx(-1.96 / d**0.5, rel=0.06)
    assert known["distance"].high == pytest.approx(1.358 / d**0.5, rel=0.04)  # Kolmogorov's 5 % point
    assert known["kurtosis"].expected == pytest.approx(-6 / d, abs=0.01)
    pairs = 2 * d - shape[0] * (shape[1] + shape[2])
    assert known["neighbours"].high == pytest.approx(1.96 / pairs**0.5, rel=0.08)
    for band in known.values():
        assert band.least <= band.low <= band.expected <= band.high < band.most


def test_the_noise_behind_the_bands_does_not_depend_on_global_random_state():
    torch.manual_seed(1)
    first = bands.__wrapped__((1, 4, 4))
    torch.manual_seed(2)
    assert bands.__wrapped__((1, 4, 4)) == first


def caught(x, picture):
    """The statistics outside the band of each row, and whether the row passes."""
    found, known = gaussianity(x, picture), bands(tuple(x.shape[1:]))
    outside = [{name for name, values in found.items() if not known[name].low <= float(values[row]) <= known[name].high} for row in range(len(x))]
    return outside, passes(found, tuple(x.shape[1:]))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("statistic", "spoil"),
    [
        ("mean", lambda x, picture: x + 0.2),
        ("variance", lambda x, picture: 0.8 * x),
        ("variance", lambda x, picture: 1.2 * x),
        ("neighbours", lambda x, picture: avg_pool2d(x, 2, 1, padding=1)[..., 1:, 1:] * 2),  # the mean of 2 x 2 pixels, at unit variance
        ("kurtosis", lambda x, picture: (2 * torch.special.ndtr(x) - 1) * 3**0.5),  # uniform with unit variance
        ("distance", lambda x, picture: x.sign() * (0.5 + 0.5 * x.abs())),
        ("picture", lambda x, picture: x + 0.3 * picture / picture.std()),
    ],
)
def test_what_is_no_noise_is_caught_by_the_statistic_meant_for_it(shape, statistic, spoil):
    picture, x = smooth_picture(shape), noise(range(8), shape)
    outside, passed = caught(spoil(x, picture), picture)
    assert all(statistic in names for names in outside)
    assert not passed.any()


def test_true_noise_that_passes_fails_with_the_picture_in_it(faces_model):
    from diffdemo.lab import picture

    x0, x = picture("face:17", faces_model), noise(range(20), SHAPE)
    found = gaussianity(x + 0.3 * x0, x0)
    assert float(found["picture"].min()) > bands(SHAPE)["picture"].high
    assert not passes(found, SHAPE).any()
    assert int(passes(gaussianity(x, x0), SHAPE).sum()) >= 17


@pytest.mark.parametrize("x", [noise(range(2), SHAPE), torch.full((2, *SHAPE), 0.3)])
@pytest.mark.parametrize("colour", [0.0, -1.0, 0.3])
def test_a_single_colour_has_no_correlation_with_anything(x, colour):
    found = gaussianity(x, torch.full((1, *SHAPE), colour))
    assert found["picture"].tolist() == [0, 0]
    assert all(bool(values.isfinite().all()) for values in found.values())


def test_statistics_are_those_of_each_row_alone_and_of_its_own_picture():
    x, pictures = noise(range(3), SHAPE), noise(range(3, 6), SHAPE)
    together = gaussianity(x, pictures)
    for row in range(3):
        for name, values in gaussianity(x[row : row + 1], pictures[row : row + 1]).items():
            assert float(together[name][row]) == pytest.approx(float(values), abs=1e-12)
    known = torch.corrcoef(torch.stack([x[1].flatten(), pictures[1].flatten()]).double())[0, 1]
    assert float(together["picture"][1]) == pytest.approx(float(known), abs=1e-9)


def test_statistics_by_hand():
    x = torch.tensor([[-1.5, 0.0], [0.5, 2.0]]).view(1, 1, 2, 2)
    found = {name: float(value) for name, value in gaussianity(x, torch.tensor([[0.0, 0.0], [1.0, 1.0]]).view(1, 1, 2, 2)).items()}
    assert found["mean"] == pytest.approx(0.25)
    assert found["variance"] == pytest.approx(6.25 / 3)  # squares 3.0625, 0.0625, 0.0625, 3.0625
    assert found["kurtosis"] == pytest.approx((2 * 3.0625**2 + 2 * 0.0625**2) / 4 / 1.5625**2 - 3)
    # Pairs beside each other (-1.5, 0), (0.5, 2), below each other (-1.5, 0.5), (0, 2): the means are -0.625 and 1.125.
    assert found["neighbours"] == pytest.approx(3.0625 / 3.1875)
    assert found["picture"] == pytest.approx(2.0 / (6.25 * 1.0) ** 0.5)
    # Phi(-1.5), Phi(0), Phi(0.5), Phi(2) = 0.0668, 0.5, 0.6915, 0.9772 against steps of a quarter: the largest gap is 0.25 below Phi(0).
    assert found["distance"] == pytest.approx(0.25, abs=1e-9)
    far = gaussianity(torch.full((1, 1, 1, 5), 10.0), x.view(1, 1, 1, 4)[..., [0, 1, 2, 3, 0]])
    assert float(far["distance"]) == pytest.approx(1)


def test_the_distance_is_the_published_one():
    """Kolmogorov's D of -0.8, -0.1, 0.2, 0.9, 1.7: the distribution's largest gap to the steps of a fifth is Phi(-0.1) - 1/5, 0.4602 from a table."""
    found = gaussianity(torch.tensor([0.9, -0.8, 1.7, 0.2, -0.1]).view(1, 1, 1, 5), torch.arange(5.0).view(1, 1, 1, 5))
    gaps = [abs(0.5 * (1 + math.erf(v / 2**0.5)) - edge / 5) for k, v in enumerate((-0.8, -0.1, 0.2, 0.9, 1.7)) for edge in (k, k + 1)]
    assert float(found["distance"]) == pytest.approx(max(gaps), abs=1e-7)
    assert float(found["distance"]) == pytest.approx(0.2602, abs=5e-5)


def test_correlation_is_pearson_s_and_0_where_nothing_varies():
    a, b = torch.tensor([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [3.0, 2.0, 1.0]]), torch.tensor([[2.0, 4.0, 7.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    found = correlation(a, b)
    assert found.tolist() == pytest.approx([5 / (2 * 38 / 3) ** 0.5, 0, -1])
