import itertools

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.schedule import Schedule, grid, grids

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


@pytest.mark.parametrize(("steps", "spacing"), [(0, "trailing"), (2.0, "trailing"), (True, "trailing"), (5, "leading")])
def test_impossible_grids_are_refused(steps, spacing):
    with pytest.raises(ExperimentError):
        grids(LINEAR, torch.tensor([10]), steps, spacing)


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
