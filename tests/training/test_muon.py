import pytest
import torch

from diffdemo.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(24, 24), (16, 60), (60, 16)])
def test_the_update_keeps_the_singular_vectors_and_levels_the_values(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    middle = u.T @ orthogonal(matrix) @ v.T
    assert torch.allclose(middle, torch.diag(middle.diag()), atol=1e-4)
    assert float(middle.diag().min()) > 0.3
    assert float(middle.diag().max()) < 1.3


def test_it_moves_as_torch_muon_does():
    """Three steps of torch.optim.Muon, which rounds to bfloat16 on the way."""
    start = torch.randn(12, 20, generator=torch.Generator().manual_seed(1))
    grads = torch.randn(3, 12, 20, generator=torch.Generator().manual_seed(2))
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    optimizers = (
        Muon([ours], lr=0.02),
        torch.optim.Muon([theirs], lr=0.02, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
    )
    for grad in grads:
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = grad.clone()
            optimizer.step()
    assert float((ours - start).detach().norm()) > 0.1
    assert float((ours - theirs).detach().norm() / (theirs - start).detach().norm()) < 0.02


def test_a_convolution_moves_as_the_matrix_of_its_filters():
    kernel = torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(3))
    moved = []
    for shape in ((8, 3, 3, 3), (8, 27)):
        weight = torch.nn.Parameter(torch.zeros(shape))
        weight.grad = kernel.reshape(shape)
        Muon([weight], lr=0.1).step()
        moved.append(weight.detach().flatten())
    assert torch.equal(*moved)
    assert moved[0].norm() > 0.1
