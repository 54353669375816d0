"""The batched reverse loop: rows carry their own n, so a seed sweep, a strength x seed grid and a branch fan are one call.

The loop is a generator: the caller decides what to show, keep or stop. It draws no global noise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.noise import NoiseStream
from diffdemo.schedule import Levels, Schedule, Steps, grids
from diffdemo.terms import SOLVERS


class Denoiser(Protocol):
    """What the loop needs of a model."""

    @property
    def schedule(self) -> Schedule:
        """The noise schedule the network was trained with."""

    @property
    def clip(self) -> float | None:
        """x0_hat is clipped to [-clip, clip] by default; None = not clipped."""

    def predict_noise(self, x_n: Tensor, n: Levels) -> Tensor:
        """eps_hat, (B, C, H, W), at levels 1..T."""


@dataclass(frozen=True)
class Step:
    """What one network call gave; rows that have finished repeat their last one.

    Attributes:
        n: (B,) int64, the level x0_hat was predicted at.
        x: (B, C, H, W), the state after the step.
        x0_hat: (B, C, H, W), the network's one-step estimate of the clean picture.
        before: (B, C, H, W), the state that was shown to the network.
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
    """Denoise every row from its own level n to 0 and return the pictures, (B, C, H, W); arguments as in `denoise_steps`."""
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
    """Denoise every row from its own level n to 0, one `Step` a network call; a row makes exactly min(n, steps) calls.

    Args:
        model: the network with its schedule.
        x_n: (B, C, H, W), pictures with n steps of noise.
        n: 0..T, one for all rows or (B,); a row at 0 is returned as it is.
        steps: network calls, spaced inside [0, n], one for all rows or (B,).
        eta: scales the standard deviation of the fresh noise (DDIM eq. 16); 0 = deterministic, 1 = ancestral.
        solver: "ddim", or "dpm++2m" (second-order multistep, eta = 0 only).
        spacing: "trailing" (uniform in n) or "logsnr" (uniform in log SNR).
        seeds: (B,) whole numbers, needed for eta > 0. The first draw of a seed is the eps of x_n; the fresh noise comes after it.
        clip: clip x0_hat to the data's range; None = as the model was saved. With ddim eps_hat is kept as it is.

    Raises:
        DiffdemoError: an argument is out of bounds or does not fit the others; checked before the first network call.

    References:
        Song et al., 2021, DDIM, eq. 12, arXiv 2010.02502; Lu et al., 2022, DPM-Solver++, algorithm 2, arXiv 2211.01095.
    """
    if x_n.ndim != 4 or not x_n.dtype.is_floating_point:
        raise DiffdemoError(f"x_n is a float tensor (B, C, H, W), not {x_n.dtype} {tuple(x_n.shape)}.")
    levels = grids(model.schedule, model.schedule.levels(n, len(x_n)), steps, spacing)
    fresh = _fresh_noise(x_n, eta, solver, seeds)
    return _Loop(model, solver, eta, fresh, _bound(model, clip)).run(x_n, levels)


def walk(
    model: Denoiser, x: Tensor, levels: Tensor, eta: float = 0.0, seeds: Sequence[int] | None = None, clip: bool | None = None
) -> Iterator[Step]:
    """Follow any row of levels: down by the DDIM step, up by fresh noise; one `Step` whenever a row asks the network.

    Args:
        model: the network with its schedule.
        x: (B, C, H, W), each row at the first of its levels.
        levels: (B, K + 1) int64, 0..T; a row that stays at a level waits. As `schedule.grids` or `schedule.with_jumps` give them.
        eta: as in `denoise_steps`.
        seeds: (B,), needed for eta > 0 and wherever a row goes up; used as in `denoise_steps`.
        clip: as in `denoise_steps`.

    Raises:
        DiffdemoError: an argument is out of bounds or does not fit the others; checked before the first network call.

    References:
        Song et al., 2021, DDIM, eq. 12, arXiv 2010.02502; Lugmayr et al., 2022, RePaint, algorithm 1 (going up), arXiv 2201.09865.
    """
    if levels.ndim != 2 or len(levels) != len(x) or levels.shape[1] < 1:
        raise DiffdemoError(f"Every one of the {len(x)} rows needs its levels, (B, K + 1), not {tuple(levels.shape)}.")
    model.schedule.levels(levels.flatten(), levels.numel())
    fresh = _fresh_noise(x, eta, "ddim", seeds, climbs=bool((levels.diff(dim=1) > 0).any()))
    return _Loop(model, "ddim", eta, fresh, _bound(model, clip)).run(x, levels)


def _bound(model: Denoiser, clip: bool | None) -> float | None:
    """x0_hat is clipped to plus and minus this; None = not clipped."""
    return model.clip if clip is None else (model.clip or 1.0) if clip else None


def _fresh_noise(x_n: Tensor, eta: float, solver: str, seeds: Sequence[int] | None, climbs: bool = False) -> NoiseStream | None:
    """The seeds' streams, their first draw (the eps of x_n) already taken; None when nothing is to be drawn."""
    if solver not in SOLVERS:
        raise ExperimentError(f"The solver is one of {', '.join(SOLVERS)}, not {solver!r}.")
    if isinstance(eta, bool) or not isinstance(eta, int | float) or not 0 <= eta <= 1:
        raise ExperimentError(f"eta is a number from 0 (deterministic) to 1 (ancestral), not {eta!r}.")
    if eta == 0 and not climbs:
        return None
    if solver != "ddim":
        raise ExperimentError(f"The solver {solver} is deterministic: it takes eta = 0, not {eta:g}.")
    if seeds is None or len(seeds) != len(x_n):
        raise ExperimentError("With eta > 0, or where it goes up, every row needs a seed for its fresh noise.")
    stream = NoiseStream(seeds, x_n.shape[1:])
    stream.draw()
    return stream


@dataclass(frozen=True)
class _Loop:
    model: Denoiser
    solver: str
    eta: float
    fresh: NoiseStream | None
    bound: float | None

    def run(self, x: Tensor, levels: Tensor) -> Iterator[Step]:
        n, x0_hat, shown = levels[:, 0].clone(), x, x
        for k in range(levels.shape[1] - 1):
            here, there = levels[:, k], levels[:, k + 1]
            fresh = self.fresh.draw().to(x.device, x.dtype) if self.fresh else None
            if (up := (there > here).nonzero().flatten()).numel() and fresh is not None:
                x = _replace(x, up, self.model.schedule.renoise(x[up], here[up], there[up], fresh[up]))
            down = there < here
            rows = slice(None) if bool(down.all()) else down.nonzero().flatten()
            if not bool(down.any()):
                continue
            shown = _replace(shown, rows, x[rows])
            x, new_x0_hat = self._advance(x, x0_hat, levels, k, rows, fresh)
            n, x0_hat = n.clone(), _replace(x0_hat, rows, new_x0_hat)
            n[rows] = here[rows]
            yield Step(n, x, x0_hat, shown)

    @torch.no_grad()
    def _advance(self, x: Tensor, x0_before: Tensor, levels: Tensor, k: int, rows: Tensor | slice, fresh: Tensor | None) -> tuple[Tensor, Tensor]:
        """One network call for the rows still under way; returns the whole new state, and x0_hat of those rows."""
        schedule, state, n, n_prev = self.model.schedule, x[rows], levels[rows, k], levels[rows, k + 1]
        eps_hat = self.model.predict_noise(state, n)
        x0_hat = schedule.x0_from_eps(state, eps_hat, n)
        if self.bound is not None:
            x0_hat = x0_hat.clamp(-self.bound, self.bound)
        estimate = x0_hat
        if self.solver == "dpm++2m":
            if k > 0:
                estimate = _second_order(schedule, x0_hat, x0_before[rows], levels[rows, k - 1 : k + 2])
            eps_hat = schedule.eps_from_x0(state, estimate, n)
        new = fresh[rows] if fresh is not None else None
        state = schedule.ddim_step(state, eps_hat, n, n_prev, x0_hat=estimate, eta=self.eta, fresh=new)
        return _replace(x, rows, state), x0_hat


def _replace(whole: Tensor, rows: Tensor | slice, part: Tensor) -> Tensor:
    if isinstance(rows, slice):
        return part
    return whole.index_copy(0, rows.to(whole.device), part)


def _second_order(schedule: Schedule, x0_hat: Tensor, x0_before: Tensor, levels: Tensor) -> Tensor:
    """DPM-Solver++(2M)'s extrapolated x0: D + (D - D_before) / (2 r), r = h_before / h in lambda = 1/2 log SNR; the last step keeps D.

    The solver's update with this estimate is the DDIM step that takes its eps from it. `levels` is (B, 3): the level before, this one
    and the next; a next level of 0 has infinite lambda, so 1 / (2 r) is set to 0 there.
    """
    before, here, after = (0.5 * schedule.snr[levels].log()).unbind(1)
    half_ratio = torch.where(levels[:, 2] > 0, (after - here) / (here - before) / 2, 0.0)
    return x0_hat + half_ratio.to(x0_hat.device, x0_hat.dtype).view(-1, 1, 1, 1) * (x0_hat - x0_before)
