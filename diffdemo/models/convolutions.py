"""Convolutions of small pictures on a CPU, in float32 and channels-last order, each in the way that takes least time.

A 3 x 3 convolution of a picture of a few pixels becomes a bilinear algorithm (Winograd's and its like), which multiplies two to four
times less and leaves that to one batched matrix product; a convolution after upsampling never sees the larger picture; others are torch's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, interpolate, pad

Shift = Tensor  # (1, D) or (B, D): what a convolution adds to every pixel of a row
Convolution = Callable[[Tensor, Shift], Tensor]  # (B, C, H, W) → (B, D, H', W')

LAST = torch.channels_last


@dataclass(frozen=True, eq=False)
class Line:
    """A bilinear algorithm along one axis: y = S ((G g) * (T x)), where * multiplies k numbers one by one.

    Attributes:
        T: (k, tile + 2), of the pixels of a tile and one on either side.
        G: (k, 3), of the kernel g.
        S: (outputs, k); one of its columns is all ones.
    """

    T: Tensor
    G: Tensor
    S: Tensor

    @property
    def tile(self) -> int:
        """Pixels that one application moves on by."""
        return self.T.shape[1] - 2


def _line(*matrices: list[list[float]]) -> Line:
    return Line(*(torch.tensor(rows, dtype=torch.float64) for rows in matrices))


# two pixels with nothing around them: (g1 x0 + g2 x1, g0 x0 + g1 x1) from the products g1 (x0 + x1), (g2 - g1) x1 and (g0 - g1) x0
PAIR = _line([[0, 1, 1, 0], [0, 0, 1, 0], [0, 1, 0, 0]], [[0, 1, 0], [0, -1, 1], [1, -1, 0]], [[1, 1, 0], [1, 0, 1]])
# Winograd's F(4, 3) on the points 0, 1, -1, 2, -2 and infinity: four outputs from six products
FOUR = _line(
    [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]],
    [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]],
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
)
# a pixel x that upsampling makes two, between l and r: (g0 l + (g1 + g2) x, (g0 + g1) x + g2 r) from (g0 + g1 + g2) x, g0 (l - x), g2 (r - x)
TWICE = _line([[0, 1, 0], [1, -1, 0], [0, -1, 1]], [[1, 1, 1], [1, 0, 0], [0, 0, 1]], [[1, 1, 0], [1, 0, 1]])


def algorithm(length: int, up: bool = False) -> Line | None:
    """What serves an axis of a length, the upsampled one if `up`; None where nothing does."""
    return TWICE if up else PAIR if length == 2 else FOUR if length % 4 == 0 else None


@lru_cache(maxsize=64)
def _tiles(line: Line, length: int) -> Tensor:
    """(tiles, k, length): the T of every tile of an axis; beyond its ends there is nothing."""
    found = torch.zeros(length // line.tile, len(line.T), length + 2, dtype=torch.float64)
    for place, T in enumerate(found):
        T[:, place * line.tile : (place + 1) * line.tile + 2] = line.T
    return found[..., 1:-1]


class Bilinear:
    """A 3 x 3 convolution of whole small pictures, y = S (U . (T x)): T and S mix pixels, U mixes channels.

    T, S and the transform of the kernel are the products of those of the two axes. T x is (k, tiles, C), and U . one product of (tiles, C)
    with (C, D) for each of the k.

    Args:
        conv: its weights; padding 1, stride 1.
        lines: the algorithms of the two axes.
        size: (H, W) of the pictures, whole numbers of tiles.

    References:
        Lavin & Gray, 2016, Fast algorithms for convolutional neural networks, section 4, arXiv 1509.09308.
    """

    def __init__(self, conv: nn.Conv2d, lines: tuple[Line, Line], size: tuple[int, int]):
        rows, columns = lines
        weight, dtype = conv.weight, conv.weight.dtype
        T = torch.einsum("aiy,bjx->abijyx", _tiles(rows, size[0]), _tiles(columns, size[1]))
        self.T = T.reshape(-1, size[0] * size[1]).to(dtype)
        self.S = torch.kron(rows.S, columns.S).to(dtype)
        self.constant = int((self.S == 1).all(0).nonzero()[0])  # what this product gains, every pixel gains
        G = torch.kron(rows.G, columns.G).to(dtype)
        self.U = (G @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(len(G), weight.shape[1], weight.shape[0])
        self.grid = T.shape[0], T.shape[1], len(rows.S), len(columns.S)

    def __call__(self, x: Tensor, shift: Shift) -> Tensor:
        """(B, C, H, W) → (B, D, H', W')."""
        (batch, channels, _, _), (down, across, tall, wide) = x.shape, self.grid
        k, _, outputs = self.U.shape
        pixels = x.permute(0, 2, 3, 1).reshape(batch, -1, channels)
        seen = torch.bmm(self.T.expand(batch, -1, -1), pixels).view(-1, k, channels)
        products = torch.bmm(seen.transpose(0, 1), self.U)
        products[self.constant].view(batch, -1, outputs).add_(shift[:, None])
        y = torch.bmm(self.S.expand(len(seen), -1, -1), products.transpose(0, 1)).view(batch, down, across, tall, wide, outputs)
        return y.transpose(2, 3).reshape(batch, down * tall, across * wide, outputs).permute(0, 3, 1, 2)


def gain(conv: nn.Conv2d, lines: tuple[Line, Line], size: tuple[int, int], plain: int) -> float:
    """How many times fewer multiplications `Bilinear` needs than `plain` ones for each pixel and pair of channels."""
    rows, columns = lines
    area, pairs = size[0] * size[1], conv.in_channels * conv.out_channels
    products = area // (rows.tile * columns.tile) * len(rows.T) * len(columns.T)
    return plain * area * pairs / (products * (area * conv.in_channels + pairs + len(rows.S) * len(columns.S) * conv.out_channels))


class Plain:
    """A convolution as torch computes it, in channels-last order."""

    def __init__(self, conv: nn.Conv2d):
        self.weight, self.stride, self.padding = conv.weight, conv.stride, conv.padding

    def __call__(self, x: Tensor, shift: Shift) -> Tensor:
        """(B, C, H, W) → (B, D, H', W')."""
        if self.stride == (2, 2) and self.padding == (0, 0):
            x = pad(x, (0, 1, 0, 1))  # as diffusers' Downsample2D
        bias = shift[0] if len(shift) == 1 else None
        y = conv2d(x, self.weight, bias, self.stride, self.padding).contiguous(memory_format=LAST)  # of one channel it comes otherwise
        return y if bias is not None else y.add_(shift[:, :, None, None])


class Upsampled:
    """Nearest-neighbour upsampling and a 3 x 3 convolution as one transposed convolution, which multiplies 2.25 times less.

    Along one axis y(2i) = g0 x(i - 1) + (g1 + g2) x(i) and y(2i + 1) = (g0 + g1) x(i) + g2 x(i + 1): the kernel (g2, g1 + g2, g0 + g1, g0)
    at stride 2.
    """

    def __init__(self, conv: nn.Conv2d):
        wide = torch.tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]).to(conv.weight)
        self.weight = torch.einsum("ai,bj,ocij->coab", wide, wide, conv.weight).contiguous()

    def __call__(self, x: Tensor, shift: Shift) -> Tensor:
        """(B, C, H, W) → (B, D, 2 H, 2 W)."""
        return conv_transpose2d(x, self.weight, shift[0], stride=2, padding=1).contiguous(memory_format=LAST)


class Interpolated(Plain):
    """The same in two steps, with no weights of its own."""

    def __call__(self, x: Tensor, shift: Shift) -> Tensor:
        """(B, C, H, W) → (B, D, 2 H, 2 W)."""
        return super().__call__(interpolate(x, scale_factor=2.0, mode="nearest"), shift)
