"""Noise that is named by seeds: one CPU generator a row, so that no row depends on its neighbours or on the machine's state."""

from collections.abc import Sequence

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
