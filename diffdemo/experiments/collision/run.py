"""Two pictures, one noise: the noise that takes B to the x_n of A, and whose picture comes back."""

import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.posterior import collide, log_odds, norm_p_value
from diffdemo.diffusion.schedule import Schedule
from diffdemo.experiments.collision import WAYS_BACK, Collision
from diffdemo.lab import batches
from diffdemo.lab.judge import Judge
from diffdemo.lab.prepare import Ready, picture
from diffdemo.lab.progress import Progress

INTERVALS = 40  # between the levels at which the odds are computed


@dataclass(frozen=True, eq=False)
class Plausibility:
    """How a noise compares with true noise by its length.

    Attributes:
        mean_square: of its d values; 1 for true noise, give or take `spread`.
        spread: 2 sqrt(2 / d), two standard deviations of the mean square of true noise.
        p_value: the probability that true noise is at least as long.
    """

    mean_square: float
    spread: float
    p_value: float

    @classmethod
    def of(cls, eps: Tensor) -> "Plausibility":
        """Measure one noise, (1, C, H, W)."""
        mean_square = float(eps.double().square().mean())
        return cls(mean_square, 2 * math.sqrt(2 / eps.numel()), float(norm_p_value(eps)))


@dataclass(frozen=True, eq=False)
class CollisionResult:
    """What a Collision found.

    A, B and the ways back are in pixels, x_n and the noises in model space. Pictures are judged in
    model space, before they are decoded.

    Attributes:
        experiment: what was run, with the revision of the weights.
        x0, other: (1, C, H, W), pictures A and B.
        x_n: (1, C, H, W), the noisy picture they share.
        signal, spread: sqrt(alpha_bar) and sqrt(1 - alpha_bar) at n.
        T: the number of noise steps of the model.
        eps_a, eps_b: (1, C, H, W), the noises that lead to x_n.
        log_odds: ln p(B | x_n) / p(A | x_n) with equal priors, exact.
        plausibility: of eps_b.
        of_eps_a: the same of eps_a.
        levels: L levels of n.
        odds: (L,) float64, log10 of the odds A : B at each level, with the same eps_a.
        reconstructions: (S, C, H, W), ways back from x_n, one a seed; only one where eta = 0.
        seeds: of their fresh noise.
        a, b: (S,) bool, A (or B) came back, as of a round trip, and is the nearer of the two.
        kept_a, kept_b: (S,) share of the visible attributes of A (or B) kept; None where nothing
            can be read.
        attributes: how many are visible in A and in B.
        seconds: how long it took.
    """

    experiment: Collision
    x0: Tensor
    other: Tensor
    x_n: Tensor
    signal: float
    spread: float
    T: int
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


def calls(e: Collision, schedule: Schedule) -> int:
    """Count the network calls of a run, each for one picture."""
    return len(_seeds(e)) * min(e.n, e.steps)


def run(e: Collision, ready: Ready) -> Iterator[Progress | CollisionResult]:
    """Run it; yields Progress after each network call, and last the result."""
    began = time.monotonic()
    model = ready.model
    schedule = model.schedule
    x0 = ready.x0
    other = picture(e.other, model)
    eps_a = noise((e.seed,), model.shape)
    eps_b = collide(schedule, x0, other, eps_a, e.n)
    x_n = schedule.add_noise(x0, eps_a, e.n)
    x = yield from _ways_back(e, ready, x_n, began)
    alpha_bar = float(schedule.alpha_bar[e.n])
    levels = _levels(e, schedule)
    judge_b = Judge.of(e.other, model, other)
    a_nearer = (x - x0).square().mean((1, 2, 3)) <= (x - other).square().mean((1, 2, 3))
    yield CollisionResult(
        experiment=e,
        x0=batches.pixels(model, x0),
        other=batches.pixels(model, other),
        x_n=x_n,
        signal=alpha_bar**0.5,
        spread=(1 - alpha_bar) ** 0.5,
        T=schedule.T,
        eps_a=eps_a,
        eps_b=eps_b,
        log_odds=float(log_odds(eps_a, eps_b)),
        plausibility=Plausibility.of(eps_b),
        of_eps_a=Plausibility.of(eps_a),
        levels=levels,
        odds=log10_odds(schedule, x0, other, eps_a, levels),
        reconstructions=batches.pixels(model, x),
        seeds=_seeds(e),
        a=ready.judge.came_back(x) & a_nearer,
        b=judge_b.came_back(x) & ~a_nearer,
        kept_a=ready.judge.kept(x),
        kept_b=judge_b.kept(x),
        attributes=(ready.judge.attributes, judge_b.attributes),
        seconds=time.monotonic() - began,
    )


def _seeds(e: Collision) -> tuple[int, ...]:
    """Return the seeds of the ways back; without fresh noise there is only one way."""
    return tuple(range(e.seed + 1, e.seed + 1 + (WAYS_BACK if e.eta else 1)))


def _levels(e: Collision, schedule: Schedule) -> tuple[int, ...]:
    """Return the levels at which the odds are computed, n among them."""
    even = {round(k * schedule.T / INTERVALS) for k in range(INTERVALS + 1)}
    return tuple(sorted({max(1, level) for level in even} | {e.n}))


def _ways_back(
    e: Collision, ready: Ready, x_n: Tensor, began: float
) -> Generator[Progress, None, Tensor]:
    """Denoise x_n, (1, C, H, W), once a seed; returns the pictures, (S, C, H, W)."""
    seeds = _seeds(e)
    shared = x_n.repeat(len(seeds), 1, 1, 1)
    x = shared.clone()
    x0_hat = shared.clone()
    levels = torch.full((len(seeds),), e.n)
    for call in batches.denoise_rows(ready.model, shared, levels, seeds, e.steps, eta=e.eta):
        x[call.rows] = call.step.x
        x0_hat[call.rows] = call.step.x0_hat
        seconds = time.monotonic() - began
        yield Progress(call.done, call.total, seconds, ready.x0, shared, x0_hat.clone())
    return x


def log10_odds(
    schedule: Schedule, x0: Tensor, other: Tensor, eps_a: Tensor, levels: Sequence[int]
) -> Tensor:
    """Return log10 of the exact odds A : B at each level, with the noise eps_a on A.

    Args:
        schedule: the noise schedule.
        x0: (1, C, H, W), picture A.
        other: (1, C, H, W), picture B.
        eps_a: (1, C, H, W).
        levels: L levels, 1..T.

    Returns:
        (L,) float64.
    """
    eps = eps_a.expand(len(levels), -1, -1, -1)
    n = torch.tensor(levels)
    eps_b = collide(schedule, x0.double(), other.double(), eps.double(), n)
    return -log_odds(eps, eps_b) / math.log(10)
