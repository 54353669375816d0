import pytest
import torch

from diffdemo.diffusion.noise import NoiseStream, noise
from diffdemo.errors import ExperimentError

SHAPE = (3, 16, 16)


def test_a_row_depends_on_its_seed_alone():
    sweep = noise(range(16), SHAPE)
    assert torch.equal(noise(range(4), SHAPE), sweep[:4])
    assert torch.equal(noise([9], SHAPE)[0], sweep[9])
    assert sweep.dtype == torch.float32


def test_global_random_state_is_neither_read_nor_changed():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = noise([3], SHAPE)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(noise([3], SHAPE), first)


def test_later_draws_are_new_numbers():
    stream = NoiseStream([5, 6], SHAPE)
    draws = torch.stack([stream.draw().flatten() for _ in range(4)])
    assert torch.equal(draws[0], noise([5, 6], SHAPE).flatten())
    others = torch.corrcoef(draws) - torch.eye(4)
    assert float(others.abs().max()) < 4 / draws.shape[1] ** 0.5


def test_a_draw_takes_the_dtype_of_a_tensor():
    x = torch.zeros(1, dtype=torch.float64)
    draw = NoiseStream([5], SHAPE).draw_like(x)
    assert torch.equal(draw, noise([5], SHAPE).double())


def test_draws_are_standard_normal_and_seeds_unrelated():
    x = noise(range(200), SHAPE).flatten(1)
    assert abs(float(x.mean())) < 0.01
    assert abs(float(x.var()) - 1) < 0.01
    others = torch.corrcoef(x) - torch.eye(200)
    assert float(others.abs().max()) < 6 / x.shape[1] ** 0.5


@pytest.mark.parametrize("seed", [-1, 2**31, 1.5, "1", None, True])
def test_impossible_seeds_are_refused(seed):
    with pytest.raises(ExperimentError, match="seed"):
        noise([seed], SHAPE)


def test_no_seeds_give_an_empty_batch():
    assert noise([], SHAPE).shape == (0, *SHAPE)
