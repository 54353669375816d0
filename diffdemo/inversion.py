"""From a picture back to a noise that leads to it: DDIM and fixed-point inversion, and two encoders that keep the whole path.

All of them run on the grid of the sampler, mirrored, and never clip. "Exact" means a largest error below 1e-4 in float32.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.noise import NoiseStream
from diffdemo.sampling import Denoiser
from diffdemo.schedule import Levels, Schedule, grids

METHODS = ("ddim", "fixed-point")
TOLERANCE = 1e-6  # a fixed-point step ends when no pixel moves more than this ...
ITERATIONS = 50  # ... or after this many network calls


@dataclass(frozen=True)
class InversionStep:
    """One step up.

    Attributes:
        n: (B,) int64, the level reached; rows whose grid has not begun are at 0.
        x: (B, C, H, W), the state there.
        residual: (B,) largest pixel change of the last iteration; 0 where nothing is iterated.
        calls: network calls this step made.
    """

    n: Tensor
    x: Tensor
    residual: Tensor
    calls: int


def invert(model: Denoiser, x0: Tensor, n: Levels, steps: int, method: str = "ddim", warm: float = 0.0, seeds: Sequence[int] | None = None) -> Tensor:
    """The x_n that the method finds for x0, (B, C, H, W); arguments and errors as in `invert_steps`."""
    x = x0
    for step in invert_steps(model, x0, n, steps, method, warm, seeds):
        x = step.x
    return x


def invert_steps(
    model: Denoiser, x0: Tensor, n: Levels, steps: int, method: str = "ddim", warm: float = 0.0, seeds: Sequence[int] | None = None
) -> Iterator[InversionStep]:
    """Walk the sampler's grid upwards from the picture.

    A step from level t up to p solves x_p = (A_p / A_t) x_t + (S_p - S_t A_p / A_t) eps_hat(x_p, p), A = sqrt(alpha_bar), S = sqrt(1 - alpha_bar):
    the exact inverse of the sampler's step down. "ddim" takes eps_hat(x_t, p) instead, which is one iteration from x_t; "fixed-point" iterates.

    Args:
        model: the network with its schedule.
        x0: (B, C, H, W).
        n: 0..T, one for all or (B,); 0 returns the picture and asks the network nothing.
        steps: steps of the sampler's grid.
        method: "ddim" or "fixed-point".
        warm: share of the steps, the lowest ones, replaced by one jump of added noise.
        seeds: (B,) whole numbers that name that noise; needed for warm > 0.

    Raises:
        DiffdemoError: an argument is out of bounds; checked before the first network call.

    References:
        Song et al., 2021, DDIM, eq. 13, arXiv 2010.02502; Pan et al., 2023, AIDI, arXiv 2309.04907 (fixed point);
        Staniszewski et al., 2024, There and Back Again, arXiv 2410.23530 (warm start).
    """
    if method not in METHODS:
        raise ExperimentError(f"The inversion method is one of {', '.join(METHODS)}, not {method!r}.")
    if isinstance(warm, bool) or not isinstance(warm, int | float) or not 0 <= warm <= 1:
        raise ExperimentError(f"The warm share is a number from 0 to 1, not {warm!r}.")
    if warm > 0 and (seeds is None or len(seeds) != len(x0)):
        raise ExperimentError("With warm > 0 every row needs a seed for the noise of the first jump.")
    levels = grids(model.schedule, model.schedule.levels(n, len(x0)), steps).flip(1)
    eps = NoiseStream(seeds, x0.shape[1:]).draw().to(x0.device, x0.dtype) if warm > 0 and seeds is not None else None
    return _climb(model, x0, levels, ITERATIONS if method == "fixed-point" else 1, round(warm * (levels.shape[1] - 1)), eps)


def _climb(model: Denoiser, x: Tensor, levels: Tensor, iterations: int, skip: int, eps: Tensor | None) -> Iterator[InversionStep]:
    none = torch.zeros(len(x))
    if skip and eps is not None:
        x = model.schedule.add_noise(x, eps, levels[:, skip])
        yield InversionStep(levels[:, skip], x, none, 0)
    for lower, upper in zip(levels.T[skip:-1], levels.T[skip + 1 :], strict=True):
        rows = (upper > lower).nonzero().flatten()
        found, residual, calls = _solve(model, x[rows], lower[rows], upper[rows], iterations)
        x = x.index_copy(0, rows.to(x.device), found)
        yield InversionStep(upper, x, none.index_copy(0, rows, residual), calls)


@torch.no_grad()
def _solve(model: Denoiser, x: Tensor, lower: Tensor, upper: Tensor, iterations: int) -> tuple[Tensor, Tensor, int]:
    """One implicit step up; rows that have settled are left alone, so that no row depends on its neighbours."""
    found, residual, active = x, torch.full((len(x),), torch.inf), torch.arange(len(x))
    calls = 0
    while len(active) and calls < iterations:
        calls += 1
        eps_hat = model.predict_noise(found[active], upper[active])
        explained = model.schedule.x0_from_eps(x[active], eps_hat, lower[active])
        better = model.schedule.add_noise(explained, eps_hat, upper[active])
        moved = (better - found[active]).abs().amax((1, 2, 3)).float().cpu()
        found = found.index_copy(0, active.to(x.device), better)
        residual = residual.index_copy(0, active, moved)
        active = active[moved > TOLERANCE]
    return found, residual if iterations > 1 else torch.zeros(len(x)), calls


def edit_friendly(model: Denoiser, x0: Tensor, n: int, steps: int, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """A path to x0 whose states are drawn independently, and the z that walk it: exact for any network.

    Args:
        model: the network with its schedule.
        x0: (B, C, H, W), or (1, C, H, W) for every seed.
        n: 1..T, the same for all rows.
        steps: steps of the trailing grid.
        seeds: (B,) whole numbers; the first draw is the eps of x_n, later draws make the states below.

    Returns:
        x_n, (B, C, H, W), and z, (min(n, steps), B, C, H, W): z[0] belongs to the first step down, z[-1] is the last residual.

    Raises:
        DiffdemoError: an argument is out of bounds or does not fit the others.

    References:
        Huberman-Spiegelglas et al., 2024, An edit friendly DDPM noise space, algorithm 1, arXiv 2304.06140.
    """
    return _encode(model, x0, n, steps, seeds, lambda schedule, x, original, upper, lower, draw: schedule.add_noise(original, draw, lower))


def dpm_encoder(model: Denoiser, x0: Tensor, n: int, steps: int, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """A path to x0 drawn from the true posterior q(x_s | x_t, x0), and its z, which are standard normal; arguments as in `edit_friendly`.

    References:
        Wu, De la Torre, 2023, A latent space of stochastic diffusion models, section 3.2, arXiv 2210.05559.
    """

    def state(schedule: Schedule, x: Tensor, original: Tensor, upper: Tensor, lower: Tensor, draw: Tensor) -> Tensor:
        eps = schedule.eps_from_x0(x, original, upper)
        return schedule.ddim_step(x, eps, upper, lower, x0_hat=original, eta=1.0, fresh=draw)

    return _encode(model, x0, n, steps, seeds, state)


def _encode(model: Denoiser, x0: Tensor, n: int, steps: int, seeds: Sequence[int], state: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    """Draw a path downwards by `state` and solve each step for its z; every state is derived again, so that rounding cannot pile up."""
    if x0.ndim != 4 or len(x0) not in (1, len(seeds)):
        raise DiffdemoError(f"One picture, or one for each of the {len(seeds)} seeds, is needed; got {tuple(x0.shape)}.")
    levels, schedule = _path(model, n, steps, len(seeds)), model.schedule
    stream, original = NoiseStream(seeds, x0.shape[1:]), x0.expand(len(seeds), -1, -1, -1)
    x_n = x = schedule.add_noise(original, stream.draw().to(x0.device, x0.dtype), levels[0])
    z = []
    for upper, lower in pairwise(levels):
        target = state(schedule, x, original, upper, lower, stream.draw().to(x0.device, x0.dtype)) if int(lower[0]) else original
        mean, scale = _mean_and_scale(model, x, upper, lower)
        z.append((target - mean) / scale)
        x = mean + scale * z[-1]
    return x_n, torch.stack(z)


def replay(model: Denoiser, x_n: Tensor, z: Tensor, n: int) -> Tensor:
    """Walk down from x_n with the kept z, on the trailing grid with eta = 1: (B, C, H, W).

    Args:
        model: the network with its schedule.
        x_n: (B, C, H, W).
        z: (steps, B, C, H, W), as `edit_friendly` or `dpm_encoder` returned.
        n: the level of x_n, 1..T.

    Raises:
        DiffdemoError: x_n and z do not fit together, or n is out of bounds.
    """
    if z.ndim != 5 or z.shape[1:] != x_n.shape or len(z) > n:
        raise DiffdemoError(f"The path z {tuple(z.shape)} does not fit x_n {tuple(x_n.shape)} at n = {n}.")
    levels, x = _path(model, n, len(z), len(x_n)), x_n
    for upper, lower, kept in zip(levels[:-1], levels[1:], z, strict=True):
        mean, scale = _mean_and_scale(model, x, upper, lower)
        x = mean + scale * kept
    return x


def _path(model: Denoiser, n: int, steps: int, rows: int) -> Tensor:
    """(K + 1, rows) levels from n down to 0."""
    return grids(model.schedule, model.schedule.levels(n, rows, lowest=1), steps).T


@torch.no_grad()
def _mean_and_scale(model: Denoiser, x: Tensor, upper: Tensor, lower: Tensor) -> tuple[Tensor, float]:
    """The ancestral step without its fresh noise, and what z is multiplied by: sigma, or 1 for the residual of the last step, where sigma is 0."""
    mean = model.schedule.ddim_step(x, model.predict_noise(x, upper), upper, lower, eta=1.0, fresh=torch.zeros_like(x))
    return mean, float(model.schedule.sigma(upper[:1], lower[:1], 1.0)) or 1.0


def slerp(a: Tensor, b: Tensor, w: float) -> Tensor:
    """Spherical interpolation of two noises a row at a time, w = 0 gives a, w = 1 gives b: keeps the length when both are as long.

    Args:
        a: (B, C, H, W).
        b: (B, C, H, W).
        w: share of b.

    References:
        Song et al., 2021, DDIM, appendix D.5, arXiv 2010.02502.
    """
    if w in (0, 1):
        return b if w else a
    left, right = a.flatten(1).double(), b.flatten(1).double()
    cosine = (left * right).sum(1) / (left.norm(dim=1) * right.norm(dim=1))
    theta = cosine.clamp(-1, 1).acos().view(-1, 1)
    mixed = torch.where(theta > 1e-6, (torch.sin((1 - w) * theta) * left + torch.sin(w * theta) * right) / theta.sin(), (1 - w) * left + w * right)
    return mixed.to(a.dtype).view_as(a)
