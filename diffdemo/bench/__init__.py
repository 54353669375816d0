"""Time our sampler against what others would run: same weights, same noise, same levels, outputs compared, all in turn in one run.

`peers` is who takes part, `turns` the taking of turns, `memory` peak memory in processes of their own, `start` the time from the start
of Python to the first HTTP answer, `page` the wait after the dial in a browser, `scale` the cost against rows, pixels and steps, and
`tables` writes it all down as Markdown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan

import numpy as np
import torch
from torch import Tensor

from diffdemo.bench import vision  # noqa: F401  before diffusers is imported
from diffdemo.bench.peers import CONTENDERS, OURS, PLAIN, prepare
from diffdemo.bench.turns import Timing, clocked, take_turns, timings
from diffdemo.errors import DiffdemoError
from diffdemo.lab import lane
from diffdemo.models import Model, gmacs
from diffdemo.noise import noise
from diffdemo.sampling import denoise

SIDE = 2048  # of the square matrices whose product tells what the machine can do
SECONDS = 8.0  # short runs are repeated until each contender has had about so long
TWIN = "diffdemo, once more"
_MATMUL = "matrix product"

__all__ = ["CONTENDERS", "OURS", "PLAIN", "SECONDS", "TWIN", "Comparison", "Timing", "compare", "compare_curve"]


@dataclass(frozen=True)
class Comparison:
    """One race.

    Attributes:
        model, seeds, steps: what was run, deterministic DDIM from n = T.
        timings: one a contender, ours first.
        twin: ours a second time, as if it were another's: how far from 1 its ratio is tells how exact the others' are.
        flops: floating-point operations that the network calls of one run need, multiply and add counted apart.
        rate: of the same a second that a product of two SIDE x SIDE matrices reached in the same rounds.
        left_out: one line for each contender that could not take part.
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
        """How much of the machine's matrix-multiply rate a contender reached."""
        return self.flops / timing.seconds / self.rate

    def against_best(self, contender: str) -> float:
        """The best other's time over that of one of ours; below 1 where somebody is faster, NaN where there is no other."""
        ratios = {t.name: t.ratio for t in self.timings}
        return min((ratio for name, ratio in ratios.items() if name not in (OURS.name, PLAIN.name)), default=nan) / ratios[contender]


def compare(model: Model, seeds: int = 16, steps: int = 20, rounds: int = 5, seconds: float = 0.0) -> Comparison:
    """Denoise `seeds` noises from n = T in `steps` deterministic DDIM steps, as everybody who is installed does it.

    Args:
        model: whose weights all use; a network without prompt.
        seeds: pictures a run.
        steps: network calls for each.
        rounds: times that everybody has a turn, at least.
        seconds: rounds go on until ours has run for so long in all.

    Raises:
        DiffdemoError: a count is below 1, steps does not divide T (others then visit other levels), or the model takes a prompt.
    """
    T = model.schedule.T
    if min(seeds, steps, rounds) < 1 or T % steps:
        raise DiffdemoError(f"Seeds, steps and rounds are at least 1, and steps divides {T}.")
    runs, left_out = prepare(model)
    x_T = noise(range(seeds), model.shape)
    outputs = {name: run(x_T, steps) for name, run in runs.items()}  # also warms up
    turns = {name: clocked(partial(run, x_T, steps)) for name, run in runs.items()}
    turns |= {TWIN: turns[OURS.name], _MATMUL: clocked(_matmul(model.device))}
    times = take_turns(turns, rounds, seconds)
    rate = 2 * SIDE**3 / float(np.median(times.pop(_MATMUL)))
    *found, twin = timings(times, outputs)
    return Comparison(model.name, seeds, steps, found, twin, 2e9 * gmacs(model) * seeds * steps, rate, left_out)


def compare_curve(model: Model, levels: Sequence[int], seeds: int = 4, steps: int = 20, rounds: int = 3) -> list[Timing]:
    """Denoise levels x seeds in three ways, in turn: all rows in one batch, level by level, picture by picture.

    Raises:
        DiffdemoError: a count is below 1 or there are no levels.
    """
    if min(seeds, steps, rounds, len(levels)) < 1:
        raise DiffdemoError("Levels, seeds, steps and rounds are at least 1.")
    n, names = torch.tensor(list(levels)).repeat_interleave(seeds), list(range(seeds)) * len(levels)
    x_n = model.schedule.add_noise(torch.zeros(1, *model.shape), noise(names, model.shape), n)

    def in_parts(size: int) -> Tensor:
        return torch.cat([denoise(model, x, rows, steps) for x, rows in zip(x_n.split(size), n.split(size), strict=True)])

    runs = {
        "diffdemo, one batch of rows with their own n": lambda: in_parts(lane.chunk_size(model)),
        "level by level": lambda: in_parts(seeds),
        "picture by picture": lambda: in_parts(1),
    }
    outputs = {name: run() for name, run in runs.items()}
    return timings(take_turns({name: clocked(run) for name, run in runs.items()}, rounds), outputs)


def _matmul(device: torch.device) -> Callable[[], float]:
    a, b = torch.randn(2, SIDE, SIDE, device=device)
    return lambda: float((a @ b)[0, 0])  # reading a value waits for the device
