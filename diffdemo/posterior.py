"""What x_n still says about the picture it came from: exact posteriors over a line-up, their entropy, and noises that collide.

Over a finite line-up the posterior needs no network. With equal priors, and d pixels a picture,

    p(i | x_n) = softmax_i( (sqrt(alpha_bar) <x_n, x_i> - alpha_bar |x_i|^2 / 2) / (1 - alpha_bar) ).

A trained network knows a whole distribution, not this line-up, so its own guess may differ; the page says so.

References:
    Karras et al., 2022, Elucidating the design space of diffusion models, appendix B.3 (the ideal denoiser), arXiv 2206.00364.
    Biroli et al., 2024, Dynamical regimes of diffusion models, sections 3 and 4, arXiv 2402.18491.
"""

import math

import numpy as np
import torch
from torch import Tensor

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.metrics import Terms, terms
from diffdemo.schedule import Levels, Schedule

_CHUNK = 64  # rows of x_n at a time


def posterior(schedule: Schedule, x_n: Tensor, n: Levels, candidates: Tensor) -> Tensor:
    """The exact p(x0 = candidate | x_n) under equal priors: (B, N) float64, rows sum to 1; arguments and errors as in `log_posterior`."""
    return log_posterior(schedule, x_n, n, candidates).exp()


def log_posterior(schedule: Schedule, x_n: Tensor, n: Levels, candidates: Tensor) -> Tensor:
    """The natural logarithm of `posterior`, for odds that underflow: (B, N) float64.

    At n = 0 it is uniform over the candidates equal to x_0, and minus infinity elsewhere.

    Args:
        schedule: the noise schedule.
        x_n: (B, C, H, W), pictures with n steps of noise.
        n: 0..T, one for all or (B,).
        candidates: (N, C, H, W), the line-up. A picture that stands in it twice counts twice.

    Raises:
        DiffdemoError: the shapes do not fit, there are no candidates, n is out of bounds, or n = 0 and no candidate equals x_0.
    """
    if x_n.shape[1:] != candidates.shape[1:] or not len(candidates):
        raise DiffdemoError(f"The line-up {tuple(candidates.shape)} does not fit pictures of shape {tuple(x_n.shape)}.")
    levels = schedule.levels(n, len(x_n))
    line_up = terms(candidates)
    rows = [_log_rows(schedule, x, k, line_up) for x, k in zip(x_n.split(_CHUNK), levels.split(_CHUNK), strict=True)]
    return torch.cat(rows) if rows else torch.empty(0, len(candidates), dtype=torch.float64)


def _log_rows(schedule: Schedule, x_n: Tensor, n: Tensor, line_up: Terms) -> Tensor:
    x, alpha_bar = x_n.detach().cpu().flatten(1).double(), schedule.alpha_bar[n, None]
    logits = (alpha_bar.sqrt() * (x @ line_up.rows.T) - alpha_bar * line_up.power / 2) / (1 - alpha_bar)
    for row in (n == 0).nonzero().flatten().tolist():
        equal = (line_up.rows == x[row]).all(1)
        if not equal.any():
            raise ExperimentError("Without noise only a candidate equal to the picture is possible, and the line-up has none.")
        logits[row] = torch.where(equal, 0.0, -torch.inf)
    return logits.log_softmax(1)


def entropy_bits(p: Tensor) -> Tensor:
    """Entropy of each row in bits: (B, N) probabilities → (B,); 0 = certain, log2 N = no idea."""
    return torch.special.entr(p).sum(1) / math.log(2)


def bits_known(p: Tensor) -> Tensor:
    """What is known of which candidate it was, in bits: log2 N - entropy, (B, N) → (B,)."""
    return math.log2(p.shape[1]) - entropy_bits(p)


def posterior_mean(p: Tensor, candidates: Tensor) -> Tensor:
    """The best guess in mean square over the line-up, sum_i p_i x_i: (B, N) and (N, C, H, W) → (B, C, H, W) in the dtype of the candidates."""
    mean = p @ candidates.cpu().flatten(1).double()
    return mean.to(candidates.dtype).view(-1, *candidates.shape[1:])


def marginal(p: Tensor, labels: Tensor, count: int) -> Tensor:
    """The probability of each label: (B, N) and (N,) int64 in 0..count - 1 → (B, count)."""
    return torch.zeros(len(p), count, dtype=p.dtype).index_add_(1, labels, p)


def collide(schedule: Schedule, x0_a: Tensor, x0_b: Tensor, eps_a: Tensor, n: Levels) -> Tensor:
    """The noise that takes picture B to the very x_n that eps_a makes of picture A.

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
    if any(x.shape[1:] != eps_a.shape[1:] or len(x) not in (1, len(eps_a)) for x in (x0_a, x0_b)):
        raise DiffdemoError(f"Pictures {tuple(x0_a.shape)} and {tuple(x0_b.shape)} and noise {tuple(eps_a.shape)} do not fit together.")
    ratio = schedule.snr[schedule.levels(n, len(eps_a), lowest=1)].sqrt()
    return eps_a + ratio.to(eps_a.device, eps_a.dtype).view(-1, 1, 1, 1) * (x0_a - x0_b)


def log_odds(eps_a: Tensor, eps_b: Tensor) -> Tensor:
    """ln p(B | x_n) / p(A | x_n) for colliding noises and equal priors, (|eps_a|^2 - |eps_b|^2) / 2: (B,) float64."""
    return (_power(eps_a) - _power(eps_b)) / 2


def norm_p_value(eps: Tensor) -> Tensor:
    """The probability that true noise is at least as long as eps, chi^2_d survival at |eps|^2: (B,) float64.

    A weak test: it reaches 1 % only when the log odds are long decided, so "looks like noise" is not "is likely".
    """
    d = torch.tensor(eps[0].numel() / 2, dtype=torch.float64)
    return torch.special.gammaincc(d, _power(eps) / 2)


def _power(eps: Tensor) -> Tensor:
    return eps.detach().cpu().double().square().flatten(1).sum(1)


def top_variance(pictures: Tensor) -> float:
    """Lambda, the largest eigenvalue of the covariance of pictures (N, C, H, W), all channels together."""
    x = pictures.detach().cpu().flatten(1).double()
    x = x - x.mean(0)
    return float(torch.linalg.eigvalsh(x.T @ x / len(x))[-1])


def speciation(schedule: Schedule, variance: float) -> float:
    """The level n at which alpha_bar = 1 / Lambda, between whole levels linear in log alpha_bar: the estimate of when the reverse path
    chooses between the main kinds of pictures.

    Args:
        schedule: the noise schedule.
        variance: Lambda, as `top_variance` gives it.

    References:
        Biroli et al., 2024, Dynamical regimes of diffusion models, eq. for t_S (Lambda e^(-2 t_S) = 1), arXiv 2402.18491.
    """
    fall = -schedule.alpha_bar.log().numpy()
    return float(np.interp(math.log(max(variance, 1.0)), fall, np.arange(len(fall))))
