"""Every way to compute a convolution gives what torch gives, and each is taken where it pays."""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from diffdemo.models.convolutions import Bilinear, Interpolated, Plain, Upsampled, algorithm, gain

SIZES = [(2, 2), (2, 4), (4, 2), (4, 4), (8, 8), (4, 8), (12, 4), (2, 16)]
UP_SIZES = [(1, 1), (1, 2), (2, 2), (3, 5), (4, 4), (8, 2)]


def some(size, batch=3, channels=(5, 7), stride=1, padding=1):
    torch.manual_seed(size[0] * 31 + size[1])
    conv = nn.Conv2d(*channels, 3, stride, padding, dtype=torch.float64)
    x = torch.randn(batch, channels[0], *size, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    return conv, x


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_a_bilinear_algorithm_is_the_convolution(size, rows):
    conv, x = some(size)
    shift, kept = torch.randn(rows, 7, dtype=torch.float64), x.clone()
    found = Bilinear(conv, (algorithm(size[0]), algorithm(size[1])), size)(x, shift)
    wanted = conv(x) - conv.bias[:, None, None] + shift[:, :, None, None]
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, kept)


@pytest.mark.parametrize("size", UP_SIZES)
def test_convolutions_after_upsampling_never_need_the_larger_picture(size):
    conv, x = some(size)
    wanted, shift = conv(interpolate(x, scale_factor=2.0, mode="nearest")), conv.bias[None]
    bilinear = Bilinear(conv, (algorithm(size[0], up=True), algorithm(size[1], up=True)), size)
    for way in (bilinear, Upsampled(conv), Interpolated(conv)):
        assert torch.allclose(way(x, shift), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(("channels", "stride", "padding"), [((1, 7), 1, 1), ((5, 7), 1, 1), ((5, 5), 2, 1), ((5, 5), 2, 0)])
def test_a_plain_convolution_shifts_each_row_and_stays_in_order(channels, stride, padding, rows):
    conv, x = some((6, 9), channels=channels, stride=stride, padding=padding)
    shift = torch.randn(rows, channels[1], dtype=torch.float64)
    wanted = conv(torch.nn.functional.pad(x, (0, 1, 0, 1)) if padding == 0 else x) - conv.bias[:, None, None] + shift[:, :, None, None]
    found = Plain(conv)(x, shift)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_in_float32_winograd_stays_as_exact_as_is_claimed():
    """The transforms of F(4, 3) amplify rounding; more than 2e-5 of the largest value would be another matrix than the one that is meant."""
    conv, x = some((8, 8), channels=(256, 96), batch=16)
    exact, conv, x = conv(x), conv.float(), x.float()
    found = Bilinear(conv, (algorithm(8), algorithm(8)), (8, 8))(x, conv.bias[None])
    assert float((found - exact).abs().max() / exact.abs().max()) < 2e-5


def test_only_small_pictures_of_many_channels_gain():
    def times(channels, size, up=False):
        return gain(nn.Conv2d(channels, channels, 3), (algorithm(size, up), algorithm(size, up)), (size, size), 16 if up else 9)

    assert times(160, 4) > times(96, 8) > 2 > 1 > times(64, 16)
    assert times(16, 8) < 1.5
    assert times(160, 4, up=True) > 1.5 > times(96, 8, up=True)
    assert algorithm(6) is algorithm(3) is None
