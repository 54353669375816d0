import pytest
import torch
from doubles import Gaussian, Spy

from diffdemo.diffusion.grids import grid, grids, pad_rows, with_jumps
from diffdemo.diffusion.noise import NoiseStream, noise
from diffdemo.diffusion.sampling import denoise, denoise_steps, walk
from diffdemo.errors import DiffdemoError

SEEDS = (0, 1, 2)
QUARTER_GREY = 2 / 255 / 4  # a quarter of a grey level, on the [-1, 1] scale


def assert_same_steps(some, others):
    pairs = list(zip(some, others, strict=True))
    assert pairs
    for a, b in pairs:
        for part in ("n", "x", "x0_hat", "before"):
            assert torch.equal(getattr(a, part), getattr(b, part))


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_walk_down_a_plain_grid_is_denoising_bit_for_bit(tiny, eta):
    n = torch.tensor([3, 250, 1000])
    x_n = noise(SEEDS, tiny.shape)
    levels = grids(tiny.schedule, n, (20, 6, 4))
    down = denoise_steps(tiny, x_n, n, (20, 6, 4), eta, seeds=SEEDS)
    assert_same_steps(walk(tiny, x_n, levels, eta, SEEDS), down)


def test_a_deterministic_walk_that_only_falls_needs_no_seeds(tiny_eps):
    x_n = noise(SEEDS, tiny_eps.shape)
    levels = grids(tiny_eps.schedule, torch.tensor([3, 250, 1000]), 5)
    assert_same_steps(walk(tiny_eps, x_n, levels), walk(tiny_eps, x_n, levels, seeds=SEEDS))
    assert list(walk(tiny_eps, x_n, levels[:, -1:])) == []  # at 0 there is nothing to do


def test_a_walk_goes_up_by_fresh_noise_that_comes_after_the_eps(tiny_eps):
    seeds = (4, 5)
    x = noise(range(2), tiny_eps.shape)
    stream = NoiseStream(seeds, tiny_eps.shape)
    stream.draw()  # the eps of x_n
    first, second = walk(tiny_eps, x, torch.tensor([[400, 200, 700, 0]] * 2), 0.0, seeds)
    stream.draw()  # of the first step down, not used at eta = 0
    n, up = torch.tensor([[200, 200], [700, 700]])
    assert torch.equal(second.before, tiny_eps.schedule.renoise(first.x, n, up, stream.draw()))
    assert second.n.tolist() == [700, 700]
    assert float((second.before - first.x).abs().max()) > 0.1


@pytest.mark.parametrize("up", [101, 400, 1000])
def test_a_walk_that_went_up_has_the_distribution_of_more_noise(up):
    rows = 4000
    x0 = torch.tensor([-1.0, 0.2, 0.9]).view(1, 1, 1, 3)
    model = Gaussian(torch.ones(1, 1, 3))
    x = model.schedule.add_noise(x0, noise(range(rows), (1, 1, 3)), 100)
    (step,) = walk(model, x, torch.tensor([[100, up, 0]] * rows), seeds=range(rows))
    a = float(model.schedule.alpha_bar[up])
    mean = step.before.mean(0)
    variance = torch.full((1, 1, 3), 1 - a)
    assert torch.allclose(mean, a**0.5 * x0[0], rtol=0, atol=4 * ((1 - a) / rows) ** 0.5)
    assert torch.allclose(step.before.var(0), variance, rtol=4 * (2 / rows) ** 0.5, atol=0)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_rows_with_different_jumps_do_not_depend_on_their_neighbours(tiny, eta):
    plain = grid(tiny.schedule, 600, 7)
    other = grid(tiny.schedule, 1000, 5)
    rows = [with_jumps(plain, 2), with_jumps(plain, 3, 2), plain, with_jumps(other, 1), [0]]
    seeds = (9, 8, 7, 6, 5)
    x = noise(seeds, tiny.shape)
    *_, together = walk(tiny, x, pad_rows(rows), eta, seeds)
    for k, levels in enumerate(rows[:-1]):
        row = slice(k, k + 1)
        *_, alone = walk(tiny, x[row], torch.tensor([levels]), eta, seeds[row])
        assert float((together.x[row] - alone.x).abs().max()) < QUARTER_GREY
        assert int(together.n[k]) == int(alone.n)
    without_jump = denoise(tiny, x[:1], 600, 7, eta, seeds=seeds[:1])
    assert torch.equal(together.x[4], x[4])
    assert not torch.equal(together.x[0], without_jump[0])


def test_a_jump_costs_a_network_call_for_every_level_it_falls_again(tiny_eps):
    spy = Spy(tiny_eps)
    levels = torch.tensor([with_jumps([5, 4, 3, 2, 1, 0], 2)])
    list(walk(spy, noise([0], tiny_eps.shape), levels, 1.0, (0,)))
    assert spy.calls == [[5], [4], [5], [4], [3], [2], [3], [2], [1]]


UP = [[10, 5, 8, 0]]
DOWN = [[10, 5, 0]]


@pytest.mark.parametrize(
    ("levels", "options"),
    [
        *((UP, options) for options in ({}, {"seeds": (1, 2)}, {"seeds": (-1,)})),
        *((DOWN, options) for options in ({"eta": 1.0}, {"eta": 1.5, "seeds": (1,)})),
        *((levels, {}) for levels in (DOWN * 2, [10, 5, 0], [[]], [[10.0, 5.0, 0.0]])),
        *((levels, {}) for levels in ([[1001, 5, 0]], [[10, -1, 0]])),
    ],
)
def test_impossible_walks_are_refused_before_any_call(tiny_eps, levels, options):
    spy = Spy(tiny_eps)
    with pytest.raises(DiffdemoError):
        walk(spy, noise([0], tiny_eps.shape), torch.tensor(levels), **options)
    assert spy.calls == []
