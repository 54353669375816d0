"""Does a tensor pass as standard normal noise? Six statistics, and their bands for true noise."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from diffdemo.diffusion.metrics import float64_rows

STATISTICS = ("mean", "variance", "kurtosis", "neighbours", "distance", "picture")
DRAWS = 8000  # of true noise, behind a band
FEW_DRAWS = 1000  # where a draw has more than LARGE values
LARGE = 8192
_BATCH_VALUES = 2**20  # largest number of values drawn at once, where draws are large
_SEED = 2**30
_OUTSIDE = 0.05  # share of true noise outside a band


@dataclass(frozen=True)
class Band:
    """Where a statistic of true noise lies.

    Attributes:
        expected: its mean.
        low, high: 95 % of true noise lies between them.
        lowest, highest: wider, so that 95 % of true noise is inside these for all six statistics
            at once (Bonferroni).
    """

    expected: float
    low: float
    high: float
    lowest: float
    highest: float


def gaussianity(x: Tensor, picture: Tensor) -> dict[str, Tensor]:
    """Return six statistics of each row of x, by the names in STATISTICS: (B,) float64 each.

    mean, variance: of the pixels.
    kurtosis: the excess over that of a normal distribution.
    neighbours: correlation of pixels beside and below each other.
    distance: that of Kolmogorov and Smirnov to the standard normal distribution.
    picture: correlation with a picture; 0 where one of the two is a single colour.

    Args:
        x: (B, C, H, W).
        picture: (B or 1, C, H, W).

    References:
        Staniszewski et al., 2024, There and Back Again, section 3, arXiv 2410.23530, on why
        inverted noises fail such tests.
    """
    flat = float64_rows(x)
    original = float64_rows(picture).expand(len(flat), -1)
    return {
        "mean": flat.mean(1),
        "variance": flat.var(1),
        "kurtosis": _excess_kurtosis(flat),
        "neighbours": _neighbours(flat.view(x.shape)),
        "distance": _ks_distance(flat),
        "picture": correlation(flat, original),
    }


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return Pearson's correlation of each row of a and b, (B, d): (B,) in their dtype.

    It is 0 where one of them is constant.
    """
    a = a - a.mean(1, keepdim=True)
    b = b - b.mean(1, keepdim=True)
    lengths = a.norm(dim=1) * b.norm(dim=1)
    cosine = (a * b).sum(1) / lengths.clamp(min=1e-300)
    return torch.where(lengths > 0, cosine, 0.0)


def _excess_kurtosis(flat: Tensor) -> Tensor:
    centred = flat - flat.mean(1, keepdim=True)
    squared_variance = centred.square().mean(1).square()
    return centred.pow(4).mean(1) / squared_variance.clamp(min=1e-300) - 3


def _neighbours(x: Tensor) -> Tensor:
    """Correlation of neighbouring pixels, pooled over both directions and all channels."""
    left = x[..., :-1].flatten(1)
    right = x[..., 1:].flatten(1)
    upper = x[..., :-1, :].flatten(1)
    lower = x[..., 1:, :].flatten(1)
    return correlation(torch.cat([left, upper], 1), torch.cat([right, lower], 1))


def _ks_distance(flat: Tensor) -> Tensor:
    """Largest distance between the distribution of a row's values and the standard normal one."""
    count = flat.shape[1]
    cumulative = torch.special.ndtr(flat.sort(1).values)
    steps = torch.arange(count + 1, dtype=flat.dtype) / count
    above = (steps[1:] - cumulative).amax(1)
    below = (cumulative - steps[:-1]).amax(1)
    return torch.maximum(above, below)


@lru_cache(maxsize=8)
def bands(shape: tuple[int, int, int]) -> dict[str, Band]:
    """Return the bands of `gaussianity` for true noise of a shape, by simulation.

    The correlation with independent noise does not depend on the picture, so other noise takes
    its place here.
    """
    values = math.prod(shape)
    draws = DRAWS
    rows = 500
    if values > LARGE:
        draws = FEW_DRAWS
        rows = max(1, _BATCH_VALUES // values)
    generator = torch.Generator().manual_seed(_SEED)
    found: dict[str, list[Tensor]] = {name: [] for name in STATISTICS}
    for _ in range(0, draws, rows):
        x = torch.randn(rows, *shape, generator=generator)
        other = torch.randn(rows, *shape, generator=generator)
        for name, part in gaussianity(x, other).items():
            found[name].append(part)
    return {name: _band(name, torch.cat(parts)) for name, parts in found.items()}


def _band(name: str, values: Tensor) -> Band:
    each = _OUTSIDE / len(STATISTICS)
    mean = float(values.mean())
    if name == "distance":  # only a large distance speaks against true noise
        high, highest = _quantiles(values, [1 - _OUTSIDE, 1 - each])
        return Band(mean, 0.0, high, 0.0, highest)
    ends = [_OUTSIDE / 2, 1 - _OUTSIDE / 2, each / 2, 1 - each / 2]
    return Band(mean, *_quantiles(values, ends))


def _quantiles(values: Tensor, shares: list[float]) -> list[float]:
    return values.quantile(torch.tensor(shares, dtype=values.dtype)).tolist()


def passes(statistics: dict[str, Tensor], shape: tuple[int, int, int]) -> Tensor:
    """Return whether all statistics of a row lie where 95 % of true noise has them: (B,) bool."""
    known = bands(shape)
    inside = []
    for name, values in statistics.items():
        band = known[name]
        inside.append((values >= band.lowest) & (values <= band.highest))
    return torch.stack(inside).all(0)
