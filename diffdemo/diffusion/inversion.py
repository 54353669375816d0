"""From a picture back to a noise that leads to it, by DDIM and by fixed-point iteration.

Both run on the sampler's grid, mirrored, and never clip.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from diffdemo.diffusion.grids import Steps, grids
from diffdemo.diffusion.noise import NoiseStream
from diffdemo.diffusion.sampling import Denoiser
from diffdemo.diffusion.schedule import Levels
from diffdemo.errors import ExperimentError

Shares = float | Sequence[float]
Seeds = Sequence[int] | None

METHODS = ("ddim", "fixed-point")
# A fixed-point step ends when no pixel moves more than TOLERANCE, or after ITERATIONS calls.
TOLERANCE = 1e-5
ITERATIONS = 20


@dataclass(frozen=True)
class InversionStep:
    """One step up.

    Attributes:
        n: (B,) int64, the level reached; rows whose grid has not begun are where they start.
        x: (B, C, H, W), the state there.
        residual: (B,) largest pixel change of the last iteration; 0 for "ddim".
        calls: (B,) int64, network calls this step made for each row.
    """

    n: Tensor
    x: Tensor
    residual: Tensor
    calls: Tensor


def invert(
    model: Denoiser,
    x0: Tensor,
    n: Levels,
    steps: Steps,
    method: str = "ddim",
    warm: Shares = 0.0,
    seeds: Seeds = None,
) -> Tensor:
    """Return the x_n that the method finds for x0, (B, C, H, W).

    Arguments and errors as in `invert_steps`.
    """
    x = x0
    for step in invert_steps(model, x0, n, steps, method, warm, seeds):
        x = step.x
    return x


def invert_steps(
    model: Denoiser,
    x0: Tensor,
    n: Levels,
    steps: Steps,
    method: str = "ddim",
    warm: Shares = 0.0,
    seeds: Seeds = None,
) -> Iterator[InversionStep]:
    """Walk the sampler's grid upwards from the picture, and yield every step.

    A step from level t up to p solves, with A = sqrt(alpha_bar) and S = sqrt(1 - alpha_bar),

        x_p = (A_p / A_t) x_t + (S_p - S_t A_p / A_t) eps_hat(x_p, p),

    the exact inverse of the sampler's step down. "ddim" takes eps_hat(x_t, p) instead, which is
    one iteration from x_t; "fixed-point" iterates.

    Args:
        model: the network with its schedule.
        x0: (B, C, H, W).
        n: 0..T, one for all or (B,); 0 returns the picture without a network call.
        steps: steps of the sampler's grid, one for all rows or (B,); rows with short grids start
            late, so that all arrive together.
        method: "ddim" or "fixed-point".
        warm: share of the steps, the lowest ones, replaced by one jump of added noise; one for
            all rows or (B,).
        seeds: (B,) whole numbers that name that noise; needed for warm > 0.

    Raises:
        DiffdemoError: an argument is out of bounds; checked before the first network call.

    References:
        Song et al., 2021, DDIM, eq. 13, arXiv 2010.02502;
        Pan et al., 2023, AIDI, arXiv 2309.04907 (fixed point);
        Staniszewski et al., 2024, There and Back Again, arXiv 2410.23530 (warm start).
    """
    if method not in METHODS:
        raise ExperimentError(
            f"The inversion method is one of {', '.join(METHODS)}, not {method!r}."
        )
    shares = _shares_by_row(warm, len(x0))
    is_warm = any(share > 0 for share in shares)
    if is_warm and (seeds is None or len(seeds) != len(x0)):
        raise ExperimentError(
            "With warm > 0 every row needs a seed for the noise of the first jump."
        )
    n = model.schedule.levels(n, len(x0))
    levels = grids(model.schedule, n, steps).flip(1)
    eps = None
    if is_warm and seeds is not None:
        eps = NoiseStream(seeds, x0.shape[1:]).draw_like(x0)
    levels = _skip_lowest(levels, torch.tensor(shares, dtype=torch.float64))
    iterations = ITERATIONS if method == "fixed-point" else 1
    return _climb(model, x0, levels, iterations, eps)


def _shares_by_row(warm: Shares, rows: int) -> list[float]:
    shares = list(warm) if isinstance(warm, Sequence) else [warm] * rows
    if len(shares) != rows or not all(_is_share(share) for share in shares):
        raise ExperimentError(
            f"The warm share is a number from 0 to 1, for all rows or one for each, not {warm!r}."
        )
    return shares


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _skip_lowest(levels: Tensor, shares: Tensor) -> Tensor:
    """Leave out the lowest steps of each row: it waits at the level where they end.

    Args:
        levels: (B, K + 1) rising levels.
        shares: (B,) of the row's own steps.
    """
    steps = (levels > 0).sum(1)
    skipped = (shares * steps).round().long()
    first = levels.shape[1] - 1 - steps + skipped
    return levels.maximum(levels.gather(1, first[:, None]))


def _climb(
    model: Denoiser, x: Tensor, levels: Tensor, iterations: int, eps: Tensor | None
) -> Iterator[InversionStep]:
    no_residual = torch.zeros(len(x))
    no_calls = torch.zeros(len(x), dtype=torch.int64)
    if eps is not None and levels[:, 0].any():
        x = model.schedule.add_noise(x, eps, levels[:, 0])
        yield InversionStep(levels[:, 0], x, no_residual, no_calls)
    for t, p in pairwise(levels.T):
        rows = (p > t).nonzero().flatten()
        if not len(rows):
            continue
        x_p, residual, calls = _solve(model, x[rows], t[rows], p[rows], iterations)
        x = x.index_copy(0, rows.to(x.device), x_p)
        residual = no_residual.index_copy(0, rows, residual)
        calls = no_calls.index_copy(0, rows, calls)
        yield InversionStep(p, x, residual, calls)


@torch.no_grad()
def _solve(
    model: Denoiser, x_t: Tensor, t: Tensor, p: Tensor, iterations: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Solve one step up for x_p; return it with the residual and the calls of each row.

    Rows that have converged are left alone, so that no row depends on its neighbours.
    """
    x_p = x_t
    residual = torch.full((len(x_t),), torch.inf)
    calls = torch.zeros(len(x_t), dtype=torch.int64)
    active = torch.arange(len(x_t))
    for _ in range(iterations):
        if not len(active):
            break
        calls[active] += 1
        eps_hat = model.predict_noise(x_p[active], p[active])
        x0_hat = model.schedule.x0_from_eps(x_t[active], eps_hat, t[active])
        x_new = model.schedule.add_noise(x0_hat, eps_hat, p[active])
        change = (x_new - x_p[active]).abs().amax((1, 2, 3)).float().cpu()
        x_p = x_p.index_copy(0, active.to(x_p.device), x_new)
        residual = residual.index_copy(0, active, change)
        active = active[change > TOLERANCE]
    if iterations == 1:
        residual = torch.zeros(len(x_t))
    return x_p, residual, calls


def slerp(a: Tensor, b: Tensor, w: float) -> Tensor:
    """Interpolate two noises on a sphere, each row by itself.

    The length is preserved if both are equally long.

    Args:
        a: (B, C, H, W), returned for w = 0.
        b: (B, C, H, W), returned for w = 1.
        w: share of b.

    References:
        Song et al., 2021, DDIM, appendix D.5, arXiv 2010.02502.
    """
    if w in (0, 1):
        return b if w else a
    left = a.flatten(1).double()
    right = b.flatten(1).double()
    lengths = left.norm(dim=1) * right.norm(dim=1)
    cosine = (left * right).sum(1) / lengths
    theta = cosine.clamp(-1, 1).acos().view(-1, 1)
    share_a = torch.sin((1 - w) * theta)
    share_b = torch.sin(w * theta)
    arc = (share_a * left + share_b * right) / theta.sin()
    chord = (1 - w) * left + w * right
    mixed = torch.where(theta > 1e-6, arc, chord)  # sin(theta) is about 0 below
    return mixed.to(a.dtype).view_as(a)
