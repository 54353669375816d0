"""Where a run stands."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Progress:
    """Where a run stands. Its pictures are in model space: latents are not decoded yet.

    Attributes:
        done, total: network calls made and planned.
        seconds: spent so far.
        x0: (1, C, H, W), the picture.
        x_n: (B, C, H, W), its noisy versions.
        x0_hat: (B, C, H, W), the latest estimate of each reconstruction; x_n for rows that have
            not begun.
    """

    done: int
    total: int
    seconds: float
    x0: Tensor
    x_n: Tensor
    x0_hat: Tensor
