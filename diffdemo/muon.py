"""Muon, the optimizer of the networks' inner matrices, in the dtype of the weights.

torch.optim.Muon iterates in bfloat16, which a processor without units for it multiplies tens of times slower than float32.

References:
    Jordan et al., 2024, Muon: an optimizer for hidden layers in neural networks, kellerjordan.github.io/posts/muon.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic; steep at 0, so that five rounds are enough
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose update is orthogonalised, and scaled to the root mean square of AdamW's (0.2).

    Args:
        matrices: 2-D parameters.
        lr: learning rate.
        momentum: of the running mean of the gradients.
    """

    def __init__(self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95):
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # one way to call it is enough here
        """Move every matrix that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                mean = self.state[weight].setdefault("momentum_buffer", torch.zeros_like(weight))
                mean.lerp_(weight.grad, 1 - group["momentum"])
                update = orthogonal(weight.grad.lerp(mean, group["momentum"]))
                weight.add_(update, alpha=-group["lr"] * 0.2 * max(weight.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """U S' V^T of a matrix U S V^T, with S' between about 0.7 and 1.2: five rounds of a Newton-Schulz iteration."""
    a, b, c = COEFFICIENTS
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x
