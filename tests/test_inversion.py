import math

import pytest
import torch
from diffusers import DDIMInverseScheduler
from doubles import Gaussian, Spy

from diffdemo.errors import DiffdemoError
from diffdemo.inversion import dpm_encoder, edit_friendly, invert, invert_steps, replay, slerp
from diffdemo.noise import noise
from diffdemo.sampling import denoise

SEEDS = tuple(range(8))
ENCODERS = (edit_friendly, dpm_encoder)


def error(a, b):
    return float((a - b).abs().max())


def picture(model):
    return noise([99], model.shape).clamp(-1, 1)


@pytest.fixture
def gaussian():
    return Gaussian(torch.logspace(-1.3, 0.5, 64, dtype=torch.float64).view(1, 8, 8))


def test_ddim_inversion_is_that_of_diffusers(tiny_eps):
    """For epsilon; other prediction types diffusers converts at the lower level, where it divides by zero at n = 0."""
    tiny, scheduler = tiny_eps, DDIMInverseScheduler(clip_sample=False, timestep_spacing="trailing")
    scheduler.set_timesteps(10)
    x = x0 = picture(tiny)
    for t in scheduler.timesteps:
        with torch.no_grad():
            x = scheduler.step(tiny.network(x, t).sample, t, x).prev_sample
    ours = invert(tiny, x0, 1000, 10)
    assert error(ours, x) < 1e-4 * float(x.abs().max())


def test_the_grid_is_that_of_the_sampler_mirrored(tiny_eps):
    up, down = Spy(tiny_eps), Spy(tiny_eps)
    x0 = picture(tiny_eps).expand(3, -1, -1, -1)
    n = torch.tensor([3, 250, 1000])
    invert(up, x0, n, 7)
    denoise(down, x0, n, 7)
    assert sorted(level for asked in up.asked for level in asked) == sorted(level for asked in down.asked for level in asked)
    assert up.asked[0] == [36, 143]  # rows with short grids wait at 0 and set off late, so that all arrive together
    assert up.asked[-1] == [3, 250, 1000]


def test_no_noise_is_the_identity_and_asks_nothing(tiny_eps):
    spy = Spy(tiny_eps)
    assert torch.equal(invert(spy, picture(tiny_eps), 0, 10), picture(tiny_eps))
    assert spy.asked == []


def test_rows_do_not_depend_on_their_neighbours(tiny_eps, gaussian):
    n = torch.tensor([5, 300, 1000])
    for model, method, shape in ((tiny_eps, "ddim", tiny_eps.shape), (gaussian, "fixed-point", (1, 8, 8))):
        x0 = noise(range(3), shape).to(torch.float64 if model is gaussian else torch.float32)
        together = invert(model, x0, n, 8, method)
        for row in range(3):
            assert error(together[row], invert(model, x0[row : row + 1], int(n[row]), 8, method)[0]) < 1e-4


def test_round_trip_error_of_ddim_falls_with_one_over_steps(gaussian):
    x0 = noise(SEEDS, (1, 8, 8)).double() * gaussian.variance.sqrt()
    errors = {s: float((denoise(gaussian, invert(gaussian, x0, 1000, s), 1000, s) - x0).square().mean().sqrt()) for s in (100, 1000)}
    assert -1.1 < math.log10(errors[1000] / errors[100]) < -0.9


def test_fixed_point_inversion_undoes_the_sampler(gaussian):
    x0 = noise(SEEDS, (1, 8, 8)).double() * gaussian.variance.sqrt()
    back = denoise(gaussian, invert(gaussian, x0, 1000, 50, "fixed-point"), 1000, 50)
    plain = denoise(gaussian, invert(gaussian, x0, 1000, 50), 1000, 50)
    assert error(back, x0) < 1e-4
    assert error(plain, x0) > 1e-2


def test_one_iteration_of_the_fixed_point_is_ddim_and_more_shrink_the_residual(gaussian, monkeypatch):
    x0 = noise(SEEDS, (1, 8, 8)).double()
    residuals = []
    for iterations in (1, 2, 4, 8):
        monkeypatch.setattr("diffdemo.inversion.ITERATIONS", iterations)
        x = invert(gaussian, x0, 1000, 20, "fixed-point")
        if iterations == 1:
            assert torch.equal(x, invert(gaussian, x0, 1000, 20))
        else:
            residuals.append(max(float(step.residual.max()) for step in invert_steps(gaussian, x0, 1000, 20, "fixed-point")))
    assert residuals[0] > 4 * residuals[1] > 16 * residuals[2] > 0


def test_the_residual_and_the_calls_are_reported(gaussian):
    x0 = noise([0], (1, 8, 8)).double()
    plain, solved = (list(invert_steps(gaussian, x0, 1000, 20, method)) for method in ("ddim", "fixed-point"))
    assert [step.calls.tolist() for step in plain] == [[1]] * 20
    assert all(int(step.calls) > 1 and float(step.residual.max()) < 1e-6 for step in solved)
    assert [int(step.n) for step in solved] == list(range(50, 1001, 50))


def test_warm_start_jumps_and_no_warmth_is_plain_inversion(tiny_eps):
    x0 = picture(tiny_eps).expand(2, -1, -1, -1)
    spy = Spy(tiny_eps)
    steps = list(invert_steps(spy, x0, 1000, 10, warm=0.2, seeds=(1, 2)))
    assert [int(s.n[0]) for s in steps] == list(range(200, 1001, 100))
    assert torch.equal(steps[0].x, tiny_eps.schedule.add_noise(x0, noise((1, 2), tiny_eps.shape), 200))
    assert len(spy.asked) == 8
    assert not torch.equal(steps[-1].x[0], steps[-1].x[1])
    assert torch.equal(invert(tiny_eps, x0, 1000, 10, warm=0.0, seeds=(1, 2)), invert(tiny_eps, x0, 1000, 10))


def test_warm_start_makes_codes_of_flat_pictures_noisier():
    model = Gaussian(torch.full((1, 8, 8), 1e-3, dtype=torch.float64))
    x0 = noise(range(64), (1, 8, 8)).double() * 1e-3**0.5
    spread = [float(invert(model, x0, 1000, 100, warm=w, seeds=range(64)).std()) for w in (0, 0.01, 0.04)]
    assert spread[0] < 0.9 < spread[1] < spread[2] < 1.05


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("steps", [1, 10, 50, pytest.param(1000, marks=pytest.mark.slow)])
def test_the_kept_path_leads_back_exactly_for_every_seed(tiny, encoder, steps):
    if steps == 1000 and tiny.prediction_type != "epsilon":
        pytest.skip("one kind of network is enough for a thousand steps")
    x0 = picture(tiny)
    x_T, z = encoder(tiny, x0, 1000, steps, SEEDS)
    assert z.shape == (steps, *x_T.shape)
    assert torch.equal(x_T, tiny.schedule.add_noise(x0, noise(SEEDS, tiny.shape), 1000))
    assert error(replay(tiny, x_T, z, 1000), x0.expand_as(x_T)) < 1e-4
    correlation = torch.corrcoef(x_T.flatten(1)) - torch.eye(len(SEEDS))
    assert float(correlation.abs().max()) < 0.35  # 192 pixels


def test_every_part_of_the_path_matters(tiny_eps):
    x0 = picture(tiny_eps)
    x_T, z = edit_friendly(tiny_eps, x0, 1000, 10, (0,))
    for k in range(10):
        broken = z.clone()
        broken[k] = 0
        assert error(replay(tiny_eps, x_T, broken, 1000), x0) > 1e-3
    other = edit_friendly(tiny_eps, -x0, 1000, 10, (1,))[0]
    assert error(replay(tiny_eps, other, z, 1000), x0) > 1e-3


def knowing(x0):
    """A denoiser that knows the picture: the closed forms of z hold for it."""

    class Knowing(Gaussian):
        def predict_noise(self, x_n, n):
            return self.schedule.eps_from_x0(x_n, x0.expand_as(x_n), self.schedule.levels(n, len(x_n)))

    return Knowing(torch.ones(1))


def test_edit_friendly_z_have_the_variance_and_correlation_of_theory():
    x0 = torch.rand(1, 3, 16, 16) * 2 - 1
    model = knowing(x0)
    _, z = edit_friendly(model, x0, 1000, 100, range(40))
    alpha_bar = model.schedule.alpha_bar
    for k in (0, 50, 80, 90):
        n = 1000 - 10 * k
        a = float(alpha_bar[n] / alpha_bar[n - 10])
        assert float(z[k].var()) == pytest.approx((1 + a - 2 * float(alpha_bar[n])) / (1 - a), rel=0.05)
    flat = z[40:60].flatten(1)
    correlation = torch.corrcoef(flat)
    assert torch.all(correlation.diagonal(1) < -0.4)
    assert torch.all(correlation.diagonal(1) > -0.55)
    assert float(correlation.diagonal(2).abs().max()) < 0.05


def test_dpm_encoder_z_are_standard_normal():
    x0 = torch.rand(1, 3, 16, 16) * 2 - 1
    _, z = dpm_encoder(knowing(x0), x0, 1000, 50, range(20))
    variance = z[:-1].flatten(1).var(1)
    assert float(variance.min()) > 0.95
    assert float(variance.max()) < 1.05
    correlation = torch.corrcoef(z[:-1].flatten(1)) - torch.eye(49)
    assert float(correlation.abs().max()) < 0.05


def test_a_short_path_has_as_many_steps_as_levels(tiny_eps):
    x0 = picture(tiny_eps)
    x_n, z = dpm_encoder(tiny_eps, x0, 3, 20, (4, 5))
    assert len(z) == 3
    assert error(replay(tiny_eps, x_n, z, 3), x0.expand_as(x_n)) < 1e-4


def test_slerp_keeps_the_length_and_its_ends():
    a, b = noise(range(3), (3, 8, 8)), noise(range(3, 6), (3, 8, 8))
    b = b * (a.flatten(1).norm(dim=1) / b.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)
    assert torch.equal(slerp(a, b, 0), a)
    assert torch.equal(slerp(a, b, 1), b)
    length = a.flatten(1).norm(dim=1)
    for w in (0.1, 0.5, 0.9):
        assert torch.allclose(slerp(a, b, w).flatten(1).norm(dim=1), length, rtol=1e-5)
    assert torch.allclose(slerp(a, a, 0.3), a)


@pytest.mark.parametrize("bad", [{"method": "magic"}, {"warm": 2}, {"warm": 0.5}, {"warm": math.nan}, {"n": 1001}, {"steps": 0}])
def test_impossible_inversions_are_refused(tiny_eps, bad):
    with pytest.raises(DiffdemoError):
        invert_steps(tiny_eps, picture(tiny_eps), **{"n": 10, "steps": 5, **bad})


def test_paths_that_do_not_fit_are_refused(tiny_eps):
    x0 = picture(tiny_eps)
    x_n, z = edit_friendly(tiny_eps, x0, 100, 5, (0, 1))
    for attempt in (
        lambda: replay(tiny_eps, x_n[:1], z, 100),
        lambda: replay(tiny_eps, x_n, z, 4),
        lambda: replay(tiny_eps, x_n, z, 1001),
        lambda: edit_friendly(tiny_eps, x0, 0, 5, (0,)),
        lambda: edit_friendly(tiny_eps, x0.expand(2, -1, -1, -1), 10, 5, (0, 1, 2)),
        lambda: dpm_encoder(tiny_eps, x0, 10, 5, (-1,)),
    ):
        with pytest.raises(DiffdemoError):
            attempt()
