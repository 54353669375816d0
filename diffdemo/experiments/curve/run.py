"""Point of no return: levels by seeds of one picture, beside what an exact observer still knows."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from diffdemo.diffusion import metrics
from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.posterior import bits_known, posterior, speciation
from diffdemo.diffusion.schedule import Schedule
from diffdemo.experiments.curve import Curve
from diffdemo.lab import batches
from diffdemo.lab.judge import Judge
from diffdemo.lab.prepare import Ready
from diffdemo.lab.progress import Progress


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What an exact observer, who knows the line-up, knows of which picture it was.

    Attributes:
        bits_known: float64, for each x_n.
        p_true: float64, the exact probability of the picture itself, for each x_n.
        bits: log2 of the number of candidates, all there is to know.
        speciation: the level at which alpha_bar = 1 / Lambda, Lambda the largest variance of the
            line-up.
    """

    bits_known: Tensor
    p_true: Tensor
    bits: float
    speciation: float


@dataclass(frozen=True, eq=False)
class CurveResult:
    """What a Curve found, L levels by S seeds.

    Clean pictures are in pixels, x_n in model space, where pictures are judged too.

    Attributes:
        experiment: what was run, with the revision of the weights.
        x0: (1, C, H, W).
        x_n, reconstructions: (L, S, C, H, W).
        rmse: (L, S) between picture and reconstruction, on the [-1, 1] scale.
        unrelated: the same between unrelated pictures.
        came_back: (L, S) bool, as of a round trip.
        foreign: whether the picture is of another kind than those the model knows, as of a round
            trip.
        kept: (L, S) share of the visible attributes kept; None where nothing can be read.
        chance: the same for an unrelated picture.
        attributes: how many attributes are visible; 0 where nothing can be read.
        bits_known, p_true: (L, S), see Knowledge; None without a line-up.
        bits, speciation: see Knowledge; None without a line-up.
        seconds: how long it took.
    """

    experiment: Curve
    x0: Tensor
    x_n: Tensor
    reconstructions: Tensor
    rmse: Tensor
    unrelated: float
    came_back: Tensor
    foreign: bool
    kept: Tensor | None
    chance: float | None
    attributes: int
    bits_known: Tensor | None
    bits: float | None
    p_true: Tensor | None
    speciation: float | None
    seconds: float


def calls(e: Curve, schedule: Schedule) -> int:
    """Count the network calls of a run, each for one picture."""
    return len(e.seeds) * sum(min(n, e.steps) for n in e.levels)


def run(e: Curve, ready: Ready) -> Iterator[Progress | CurveResult]:
    """Run it, level by level; yields Progress after each network call, and last the result."""
    began = time.monotonic()
    model = ready.model
    n = _levels(e)
    eps = noise(e.seeds, model.shape).repeat(len(e.levels), 1, 1, 1)
    x_n = model.schedule.add_noise(ready.x0, eps, n)
    x0_hat = x_n.clone()
    x = x_n.clone()
    seeds = e.seeds * len(e.levels)
    options = {"eta": e.eta, "solver": e.solver, "spacing": e.spacing}
    for call in batches.denoise_rows(model, x_n, n, seeds, e.steps, **options):
        x[call.rows] = call.step.x
        x0_hat[call.rows] = call.step.x0_hat
        seconds = time.monotonic() - began
        yield Progress(call.done, call.total, seconds, ready.x0, x_n, x0_hat.clone())
    yield _result(e, ready, x_n, x, began)


def _levels(e: Curve) -> Tensor:
    """Return the level of each row."""
    return torch.tensor(e.levels).repeat_interleave(len(e.seeds))


def _result(e: Curve, ready: Ready, x_n: Tensor, x: Tensor, began: float) -> CurveResult:
    model = ready.model
    judge = ready.judge
    grid = (len(e.levels), len(e.seeds))
    kept = judge.kept(x)
    known = knowledge(judge, e.picture, model.schedule, x_n, _levels(e))
    return CurveResult(
        experiment=e,
        x0=batches.pixels(model, ready.x0),
        x_n=x_n.view(*grid, *model.shape),
        reconstructions=batches.pixels(model, x.view(*grid, *model.shape)),
        rmse=metrics.rmse(ready.x0, x).view(grid),
        unrelated=judge.unrelated,
        came_back=judge.came_back(x).view(grid),
        foreign=judge.foreign,
        kept=None if kept is None else kept.view(grid),
        chance=judge.chance,
        attributes=judge.attributes,
        bits_known=known.bits_known.view(grid) if known else None,
        bits=known.bits if known else None,
        p_true=known.p_true.view(grid) if known else None,
        speciation=known.speciation if known else None,
        seconds=time.monotonic() - began,
    )


def knowledge(
    judge: Judge, text: str, schedule: Schedule, x_n: Tensor, n: Tensor
) -> Knowledge | None:
    """Return what an exact observer still knows of a picture; None without a line-up.

    Args:
        judge: of the picture, which is added to the line-up where it is not in it.
        text: how an experiment names the picture.
        schedule: made the noise.
        x_n: (B, C, H, W), the picture with noise.
        n: (B,) int64, 0..T.
    """
    if judge.line_up is None:
        return None
    candidates, own = judge.line_up.with_picture(judge.x0, text)
    p = posterior(schedule, x_n, n, candidates.pictures)
    bits = math.log2(len(candidates))
    return Knowledge(bits_known(p), p[:, own], bits, speciation(schedule, judge.line_up.variance))
