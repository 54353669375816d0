"""The noise schedule: how much signal is left after n steps, and one step between two levels.

Everything is indexed by n = 0..T, the number of noise steps added; alpha_bar[0] = 1 is the
untouched picture. Coefficients are computed in float64 and used in the dtype of the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffdemo.diffusion.terms import is_whole
from diffdemo.errors import DiffdemoError, ExperimentError

Levels = int | Sequence[int] | Tensor


@dataclass(frozen=True, eq=False)
class Schedule:
    """A variance-preserving noise schedule.

    Attributes:
        alpha_bar: (T + 1,) float64, share of signal variance left after n steps;
            alpha_bar[0] = 1, strictly decreasing, above 0.
    """

    alpha_bar: Tensor

    def __post_init__(self) -> None:
        a = self.alpha_bar
        is_sequence = a.dtype == torch.float64 and a.ndim == 1 and len(a) >= 2
        if not is_sequence or a[0] != 1 or a[-1] <= 0 or (a.diff() >= 0).any():
            raise DiffdemoError(
                "A schedule needs float64 alpha_bar that starts at 1 and falls strictly, "
                "ending above 0."
            )

    @classmethod
    def from_betas(cls, betas: Tensor) -> "Schedule":
        """Make the schedule of T noise variances: alpha_bar(n) = prod_{s <= n} (1 - beta_s).

        References:
            Ho et al., 2020, Denoising diffusion probabilistic models, eq. 4, arXiv 2006.11239.
        """
        start = torch.ones(1, dtype=torch.float64)
        return cls(torch.cat([start, (1 - betas.double()).cumprod(0)]))

    @classmethod
    def linear(cls, T: int = 1000, start: float = 1e-4, end: float = 0.02) -> "Schedule":
        """Make the linear schedule of Ho et al., 2020, section 4."""
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
        """Return n as (batch,) int64, checked to lie in lowest..T.

        Raises:
            ExperimentError: n is not whole, out of bounds, or not one value per row.
        """
        if isinstance(n, Sequence | np.ndarray) and not isinstance(n, str | bytes):
            n = torch.as_tensor(n)
        if not isinstance(n, Tensor):
            if not is_whole(n):
                raise ExperimentError(
                    "The number of noise steps n is a whole number "
                    f"from {lowest} to {self.T}, not {n!r}."
                )
            n = torch.tensor(int(n))
        is_integer = not n.dtype.is_floating_point and n.dtype != torch.bool
        if not is_integer or n.dim() > 1 or n.numel() not in (1, batch):
            raise ExperimentError(
                "The number of noise steps n is one whole number, "
                f"or one for each of the {batch} rows."
            )
        n = n.to("cpu", torch.int64).reshape(-1).expand(batch)
        if batch and (n.min() < lowest or n.max() > self.T):
            raise ExperimentError(
                f"The number of noise steps n must lie in {lowest}..{self.T}; "
                f"got {int(n.min())} to {int(n.max())}."
            )
        return n

    def scales(self, n: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return sqrt(alpha_bar) and sqrt(1 - alpha_bar) of each row, shaped to multiply `like`."""
        return _scales(self.alpha_bar[n], like)

    def add_noise(self, x0: Tensor, eps: Tensor, n: Levels) -> Tensor:
        """Return x_n = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps; n = 0 gives x0 bit for bit.

        Args:
            x0: (B, C, H, W), or (1, C, H, W) for every row of eps.
            eps: (B, C, H, W).
            n: number of noise steps, 0..T, one for all or (B,).

        Raises:
            DiffdemoError: the shapes do not fit, or n is out of bounds.

        References:
            Ho et al., 2020, eq. 4, arXiv 2006.11239.
        """
        if not fits(x0, eps):
            raise DiffdemoError(
                f"Picture {tuple(x0.shape)} and noise {tuple(eps.shape)} do not fit together."
            )
        signal, spread = self.scales(self.levels(n, len(eps)), eps)
        return signal * x0 + spread * eps

    def x0_from_eps(self, x: Tensor, eps: Tensor, n: Tensor) -> Tensor:
        """Return the picture under noise eps: (x_n - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar).

        References:
            Song et al., 2021, DDIM, eq. 9, arXiv 2010.02502.
        """
        signal, spread = self.scales(n, x)
        return (x - spread * eps) / signal

    def eps_from_x0(self, x: Tensor, x0: Tensor, n: Tensor) -> Tensor:
        """Return the noise over x0, n >= 1: (x_n - sqrt(alpha_bar) x0) / sqrt(1 - alpha_bar)."""
        signal, spread = self.scales(n, x)
        return (x - signal * x0) / spread

    def eps_from_v(self, x: Tensor, v: Tensor, n: Tensor) -> Tensor:
        """Return eps = sqrt(alpha_bar) v + sqrt(1 - alpha_bar) x_n.

        References:
            Salimans & Ho, 2022, Progressive distillation, appendix D, arXiv 2202.00512.
        """
        signal, spread = self.scales(n, x)
        return signal * v + spread * x

    def sigma(self, n: Tensor, n_prev: Tensor, eta: float) -> Tensor:
        """Return the standard deviation of the fresh noise from n down to n_prev: (B,) float64.

            sigma = eta sqrt((1 - a_prev) / (1 - a)) sqrt(1 - a / a_prev),  a = alpha_bar

        References:
            Song et al., 2021, DDIM, eq. 16, arXiv 2010.02502.
        """
        a = self.alpha_bar[n]
        a_prev = self.alpha_bar[n_prev]
        ratio = (1 - a_prev) / (1 - a)
        return eta * ratio.sqrt() * (1 - a / a_prev).sqrt()

    def ddim_step(
        self,
        x0_hat: Tensor,
        eps_hat: Tensor,
        n: Tensor,
        n_prev: Tensor,
        eta: float = 0.0,
        fresh: Tensor | None = None,
    ) -> Tensor:
        """Step from level n to n_prev < n, each row with its own two levels.

            x_prev = sqrt(alpha_bar_prev) x0_hat + sqrt(1 - alpha_bar_prev - sigma^2) eps_hat
                     + sigma fresh

        Args:
            x0_hat: (B, C, H, W), predicted clean picture.
            eps_hat: (B, C, H, W), predicted noise.
            n: (B,) int64, 1..T.
            n_prev: (B,) int64, below n.
            eta: scales sigma; 0 is deterministic, 1 ancestral.
            fresh: (B, C, H, W) standard normal, needed for eta > 0.

        Returns:
            (B, C, H, W), the state at n_prev.

        Raises:
            DiffdemoError: eta > 0 without fresh noise.

        References:
            Song et al., 2021, DDIM, eqs. 12 and 16, arXiv 2010.02502.
        """
        a_prev = self.alpha_bar[n_prev]
        sigma = self.sigma(n, n_prev, eta)
        direction = (1 - a_prev - sigma**2).clamp(min=0).sqrt()
        x_prev = per_row(a_prev.sqrt(), x0_hat) * x0_hat + per_row(direction, x0_hat) * eps_hat
        if eta == 0:
            return x_prev
        if fresh is None:
            raise DiffdemoError("A step with eta > 0 needs fresh noise.")
        return x_prev + per_row(sigma, x0_hat) * fresh

    def renoise(self, x: Tensor, n: Tensor, n_up: Tensor, fresh: Tensor) -> Tensor:
        """Go from level n up to n_up > n by fresh noise alone.

            x_up = sqrt(a) x + sqrt(1 - a) fresh,  a = alpha_bar(n_up) / alpha_bar(n)

        Args:
            x: (B, C, H, W), state at level n.
            n: (B,) int64, 0..T - 1.
            n_up: (B,) int64, above n.
            fresh: (B, C, H, W) standard normal.

        References:
            Ho et al., 2020, eq. 2 over several steps, arXiv 2006.11239;
            Lugmayr et al., 2022, RePaint, algorithm 1, arXiv 2201.09865.
        """
        a = self.alpha_bar[n_up] / self.alpha_bar[n]
        signal, spread = _scales(a, x)
        return signal * x + spread * fresh


def fits(x0: Tensor, eps: Tensor) -> bool:
    """Return whether x0 is one picture for each row of eps, (B, C, H, W), or one for all."""
    return x0.shape[1:] == eps.shape[1:] and len(x0) in (1, len(eps))


def _scales(a: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    signal = a.sqrt()
    spread = (1 - a).sqrt()
    return per_row(signal, like), per_row(spread, like)


def per_row(values: Tensor, like: Tensor) -> Tensor:
    """Return values (B,) as (B, 1, 1, 1), in the dtype and on the device of `like`."""
    return values.to(like.device, like.dtype).view(-1, 1, 1, 1)
