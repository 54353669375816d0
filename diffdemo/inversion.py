"""From a picture back to a noise that leads to it: DDIM and fixed-point inversion, and two encoders that keep the whole path.

All of them run on the grid of the sampler, mirrored, and never clip. "Exact" means a largest error below 1e-4 in float32.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.noise import NoiseStream, correlation
from diffdemo.sampling import Denoiser
from diffdemo.schedule import Levels, Schedule, Steps, grids

Shares = float | Sequence[float]
Seeds = Sequence[int] | None

METHODS = ("ddim", "fixed-point")
TOLERANCE = 1e-5  # a fixed-point step ends when no pixel moves more than this ...
ITERATIONS = 20  # ... or after this many network calls


@dataclass(frozen=True)
class InversionStep:
    """One step up.

    Attributes:
        n: (B,) int64, the level reached; rows whose grid has not begun are where they start.
        x: (B, C, H, W), the state there.
        residual: (B,) largest pixel change of the last iteration; 0 where nothing is iterated.
        calls: (B,) int64, network calls this step made for each row.
    """

    n: Tensor
    x: Tensor
    residual: Tensor
    calls: Tensor


def invert(model: Denoiser, x0: Tensor, n: Levels, steps: Steps, method: str = "ddim", warm: Shares = 0.0, seeds: Seeds = None) -> Tensor:
    """The x_n that the method finds for x0, (B, C, H, W); arguments and errors as in `invert_steps`."""
    x = x0
    for step in invert_steps(model, x0, n, steps, method, warm, seeds):
        x = step.x
    return x


def invert_steps(
    model: Denoiser, x0: Tensor, n: Levels, steps: Steps, method: str = "ddim", warm: Shares = 0.0, seeds: Seeds = None
) -> Iterator[InversionStep]:
    """Walk the sampler's grid upwards from the picture.

    A step from level t up to p solves x_p = (A_p / A_t) x_t + (S_p - S_t A_p / A_t) eps_hat(x_p, p), A = sqrt(alpha_bar), S = sqrt(1 - alpha_bar):
    the exact inverse of the sampler's step down. "ddim" takes eps_hat(x_t, p) instead, which is one iteration from x_t; "fixed-point" iterates.

    Args:
        model: the network with its schedule.
        x0: (B, C, H, W).
        n: 0..T, one for all or (B,); 0 returns the picture and asks the network nothing.
        steps: steps of the sampler's grid, one for all rows or (B,); rows with short grids set off late, so that all arrive together.
        method: "ddim" or "fixed-point".
        warm: share of the steps, the lowest ones, replaced by one jump of added noise; one for all rows or (B,).
        seeds: (B,) whole numbers that name that noise; needed for warm > 0.

    Raises:
        DiffdemoError: an argument is out of bounds; checked before the first network call.

    References:
        Song et al., 2021, DDIM, eq. 13, arXiv 2010.02502; Pan et al., 2023, AIDI, arXiv 2309.04907 (fixed point);
        Staniszewski et al., 2024, There and Back Again, arXiv 2410.23530 (warm start).
    """
    if method not in METHODS:
        raise ExperimentError(f"The inversion method is one of {', '.join(METHODS)}, not {method!r}.")
    shares = list(warm) if isinstance(warm, Sequence) else [warm] * len(x0)
    if len(shares) != len(x0) or not all(isinstance(w, int | float) and not isinstance(w, bool) and 0 <= w <= 1 for w in shares):
        raise ExperimentError(f"The warm share is a number from 0 to 1, for all rows or one for each, not {warm!r}.")
    warm = max(shares, default=0.0)
    if warm > 0 and (seeds is None or len(seeds) != len(x0)):
        raise ExperimentError("With warm > 0 every row needs a seed for the noise of the first jump.")
    levels = grids(model.schedule, model.schedule.levels(n, len(x0)), steps).flip(1)
    eps = NoiseStream(seeds, x0.shape[1:]).draw().to(x0.device, x0.dtype) if warm > 0 and seeds is not None else None
    return _climb(model, x0, _warmed(levels, torch.tensor(shares, dtype=torch.float64)), ITERATIONS if method == "fixed-point" else 1, eps)


def _warmed(levels: Tensor, warm: Tensor) -> Tensor:
    """Rising levels, (B, K + 1), whose lowest steps are left out, a share `warm` (B,) of each row's own: it waits where they end."""
    own = (levels > 0).sum(1)  # steps of each row
    first = levels.shape[1] - 1 - own + (warm * own).round().long()
    return levels.maximum(levels.gather(1, first[:, None]))


def _climb(model: Denoiser, x: Tensor, levels: Tensor, iterations: int, eps: Tensor | None) -> Iterator[InversionStep]:
    none, uncalled = torch.zeros(len(x)), torch.zeros(len(x), dtype=torch.int64)
    if eps is not None and bool(levels[:, 0].any()):
        x = model.schedule.add_noise(x, eps, levels[:, 0])
        yield InversionStep(levels[:, 0], x, none, uncalled)
    for lower, upper in pairwise(levels.T):
        rows = (upper > lower).nonzero().flatten()
        if len(rows):
            found, residual, calls = _solve(model, x[rows], lower[rows], upper[rows], iterations)
            x = x.index_copy(0, rows.to(x.device), found)
            yield InversionStep(upper, x, none.index_copy(0, rows, residual), uncalled.index_copy(0, rows, calls))


@torch.no_grad()
def _solve(model: Denoiser, x: Tensor, lower: Tensor, upper: Tensor, iterations: int) -> tuple[Tensor, Tensor, Tensor]:
    """One implicit step up; rows that have settled are left alone, so that no row depends on its neighbours."""
    found, residual, active = x, torch.full((len(x),), torch.inf), torch.arange(len(x))
    calls = torch.zeros(len(x), dtype=torch.int64)
    for _ in range(iterations):
        if not len(active):
            break
        calls[active] += 1
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
    return _path_of(encode_steps(model, x0, n, steps, seeds, "edit-friendly"))


def dpm_encoder(model: Denoiser, x0: Tensor, n: int, steps: int, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """A path to x0 drawn from the true posterior q(x_s | x_t, x0), and its z, which are standard normal; arguments as in `edit_friendly`.

    References:
        Wu, De la Torre, 2023, A latent space of stochastic diffusion models, section 3.2, arXiv 2210.05559.
    """
    return _path_of(encode_steps(model, x0, n, steps, seeds, "dpm-encoder"))


@dataclass(frozen=True)
class PathStep:
    """One step down a kept path.

    Attributes:
        n: (B,) int64, the level it starts from.
        n_prev: (B,) int64, the level it leads to.
        before: (B, C, H, W), the state it starts from.
        x: (B, C, H, W), the state it leads to.
        z: (B, C, H, W), what was kept of it; of the last step the residual.
    """

    n: Tensor
    n_prev: Tensor
    before: Tensor
    x: Tensor
    z: Tensor


def _path_of(steps: Iterator[PathStep]) -> tuple[Tensor, Tensor]:
    walked = list(steps)
    return walked[0].before, torch.stack([step.z for step in walked])


def _independent(schedule: Schedule, x: Tensor, original: Tensor, upper: Tensor, lower: Tensor, draw: Tensor) -> Tensor:
    """The next state of the edit-friendly path: noised anew, whatever the state before."""
    return schedule.add_noise(original, draw, lower)


def _from_posterior(schedule: Schedule, x: Tensor, original: Tensor, upper: Tensor, lower: Tensor, draw: Tensor) -> Tensor:
    """The next state of the DPM-Encoder's path, drawn from q(x_s | x_t, x0)."""
    eps = schedule.eps_from_x0(x, original, upper)
    return schedule.ddim_step(x, eps, upper, lower, x0_hat=original, eta=1.0, fresh=draw)


ENCODERS: dict[str, Callable[..., Tensor]] = {"edit-friendly": _independent, "dpm-encoder": _from_posterior}


def encode_steps(model: Denoiser, x0: Tensor, n: int, steps: int, seeds: Sequence[int], method: str) -> Iterator[PathStep]:
    """Draw a path downwards and solve each step for its z, one network call each; every state is derived again, so that rounding cannot
    pile up.

    Args:
        model: the network with its schedule.
        x0: (B, C, H, W), or (1, C, H, W) for every seed.
        n: 1..T, the same for all rows.
        steps: steps of the trailing grid.
        seeds: (B,) whole numbers, used as in `edit_friendly`.
        method: "edit-friendly" or "dpm-encoder".

    Raises:
        DiffdemoError: an argument is out of bounds or does not fit the others; checked before the first network call.
    """
    if method not in ENCODERS:
        raise ExperimentError(f"The encoder is one of {', '.join(ENCODERS)}, not {method!r}.")
    if x0.ndim != 4 or len(x0) not in (1, len(seeds)):
        raise DiffdemoError(f"One picture, or one for each of the {len(seeds)} seeds, is needed; got {tuple(x0.shape)}.")
    stream = NoiseStream(seeds, x0.shape[1:])
    return _encode(model, x0.expand(len(seeds), -1, -1, -1), _path(model, n, steps, len(seeds)), stream, ENCODERS[method])


def _encode(model: Denoiser, original: Tensor, levels: Tensor, stream: NoiseStream, state: Callable[..., Tensor]) -> Iterator[PathStep]:
    x = model.schedule.add_noise(original, stream.draw().to(original.device, original.dtype), levels[0])
    for upper, lower in pairwise(levels):
        target = original
        if int(lower[0]):
            target = state(model.schedule, x, original, upper, lower, stream.draw().to(original.device, original.dtype))
        mean, scale = _mean_and_scale(model, x, upper, lower)
        z = (target - mean) / scale
        before, x = x, mean + scale * z
        yield PathStep(upper, lower, before, x, z)


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
    x = x_n
    for step in replay_steps(model, x_n, z, n):
        x = step.x
    return x


def replay_steps(model: Denoiser, x_n: Tensor, z: Tensor, n: int) -> Iterator[PathStep]:
    """The same, step by step, one network call each; arguments and errors as in `replay`, checked before the first call."""
    if z.ndim != 5 or z.shape[1:] != x_n.shape or not 0 < len(z) <= n:
        raise DiffdemoError(f"The path z {tuple(z.shape)} does not fit x_n {tuple(x_n.shape)} at n = {n}.")
    return _replay(model, x_n, z, _path(model, n, len(z), len(x_n)))


def _replay(model: Denoiser, x: Tensor, z: Tensor, levels: Tensor) -> Iterator[PathStep]:
    for upper, lower, kept in zip(levels[:-1], levels[1:], z, strict=True):
        mean, scale = _mean_and_scale(model, x, upper, lower)
        before, x = x, mean + scale * kept
        yield PathStep(upper, lower, before, x, kept)


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


@dataclass(frozen=True)
class PathStatistics:
    """What the z of a path look like, K - 1 steps (the residual of the last one is no noise).

    Attributes:
        levels: (K - 1,) int64, the level each step starts from.
        variance: (K - 1,) float64 over rows and pixels.
        correlation: (K - 2,) float64, of each z with the next one.
        expected: (K - 1,) float64, the variance that theory gives for edit-friendly paths.
    """

    levels: Tensor
    variance: Tensor
    correlation: Tensor
    expected: Tensor


def path_statistics(schedule: Schedule, z: Tensor, n: int) -> PathStatistics:
    """Variance and neighbour correlation of the z of paths from level n, (K, B, C, H, W).

    For a network that knows the picture, the z of independent states have variance (1 + a - 2 alpha_bar) / (1 - a), with a the ratio of
    alpha_bar at both ends of the step, and a correlation of about -1/2; those of a path drawn from the posterior have 1 and 0.

    References:
        Huberman-Spiegelglas et al., 2024, section 3 (their variance and correlation, measured), arXiv 2304.06140; the closed form follows from
        DDIM eqs. 12 and 16 with x0_hat = x0.
    """
    levels = grids(schedule, torch.tensor([n]), len(z))[0]
    alpha_bar, below = schedule.alpha_bar[levels[:-2]], schedule.alpha_bar[levels[1:-1]]
    a = alpha_bar / below
    flat = z[:-1].detach().cpu().double().flatten(1)
    return PathStatistics(levels[:-2], flat.var(1), correlation(flat[:-1], flat[1:]), (1 + a - 2 * alpha_bar) / (1 - a))
