"""Time our sampler against what a user of diffusers would write: same weights, same noise, same steps, outputs compared.

The contestants take turns in one run, so whatever else the machine does falls on all of them; medians and ratios are printed.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from diffdemo.errors import DiffdemoError
from diffdemo.lab import lane
from diffdemo.models import Model
from diffdemo.noise import noise
from diffdemo.sampling import denoise


@dataclass(frozen=True)
class Timing:
    """One contestant's result.

    Attributes:
        name: who.
        seconds: median over the rounds.
        ratio: its seconds over ours.
        difference: largest pixel difference to ours, on the [-1, 1] scale.
    """

    name: str
    seconds: float
    ratio: float
    difference: float


def compare(model: Model, seeds: int = 16, steps: int = 20, rounds: int = 5) -> list[Timing]:
    """Denoise `seeds` noises from n = T in `steps` deterministic DDIM steps in three ways, `rounds` times in turn.

    Raises:
        DiffdemoError: a count is below 1, or steps does not divide T (diffusers then visits other levels).
    """
    T = model.schedule.T
    if min(seeds, steps, rounds) < 1 or T % steps:
        raise DiffdemoError(f"Seeds, steps and rounds are at least 1, and steps divides {T}.")
    x_T = noise(range(seeds), model.shape)
    contestants: dict[str, Callable[[], Tensor]] = {
        "diffdemo, one batch": lambda: denoise(model, x_T, T, steps),
        "diffusers, one batch": lambda: _diffusers(model, x_T, steps),
        "diffusers, seed by seed": lambda: torch.cat([_diffusers(model, row, steps) for row in x_T.split(1)]),
    }
    return _race(contestants, rounds)


def compare_curve(model: Model, levels: Sequence[int], seeds: int = 4, steps: int = 20, rounds: int = 3) -> list[Timing]:
    """Denoise levels x seeds in three ways, `rounds` times in turn: all rows in one batch, level by level, picture by picture.

    Raises:
        DiffdemoError: a count is below 1 or there are no levels.
    """
    if min(seeds, steps, rounds, len(levels)) < 1:
        raise DiffdemoError("Levels, seeds, steps and rounds are at least 1.")
    n, names = torch.tensor(list(levels)).repeat_interleave(seeds), list(range(seeds)) * len(levels)
    x_n = model.schedule.add_noise(torch.zeros(1, *model.shape), noise(names, model.shape), n)

    def in_parts(size: int) -> Tensor:
        return torch.cat([denoise(model, x, rows, steps) for x, rows in zip(x_n.split(size), n.split(size), strict=True)])

    return _race(
        {
            "diffdemo, one batch of rows with their own n": lambda: in_parts(lane.chunk_size(model)),
            "level by level": lambda: in_parts(seeds),
            "picture by picture": lambda: in_parts(1),
        },
        rounds,
    )


def _race(contestants: dict[str, Callable[[], Tensor]], rounds: int) -> list[Timing]:
    """Let them take turns; the first one is ours."""
    outputs = {name: run() for name, run in contestants.items()}  # also warms up
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            began = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - began)
    ours = next(iter(contestants))
    median = {name: statistics.median(values) for name, values in times.items()}
    difference = {name: float((x - outputs[ours]).abs().max()) for name, x in outputs.items()}
    return [Timing(name, median[name], median[name] / median[ours], difference[name]) for name in contestants]


@torch.no_grad()
def _diffusers(model: Model, x: Tensor, steps: int) -> Tensor:
    """What diffusers' own documentation shows: a scheduler, its timesteps, one step after the other."""
    scheduler = DDIMScheduler(
        trained_betas=(1 - model.schedule.alpha_bar[1:] / model.schedule.alpha_bar[:-1]).numpy(),
        prediction_type=model.prediction_type, clip_sample=False, timestep_spacing="trailing",
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps:
        x = scheduler.step(model.unet(x.to(model.device), t).sample.cpu(), t, x).prev_sample
    return x
