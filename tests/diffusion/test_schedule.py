import pytest
import torch
from diffusers import DDIMScheduler

from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.schedule import Schedule
from diffdemo.errors import DiffdemoError, ExperimentError

LINEAR = Schedule.linear()


def random(*shape, seed=0):
    """Standard normal float64 values."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def test_alpha_bar_has_the_published_values():
    n = [0, 50, 100, 250, 500, 700, 1000]
    known = [1.0, 0.97102, 0.89702, 0.52409, 0.078587, 0.0069661, 4.0358e-5]
    assert LINEAR.alpha_bar[n].tolist() == pytest.approx(known, rel=1e-4)
    assert LINEAR.T == 1000
    assert LINEAR.alpha_bar.dtype == torch.float64
    assert int((LINEAR.snr >= 1).sum()) - 1 in (258, 259)  # SNR = 1 at about n = 259


def test_alpha_bar_is_that_of_diffusers():
    assert torch.allclose(LINEAR.alpha_bar[1:].float(), DDIMScheduler().alphas_cumprod, rtol=1e-4)


@pytest.mark.parametrize(
    "bad",
    [
        torch.ones(5, dtype=torch.float64),
        torch.tensor([1.0, 0.5]),
        torch.tensor([0.9, 0.5], dtype=torch.float64),
    ],
)
def test_impossible_schedules_are_refused(bad):
    with pytest.raises(DiffdemoError, match="alpha_bar"):
        Schedule(bad)


def test_no_noise_is_the_identity_bit_for_bit():
    x0 = torch.rand(3, 3, 4, 4) * 2 - 1
    assert torch.equal(LINEAR.add_noise(x0, torch.randn(3, 3, 4, 4), 0), x0)


def test_all_noise_leaves_sqrt_alpha_bar_of_the_picture():
    a, b, eps = random(3, 1, 3, 4, 4)
    difference = LINEAR.add_noise(a[None], eps[None], 1000) - LINEAR.add_noise(
        b[None], eps[None], 1000
    )
    assert torch.allclose(difference[0], 0.00635283 * (a - b), atol=1e-6)


def test_add_noise_takes_a_level_for_each_row_and_one_picture_for_all():
    x0 = torch.rand(1, 3, 4, 4)
    eps = torch.randn(3, 3, 4, 4)
    together = LINEAR.add_noise(x0, eps, torch.tensor([0, 250, 1000]))
    for row, n in enumerate((0, 250, 1000)):
        assert torch.equal(together[row], LINEAR.add_noise(x0, eps[row : row + 1], n)[0])
    assert torch.equal(together, LINEAR.add_noise(x0, eps, [0, 250, 1000]))


@pytest.mark.parametrize(
    "n",
    [
        *(-1, 1001, 2.5, True, "3", b"3", None, [1.5, 2]),
        *(torch.tensor([1.0]), torch.tensor([1, 2, 3]), torch.tensor(True)),
    ],
)
def test_impossible_levels_are_refused(n):
    x = torch.zeros(2, 1, 2, 2)
    with pytest.raises(ExperimentError, match="noise steps n"):
        LINEAR.add_noise(x, x, n)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(DiffdemoError, match="fit"):
        LINEAR.add_noise(torch.zeros(2, 3, 4, 4), torch.zeros(3, 3, 4, 4), 5)


@pytest.mark.parametrize(("n", "up"), [(0, 1), (1, 300), (250, 260), (400, 1000)])
def test_renoise_has_the_distribution_of_more_noise_on_the_picture(n, up):
    rows = 20_000
    x0 = torch.tensor([-1.0, -0.3, 0.4, 1.0], dtype=torch.float64).view(1, 1, 2, 2)
    eps, fresh = random(2, rows, 1, 2, 2, seed=n)
    x_n = LINEAR.add_noise(x0, eps, n)
    x = LINEAR.renoise(x_n, torch.tensor([n]), torch.tensor([up]), fresh)
    a = float(LINEAR.alpha_bar[up])
    variance = torch.full_like(x0[0], 1 - a)
    assert torch.allclose(x.mean(0), a**0.5 * x0[0], rtol=0, atol=4 * ((1 - a) / rows) ** 0.5)
    assert torch.allclose(x.var(0), variance, rtol=4 * (2 / rows) ** 0.5, atol=0)


def test_renoise_takes_two_levels_a_row_and_is_add_noise_from_level_0():
    x = noise(range(3), (1, 4, 4))
    fresh = noise(range(3, 6), (1, 4, 4))
    n = torch.tensor([0, 10, 500])
    up = torch.tensor([1000, 11, 900])
    together = LINEAR.renoise(x, n, up, fresh)
    for row in range(3):
        one = slice(row, row + 1)
        assert torch.equal(together[one], LINEAR.renoise(x[one], n[one], up[one], fresh[one]))
    assert torch.equal(together[:1], LINEAR.add_noise(x[:1], fresh[:1], 1000))


def test_sigma_at_eta_1_is_the_ddpm_posterior_variance():
    n = torch.arange(2, 1001)
    a = LINEAR.alpha_bar[n]
    a_prev = LINEAR.alpha_bar[n - 1]
    beta = 1 - a / a_prev
    variance = LINEAR.sigma(n, n - 1, 1.0) ** 2
    assert torch.allclose(variance, (1 - a_prev) / (1 - a) * beta, atol=1e-12)


def test_a_step_at_eta_1_has_the_ddpm_posterior_mean():
    n = torch.tensor([400])
    x, eps = random(2, 1, 1, 4, 4)
    x0 = LINEAR.x0_from_eps(x, eps, n)
    step = LINEAR.ddim_step(x0, eps, n, n - 1, 1.0, torch.zeros_like(x))
    a = LINEAR.alpha_bar[400]
    a_prev = LINEAR.alpha_bar[399]
    beta = 1 - a / a_prev
    mean = a_prev.sqrt() * beta / (1 - a) * x0 + (a / a_prev).sqrt() * (1 - a_prev) / (1 - a) * x
    assert torch.allclose(step, mean, atol=1e-6)


def test_a_step_equals_diffusers_row_by_row():
    scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=True)
    scheduler.set_timesteps(10)  # diffusers steps back by T // 10
    n = torch.tensor([1000, 700, 300, 100])
    x, eps, fresh = random(3, 4, 3, 4, 4).float()
    x0 = LINEAR.x0_from_eps(x, eps, n)
    ours = LINEAR.ddim_step(x0, eps, n, n - 100, 0.7, fresh)
    for row, level in enumerate(n.tolist()):
        one = slice(row, row + 1)
        step = scheduler.step(eps[one], level - 1, x[one], eta=0.7, variance_noise=fresh[one])
        theirs = step.prev_sample
        assert torch.allclose(ours[one], theirs, atol=1e-4 * float(theirs.abs().max()))


def test_a_step_with_eta_needs_fresh_noise():
    x = torch.zeros(1, 1, 2, 2)
    with pytest.raises(DiffdemoError, match="fresh"):
        LINEAR.ddim_step(x, x, torch.tensor([5]), torch.tensor([4]), 0.5)


def test_a_step_down_is_undone_with_the_same_noise():
    x, eps = random(2, 4, 3, 4, 4)
    n = torch.tensor([900, 500, 250, 2])
    lower = torch.tensor([700, 1, 100, 1])
    down = LINEAR.ddim_step(LINEAR.x0_from_eps(x, eps, n), eps, n, lower)
    back = LINEAR.add_noise(LINEAR.x0_from_eps(down, eps, lower), eps, n)
    assert torch.allclose(back, x, atol=1e-6)


def test_conversions_agree_with_each_other():
    x0, eps = random(2, 3, 1, 4, 4).float()
    n = torch.tensor([1, 300, 1000])
    x = LINEAR.add_noise(x0, eps, n)
    signal, spread = LINEAR.scales(n, x)
    v = signal * eps - spread * x0
    assert torch.allclose(LINEAR.eps_from_v(x, v, n), eps, atol=1e-5)
    assert torch.allclose(LINEAR.x0_from_eps(x, eps, n), x0, atol=1e-3)
    assert torch.allclose(LINEAR.eps_from_x0(x, x0, n)[1:], eps[1:], atol=1e-4)
