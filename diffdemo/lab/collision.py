"""Two pictures, one noise: the noise that takes picture B to the very x_n of picture A, how plausible it is, and whose picture comes back."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffdemo.experiment import WAYS_BACK, Collision
from diffdemo.lab import lane
from diffdemo.lab.progress import Progress
from diffdemo.lab.subject import Judge, picture
from diffdemo.models import Model
from diffdemo.noise import noise
from diffdemo.posterior import collide, log_odds, norm_p_value
from diffdemo.schedule import Schedule

LEVELS = 40  # of the curve of the odds


@dataclass(frozen=True, eq=False)
class Plausibility:
    """How a noise compares with true ones by its length.

    Attributes:
        mean_square: of its pixels; 1 for true noise, give or take `spread`.
        spread: 2 sqrt(2 / d), two standard deviations of the mean square of true noise with d pixels.
        p_value: the probability that true noise is at least as long.
    """

    mean_square: float
    spread: float
    p_value: float

    @classmethod
    def of(cls, eps: Tensor) -> "Plausibility":
        """Of one noise, (1, C, H, W)."""
        return cls(float(eps.double().square().mean()), 2 * math.sqrt(2 / eps.numel()), float(norm_p_value(eps)))


@dataclass(frozen=True, eq=False)
class CollisionResult:
    """What a Collision found. A, B and the ways back are in pixels, x_n and the noises in model space, where all is judged before it is decoded.

    Attributes:
        experiment: what was run, with the revision of the weights that ran it.
        x0, other: (1, C, H, W), pictures A and B. x_n: (1, C, H, W), the noisy picture they share.
        eps_a, eps_b: (1, C, H, W), the noises that lead to it.
        log_odds: ln p(B | x_n) / p(A | x_n) with equal priors, exact.
        plausibility: of eps_b; of_eps_a: of eps_a.
        levels, odds: (L,) levels of n, and log10 of the odds A : B at each with the same eps_a.
        reconstructions: (S, C, H, W), ways back from x_n, one a seed; a single one where eta = 0.
        seeds: of their fresh noise.
        a, b: (S,) bool, came back: A (or B) is the nearest to the reconstruction among itself, the other one and the line-up.
        kept_a, kept_b: (S,) share of the attributes that show in A (or B) that the reconstruction shows; None where nothing can be read.
        attributes: how many show in A and in B.
        seconds: how long it took.
    """

    experiment: Collision
    x0: Tensor
    other: Tensor
    x_n: Tensor
    eps_a: Tensor
    eps_b: Tensor
    log_odds: float
    plausibility: Plausibility
    of_eps_a: Plausibility
    levels: tuple[int, ...]
    odds: Tensor
    reconstructions: Tensor
    seeds: tuple[int, ...]
    a: Tensor
    b: Tensor
    kept_a: Tensor | None
    kept_b: Tensor | None
    attributes: tuple[int, int]
    seconds: float


def collision(e: Collision, model: Model, x0: Tensor) -> Iterator[Progress | CollisionResult]:
    """Run it; yields Progress after every network call and last the result."""
    return _collision(e, model, x0, picture(e.other, model))


def _collision(e: Collision, model: Model, x0: Tensor, other: Tensor) -> Iterator[Progress | CollisionResult]:
    began, eps_a = time.monotonic(), noise((e.seed,), model.shape)
    eps_b, x_n = collide(model.schedule, x0, other, eps_a, e.n), model.schedule.add_noise(x0, eps_a, e.n)
    seeds = tuple(range(e.seed + 1, e.seed + 1 + (WAYS_BACK if e.eta else 1)))
    shared = x_n.repeat(len(seeds), 1, 1, 1)
    x, x0_hat = shared.clone(), shared.clone()
    for call in lane.denoise_rows(model, shared, torch.full((len(seeds),), e.n), seeds, e.steps, eta=e.eta):
        x[call.rows], x0_hat[call.rows] = call.step.x, call.step.x0_hat
        yield Progress(call.done, call.total, time.monotonic() - began, x0, shared, x0_hat.clone())
    levels = tuple(sorted({max(1, round(k * model.schedule.T / LEVELS)) for k in range(LEVELS + 1)} | {e.n}))
    judges = Judge.of(e.picture, model, x0), Judge.of(e.other, model, other)
    back_a, back_b = (judge.came_back(x) for judge in judges)
    a_nearer = (x - x0).square().mean((1, 2, 3)) <= (x - other).square().mean((1, 2, 3))
    yield CollisionResult(
        experiment=e, x0=lane.pixels(model, x0), other=lane.pixels(model, other), x_n=x_n, eps_a=eps_a, eps_b=eps_b,
        log_odds=float(log_odds(eps_a, eps_b)), plausibility=Plausibility.of(eps_b), of_eps_a=Plausibility.of(eps_a), levels=levels,
        odds=odds(model, x0, other, eps_a, levels), reconstructions=lane.pixels(model, x), seeds=seeds, a=back_a & a_nearer, b=back_b & ~a_nearer,
        kept_a=judges[0].kept(x), kept_b=judges[1].kept(x), attributes=(judges[0].attributes, judges[1].attributes),
        seconds=time.monotonic() - began,
    )  # fmt: skip


def collision_calls(e: Collision, schedule: Schedule) -> int:
    """Network calls of a run, each for one picture."""
    return (WAYS_BACK if e.eta else 1) * min(e.n, e.steps)


def odds(model: Model, x0: Tensor, other: Tensor, eps_a: Tensor, levels: tuple[int, ...]) -> Tensor:
    """log10 of the exact odds A : B at each level, the noise on A being eps_a: (L,) float64.

    Args:
        model: the network's schedule is used.
        x0: (1, C, H, W), picture A.
        other: (1, C, H, W), picture B.
        eps_a: (1, C, H, W).
        levels: L levels, 1..T.
    """
    eps = eps_a.expand(len(levels), -1, -1, -1)
    return -log_odds(eps, collide(model.schedule, x0.double(), other.double(), eps.double(), torch.tensor(levels))) / np.log(10)
