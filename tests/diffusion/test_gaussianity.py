import math

import pytest
import torch
from torch.nn.functional import avg_pool2d

from diffdemo.diffusion.gaussianity import STATISTICS, bands, correlation, gaussianity, passes
from diffdemo.diffusion.noise import noise

SHAPE = (3, 16, 16)
SHAPES = (SHAPE, (1, 32, 32))


def smooth_picture(shape):
    """Neighbouring pixels are alike, as in pictures; from -1 to 1."""
    _, height, width = shape
    rows = torch.linspace(-1, 1, height)[:, None]
    columns = torch.linspace(0, 3, width)[None]
    return (rows * torch.cos(columns)).expand(1, *shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_statistic_of_true_noise_lies_in_its_band_95_times_in_100(shape):
    found = gaussianity(noise(range(1000), shape), smooth_picture(shape))
    assert tuple(found) == STATISTICS
    for name, band in bands(shape).items():
        values = found[name]
        inside = (values >= band.low) & (values <= band.high)
        assert 0.93 <= float(inside.float().mean()) <= 0.97, name
        tolerance = 4 * float(values.std()) / 1000**0.5 + 1e-3
        assert float(values.mean()) == pytest.approx(band.expected, abs=tolerance), name
    assert 0.93 <= float(passes(found, shape).float().mean()) <= 0.98


@pytest.mark.parametrize("shape", SHAPES)
def test_bands_agree_with_theory(shape):
    known = bands(shape)
    d = math.prod(shape)
    pairs = 2 * d - shape[0] * (shape[1] + shape[2])
    assert known["mean"].high == pytest.approx(1.96 / d**0.5, rel=0.06)
    assert known["variance"].high - 1 == pytest.approx(1.96 * (2 / d) ** 0.5, rel=0.08)
    assert known["picture"].low == pytest.approx(-1.96 / d**0.5, rel=0.06)
    assert known["distance"].high == pytest.approx(1.358 / d**0.5, rel=0.04)  # Kolmogorov, 5 %
    assert known["kurtosis"].expected == pytest.approx(-6 / d, abs=0.01)
    assert known["neighbours"].high == pytest.approx(1.96 / pairs**0.5, rel=0.08)
    for band in known.values():
        assert band.lowest <= band.low <= band.expected <= band.high < band.highest


def test_bands_do_not_depend_on_global_random_state():
    torch.manual_seed(1)
    first = bands.__wrapped__((1, 4, 4))
    torch.manual_seed(2)
    assert bands.__wrapped__((1, 4, 4)) == first


def blurred(x, picture):
    """The mean of 2 x 2 pixels, at unit variance."""
    return avg_pool2d(x, 2, 1, padding=1)[..., 1:, 1:] * 2


def uniform(x, picture):
    """Uniform values with unit variance."""
    return (2 * torch.special.ndtr(x) - 1) * 3**0.5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("statistic", "spoil"),
    [
        ("mean", lambda x, picture: x + 0.2),
        ("variance", lambda x, picture: 0.8 * x),
        ("variance", lambda x, picture: 1.2 * x),
        ("neighbours", blurred),
        ("kurtosis", uniform),
        ("distance", lambda x, picture: x.sign() * (0.5 + 0.5 * x.abs())),
        ("picture", lambda x, picture: x + 0.3 * picture / picture.std()),
    ],
)
def test_spoiled_noise_is_caught_by_the_statistic_meant_for_it(shape, statistic, spoil):
    picture = smooth_picture(shape)
    found = gaussianity(spoil(noise(range(8), shape), picture), picture)
    band = bands(shape)[statistic]
    values = found[statistic]
    assert ((values < band.low) | (values > band.high)).all()
    assert not passes(found, shape).any()


def test_noise_with_a_trace_of_the_picture_fails(faces_model):
    from diffdemo.lab.prepare import picture

    x0 = picture("face:17", faces_model)
    x = noise(range(20), SHAPE)
    found = gaussianity(x + 0.3 * x0, x0)
    assert float(found["picture"].min()) > bands(SHAPE)["picture"].high
    assert not passes(found, SHAPE).any()
    assert int(passes(gaussianity(x, x0), SHAPE).sum()) >= 17


@pytest.mark.parametrize("x", [noise(range(2), SHAPE), torch.full((2, *SHAPE), 0.3)])
@pytest.mark.parametrize("colour", [0.0, -1.0, 0.3])
def test_a_single_colour_has_no_correlation_with_anything(x, colour):
    found = gaussianity(x, torch.full((1, *SHAPE), colour))
    assert found["picture"].tolist() == [0, 0]
    assert all(values.isfinite().all() for values in found.values())


def test_statistics_of_a_batch_are_those_of_each_row_with_its_own_picture():
    x = noise(range(3), SHAPE)
    pictures = noise(range(3, 6), SHAPE)
    together = gaussianity(x, pictures)
    for row in range(3):
        alone = gaussianity(x[row : row + 1], pictures[row : row + 1])
        for name, values in alone.items():
            assert float(together[name][row]) == pytest.approx(float(values), abs=1e-12)
    pair = torch.stack([x[1].flatten(), pictures[1].flatten()]).double()
    known = float(torch.corrcoef(pair)[0, 1])
    assert float(together["picture"][1]) == pytest.approx(known, abs=1e-9)


def test_statistics_by_hand():
    x = torch.tensor([[-1.5, 0.0], [0.5, 2.0]]).view(1, 1, 2, 2)
    picture = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).view(1, 1, 2, 2)
    found = {name: float(value) for name, value in gaussianity(x, picture).items()}
    assert found["mean"] == pytest.approx(0.25)
    assert found["variance"] == pytest.approx(6.25 / 3)  # squares 3.0625, 0.0625, 0.0625, 3.0625
    assert found["kurtosis"] == pytest.approx((2 * 3.0625**2 + 2 * 0.0625**2) / 4 / 1.5625**2 - 3)
    # Pairs side by side: (-1.5, 0), (0.5, 2); one below the other: (-1.5, 0.5), (0, 2).
    # Their means are -0.625 and 1.125.
    assert found["neighbours"] == pytest.approx(3.0625 / 3.1875)
    assert found["picture"] == pytest.approx(2.0 / (6.25 * 1.0) ** 0.5)
    # Phi(-1.5), Phi(0), Phi(0.5), Phi(2) = 0.0668, 0.5, 0.6915, 0.9772 against steps of a quarter:
    # the largest gap is 0.25 below Phi(0).
    assert found["distance"] == pytest.approx(0.25, abs=1e-9)


def distance(values):
    """The distance statistic of a row of values."""
    x = torch.tensor(values).view(1, 1, 1, -1)
    found = gaussianity(x, torch.arange(float(len(values))).view(1, 1, 1, -1))
    return float(found["distance"])


def test_the_distance_is_that_of_kolmogorov():
    """The largest gap is between Phi(-0.1), 0.4602 in a table, and the step at 1/5."""
    values = (-0.8, -0.1, 0.2, 0.9, 1.7)
    gaps = []
    for k, value in enumerate(values):
        phi = 0.5 * (1 + math.erf(value / 2**0.5))
        gaps += [abs(phi - k / 5), abs(phi - (k + 1) / 5)]
    found = distance([0.9, -0.8, 1.7, 0.2, -0.1])
    assert found == pytest.approx(max(gaps), abs=1e-7)
    assert found == pytest.approx(0.2602, abs=5e-5)
    assert distance([10.0] * 5) == pytest.approx(1)


def test_correlation_is_pearson_s_and_0_where_nothing_varies():
    a = torch.tensor([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [3.0, 2.0, 1.0]])
    b = torch.tensor([[2.0, 4.0, 7.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    assert correlation(a, b).tolist() == pytest.approx([5 / (2 * 38 / 3) ** 0.5, 0, -1])
