"""Codes that keep the whole path: a noise x_n with the z of every step down to the picture.

A replay is exact for any network: its largest error is below 1e-4 in float32. Nothing is clipped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from diffdemo.diffusion.gaussianity import correlation
from diffdemo.diffusion.grids import grids
from diffdemo.diffusion.metrics import float64_rows
from diffdemo.diffusion.noise import NoiseStream
from diffdemo.diffusion.sampling import Denoiser
from diffdemo.diffusion.schedule import Schedule
from diffdemo.errors import DiffdemoError, ExperimentError

ENCODERS = ("edit-friendly", "dpm-encoder")


@dataclass(frozen=True)
class PathStep:
    """One step down a path.

    Attributes:
        n: (B,) int64, the level it starts from.
        n_prev: (B,) int64, the level it leads to.
        before: (B, C, H, W), the state it starts from.
        x: (B, C, H, W), the state it leads to.
        z: (B, C, H, W), its noise; the residual for the last step.
    """

    n: Tensor
    n_prev: Tensor
    before: Tensor
    x: Tensor
    z: Tensor


def edit_friendly(
    model: Denoiser, x0: Tensor, n: int, steps: int, seeds: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return a path to x0 whose states are drawn independently: x_n, and the z that walk it.

    Args:
        model: the network with its schedule.
        x0: (B, C, H, W), or (1, C, H, W) for every seed.
        n: 1..T, the same for all rows.
        steps: steps of the trailing grid.
        seeds: (B,) whole numbers; the first draw is the eps of x_n, later draws make the states
            below.

    Returns:
        x_n, (B, C, H, W), and z, (min(n, steps), B, C, H, W): z[0] belongs to the first step
        down, z[-1] is the last residual.

    Raises:
        DiffdemoError: an argument is out of bounds or does not fit the others.

    References:
        Huberman-Spiegelglas et al., 2024, An edit friendly DDPM noise space, algorithm 1,
        arXiv 2304.06140.
    """
    return _encode(model, x0, n, steps, seeds, "edit-friendly")


def dpm_encoder(
    model: Denoiser, x0: Tensor, n: int, steps: int, seeds: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return a path to x0 drawn from the true posterior q(x_s | x_t, x0).

    Its z are standard normal. Arguments, returns and errors as in `edit_friendly`.

    References:
        Wu, De la Torre, 2023, A latent space of stochastic diffusion models, section 3.2,
        arXiv 2210.05559.
    """
    return _encode(model, x0, n, steps, seeds, "dpm-encoder")


def _encode(
    model: Denoiser, x0: Tensor, n: int, steps: int, seeds: Sequence[int], method: str
) -> tuple[Tensor, Tensor]:
    path = list(encode_steps(model, x0, n, steps, seeds, method))
    return path[0].before, torch.stack([step.z for step in path])


def encode_steps(
    model: Denoiser, x0: Tensor, n: int, steps: int, seeds: Sequence[int], method: str
) -> Iterator[PathStep]:
    """Draw a path downwards and solve each step for its z, one network call each.

    Args:
        model: the network with its schedule.
        x0: (B, C, H, W), or (1, C, H, W) for every seed.
        n: 1..T, the same for all rows.
        steps: steps of the trailing grid.
        seeds: (B,) whole numbers, used as in `edit_friendly`.
        method: "edit-friendly" or "dpm-encoder".

    Raises:
        DiffdemoError: an argument is out of bounds or does not fit the others; checked before
            the first network call.
    """
    if method not in ENCODERS:
        raise ExperimentError(f"The encoder is one of {', '.join(ENCODERS)}, not {method!r}.")
    rows = len(seeds)
    if x0.ndim != 4 or len(x0) not in (1, rows):
        raise DiffdemoError(
            f"One picture, or one for each of the {rows} seeds, is needed; got {tuple(x0.shape)}."
        )
    stream = NoiseStream(seeds, x0.shape[1:])
    levels = _levels(model, n, steps, rows)
    x0 = x0.expand(rows, -1, -1, -1)
    return _draw_path(model, x0, levels, stream, method)


def _draw_path(
    model: Denoiser, x0: Tensor, levels: Tensor, stream: NoiseStream, method: str
) -> Iterator[PathStep]:
    schedule = model.schedule
    x = schedule.add_noise(x0, stream.draw_like(x0), levels[0])
    for n, n_prev in pairwise(levels):
        if not n_prev[0]:
            target = x0
        elif method == "edit-friendly":
            target = schedule.add_noise(x0, stream.draw_like(x0), n_prev)
        else:
            eps = schedule.eps_from_x0(x, x0, n)
            fresh = stream.draw_like(x0)
            target = schedule.ddim_step(x0, eps, n, n_prev, 1.0, fresh)
        mean, scale = _mean_and_scale(model, x, n, n_prev)
        z = (target - mean) / scale
        x_prev = mean + scale * z  # not target: a replay makes the same rounding errors
        yield PathStep(n, n_prev, x, x_prev, z)
        x = x_prev


def replay(model: Denoiser, x_n: Tensor, z: Tensor, n: int) -> Tensor:
    """Walk down from x_n with the z of a path, on the trailing grid with eta = 1: (B, C, H, W).

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
    """Replay step by step, one network call each.

    Arguments and errors as in `replay`; checked before the first call.
    """
    if z.ndim != 5 or z.shape[1:] != x_n.shape or not 0 < len(z) <= n:
        raise DiffdemoError(
            f"The path z {tuple(z.shape)} does not fit x_n {tuple(x_n.shape)} at n = {n}."
        )
    levels = _levels(model, n, len(z), len(x_n))
    return _replay(model, x_n, z, levels)


def _replay(model: Denoiser, x: Tensor, z: Tensor, levels: Tensor) -> Iterator[PathStep]:
    for (n, n_prev), z_n in zip(pairwise(levels), z, strict=True):
        mean, scale = _mean_and_scale(model, x, n, n_prev)
        x_prev = mean + scale * z_n
        yield PathStep(n, n_prev, x, x_prev, z_n)
        x = x_prev


def _levels(model: Denoiser, n: int, steps: int, rows: int) -> Tensor:
    """Return (K + 1, rows) levels from n down to 0."""
    start = model.schedule.levels(n, rows, lowest=1)
    return grids(model.schedule, start, steps).T


@torch.no_grad()
def _mean_and_scale(model: Denoiser, x: Tensor, n: Tensor, n_prev: Tensor) -> tuple[Tensor, float]:
    """Return the ancestral step without its fresh noise, and the factor of z.

    The factor is sigma, or 1 for the residual of the last step, where sigma is 0.
    """
    schedule = model.schedule
    eps_hat = model.predict_noise(x, n)
    x0_hat = schedule.x0_from_eps(x, eps_hat, n)
    mean = schedule.ddim_step(x0_hat, eps_hat, n, n_prev, 1.0, torch.zeros_like(x))
    sigma = schedule.sigma(n[:1], n_prev[:1], 1.0)  # the same for all rows
    return mean, float(sigma) or 1.0


@dataclass(frozen=True)
class PathStatistics:
    """Statistics of the z of a path, K - 1 steps (the residual of the last one is no noise).

    Attributes:
        levels: (K - 1,) int64, the level each step starts from.
        variance: (K - 1,) float64 over rows and pixels.
        correlation: (K - 2,) float64, of each z with the next one.
        expected: (K - 1,) float64, the variance in theory for edit-friendly paths.
    """

    levels: Tensor
    variance: Tensor
    correlation: Tensor
    expected: Tensor


def path_statistics(schedule: Schedule, z: Tensor, n: int) -> PathStatistics:
    """Return variance and neighbour correlation of the z of paths from level n.

    For a network that knows the picture, the z of independent states have variance
    (1 + a - 2 alpha_bar) / (1 - a), a = alpha_bar / alpha_bar_prev, and a correlation of about
    -1/2; those of a path drawn from the posterior have 1 and 0.

    Args:
        schedule: the noise schedule.
        z: (K, B, C, H, W).
        n: 1..T.

    References:
        Huberman-Spiegelglas et al., 2024, section 3 (measured), arXiv 2304.06140; the closed form
        follows from DDIM eqs. 12 and 16 with x0_hat = x0.
    """
    levels = grids(schedule, torch.tensor([n]), len(z))[0]
    alpha_bar = schedule.alpha_bar[levels[:-2]]
    a = alpha_bar / schedule.alpha_bar[levels[1:-1]]
    flat = float64_rows(z[:-1])
    return PathStatistics(
        levels=levels[:-2],
        variance=flat.var(1),
        correlation=correlation(flat[:-1], flat[1:]),
        expected=(1 + a - 2 * alpha_bar) / (1 - a),
    )
