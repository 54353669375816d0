"""Every way to compute a convolution gives what torch gives, and is chosen where it pays."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, pad

from diffdemo.models.fast.convolutions import (
    Bilinear,
    Interpolated,
    Plain,
    Upsampled,
    axis_algorithm,
    gain,
)

SIZES = [(2, 2), (2, 4), (4, 2), (4, 4), (8, 8), (4, 8), (12, 4), (2, 16)]
UP_SIZES = [(1, 1), (1, 2), (2, 2), (3, 5), (4, 4), (8, 2)]

near = partial(torch.allclose, rtol=0, atol=1e-12)


def random_case(size, batch=3, channels=(5, 7), stride=1, padding=1):
    """A convolution and pictures for it, in float64."""
    torch.manual_seed(size[0] * 31 + size[1])
    conv = nn.Conv2d(*channels, 3, stride, padding, dtype=torch.float64)
    x = torch.randn(batch, channels[0], *size, dtype=torch.float64)
    return conv, x.contiguous(memory_format=torch.channels_last)


def axes(size, up=False):
    return axis_algorithm(size[0], up), axis_algorithm(size[1], up)


def with_shift(conv, x, shift):
    """What torch computes, with a shift a row in the place of the bias."""
    return conv(x) - conv.bias[:, None, None] + shift[:, :, None, None]


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_a_bilinear_algorithm_gives_the_convolution(size, rows):
    conv, x = random_case(size)
    shift = torch.randn(rows, 7, dtype=torch.float64)
    before = x.clone()
    y = Bilinear(conv, axes(size), size)(x, shift)
    assert near(y, with_shift(conv, x, shift))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, before)


@pytest.mark.parametrize("size", UP_SIZES)
def test_convolutions_after_upsampling_give_what_upsampling_and_convolution_give(size):
    conv, x = random_case(size)
    y = conv(interpolate(x, scale_factor=2.0, mode="nearest"))
    bilinear = Bilinear(conv, axes(size, up=True), size)
    for convolve in (bilinear, Upsampled(conv), Interpolated(conv)):
        assert near(convolve(x, conv.bias[None]), y)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("channels", "stride", "padding"),
    [((1, 7), 1, 1), ((5, 7), 1, 1), ((5, 5), 2, 1), ((5, 5), 2, 0)],
)
def test_a_plain_convolution_shifts_each_row_and_stays_in_order(channels, stride, padding, rows):
    conv, x = random_case((6, 9), channels=channels, stride=stride, padding=padding)
    shift = torch.randn(rows, channels[1], dtype=torch.float64)
    padded = pad(x, (0, 1, 0, 1)) if padding == 0 else x
    y = Plain(conv)(x, shift)
    assert near(y, with_shift(conv, padded, shift))
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_winograd_loses_little_in_float32():
    """Its transforms amplify rounding; above 2e-5 of the largest value a matrix is wrong."""
    conv, x = random_case((8, 8), channels=(256, 96), batch=16)
    exact = conv(x)
    conv = conv.float()
    y = Bilinear(conv, axes((8, 8)), (8, 8))(x.float(), conv.bias[None])
    assert float((y - exact).abs().max() / exact.abs().max()) < 2e-5


def test_small_pictures_of_many_channels_gain():
    def gain_of(channels, side, up=False):
        conv = nn.Conv2d(channels, channels, 3)
        return gain(conv, axes((side, side), up), (side, side), 16 if up else 9)

    assert gain_of(160, 4) > gain_of(96, 8) > 2 > 1 > gain_of(64, 16)
    assert gain_of(16, 8) < 1.5
    assert gain_of(160, 4, up=True) > 1.5 > gain_of(96, 8, up=True)
    assert axes((6, 3)) == (None, None)
