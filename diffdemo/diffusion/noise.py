"""Noise that is named by seeds: one CPU generator a row.

No row depends on its neighbours or on global random state.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from diffdemo.diffusion.terms import SEED_END, is_whole
from diffdemo.errors import ExperimentError


class NoiseStream:
    """Standard normal noise, one endless stream a seed.

    The first draw is the eps of x_n, later draws are fresh noise.

    Args:
        seeds: whole numbers 0..2^31 - 1, one a row. Neighbouring seeds are unrelated.
        shape: (C, H, W) of one row.

    Raises:
        ExperimentError: a seed is not a whole number in bounds.
    """

    def __init__(self, seeds: Sequence[int], shape: Sequence[int]):
        self.shape = tuple(shape)
        self.generators = [torch.Generator().manual_seed(_checked(seed)) for seed in seeds]

    def draw(self) -> Tensor:
        """Return the next draw of every row: (B, C, H, W) float32 on the CPU."""
        rows = [torch.randn(self.shape, generator=generator) for generator in self.generators]
        return torch.stack(rows) if rows else torch.empty(0, *self.shape)

    def draw_like(self, x: Tensor) -> Tensor:
        """Return the next draw in the dtype and on the device of x."""
        return self.draw().to(x.device, x.dtype)


def _checked(seed: int) -> int:
    if not is_whole(seed) or not 0 <= seed < SEED_END:
        raise ExperimentError(f"A seed is a whole number from 0 to {SEED_END - 1}, not {seed!r}.")
    return int(seed)


def noise(seeds: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Return the first draw of each seed: (B, C, H, W) float32 standard normal on the CPU.

    Row i depends on seed i alone.

    Args:
        seeds: whole numbers 0..2^31 - 1.
        shape: (C, H, W).

    Raises:
        ExperimentError: a seed is not a whole number in bounds.
    """
    return NoiseStream(seeds, shape).draw()
