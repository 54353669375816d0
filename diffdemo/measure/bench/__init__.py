"""Time our sampler against what others would run: same weights, noise and levels, in one run.

All samplers take turns and their pictures are compared. `peers` are the samplers, `turns` how they
take turns, `memory` peak memory in processes of their own, `start` the time from the start of
Python to the first HTTP answer, `page` the wait after the dial in a browser, `scale` the cost
against rows, pixels and steps, and `tables` writes the results as Markdown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan

import numpy as np
import torch
from torch import Tensor

import diffdemo.measure.bench.vision  # noqa: F401  # before the other samplers
from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.sampling import denoise
from diffdemo.errors import DiffdemoError
from diffdemo.lab import batches
from diffdemo.measure.bench.peers import CONTENDERS, OURS, PLAIN, prepare
from diffdemo.measure.bench.turns import Timing, clocked, take_turns, timings
from diffdemo.models import Model, gmacs

SIDE = 2048  # of the square matrices whose product tells what the machine can do
SECONDS = 8.0  # rounds are repeated until ours has run for this long
TWIN = "diffdemo, once more"
MATMUL = "matrix product"

__all__ = ["CONTENDERS", "OURS", "PLAIN", "Comparison", "Timing", "compare", "compare_curve"]


@dataclass(frozen=True)
class Comparison:
    """All samplers on the same task: deterministic DDIM from n = T.

    Attributes:
        model, seeds, steps: the task.
        timings: one a sampler, ours first.
        twin: ours once more, timed like another: how far its ratio is from 1 tells how exact the
            other ratios are.
        flops: floating-point operations that the network calls of one run need.
        rate: FLOP/s of a SIDE x SIDE matrix product measured in the same rounds.
        left_out: one line for each sampler that could not take part.
    """

    model: str
    seeds: int
    steps: int
    timings: list[Timing]
    twin: Timing
    flops: float
    rate: float
    left_out: list[str]

    def share(self, timing: Timing) -> float:
        """Return the share of the machine's matrix-product rate that a sampler reached."""
        return self.flops / timing.seconds / self.rate

    def against_best(self, ours: str) -> float:
        """Return the best other's time over that of one of ours; NaN where there is no other."""
        ratios = {timing.name: timing.ratio for timing in self.timings}
        others = [ratio for name, ratio in ratios.items() if name not in (OURS.name, PLAIN.name)]
        return min(others, default=nan) / ratios[ours]


def compare(
    model: Model, seeds: int = 16, steps: int = 20, rounds: int = 5, seconds: float = 0.0
) -> Comparison:
    """Denoise `seeds` noises from n = T in `steps` DDIM steps, by every sampler installed.

    Args:
        model: whose weights all use; a network without prompt.
        seeds: pictures of one run.
        steps: network calls for each.
        rounds: turns of each sampler, at least.
        seconds: rounds go on until ours has run for this long in all.

    Raises:
        DiffdemoError: a count is below 1, steps does not divide T (others then visit other
            levels), or the model takes a prompt.
    """
    T = model.schedule.T
    if min(seeds, steps, rounds) < 1 or T % steps:
        raise DiffdemoError(f"Seeds, steps and rounds are at least 1, and steps divides {T}.")
    runs, left_out = prepare(model)
    x_T = noise(range(seeds), model.shape)
    outputs = {name: run(x_T, steps) for name, run in runs.items()}  # also warms up
    turns = {name: clocked(partial(run, x_T, steps)) for name, run in runs.items()}
    turns[TWIN] = turns[OURS.name]
    turns[MATMUL] = clocked(_matmul(model.device))
    times = take_turns(turns, rounds, seconds)
    rate = 2 * SIDE**3 / float(np.median(times.pop(MATMUL)))
    flops = 2e9 * gmacs(model) * seeds * steps
    *found, twin = timings(times, outputs)
    return Comparison(model.name, seeds, steps, found, twin, flops, rate, left_out)


def compare_curve(
    model: Model, levels: Sequence[int], seeds: int = 4, steps: int = 20, rounds: int = 3
) -> list[Timing]:
    """Denoise levels x seeds in three ways: in one batch, level by level, picture by picture.

    Raises:
        DiffdemoError: a count is below 1 or there are no levels.
    """
    if min(seeds, steps, rounds, len(levels)) < 1:
        raise DiffdemoError("Levels, seeds, steps and rounds are at least 1.")
    n = torch.tensor(list(levels)).repeat_interleave(seeds)
    eps = noise(list(range(seeds)) * len(levels), model.shape)
    x_n = model.schedule.add_noise(torch.zeros(1, *model.shape), eps, n)

    def in_parts(size: int) -> Tensor:
        parts = zip(x_n.split(size), n.split(size), strict=True)
        return torch.cat([denoise(model, x, rows, steps) for x, rows in parts])

    sizes = {
        "diffdemo, one batch of rows with their own n": batches.batch_size(model),
        "level by level": seeds,
        "picture by picture": 1,
    }
    runs = {name: partial(in_parts, size) for name, size in sizes.items()}
    outputs = {name: run() for name, run in runs.items()}
    return timings(take_turns({name: clocked(run) for name, run in runs.items()}, rounds), outputs)


def _matmul(device: torch.device) -> Callable[[], float]:
    a, b = torch.randn(2, SIDE, SIDE, device=device)
    return lambda: float((a @ b)[0, 0])  # reading a value waits for the device
