"""Noise that is named by seeds: one CPU generator a row, so that no row depends on its neighbours or on the machine's state.

And whether something passes as such noise: six statistics of a picture-shaped tensor, with the values and bands of true noise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from diffdemo.errors import ExperimentError
from diffdemo.terms import SEED_END


class NoiseStream:
    """Standard normal noise, one endless stream a seed; the first draw is the eps of x_n, later draws are fresh noise.

    Args:
        seeds: whole numbers 0..2^31 - 1, one a row. A seed is a name, not a position: neighbours are unrelated.
        shape: (C, H, W) of one row.

    Raises:
        ExperimentError: a seed is not a whole number in bounds.
    """

    def __init__(self, seeds: Sequence[int], shape: Sequence[int]):
        self.shape = tuple(shape)
        self.generators = [torch.Generator().manual_seed(check_seed(seed)) for seed in seeds]

    def draw(self) -> Tensor:
        """The next draw of every row: (B, C, H, W) float32 on the CPU."""
        rows = [torch.randn(self.shape, generator=generator) for generator in self.generators]
        return torch.stack(rows) if rows else torch.empty(0, *self.shape)


def check_seed(seed: int) -> int:
    """The seed as a plain int.

    Raises:
        ExperimentError: not a whole number from 0 to 2^31 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < SEED_END:
        raise ExperimentError(f"A seed is a whole number from 0 to {SEED_END - 1}, not {seed!r}.")
    return int(seed)


def noise(seeds: Sequence[int], shape: Sequence[int]) -> Tensor:
    """The first draw of each seed: (B, C, H, W) float32 standard normal on the CPU; row i depends on seed i alone.

    Args:
        seeds: whole numbers 0..2^31 - 1.
        shape: (C, H, W).

    Raises:
        ExperimentError: a seed is not a whole number in bounds.
    """
    return NoiseStream(seeds, shape).draw()


STATISTICS = ("mean", "variance", "kurtosis", "neighbours", "distance", "picture")
DRAWS = 8000  # of true noise, behind a band ...
FEW_DRAWS, LARGE = 1000, 8192  # ... and fewer where there are more values than LARGE in each
_VALUES = 2**20  # of large ones drawn at once at most
_SIMULATION = 2**30  # seed of those draws


@dataclass(frozen=True)
class Band:
    """Where a statistic of true noise lies.

    Attributes:
        expected: its mean.
        low, high: 95 % of true noise lies between them.
        least, most: wider, so that 95 % of true noise is inside these for all six statistics at once (Bonferroni).
    """

    expected: float
    low: float
    high: float
    least: float
    most: float


def gaussianity(x: Tensor, picture: Tensor) -> dict[str, Tensor]:
    """Six statistics, by the names in STATISTICS, that tell whether each row of x passes as standard normal noise: (B,) float64 each.

    mean and variance of the pixels; kurtosis, the excess over that of a normal distribution; neighbours, the correlation of pixels
    beside and below each other; distance, that of Kolmogorov and Smirnov to the standard normal distribution; picture, the
    correlation with a picture (0 where one of the two is a single colour).

    Args:
        x: (B, C, H, W).
        picture: (B or 1, C, H, W).

    References:
        Staniszewski et al., 2024, There and Back Again, section 3, arXiv 2410.23530, for why inverted noises fail such tests.
    """
    rows = x.detach().cpu().double()
    flat, original = rows.flatten(1), picture.detach().cpu().double().flatten(1).expand(len(rows), -1)
    mean, variance = flat.mean(1), flat.var(1)
    centred = flat - mean[:, None]
    kurtosis = centred.pow(4).mean(1) / centred.square().mean(1).square().clamp(min=1e-300) - 3
    values = (mean, variance, kurtosis, _neighbours(rows), _ks_distance(flat), correlation(flat, original))
    return dict(zip(STATISTICS, values, strict=True))


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation of each row of a and b, both (B, d): (B,) in their dtype; 0 where one of them is constant."""
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    scale = a.norm(dim=1) * b.norm(dim=1)
    return torch.where(scale > 0, (a * b).sum(1) / scale.clamp(min=1e-300), 0.0)


def _neighbours(x: Tensor) -> Tensor:
    """Correlation of pixels beside and below each other, pooled over both directions and all channels."""
    first = torch.cat([x[..., :-1].flatten(1), x[..., :-1, :].flatten(1)], 1)
    second = torch.cat([x[..., 1:].flatten(1), x[..., 1:, :].flatten(1)], 1)
    return correlation(first, second)


def _ks_distance(flat: Tensor) -> Tensor:
    """The largest distance between the distribution of a row's values and the standard normal one."""
    count = flat.shape[1]
    cumulative, steps = torch.special.ndtr(flat.sort(1).values), torch.arange(count + 1, dtype=flat.dtype) / count
    return torch.maximum((steps[1:] - cumulative).amax(1), (cumulative - steps[:-1]).amax(1))


@lru_cache(maxsize=8)
def bands(shape: tuple[int, int, int]) -> dict[str, Band]:
    """The bands of `gaussianity` for true noise of a shape, from DRAWS simulated ones, FEW_DRAWS for large pictures.

    For the distance only large values speak against true noise, so its bands begin at 0. What the picture is makes no difference
    to the correlation of independent noise with it, so other noise takes its place here.
    """
    generator, found, values = torch.Generator().manual_seed(_SIMULATION), [], math.prod(shape)
    draws, rows = (DRAWS, 500) if values <= LARGE else (FEW_DRAWS, max(1, _VALUES // values))
    for _ in range(0, draws, rows):
        found.append(gaussianity(torch.randn(rows, *shape, generator=generator), torch.randn(rows, *shape, generator=generator)))
    return {name: _band(name, torch.cat([part[name] for part in found])) for name in STATISTICS}


def _band(name: str, values: Tensor) -> Band:
    share, each = 0.05, 0.05 / len(STATISTICS)
    if name == "distance":
        high, most = values.quantile(torch.tensor([1 - share, 1 - each], dtype=values.dtype)).tolist()
        return Band(float(values.mean()), 0.0, high, 0.0, most)
    ends = torch.tensor([share / 2, 1 - share / 2, each / 2, 1 - each / 2], dtype=values.dtype)
    return Band(float(values.mean()), *values.quantile(ends).tolist())


def passes(statistics: dict[str, Tensor], shape: tuple[int, int, int]) -> Tensor:
    """(B,) bool: every statistic lies where 95 % of true noise has all of them."""
    known = bands(shape)
    inside = [(values >= known[name].least) & (values <= known[name].most) for name, values in statistics.items()]
    return torch.stack(inside).all(0)
