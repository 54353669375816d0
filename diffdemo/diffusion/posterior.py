"""What x_n still tells about its picture: exact posteriors over a line-up, and colliding noises.

Over a finite line-up the posterior needs no network. With equal priors

    p(i | x_n) = softmax_i((sqrt(alpha_bar) <x_n, x_i> - alpha_bar |x_i|^2 / 2) / (1 - alpha_bar)).

A trained network knows a whole distribution, not this line-up, so its guess may differ.

References:
    Karras et al., 2022, Elucidating the design space of diffusion models, appendix B.3 (the ideal
    denoiser), arXiv 2206.00364.
    Biroli et al., 2024, Dynamical regimes of diffusion models, sections 3 and 4, arXiv 2402.18491.
"""

import math

import numpy as np
import torch
from torch import Tensor

from diffdemo.diffusion.metrics import FlatPictures, flatten, float64_rows
from diffdemo.diffusion.schedule import Levels, Schedule, fits, per_row
from diffdemo.errors import DiffdemoError, ExperimentError

_CHUNK = 64  # rows of x_n at a time


def posterior(schedule: Schedule, x_n: Tensor, n: Levels, candidates: Tensor) -> Tensor:
    """Return the exact p(x0 = candidate | x_n) under equal priors: (B, N) float64.

    Rows sum to 1. Arguments and errors as in `log_posterior`.
    """
    return log_posterior(schedule, x_n, n, candidates).exp()


def log_posterior(schedule: Schedule, x_n: Tensor, n: Levels, candidates: Tensor) -> Tensor:
    """Return the natural logarithm of `posterior`, for odds that underflow: (B, N) float64.

    At n = 0 it is uniform over the candidates equal to x_0, and minus infinity elsewhere.

    Args:
        schedule: the noise schedule.
        x_n: (B, C, H, W), pictures with n steps of noise.
        n: 0..T, one for all or (B,).
        candidates: (N, C, H, W), the line-up. A picture that is in it twice counts twice.

    Raises:
        DiffdemoError: the shapes do not fit, there are no candidates, n is out of bounds, or
            n = 0 and no candidate equals x_0.
    """
    if x_n.shape[1:] != candidates.shape[1:] or not len(candidates):
        raise DiffdemoError(
            f"The line-up {tuple(candidates.shape)} does not fit pictures of shape "
            f"{tuple(x_n.shape)}."
        )
    levels = schedule.levels(n, len(x_n))
    line_up = flatten(candidates)
    chunks = zip(x_n.split(_CHUNK), levels.split(_CHUNK), strict=True)
    rows = [_log_rows(schedule, x, k, line_up) for x, k in chunks]
    return torch.cat(rows) if rows else torch.empty(0, len(candidates), dtype=torch.float64)


def _log_rows(schedule: Schedule, x_n: Tensor, n: Tensor, line_up: FlatPictures) -> Tensor:
    x = float64_rows(x_n)
    alpha_bar = schedule.alpha_bar[n, None]
    products = x @ line_up.rows.T
    logits = alpha_bar.sqrt() * products - alpha_bar * line_up.power / 2
    logits = logits / (1 - alpha_bar)
    for row in (n == 0).nonzero().flatten().tolist():
        equal = (line_up.rows == x[row]).all(1)
        if not equal.any():
            raise ExperimentError(
                "Without noise only a candidate equal to the picture is possible, "
                "and the line-up has none."
            )
        logits[row] = torch.where(equal, 0.0, -torch.inf)
    return logits.log_softmax(1)


def entropy_bits(p: Tensor) -> Tensor:
    """Return the entropy of each row in bits: (B, N) → (B,); 0 = certain, log2 N = no idea."""
    return torch.special.entr(p).sum(1) / math.log(2)


def bits_known(p: Tensor) -> Tensor:
    """Return what is known of which candidate it was: log2 N - entropy, (B, N) → (B,) bits."""
    return math.log2(p.shape[1]) - entropy_bits(p)


def posterior_mean(p: Tensor, candidates: Tensor) -> Tensor:
    """Return sum_i p_i x_i, the best guess in mean square over the line-up.

    (B, N) and (N, C, H, W) → (B, C, H, W) in the dtype of the candidates.
    """
    mean = p @ float64_rows(candidates)
    return mean.to(candidates.dtype).view(-1, *candidates.shape[1:])


def marginal(p: Tensor, labels: Tensor, count: int) -> Tensor:
    """Return the probability of each label: (B, N), (N,) int64 in 0..count - 1 → (B, count)."""
    sums = torch.zeros(len(p), count, dtype=p.dtype)
    return sums.index_add_(1, labels, p)


def collide(schedule: Schedule, x0_a: Tensor, x0_b: Tensor, eps_a: Tensor, n: Levels) -> Tensor:
    """Return the noise that takes picture B to the very x_n that eps_a makes of picture A.

        eps_b = eps_a + sqrt(alpha_bar / (1 - alpha_bar)) (x0_a - x0_b)

    Args:
        schedule: the noise schedule.
        x0_a: (B or 1, C, H, W).
        x0_b: (B or 1, C, H, W).
        eps_a: (B, C, H, W).
        n: 1..T, one for all or (B,).

    Returns:
        (B, C, H, W), in the dtype of eps_a.

    Raises:
        DiffdemoError: the shapes do not fit, or n is out of bounds; at n = 0 no noise does it.
    """
    if not fits(x0_a, eps_a) or not fits(x0_b, eps_a):
        raise DiffdemoError(
            f"Pictures {tuple(x0_a.shape)} and {tuple(x0_b.shape)} and noise "
            f"{tuple(eps_a.shape)} do not fit together."
        )
    levels = schedule.levels(n, len(eps_a), lowest=1)
    ratio = schedule.snr[levels].sqrt()
    return eps_a + per_row(ratio, eps_a) * (x0_a - x0_b)


def log_odds(eps_a: Tensor, eps_b: Tensor) -> Tensor:
    """Return ln p(B | x_n) / p(A | x_n) for colliding noises and equal priors: (B,) float64.

    It is (|eps_a|^2 - |eps_b|^2) / 2.
    """
    return (_power(eps_a) - _power(eps_b)) / 2


def norm_p_value(eps: Tensor) -> Tensor:
    """Return the probability that true noise is at least as long as eps: (B,) float64.

    It is the chi^2_d survival function at |eps|^2. A weak test: it reaches 1 % only when the log
    odds are long decided, so "looks like noise" is not "is likely".
    """
    d = torch.tensor(eps[0].numel(), dtype=torch.float64)
    return torch.special.gammaincc(d / 2, _power(eps) / 2)


def _power(eps: Tensor) -> Tensor:
    return float64_rows(eps).square().sum(1)


def top_variance(pictures: Tensor) -> float:
    """Return Lambda, the largest eigenvalue of the covariance of pictures (N, C, H, W)."""
    x = float64_rows(pictures)
    x = x - x.mean(0)
    covariance = x.T @ x / len(x)
    return float(torch.linalg.eigvalsh(covariance)[-1])


def speciation(schedule: Schedule, variance: float) -> float:
    """Return the level n at which alpha_bar = 1 / Lambda, linear in log alpha_bar between levels.

    It estimates when the reverse path chooses between the main kinds of pictures.

    Args:
        schedule: the noise schedule.
        variance: Lambda, as `top_variance` gives it.

    References:
        Biroli et al., 2024, Dynamical regimes of diffusion models, eq. for t_S
        (Lambda e^(-2 t_S) = 1), arXiv 2402.18491.
    """
    fall = -schedule.alpha_bar.log().numpy()
    log_variance = math.log(max(variance, 1.0))
    return float(np.interp(log_variance, fall, np.arange(len(fall))))
