"""Fast float32 convolutions of small pictures on a CPU, in channels-last order.

A 3 x 3 convolution of a few pixels becomes a bilinear algorithm such as Winograd's: two to four
times fewer multiplications, all in one batched matrix product. A convolution after upsampling is
computed from the small picture. Every other convolution is torch's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, interpolate, pad

Shift = Tensor  # (1, D) or (B, D): what a convolution adds to every pixel of a row
Convolution = Callable[[Tensor, Shift], Tensor]  # (B, C, H, W) → (B, D, H', W')

CHANNELS_LAST = torch.channels_last


@dataclass(frozen=True, eq=False)
class AxisAlgorithm:
    """A bilinear algorithm along one axis: y = S ((G g) * (T x)), where * multiplies k numbers.

    Attributes:
        T: (k, tile + 2), applied to the pixels x of a tile and one more on either side.
        G: (k, 3), applied to the kernel g.
        S: (outputs, k); one of its columns is all ones.
    """

    T: Tensor
    G: Tensor
    S: Tensor

    @property
    def tile(self) -> int:
        """Pixels from one tile to the next."""
        return self.T.shape[1] - 2


Axes = tuple[AxisAlgorithm, AxisAlgorithm]  # along height and width


def _axis(*matrices: list[list[float]]) -> AxisAlgorithm:
    return AxisAlgorithm(*(torch.tensor(rows, dtype=torch.float64) for rows in matrices))


# Two pixels with nothing around them: (g1 x0 + g2 x1, g0 x0 + g1 x1)
# from the products g1 (x0 + x1), (g2 - g1) x1 and (g0 - g1) x0.
TWO_PIXELS = _axis(
    [[0, 1, 1, 0], [0, 0, 1, 0], [0, 1, 0, 0]],
    [[0, 1, 0], [0, -1, 1], [1, -1, 0]],
    [[1, 1, 0], [1, 0, 1]],
)
# Winograd's F(4, 3) on the points 0, 1, -1, 2, -2 and infinity: four outputs from six products.
WINOGRAD = _axis(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
)
# A pixel x between l and r that upsampling doubles: (g0 l + (g1 + g2) x, (g0 + g1) x + g2 r)
# from the products (g0 + g1 + g2) x, g0 (l - x) and g2 (r - x).
UPSAMPLING = _axis(
    [[0, 1, 0], [1, -1, 0], [0, -1, 1]], [[1, 1, 1], [1, 0, 0], [0, 0, 1]], [[1, 1, 0], [1, 0, 1]]
)


def axis_algorithm(length: int, up: bool = False) -> AxisAlgorithm | None:
    """Return the algorithm for an axis of `length` pixels before upsampling, if there is one."""
    if up:
        return UPSAMPLING
    if length == 2:
        return TWO_PIXELS
    return WINOGRAD if length % 4 == 0 else None


@lru_cache(maxsize=64)
def _tile_transforms(axis: AxisAlgorithm, length: int) -> Tensor:
    """Return the T of every tile of an axis, (tiles, k, length); the picture is padded with 0."""
    padded = torch.zeros(length // axis.tile, len(axis.T), length + 2, dtype=torch.float64)
    for index, T in enumerate(padded):
        start = index * axis.tile
        T[:, start : start + axis.tile + 2] = axis.T
    return padded[..., 1:-1]


class Bilinear:
    """A 3 x 3 convolution of a whole small picture, y = S (U . (T x)).

    T and S mix pixels and U mixes channels. T, S and the kernel's transform are Kronecker products
    over the two axes. T x is (k, tiles, C), and U is (k, C, D): k matrix products.

    Args:
        conv: its weights; padding 1, stride 1.
        axes: the algorithms along height and width.
        size: (H, W) of the pictures, whole numbers of tiles.

    References:
        Lavin & Gray, 2016, Fast algorithms for convolutional neural networks, section 4,
        arXiv 1509.09308.
    """

    def __init__(self, conv: nn.Conv2d, axes: Axes, size: tuple[int, int]):
        rows, columns = axes
        weight = conv.weight
        tiles = (_tile_transforms(rows, size[0]), _tile_transforms(columns, size[1]))
        T = torch.einsum("aiy,bjx->abijyx", *tiles)
        self.T = T.reshape(-1, size[0] * size[1]).to(weight.dtype)
        self.S = torch.kron(rows.S, columns.S).to(weight.dtype)
        # What is added to the product of the column of ones is added to every pixel.
        self.ones = int((self.S == 1).all(0).nonzero()[0])
        G = torch.kron(rows.G, columns.G).to(weight.dtype)
        U = G @ weight.permute(2, 3, 1, 0).reshape(9, -1)
        self.U = U.view(len(G), weight.shape[1], weight.shape[0])
        self.grid = (T.shape[0], T.shape[1], len(rows.S), len(columns.S))

    def __call__(self, x: Tensor, shift: Shift) -> Tensor:
        """(B, C, H, W) → (B, D, H', W')."""
        batch, channels, _, _ = x.shape
        down, across, tall, wide = self.grid
        k, _, outputs = self.U.shape
        pixels = x.permute(0, 2, 3, 1).reshape(batch, -1, channels)
        transformed = torch.bmm(self.T.expand(batch, -1, -1), pixels).view(-1, k, channels)
        products = torch.bmm(transformed.transpose(0, 1), self.U)
        products[self.ones].view(batch, -1, outputs).add_(shift[:, None])
        tiles = torch.bmm(self.S.expand(len(transformed), -1, -1), products.transpose(0, 1))
        y = tiles.view(batch, down, across, tall, wide, outputs).transpose(2, 3)
        return y.reshape(batch, down * tall, across * wide, outputs).permute(0, 3, 1, 2)


def gain(conv: nn.Conv2d, axes: Axes, size: tuple[int, int], usual: int) -> float:
    """Return how many times fewer multiplications `Bilinear` needs than the usual way.

    The usual way needs `usual` for each pixel and pair of channels; other arguments as there.
    """
    rows, columns = axes
    area = size[0] * size[1]
    pairs = conv.in_channels * conv.out_channels
    tiles = area // (rows.tile * columns.tile)
    products = tiles * len(rows.T) * len(columns.T)
    outputs = len(rows.S) * len(columns.S)
    needed = products * (area * conv.in_channels + pairs + outputs * conv.out_channels)
    return usual * area * pairs / needed


class Plain:
    """A convolution as torch computes it, in channels-last order."""

    def __init__(self, conv: nn.Conv2d):
        self.weight = conv.weight
        self.stride = conv.stride
        self.padding = conv.padding

    def __call__(self, x: Tensor, shift: Shift) -> Tensor:
        """(B, C, H, W) → (B, D, H', W')."""
        if self.stride == (2, 2) and self.padding == (0, 0):
            x = pad(x, (0, 1, 0, 1))  # as diffusers' Downsample2D does
        bias = shift[0] if len(shift) == 1 else None
        y = conv2d(x, self.weight, bias, self.stride, self.padding)
        y = y.contiguous(memory_format=CHANNELS_LAST)  # with one channel, torch returns another
        return y if bias is not None else y.add_(shift[:, :, None, None])


class Upsampled:
    """Nearest-neighbour upsampling and a 3 x 3 convolution as one transposed convolution.

    It needs 2.25 times fewer multiplications. Along one axis y(2i) = g0 x(i - 1) + (g1 + g2) x(i)
    and y(2i + 1) = (g0 + g1) x(i) + g2 x(i + 1): the kernel (g2, g1 + g2, g0 + g1, g0) at stride 2.
    """

    def __init__(self, conv: nn.Conv2d):
        sums = torch.tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]).to(conv.weight)
        self.weight = torch.einsum("ai,bj,ocij->coab", sums, sums, conv.weight).contiguous()

    def __call__(self, x: Tensor, shift: Shift) -> Tensor:
        """(B, C, H, W) → (B, D, 2 H, 2 W)."""
        y = conv_transpose2d(x, self.weight, shift[0], stride=2, padding=1)
        return y.contiguous(memory_format=CHANNELS_LAST)


class Interpolated(Plain):
    """Nearest-neighbour upsampling, then the convolution; it prepares no weights."""

    def __call__(self, x: Tensor, shift: Shift) -> Tensor:
        """(B, C, H, W) → (B, D, 2 H, 2 W)."""
        return super().__call__(interpolate(x, scale_factor=2.0, mode="nearest"), shift)
