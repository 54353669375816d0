import itertools

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.noise import noise
from diffdemo.schedule import Schedule, filled, grid, grids, with_jumps

LINEAR = Schedule.linear()


def test_alpha_bar_has_the_published_values():
    known = {0: 1.0, 50: 0.97102, 100: 0.89702, 250: 0.52409, 500: 0.078587, 700: 0.0069661, 1000: 4.0358e-5}
    for n, value in known.items():
        assert float(LINEAR.alpha_bar[n]) == pytest.approx(value, rel=1e-4)
    assert LINEAR.T == 1000
    assert LINEAR.alpha_bar.dtype == torch.float64
    assert int((LINEAR.snr >= 1).sum()) - 1 in (258, 259)  # SNR = 1 at about n = 259


def test_alpha_bar_is_that_of_diffusers():
    assert torch.allclose(LINEAR.alpha_bar[1:].float(), DDIMScheduler().alphas_cumprod, rtol=1e-4)


@pytest.mark.parametrize("bad", [torch.ones(5, dtype=torch.float64), torch.tensor([1.0, 0.5]), torch.tensor([0.9, 0.5], dtype=torch.float64)])
def test_impossible_schedules_are_refused(bad):
    with pytest.raises(DiffdemoError, match="alpha_bar"):
        Schedule(bad)


def test_no_noise_is_the_identity_bit_for_bit():
    x0, eps = torch.rand(3, 3, 4, 4) * 2 - 1, torch.randn(3, 3, 4, 4)
    assert torch.equal(LINEAR.add_noise(x0, eps, 0), x0)


def test_all_noise_leaves_what_the_schedule_says():
    a, b, eps = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4), torch.randn(1, 3, 4, 4)
    difference = LINEAR.add_noise(a, eps, 1000) - LINEAR.add_noise(b, eps, 1000)
    assert torch.allclose(difference, 0.00635283 * (a - b), atol=1e-6)


def test_add_noise_takes_a_level_for_each_row_and_one_picture_for_all():
    x0, eps, n = torch.rand(1, 3, 4, 4), torch.randn(3, 3, 4, 4), torch.tensor([0, 250, 1000])
    together = LINEAR.add_noise(x0, eps, n)
    for row in range(3):
        assert torch.equal(together[row], LINEAR.add_noise(x0, eps[row : row + 1], int(n[row]))[0])
    assert torch.equal(together, LINEAR.add_noise(x0, eps, [0, 250, 1000]))


@pytest.mark.parametrize("n", [-1, 1001, 2.5, True, "3", None, torch.tensor([1.0]), torch.tensor([1, 2, 3]), torch.tensor(True), [1.5, 2], b"3"])
def test_impossible_levels_are_refused(n):
    with pytest.raises(ExperimentError, match="noise steps n"):
        LINEAR.add_noise(torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2), n)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(DiffdemoError, match="fit"):
        LINEAR.add_noise(torch.zeros(2, 3, 4, 4), torch.zeros(3, 3, 4, 4), 5)


@pytest.mark.parametrize("spacing", ["trailing", "logsnr"])
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 20, 50, 333, 1000])
def test_every_grid_starts_at_exactly_n_and_ends_at_0(spacing, steps):
    for n in range(1001) if steps < 100 else range(0, 1001, 37):
        levels = grid(LINEAR, n, steps, spacing)
        assert levels[0] == n
        assert levels[-1] == 0
        assert len(levels) == min(n, steps) + 1
        assert all(a > b for a, b in itertools.pairwise(levels))


def test_trailing_is_the_grid_of_diffusers():
    for steps in (1, 2, 7, 10, 30, 50, 1000):
        scheduler = DDIMScheduler(timestep_spacing="trailing")
        scheduler.set_timesteps(steps)
        assert grid(LINEAR, 1000, steps)[:-1] == (scheduler.timesteps + 1).tolist()


def test_logsnr_is_uniform_in_log_snr():
    levels = grid(LINEAR, 1000, 12, "logsnr")
    assert levels[-2:] == [1, 0]
    log_snr = 0.5 * np.log(LINEAR.snr[levels[:-1]].numpy())
    assert np.allclose(np.diff(log_snr), np.diff(log_snr).mean(), rtol=0.12)  # rounding to whole levels is coarse near 1


def test_grids_fill_short_rows_with_zeros():
    table = grids(LINEAR, torch.tensor([0, 3, 1000]), 5)
    assert table.tolist() == [[0] * 6, [3, 2, 1, 0, 0, 0], [1000, 800, 600, 400, 200, 0]]


@pytest.mark.parametrize("spacing", ["trailing", "logsnr"])
def test_rows_with_their_own_steps_have_the_grids_they_have_alone(spacing):
    n, steps = torch.tensor([1000, 250, 3, 1000, 0]), (7, 20, 20, 2, 5)
    table = grids(LINEAR, n, steps, spacing)
    assert table.shape == (5, 21)
    for row, level, count in zip(table.tolist(), n.tolist(), steps, strict=True):
        alone = grid(LINEAR, level, count, spacing)
        assert row == [*alone, *[0] * (21 - len(alone))]
    assert torch.equal(grids(LINEAR, n, 7, spacing), grids(LINEAR, n, [7] * 5, spacing))


def test_rows_of_different_lengths_are_filled_with_zeros():
    assert filled([[5, 2, 0], [1, 0], [0]]).tolist() == [[5, 2, 0], [1, 0, 0], [0, 0, 0]]
    assert filled([]).shape == (0, 1)


@pytest.mark.parametrize(
    ("steps", "spacing"),
    [
        (0, "trailing"), (2.0, "trailing"), (True, "trailing"), (5, "leading"), ("5", "trailing"), (None, "trailing"), ((5, 5), "trailing"),
        ((), "trailing"), ((0,), "trailing"), ((True,), "trailing"), ((2.0,), "trailing"),
    ],
)  # fmt: skip
def test_impossible_grids_are_refused(steps, spacing):
    with pytest.raises(ExperimentError):
        grids(LINEAR, torch.tensor([10]), steps, spacing)


def published_times(T, jump, times):
    """RePaint's get_schedule_jump (github.com/andreas128/RePaint, guided_diffusion/scheduler.py), for t_T = T and one sample a step."""
    left, t, visited = dict.fromkeys(range(0, T - jump, jump), times), T, []
    while t >= 1:
        t -= 1
        visited.append(t)
        if left.get(t, 0) > 0:
            left[t] -= 1
            for _ in range(jump):
                t += 1
                visited.append(t)
    return [*visited, -1]


def test_jumps_are_those_that_repaint_published():
    levels = with_jumps(range(250, -1, -1), 10, 9)
    moves = np.diff(levels)
    assert int((moves < 0).sum()) == 2410
    assert int((moves > 0).sum()) == 2160
    assert levels == [t + 1 for t in published_times(250, 10, 9)]  # its t is our n - 1
    assert levels[18:32] == [232, 231, *range(232, 242), 240, 239]


def test_jumps_by_hand():
    assert with_jumps([5, 4, 3, 2, 1, 0], 2) == [5, 4, 3, 4, 5, 4, 3, 2, 1, 2, 3, 2, 1, 0]
    assert with_jumps([900, 300, 40, 0], 1) == [900, 300, 900, 300, 40, 300, 40, 0]
    assert with_jumps([900, 300, 40, 0], 1, 2) == [900, 300, 900, 300, 900, 300, 40, 300, 40, 300, 40, 0]


@pytest.mark.parametrize("jump", [1, 3, 7, 20])
@pytest.mark.parametrize("times", [1, 4])
def test_jumps_visit_neighbours_of_the_grid_only_and_each_climb_is_as_high_as_asked(jump, times):
    levels = grid(LINEAR, 1000, 31, "logsnr")
    places = [levels.index(level) for level in with_jumps(levels, jump, times)]
    moves = np.diff(places)
    assert set(moves.tolist()) == {-1, 1}  # a place earlier in the grid is a level higher up
    assert (places[0], places[-1]) == (0, 31)
    climbs = [len(list(group)) for rising, group in itertools.groupby(moves < 0) if rising]
    tops = [before for before, after in itertools.pairwise(range(30, -1, -jump)) if after >= 0]
    assert climbs == [jump] * (times * len(tops))
    begins = [places[k] for k in range(1, len(moves)) if moves[k] < 0 < moves[k - 1]]  # the place before each climb
    assert begins == sorted(tops * times)


def test_no_jump_and_one_that_is_too_high_leave_the_grid_as_it_is():
    for levels in ([0], [5, 0], grid(LINEAR, 1000, 10)):
        assert with_jumps(levels, 0, 9) == levels
        assert with_jumps(levels, len(levels), 9) == levels


@pytest.mark.parametrize(("n", "up"), [(0, 1), (1, 300), (250, 260), (400, 1000)])
def test_going_up_from_a_noisy_picture_is_noising_the_picture_further(n, up):
    x0, rows = torch.tensor([-1.0, -0.3, 0.4, 1.0], dtype=torch.float64).view(1, 1, 2, 2), 20_000
    eps, fresh = torch.randn(2, rows, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    x = LINEAR.renoise(LINEAR.add_noise(x0, eps, n), torch.tensor([n]), torch.tensor([up]), fresh)
    kept = float(LINEAR.alpha_bar[up])
    assert torch.allclose(x.mean(0), kept**0.5 * x0[0], rtol=0, atol=4 * ((1 - kept) / rows) ** 0.5)
    assert torch.allclose(x.var(0), torch.full_like(x0[0], 1 - kept), rtol=4 * (2 / rows) ** 0.5, atol=0)


def test_going_up_takes_two_levels_a_row_and_from_the_picture_itself_is_add_noise():
    x, fresh = noise(range(3), (1, 4, 4)), noise(range(3, 6), (1, 4, 4))
    n, up = torch.tensor([0, 10, 500]), torch.tensor([1000, 11, 900])
    together = LINEAR.renoise(x, n, up, fresh)
    for row in range(3):
        one = slice(row, row + 1)
        assert torch.equal(together[one], LINEAR.renoise(x[one], n[one], up[one], fresh[one]))
    assert torch.equal(together[:1], LINEAR.add_noise(x[:1], fresh[:1], 1000))


def test_sigma_at_eta_1_is_the_ddpm_posterior_variance():
    n = torch.arange(2, 1001)
    a, b = LINEAR.alpha_bar[n], LINEAR.alpha_bar[n - 1]
    assert torch.allclose(LINEAR.sigma(n, n - 1, 1.0) ** 2, (1 - b) / (1 - a) * (1 - a / b), atol=1e-12)


def test_one_step_at_eta_1_has_the_ddpm_posterior_mean():
    n, x, eps = torch.tensor([400]), torch.randn(1, 1, 4, 4, dtype=torch.float64), torch.randn(1, 1, 4, 4, dtype=torch.float64)
    a, b = LINEAR.alpha_bar[400], LINEAR.alpha_bar[399]
    beta, x0 = 1 - a / b, LINEAR.x0_from_eps(x, eps, n)
    mean = b.sqrt() * beta / (1 - a) * x0 + (a / b).sqrt() * (1 - b) / (1 - a) * x
    assert torch.allclose(LINEAR.ddim_step(x, eps, n, n - 1, eta=1.0, fresh=torch.zeros_like(x)), mean, atol=1e-6)


def test_ddim_step_equals_diffusers_row_by_row():
    scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=True)
    scheduler.set_timesteps(10)  # diffusers steps back by T // 10
    n = torch.tensor([1000, 700, 300, 100])
    x, eps, fresh = torch.randn(3, 4, 3, 4, 4)
    ours = LINEAR.ddim_step(x, eps, n, n - 100, eta=0.7, fresh=fresh)
    for row, level in enumerate(n.tolist()):
        one = slice(row, row + 1)
        theirs = scheduler.step(eps[one], level - 1, x[one], eta=0.7, variance_noise=fresh[one]).prev_sample
        assert torch.allclose(ours[one], theirs, atol=1e-4 * float(theirs.abs().max()))


def test_the_same_noise_out_and_back_is_the_identity():
    x, eps = torch.randn(2, 4, 3, 4, 4, dtype=torch.float64)
    n, lower = torch.tensor([900, 500, 250, 2]), torch.tensor([700, 1, 100, 1])
    down = LINEAR.ddim_step(x, eps, n, lower)
    back = LINEAR.add_noise(LINEAR.x0_from_eps(down, eps, lower), eps, n)
    assert torch.allclose(back, x, atol=1e-6)


def test_conversions_agree_with_each_other():
    x0, eps, n = torch.randn(3, 1, 4, 4), torch.randn(3, 1, 4, 4), torch.tensor([1, 300, 1000])
    x = LINEAR.add_noise(x0, eps, n)
    signal, spread = LINEAR.scales(n, x)
    v = signal * eps - spread * x0
    assert torch.allclose(LINEAR.eps_from_v(x, v, n), eps, atol=1e-5)
    assert torch.allclose(LINEAR.x0_from_eps(x, eps, n), x0, atol=1e-3)
    assert torch.allclose(LINEAR.eps_from_x0(x, x0, n)[1:], eps[1:], atol=1e-4)
