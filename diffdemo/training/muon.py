"""Muon, the optimizer of a network's inner weights, in the dtype of the weights.

torch.optim.Muon iterates in bfloat16, which is tens of times slower than float32 on a processor
without units for it, and it takes no convolutions.

References:
    Jordan et al., 2024, Muon: an optimizer for hidden layers in neural networks,
    kellerjordan.github.io/posts/muon.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic: steep at 0, so few rounds are enough
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Nesterov momentum with an orthogonalised update, scaled to AdamW's root mean square of 0.2.

    Args:
        weights: parameters of two or more dimensions; a convolution's (out, in, h, w) is taken as
            the matrix (out, in h w).
        lr: learning rate.
        momentum: of the running mean of the gradients.
    """

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float = 0.95):
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # without closures
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group["lr"], group["momentum"])

    def _move(self, weight: Tensor, grad: Tensor, lr: float, momentum: float) -> None:
        mean = self.state[weight].setdefault("momentum_buffer", torch.zeros_like(weight))
        mean.lerp_(grad, 1 - momentum)
        update = orthogonal(grad.lerp(mean, momentum).flatten(1))
        size = 0.2 * max(update.shape) ** 0.5
        weight.add_(update.view_as(weight), alpha=-lr * size)


def orthogonal(matrix: Tensor) -> Tensor:
    """Return a matrix U S V^T as U S' V^T, with S' between about 0.7 and 1.2.

    These are five rounds of a Newton-Schulz iteration.
    """
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
