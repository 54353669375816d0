"""Point of no return: levels n x seeds of one picture in one batched call, beside what an exact observer still knows at each level."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffdemo import metrics
from diffdemo.experiment import Curve
from diffdemo.lab import lane
from diffdemo.lab.progress import Progress
from diffdemo.lab.subject import Judge
from diffdemo.line_ups import LineUp
from diffdemo.models import Model
from diffdemo.noise import noise
from diffdemo.posterior import bits_known, posterior, speciation
from diffdemo.schedule import Schedule


@dataclass(frozen=True, eq=False)
class CurveResult:
    """What a Curve found, L levels by S seeds. Clean pictures are in pixels, x_n in model space, where all is judged before it is decoded.

    Attributes:
        experiment: what was run, with the revision of the weights that ran it.
        x0: (1, C, H, W). x_n, reconstructions: (L, S, C, H, W).
        rmse: (L, S) between picture and reconstruction, on the [-1, 1] scale; unrelated: the same between unrelated pictures.
        came_back: (L, S) bool, the original is the nearest to the reconstruction among itself and the line-up.
        kept: (L, S) share of the visible attributes kept; None where nothing can be read. chance: the same for an unrelated picture.
        attributes: how many attributes show; 0 without.
        bits_known: (L, S) float64, what the exact posterior over the line-up knows of which picture it was; None without a line-up.
        bits: log2 of the number of candidates, all there is to know.
        p_true: (L, S) float64, the exact probability of the picture itself; None without a line-up.
        speciation: the level at which alpha_bar = 1 / Lambda, Lambda the largest variance of the line-up; None without one.
        seconds: how long it took.
    """

    experiment: Curve
    x0: Tensor
    x_n: Tensor
    reconstructions: Tensor
    rmse: Tensor
    unrelated: float
    came_back: Tensor
    kept: Tensor | None
    chance: float | None
    attributes: int
    bits_known: Tensor | None
    bits: float | None
    p_true: Tensor | None
    speciation: float | None
    seconds: float


def curve(e: Curve, model: Model, x0: Tensor) -> Iterator[Progress | CurveResult]:
    """Run it; yields Progress after every network call (rows level by level) and last the result."""
    began, (L, S) = time.monotonic(), (len(e.levels), len(e.seeds))
    n = torch.tensor(e.levels).repeat_interleave(S)
    x_n = model.schedule.add_noise(x0, noise(e.seeds, model.shape).repeat(L, 1, 1, 1), n)
    x0_hat, x = x_n.clone(), x_n.clone()
    for call in lane.denoise_rows(model, x_n, n, e.seeds * L, e.steps, eta=e.eta, solver=e.solver, spacing=e.spacing):
        x[call.rows], x0_hat[call.rows] = call.step.x, call.step.x0_hat
        yield Progress(call.done, call.total, time.monotonic() - began, x0, x_n, x0_hat.clone())
    yield _result(e, model, x_n, x, Judge.of(e.picture, model, x0), began)


def curve_calls(e: Curve, schedule: Schedule) -> int:
    """Network calls of a run, each for one picture."""
    return len(e.seeds) * sum(min(n, e.steps) for n in e.levels)


def _result(e: Curve, model: Model, x_n: Tensor, x: Tensor, judge: Judge, began: float) -> CurveResult:
    grid = (len(e.levels), len(e.seeds))
    kept, known, bits, p_true, species = judge.kept(x), None, None, None, None
    if line_up := judge.line_up:
        known, p_true, bits = knowledge(line_up, judge.x0, e.picture, model, x_n, torch.tensor(e.levels).repeat_interleave(len(e.seeds)))
        known, p_true = known.view(grid), p_true.view(grid)
        species = speciation(model.schedule, line_up.variance)
    return CurveResult(
        experiment=e, x0=lane.pixels(model, judge.x0), x_n=x_n.view(*grid, *model.shape),
        reconstructions=lane.pixels(model, x.view(*grid, *model.shape)),
        rmse=metrics.rmse(judge.x0, x).view(grid), unrelated=judge.unrelated, came_back=judge.came_back(x).view(grid),
        kept=None if kept is None else kept.view(grid), chance=line_up.chance(judge.shown) if line_up and judge.shown else None,
        attributes=judge.attributes, bits_known=known, bits=bits, p_true=p_true, speciation=species, seconds=time.monotonic() - began,
    )  # fmt: skip


def knowledge(line_up: LineUp, x0: Tensor, text: str, model: Model, x_n: Tensor, n: Tensor) -> tuple[Tensor, Tensor, float]:
    """What an exact observer still knows of a picture with n steps of noise, who has the line-up and the picture itself to choose from.

    Args:
        line_up: of the model.
        x0: (1, C, H, W), the picture.
        text: how an experiment names the picture.
        model: whose schedule made the noise.
        x_n: (B, C, H, W), the picture with noise.
        n: (B,) int64, 0..T.

    Returns:
        bits known and the probability of the picture itself, both (B,) float64, and the bits there are.
    """
    candidates, own = line_up.with_picture(x0, text)
    p = posterior(model.schedule, x_n, n, candidates.pictures)
    return bits_known(p), p[:, own], float(np.log2(len(candidates)))


def crossing(levels: Sequence[int], values: Sequence[float] | np.ndarray, threshold: float) -> float | None:
    """The level n at which values fall through a threshold for the first time, linear between levels; None if they never do.

    Args:
        levels: L rising numbers.
        values: one a level.
        threshold: what they fall through.
    """
    for place in range(1, len(levels)):
        above, below = values[place - 1], values[place]
        if above >= threshold > below:
            return levels[place - 1] + (above - threshold) / (above - below) * (levels[place] - levels[place - 1])
    return None
