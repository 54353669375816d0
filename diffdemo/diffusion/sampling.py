"""The batched reverse loop.

Rows carry their own n, so a seed sweep, a strength x seed grid and a fan of branches are one call.
The loop is a generator: the caller decides what to show, store or stop.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from diffdemo.diffusion.grids import Steps, grids
from diffdemo.diffusion.noise import NoiseStream
from diffdemo.diffusion.schedule import Levels, Schedule, per_row
from diffdemo.diffusion.terms import SOLVERS
from diffdemo.errors import DiffdemoError, ExperimentError


class Denoiser(Protocol):
    """What the loop needs of a model."""

    @property
    def schedule(self) -> Schedule:
        """The noise schedule the network was trained with."""

    @property
    def clip(self) -> float | None:
        """x0_hat is clipped to [-clip, clip] by default; None = not clipped."""

    def predict_noise(self, x_n: Tensor, n: Levels) -> Tensor:
        """Return eps_hat, (B, C, H, W), at levels 1..T."""


@dataclass(frozen=True)
class Step:
    """What one network call gave; rows that have finished repeat their last step.

    Attributes:
        n: (B,) int64, the level x0_hat was predicted at.
        x: (B, C, H, W), the state after the step.
        x0_hat: (B, C, H, W), the network's one-step estimate of the clean picture.
        before: (B, C, H, W), the state that the network was given.
    """

    n: Tensor
    x: Tensor
    x0_hat: Tensor
    before: Tensor


def denoise(
    model: Denoiser,
    x_n: Tensor,
    n: Levels,
    steps: Steps = 20,
    eta: float = 0.0,
    solver: str = "ddim",
    spacing: str = "trailing",
    seeds: Sequence[int] | None = None,
    clip: bool | None = None,
) -> Tensor:
    """Denoise every row from its own level n to 0: (B, C, H, W).

    Arguments and errors as in `denoise_steps`.
    """
    x = x_n
    for step in denoise_steps(model, x_n, n, steps, eta, solver, spacing, seeds, clip):
        x = step.x
    return x


def denoise_steps(
    model: Denoiser,
    x_n: Tensor,
    n: Levels,
    steps: Steps = 20,
    eta: float = 0.0,
    solver: str = "ddim",
    spacing: str = "trailing",
    seeds: Sequence[int] | None = None,
    clip: bool | None = None,
) -> Iterator[Step]:
    """Denoise every row from its own level n to 0, and yield a `Step` for each network call.

    A row makes exactly min(n, steps) calls.

    Args:
        model: the network with its schedule.
        x_n: (B, C, H, W), pictures with n steps of noise.
        n: 0..T, one for all rows or (B,); a row at 0 is returned as it is.
        steps: network calls, spaced inside [0, n], one for all rows or (B,).
        eta: scales the standard deviation of the fresh noise; 0 = deterministic, 1 = ancestral.
        solver: "ddim", or "dpm++2m" (second-order multistep, eta = 0 only).
        spacing: "trailing" (uniform in n) or "logsnr" (uniform in log SNR).
        seeds: (B,) whole numbers, needed for eta > 0. The first draw of a seed is the eps of x_n;
            the fresh noise comes after it.
        clip: clip x0_hat to the data's range; None = as the model was saved. With ddim eps_hat
            stays as predicted.

    Raises:
        DiffdemoError: an argument is out of bounds or does not fit the others; checked before
            the first network call.

    References:
        Song et al., 2021, DDIM, eqs. 12 and 16, arXiv 2010.02502;
        Lu et al., 2022, DPM-Solver++, algorithm 2, arXiv 2211.01095.
    """
    if x_n.ndim != 4 or not x_n.dtype.is_floating_point:
        raise DiffdemoError(
            f"x_n is a float tensor (B, C, H, W), not {x_n.dtype} {tuple(x_n.shape)}."
        )
    levels = grids(model.schedule, model.schedule.levels(n, len(x_n)), steps, spacing)
    fresh = _fresh_noise(x_n, eta, solver, seeds)
    return _Sampler(model, solver, eta, fresh, _clip_bound(model, clip)).run(x_n, levels)


def walk(
    model: Denoiser,
    x: Tensor,
    levels: Tensor,
    eta: float = 0.0,
    seeds: Sequence[int] | None = None,
    clip: bool | None = None,
) -> Iterator[Step]:
    """Follow any levels: down by the DDIM step, up by fresh noise. Yields as `denoise_steps`.

    Args:
        model: the network with its schedule.
        x: (B, C, H, W), each row at the first of its levels.
        levels: (B, K + 1) int64, 0..T, from `grids` or `with_jumps`; a row whose level does not
            change waits.
        eta: as in `denoise_steps`.
        seeds: (B,), needed for eta > 0 and wherever a row goes up; used as in `denoise_steps`.
        clip: as in `denoise_steps`.

    Raises:
        DiffdemoError: an argument is out of bounds or does not fit the others; checked before
            the first network call.

    References:
        Song et al., 2021, DDIM, eq. 12, arXiv 2010.02502;
        Lugmayr et al., 2022, RePaint, algorithm 1 (going up), arXiv 2201.09865.
    """
    if levels.ndim != 2 or len(levels) != len(x) or levels.shape[1] < 1:
        raise DiffdemoError(
            f"Every one of the {len(x)} rows needs its levels, (B, K + 1), "
            f"not {tuple(levels.shape)}."
        )
    model.schedule.levels(levels.flatten(), levels.numel())
    climbs = bool((levels.diff(dim=1) > 0).any())
    fresh = _fresh_noise(x, eta, "ddim", seeds, climbs)
    return _Sampler(model, "ddim", eta, fresh, _clip_bound(model, clip)).run(x, levels)


def _clip_bound(model: Denoiser, clip: bool | None) -> float | None:
    """Return the bound of |x0_hat|; None = not clipped."""
    if clip is None:
        return model.clip
    return (model.clip or 1.0) if clip else None


def _fresh_noise(
    x_n: Tensor, eta: float, solver: str, seeds: Sequence[int] | None, climbs: bool = False
) -> NoiseStream | None:
    """Return the streams of the seeds after their first draw, the eps of x_n; None if unneeded."""
    if solver not in SOLVERS:
        raise ExperimentError(f"The solver is one of {', '.join(SOLVERS)}, not {solver!r}.")
    if isinstance(eta, bool) or not isinstance(eta, int | float) or not 0 <= eta <= 1:
        raise ExperimentError(
            f"eta is a number from 0 (deterministic) to 1 (ancestral), not {eta!r}."
        )
    if eta == 0 and not climbs:
        return None
    if solver != "ddim":
        raise ExperimentError(
            f"The solver {solver} is deterministic: it takes eta = 0, not {eta:g}."
        )
    if seeds is None or len(seeds) != len(x_n):
        raise ExperimentError(
            "With eta > 0, or where it goes up, every row needs a seed for its fresh noise."
        )
    stream = NoiseStream(seeds, x_n.shape[1:])
    stream.draw()
    return stream


@dataclass(frozen=True)
class _Sampler:
    model: Denoiser
    solver: str
    eta: float
    stream: NoiseStream | None  # of fresh noise
    bound: float | None  # of |x0_hat|

    def run(self, x: Tensor, levels: Tensor) -> Iterator[Step]:
        n = levels[:, 0]
        x0_hat = x
        before = x
        for k in range(levels.shape[1] - 1):
            here = levels[:, k]
            there = levels[:, k + 1]
            fresh = self.stream.draw_like(x) if self.stream else None
            up = (there > here).nonzero().flatten()
            if len(up) and fresh is not None:
                noised = self.model.schedule.renoise(x[up], here[up], there[up], fresh[up])
                x = _replace(x, up, noised)
            down = there < here
            if not down.any():
                continue
            rows = slice(None) if down.all() else down.nonzero().flatten()
            new = fresh[rows] if fresh is not None else None
            x_prev, predicted = self._step(x[rows], levels[rows], k, x0_hat[rows], new)
            n = torch.where(down, here, n)
            before = _replace(before, rows, x[rows])
            x0_hat = _replace(x0_hat, rows, predicted)
            x = _replace(x, rows, x_prev)
            yield Step(n, x, x0_hat, before)

    @torch.no_grad()
    def _step(
        self, x: Tensor, levels: Tensor, k: int, x0_before: Tensor, fresh: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Call the network once for rows at levels[:, k]; return the next state, and x0_hat."""
        schedule = self.model.schedule
        n = levels[:, k]
        eps_hat = self.model.predict_noise(x, n)
        x0_hat = schedule.x0_from_eps(x, eps_hat, n)
        if self.bound is not None:
            x0_hat = x0_hat.clamp(-self.bound, self.bound)
        estimate = x0_hat
        if self.solver == "dpm++2m":
            if k > 0:
                estimate = _second_order(schedule, x0_hat, x0_before, levels[:, k - 1 : k + 2])
            eps_hat = schedule.eps_from_x0(x, estimate, n)
        x_prev = schedule.ddim_step(estimate, eps_hat, n, levels[:, k + 1], self.eta, fresh)
        return x_prev, x0_hat


def _replace(whole: Tensor, rows: Tensor | slice, part: Tensor) -> Tensor:
    """Return `whole` with some rows replaced; a slice is all of them."""
    if isinstance(rows, slice):
        return part
    return whole.index_copy(0, rows.to(whole.device), part)


def _second_order(schedule: Schedule, x0_hat: Tensor, x0_before: Tensor, levels: Tensor) -> Tensor:
    """Extrapolate x0_hat as DPM-Solver++(2M) does: D + (D - D_before) / (2 r).

    r = h_before / h in lambda = 1/2 log SNR. The solver's update is the DDIM step with this
    estimate and the eps that follows from it. lambda is infinite at level 0, so the last step
    keeps D.

    Args:
        schedule: the noise schedule.
        x0_hat: (B, C, H, W), D.
        x0_before: (B, C, H, W), D_before.
        levels: (B, 3) int64, the level before, this one and the next.
    """
    before, here, after = (0.5 * schedule.snr[levels].log()).unbind(1)
    half_ratio = (after - here) / (here - before) / 2
    half_ratio = torch.where(levels[:, 2] > 0, half_ratio, 0.0)
    return x0_hat + per_row(half_ratio, x0_hat) * (x0_hat - x0_before)
