"""The noise schedule: how much signal is left after n steps, which levels a sampler visits, and one step between two levels.

Everything is indexed by n = 0..T, the number of noise steps added; alpha_bar[0] = 1 is the untouched picture.
Coefficients are computed in float64 and used in the dtype of the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.terms import SPACINGS

Levels = int | Sequence[int] | Tensor
Steps = int | Sequence[int]


@dataclass(frozen=True, eq=False)
class Schedule:
    """A variance-preserving noise schedule.

    Attributes:
        alpha_bar: (T + 1,) float64, share of signal variance kept after n steps; alpha_bar[0] = 1, strictly decreasing, above 0.
    """

    alpha_bar: Tensor

    def __post_init__(self) -> None:
        a = self.alpha_bar
        if a.dtype != torch.float64 or a.ndim != 1 or len(a) < 2 or a[0] != 1 or a[-1] <= 0 or (a.diff() >= 0).any():
            raise DiffdemoError("A schedule needs float64 alpha_bar that starts at 1 and falls strictly, ending above 0.")

    @classmethod
    def from_betas(cls, betas: Tensor) -> "Schedule":
        """The schedule of T noise variances: alpha_bar(n) = prod_{s <= n} (1 - beta_s) (Ho et al., 2020, eq. 4, arXiv 2006.11239)."""
        return cls(torch.cat([torch.ones(1, dtype=torch.float64), (1 - betas.double()).cumprod(0)]))

    @classmethod
    def linear(cls, T: int = 1000, start: float = 1e-4, end: float = 0.02) -> "Schedule":
        """The linear schedule of Ho et al., 2020, section 4."""
        return cls.from_betas(torch.linspace(start, end, T, dtype=torch.float64))

    @property
    def T(self) -> int:
        """Number of noise steps in all."""
        return len(self.alpha_bar) - 1

    @property
    def snr(self) -> Tensor:
        """(T + 1,) float64, alpha_bar / (1 - alpha_bar); infinite at n = 0."""
        return self.alpha_bar / (1 - self.alpha_bar)

    def levels(self, n: Levels, batch: int, lowest: int = 0) -> Tensor:
        """n as (batch,) int64, checked to lie in lowest..T.

        Raises:
            ExperimentError: not whole, out of bounds, or not one value per row.
        """
        if isinstance(n, Sequence | np.ndarray) and not isinstance(n, str | bytes):
            n = torch.as_tensor(n)
        if not isinstance(n, Tensor):
            if isinstance(n, bool) or not isinstance(n, int | np.integer):
                raise ExperimentError(f"The number of noise steps n is a whole number from {lowest} to {self.T}, not {n!r}.")
            n = torch.tensor(int(n))
        if n.dtype.is_floating_point or n.dtype == torch.bool or n.dim() > 1 or n.numel() not in (1, batch):
            raise ExperimentError(f"The number of noise steps n is one whole number, or one for each of the {batch} rows.")
        n = n.to("cpu", torch.int64).reshape(-1).expand(batch)
        if batch and (int(n.min()) < lowest or int(n.max()) > self.T):
            raise ExperimentError(f"The number of noise steps n must lie in {lowest}..{self.T}; got {int(n.min())} to {int(n.max())}.")
        return n

    def scales(self, n: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(alpha_bar) and sqrt(1 - alpha_bar) of each row, shaped to multiply `like` (B, C, H, W)."""
        alpha_bar = self.alpha_bar[n]
        return _column(alpha_bar.sqrt(), like), _column((1 - alpha_bar).sqrt(), like)

    def add_noise(self, x0: Tensor, eps: Tensor, n: Levels) -> Tensor:
        """x_n = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps; n = 0 gives x0 bit for bit.

        Args:
            x0: (B, C, H, W) or (1, C, H, W), which is used for every row of eps.
            eps: (B, C, H, W).
            n: number of noise steps, 0..T, one for all or (B,).

        Raises:
            DiffdemoError: the shapes do not fit, or n is out of bounds.

        References:
            Ho et al., 2020, eq. 4, arXiv 2006.11239.
        """
        if x0.shape[1:] != eps.shape[1:] or len(x0) not in (1, len(eps)):
            raise DiffdemoError(f"Picture {tuple(x0.shape)} and noise {tuple(eps.shape)} do not fit together.")
        signal, spread = self.scales(self.levels(n, len(eps)), eps)
        return signal * x0 + spread * eps

    def x0_from_eps(self, x: Tensor, eps: Tensor, n: Tensor) -> Tensor:
        """The picture that noise eps explains: (x_n - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar) (DDIM eq. 9, arXiv 2010.02502)."""
        signal, spread = self.scales(n, x)
        return (x - spread * eps) / signal

    def eps_from_x0(self, x: Tensor, x0: Tensor, n: Tensor) -> Tensor:
        """The noise that picture x0 leaves to be explained, n >= 1: (x_n - sqrt(alpha_bar) x0) / sqrt(1 - alpha_bar)."""
        signal, spread = self.scales(n, x)
        return (x - signal * x0) / spread

    def eps_from_v(self, x: Tensor, v: Tensor, n: Tensor) -> Tensor:
        """eps = sqrt(alpha_bar) v + sqrt(1 - alpha_bar) x_n (Salimans & Ho, 2022, appendix D, arXiv 2202.00512)."""
        signal, spread = self.scales(n, x)
        return signal * v + spread * x

    def sigma(self, n: Tensor, n_prev: Tensor, eta: float) -> Tensor:
        """(B,) float64: standard deviation of the fresh noise from level n down to n_prev (DDIM eq. 16, arXiv 2010.02502)."""
        above, below = self.alpha_bar[n], self.alpha_bar[n_prev]
        return eta * ((1 - below) / (1 - above)).sqrt() * (1 - above / below).sqrt()

    def ddim_step(
        self, x: Tensor, eps_hat: Tensor, n: Tensor, n_prev: Tensor, *, x0_hat: Tensor | None = None, eta: float = 0.0, fresh: Tensor | None = None
    ) -> Tensor:
        """One step from level n to n_prev < n, each row with its own two levels.

            x_prev = sqrt(alpha_bar_prev) x0_hat + sqrt(1 - alpha_bar_prev - sigma^2) eps_hat + sigma fresh

        Args:
            x: (B, C, H, W), state at level n.
            eps_hat: (B, C, H, W), predicted noise in it.
            n: (B,) int64, 1..T.
            n_prev: (B,) int64, below n.
            x0_hat: clean estimate where it is not what eps_hat implies (clipped, say).
            eta: scales sigma; 0 is deterministic, 1 ancestral.
            fresh: (B, C, H, W) standard normal, needed for eta > 0.

        Returns:
            (B, C, H, W), the state at n_prev.

        Raises:
            DiffdemoError: eta > 0 without fresh noise.

        References:
            Song, Meng, Ermon, 2021, Denoising Diffusion Implicit Models, eqs. 12 and 16, arXiv 2010.02502.
        """
        x0_hat = self.x0_from_eps(x, eps_hat, n) if x0_hat is None else x0_hat
        below, sigma = self.alpha_bar[n_prev], self.sigma(n, n_prev, eta)
        x_prev = _column(below.sqrt(), x) * x0_hat + _column((1 - below - sigma**2).clamp(min=0).sqrt(), x) * eps_hat
        if eta == 0:
            return x_prev
        if fresh is None:
            raise DiffdemoError("A step with eta > 0 needs fresh noise.")
        return x_prev + _column(sigma, x) * fresh

    def renoise(self, x: Tensor, n: Tensor, n_up: Tensor, fresh: Tensor) -> Tensor:
        """From level n up to n_up > n by fresh noise alone: sqrt(a) x + sqrt(1 - a) fresh, a = alpha_bar(n_up) / alpha_bar(n).

        Args:
            x: (B, C, H, W), state at level n.
            n: (B,) int64, 0..T - 1.
            n_up: (B,) int64, above n.
            fresh: (B, C, H, W) standard normal.

        References:
            Ho et al., 2020, eq. 2, arXiv 2006.11239, over several steps; Lugmayr et al., 2022, RePaint, algorithm 1, arXiv 2201.09865.
        """
        kept = self.alpha_bar[n_up] / self.alpha_bar[n]
        return _column(kept.sqrt(), x) * x + _column((1 - kept).sqrt(), x) * fresh


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.device, like.dtype).view(-1, 1, 1, 1)


def grid(schedule: Schedule, n: int, steps: int, spacing: str = "trailing") -> list[int]:
    """The levels one row visits: K + 1 strictly falling levels from n to 0, K = min(n, steps).

    `trailing`: round(n (1 - k / K)). `logsnr`: K levels uniform in lambda = 1/2 log SNR from n to 1, rounded, kept apart, then 0.

    References:
        Lin et al., 2024, table 2 (trailing), arXiv 2305.08891; Lu et al., 2022, section 5 (uniform lambda), arXiv 2206.00927.
    """
    count = min(n, steps)
    if spacing == "trailing" or count < 2:
        return [int(level) for level in np.round(n * (1 - np.arange(count + 1) / max(count, 1)))] if count else [0]
    log_snr = 0.5 * np.log(schedule.snr[1:].numpy())
    wanted = np.interp(np.linspace(-log_snr[n - 1], -log_snr[0], count), -log_snr, np.arange(1, schedule.T + 1))
    levels = np.round(wanted).astype(int)
    for k in reversed(range(count - 1)):  # at the low end several would round to the same level: push them up ...
        levels[k] = max(levels[k], levels[k + 1] + 1)
    levels = np.minimum(levels, n - np.arange(count))  # ... but never above n, the level that was asked for
    return [*levels.tolist(), 0]


def grids(schedule: Schedule, n: Tensor, steps: Steps, spacing: str = "trailing") -> Tensor:
    """The grid of each row, (B, K + 1) int64, K the largest min(n, steps); shorter rows are filled with zeros at the end.

    Args:
        schedule: the noise schedule.
        n: (B,) int64, where each row starts.
        steps: network calls at most, one for all rows or (B,).
        spacing: as in `grid`.

    Raises:
        ExperimentError: steps is not a whole number from 1 up, or one for each row; or the spacing is unknown.
    """
    given: Any = steps  # whatever a caller hands over; what is no whole number is refused below
    counts = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given] * len(n)
    if len(counts) != len(n):
        raise ExperimentError(f"The number of network calls, steps, is one whole number, or one for each of the {len(n)} rows.")
    for count in counts or [given]:
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
            raise ExperimentError(f"The number of network calls, steps, is a whole number from 1 up, not {count!r}.")
    if spacing not in SPACINGS:
        raise ExperimentError(f"The step spacing is one of {', '.join(SPACINGS)}, not {spacing!r}.")
    wanted = list(zip(n.tolist(), counts, strict=True))
    rows = {pair: grid(schedule, *pair, spacing) for pair in set(wanted)}
    return filled([rows[pair] for pair in wanted])


def filled(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of levels of different lengths as one (B, longest) int64 tensor, zeros at the end."""
    width = max((len(row) for row in rows), default=1)
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], dtype=torch.int64).reshape(len(rows), width)


def with_jumps(levels: Sequence[int], jump: int, times: int = 1) -> list[int]:
    """A falling grid that now and then climbs back: at every `jump`-th level, `times` times, it goes up `jump` levels and comes down again.

    Args:
        levels: K + 1 falling levels that end at 0.
        jump: how many levels each climb goes up; 0 = none, the grid as it is.
        times: how often each climb is made.

    Returns:
        The levels visited, neighbours of the grid one after the other.

    References:
        Lugmayr et al., 2022, RePaint, section 4.2 and its published schedule, arXiv 2201.09865.
    """
    last = len(levels) - 1
    left = dict.fromkeys(range(last - 1, jump - 1, -jump), times) if jump else {}  # by place in the grid; climbs begin at the lowest level above 0
    place, visited = 0, list(levels[:1])
    while place < last:
        place += 1
        visited.append(levels[place])
        if left.get(place):
            left[place] -= 1
            visited += [levels[k] for k in range(place - 1, place - jump - 1, -1)]
            place -= jump
    return visited
