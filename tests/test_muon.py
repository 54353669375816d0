import pytest
import torch

from diffdemo.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(24, 24), (16, 60), (60, 16)])
def test_the_update_keeps_the_singular_vectors_and_levels_the_values(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    middle = u.T @ orthogonal(matrix) @ v.T
    assert torch.allclose(middle, torch.diag(middle.diag()), atol=1e-4)
    assert float(middle.diag().min()) > 0.3
    assert float(middle.diag().max()) < 1.3


def test_it_moves_as_the_one_of_torch_does():
    """Three steps of torch.optim.Muon, which rounds to bfloat16 on the way."""
    start, grads = torch.randn(12, 20, generator=torch.Generator().manual_seed(1)), torch.randn(3, 12, 20, generator=torch.Generator().manual_seed(2))
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    optimizers = Muon([ours], lr=0.02), torch.optim.Muon([theirs], lr=0.02, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    for grad in grads:
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = grad.clone()
            optimizer.step()
    assert float((ours - start).detach().norm()) > 0.1
    assert float((ours - theirs).detach().norm() / (theirs - start).detach().norm()) < 0.02
