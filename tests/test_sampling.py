import math
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from doubles import Gaussian, Ideal, Spy

from diffdemo import faces, images
from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.noise import NoiseStream, noise
from diffdemo.sampling import denoise, denoise_steps, walk
from diffdemo.schedule import filled, grid, grids, with_jumps

SEEDS = (0, 1, 2)


def diffusers_ddim(model, x, steps, eta=0.0, seeds=None, clip=False):
    scheduler = DDIMScheduler(prediction_type=model.prediction_type, clip_sample=clip, timestep_spacing="trailing")
    scheduler.set_timesteps(steps)
    stream = NoiseStream(seeds, x.shape[1:]) if seeds else None
    if stream:
        stream.draw()
    for t in scheduler.timesteps:
        with torch.no_grad():
            output = model.unet(x, t).sample
        fresh = stream.draw() if stream else None
        x = scheduler.step(output, t, x, eta=eta, variance_noise=fresh).prev_sample
    return x


def close(ours, reference, tolerance):
    return float((ours - reference).abs().max()) < tolerance * float(reference.abs().max())


@pytest.mark.parametrize("steps", [1, 2, 10, 50])
def test_ddim_equals_diffusers(tiny, steps):
    x_T = noise(SEEDS, tiny.shape)
    assert close(denoise(tiny, x_T, 1000, steps), diffusers_ddim(tiny, x_T, steps), 1e-4)


@pytest.mark.parametrize("eta", [0.5, 1.0])
@pytest.mark.parametrize("steps", [2, 10, 50])
def test_ancestral_noise_equals_diffusers(tiny, eta, steps):
    x_T = noise(SEEDS, tiny.shape)
    assert close(denoise(tiny, x_T, 1000, steps, eta, seeds=SEEDS), diffusers_ddim(tiny, x_T, steps, eta, SEEDS), 1e-4)


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 25])
def test_dpm_solver_equals_diffusers(tiny, steps):
    scheduler = DPMSolverMultistepScheduler(
        beta_schedule="linear", beta_start=1e-4, beta_end=0.02, prediction_type=tiny.prediction_type, timestep_spacing="trailing", solver_order=2
    )
    scheduler.set_timesteps(steps)
    x = x_T = noise(SEEDS, tiny.shape)
    for t in scheduler.timesteps:
        with torch.no_grad():
            x = scheduler.step(tiny.unet(x, t).sample, t, x).prev_sample
    assert close(denoise(tiny, x_T, 1000, steps, solver="dpm++2m"), x, 1e-3)


def test_clipping_follows_the_config_and_equals_diffusers(folders):
    from diffdemo.models import load_model

    model = load_model(str(folders["clipped"]), device="cpu")
    x_T = noise(SEEDS, model.shape)
    assert close(denoise(model, x_T, 1000, 10), diffusers_ddim(model, x_T, 10, clip=True), 1e-4)
    assert close(denoise(model, x_T, 1000, 10, clip=False), diffusers_ddim(model, x_T, 10), 1e-4)
    clipped = [step.x0_hat.abs().max() for step in denoise_steps(model, x_T, 1000, 10, solver="dpm++2m")]
    assert max(clipped) <= 1
    assert max(step.x0_hat.abs().max() for step in denoise_steps(model, x_T, 1000, 10, clip=False)) > 1


def test_no_noise_returns_the_input_and_calls_nothing(tiny_eps):
    spy, x = Spy(tiny_eps), torch.rand(3, *tiny_eps.shape)
    assert torch.equal(denoise(spy, x, 0), x)
    assert list(denoise_steps(spy, x, 0)) == []
    assert spy.asked == []


def test_every_level_starts_at_exactly_n_and_changes_the_result(tiny_eps):
    x0, eps = torch.zeros(1, *tiny_eps.shape), noise([0], tiny_eps.shape)
    n = torch.arange(1, 1001)
    x_n = tiny_eps.schedule.add_noise(x0, eps.expand(1000, -1, -1, -1), n)
    spy = Spy(tiny_eps)
    x = denoise(spy, x_n, n, steps=2)
    assert spy.asked[0] == n.tolist()
    assert float((x[1:] - x[:-1]).abs().amax((1, 2, 3)).min()) > 0


def test_a_row_makes_exactly_min_n_steps_calls_and_then_repeats(tiny_eps):
    spy = Spy(tiny_eps)
    n = torch.tensor([0, 1, 3, 1000])
    steps = list(denoise_steps(spy, noise(range(4), tiny_eps.shape), n, steps=5))
    assert spy.asked == [[1, 3, 1000], [2, 800], [1, 600], [400], [200]]
    assert [step.n.tolist() for step in steps] == [[0, 1, 3, 1000], [0, 1, 2, 800], [0, 1, 1, 600], [0, 1, 1, 400], [0, 1, 1, 200]]
    assert torch.equal(steps[0].x[1], steps[-1].x[1])
    assert torch.equal(steps[2].x0_hat[2], steps[-1].x0_hat[2])


@pytest.mark.parametrize("options", [{}, {"eta": 1.0}, {"solver": "dpm++2m"}, {"spacing": "logsnr"}])
def test_rows_do_not_depend_on_their_neighbours(tiny, options):
    n, seeds = torch.tensor([0, 1, 7, 250, 1000]), (4, 3, 2, 1, 0)
    x_n = noise(seeds, tiny.shape)
    together = denoise(tiny, x_n, n, 10, seeds=seeds, **options)
    for row in range(5):
        alone = denoise(tiny, x_n[row : row + 1], int(n[row]), 10, seeds=seeds[row : row + 1], **options)
        assert float((together[row] - alone[0]).abs().max()) < 2 / 255 / 4


def test_fresh_noise_is_not_the_eps_again():
    """A generator made anew from the seed inside the loop would replay eps: then z and eps are the same numbers."""
    model, seeds, n = Gaussian(torch.ones(1, 16, 16)), range(64), torch.full((64,), 500)
    eps = noise(seeds, (1, 16, 16))
    first = next(denoise_steps(model, eps, 500, 10, eta=1.0, seeds=seeds))
    below = torch.full_like(n, 450)
    still = model.schedule.ddim_step(eps, model.predict_noise(eps, n), n, below, eta=1.0, fresh=torch.zeros_like(eps))
    z = (first.x - still) / float(model.schedule.sigma(n, below, 1.0)[0])
    assert abs(float(z.std()) - 1) < 0.02
    assert abs(float(torch.corrcoef(torch.stack([z.flatten(), eps.flatten()]))[0, 1])) < 4 / z.numel() ** 0.5


def test_the_last_step_and_the_constant_denoiser():
    class Constant(Gaussian):
        def predict_noise(self, x_n, n):
            return self.schedule.eps_from_x0(x_n, torch.full_like(x_n, 0.3), self.schedule.levels(n, len(x_n)))

    model = Constant(torch.ones(1))
    for options in ({}, {"solver": "dpm++2m"}, {"spacing": "logsnr"}, {"eta": 1.0, "seeds": SEEDS}):
        x = denoise(model, noise(SEEDS, (1, 4, 4)), 1000, 12, **options)
        assert torch.allclose(x, torch.full_like(x, 0.3), atol=1e-3)


def slope(errors):
    (s1, e1), (s2, e2) = errors
    return math.log(e2 / e1) / math.log(s2 / s1)


@pytest.mark.parametrize(("solver", "low", "high"), [("ddim", -1.1, -0.9), ("dpm++2m", -3.0, -1.8)])
def test_solvers_have_their_order_on_a_gaussian(solver, low, high):
    variance = torch.logspace(-1.3, 1.3, 64, dtype=torch.float64).view(1, 8, 8)
    model = Gaussian(variance)
    x_T = noise(range(32), (1, 8, 8)).double()
    exact = model.solution(x_T)
    errors = [(s, float((denoise(model, x_T, 1000, s, solver=solver) - exact).square().mean().sqrt())) for s in (50, 200)]
    assert low < slope(errors) < high


def test_first_order_dpm_solver_is_ddim():
    model, x_T = Gaussian(torch.full((1, 4, 4), 0.5, dtype=torch.float64)), noise(SEEDS, (1, 4, 4)).double()
    ddim = [s.x for s in denoise_steps(model, x_T, 1000, 10)]
    dpm = [s.x for s in denoise_steps(model, x_T, 1000, 10, solver="dpm++2m")]
    assert torch.allclose(ddim[0], dpm[0], atol=1e-12)
    assert not torch.allclose(ddim[1], dpm[1], rtol=0, atol=1e-5)


def test_logsnr_spacing_makes_2m_far_better_on_a_gaussian():
    model, x_T = Gaussian(torch.logspace(-3, 0, 64).view(1, 8, 8)), noise(range(16), (1, 8, 8))  # variances as pictures have them
    exact = model.solution(x_T)
    error = {s: float((denoise(model, x_T, 1000, 15, solver="dpm++2m", spacing=s) - exact).square().mean().sqrt()) for s in ("trailing", "logsnr")}
    assert error["logsnr"] < error["trailing"] / 3


def test_ancestral_sampling_draws_from_the_exact_posterior():
    """With an exact denoiser and eta = 1 the way back from one x_n ends on picture j with probability p(j | x_n)."""
    x0 = images.from_uint8(faces.pictures(range(16)))
    model, clones = Ideal(x0), 600
    x_n = model.schedule.add_noise(x0[3:4], noise([8], x0.shape[1:]), 560)
    expected = model.posterior(x_n, 560)[0].double()
    assert 0.2 < float(expected.max()) < 0.95
    x = denoise(model, x_n.expand(clones, -1, -1, -1), 560, 100, eta=1.0, seeds=range(clones))
    ends = torch.cdist(x.flatten(1), x0.flatten(1)).argmin(1)
    counts = torch.bincount(ends, minlength=16).double()
    big = expected * clones >= 5
    seen = torch.cat([counts[big], counts[~big].sum()[None]])
    wanted = torch.cat([expected[big], expected[~big].sum()[None]]) * clones
    statistic = float(((seen - wanted) ** 2 / wanted.clamp(min=0.5)).sum())
    degrees = int(big.sum())
    assert statistic < degrees + 4 * (2 * degrees) ** 0.5 + 4  # far beyond the 0.1 % point


@pytest.mark.parametrize("n", [100, 400, 650])
def test_u_turns_of_a_gaussian_have_the_known_statistics(n):
    """For pictures from N(0, v) the way back at eta = 1 is a fresh draw from p(x0 | x_n), so E|x0' - x0|^2 = 2 s^2, where
    s^2 = v (1 - a) / (a v + 1 - a) is the posterior variance; at eta = 0 it is x_n times a known number.
    """
    v, rows = torch.tensor([0.05, 0.3, 1.0]).view(1, 1, 3), 2000
    model, a = Gaussian(v), float(Gaussian(v).schedule.alpha_bar[n])
    x0 = v.sqrt() * noise(range(10**6, 10**6 + rows), (1, 1, 3))
    x_n = model.schedule.add_noise(x0, noise(range(rows), x0.shape[1:]), n)
    back = denoise(model, x_n, n, n, eta=1.0, seeds=range(rows))
    posterior_variance = v * (1 - a) / (a * v + 1 - a)
    assert torch.allclose((back - x0).square().mean(0), 2 * posterior_variance, rtol=0.12)
    assert torch.allclose(back.square().mean(0), v.expand(1, 1, 3), rtol=0.12)  # and it is a sample of the distribution itself
    certain = denoise(model, x_n, n, n)
    assert torch.allclose(certain, x_n * (v / (a * v + 1 - a)).sqrt(), atol=0.02)


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0}, {"steps": 1.5}, {"eta": -0.1}, {"eta": math.nan}, {"eta": 1.01}, {"eta": "1"}, {"solver": "euler"}, {"spacing": "leading"},
        {"eta": 0.5}, {"eta": 0.5, "seeds": [1]}, {"eta": 0.5, "solver": "dpm++2m", "seeds": [1, 2]}, {"n": 1001}, {"n": -1}, {"n": 1.5},
        {"eta": 0.5, "seeds": [1, -2]},
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_before_any_call(tiny_eps, bad):
    spy = Spy(tiny_eps)
    arguments = {"n": 10, **bad}
    with pytest.raises(ExperimentError):
        denoise_steps(spy, noise([0, 1], tiny_eps.shape), **arguments)
    assert spy.asked == []


def test_a_tensor_of_the_wrong_kind_is_refused(tiny_eps):
    with pytest.raises(DiffdemoError, match="x_n"):
        denoise(tiny_eps, torch.zeros(3, 8, 8), 10)
    with pytest.raises(DiffdemoError, match="shape"):
        denoise(tiny_eps, torch.zeros(1, 3, 4, 4), 10)


def same_steps(one, other):
    pairs = list(zip(one, other, strict=True))
    return bool(pairs) and all(torch.equal(getattr(a, part), getattr(b, part)) for a, b in pairs for part in ("n", "x", "x0_hat", "before"))


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_walk_down_a_plain_grid_is_denoising_bit_for_bit(tiny, eta):
    n, x_n = torch.tensor([3, 250, 1000]), noise(SEEDS, tiny.shape)
    levels = grids(tiny.schedule, n, (20, 6, 4))
    down = denoise_steps(tiny, x_n, n, (20, 6, 4), eta, seeds=SEEDS)
    assert same_steps(walk(tiny, x_n, levels, eta, SEEDS), down)


def test_a_walk_that_only_falls_needs_no_seeds_without_fresh_noise(tiny_eps):
    x_n = noise(SEEDS, tiny_eps.shape)
    levels = grids(tiny_eps.schedule, torch.tensor([3, 250, 1000]), 5)
    assert same_steps(walk(tiny_eps, x_n, levels), walk(tiny_eps, x_n, levels, seeds=SEEDS))
    assert list(walk(tiny_eps, x_n, levels[:, -1:])) == []  # at 0 there is nothing to do


def test_every_step_holds_the_state_that_was_shown_to_the_network(tiny_eps):
    x_n = noise(SEEDS, tiny_eps.shape)
    steps = list(denoise_steps(tiny_eps, x_n, [0, 2, 1000], 4))
    assert torch.equal(steps[0].before, x_n)
    for earlier, later in pairwise(steps):
        moved = later.n != earlier.n
        assert torch.equal(later.before[moved], earlier.x[moved])
        assert torch.equal(later.before[~moved], earlier.before[~moved])  # finished rows repeat
    for step in steps:
        shown, n = step.before[2:], step.n[2:]
        assert close(tiny_eps.schedule.x0_from_eps(shown, tiny_eps.predict_noise(shown, n), n), step.x0_hat[2:], 1e-5)


def test_a_walk_goes_up_by_fresh_noise_that_comes_after_the_eps(tiny_eps):
    seeds, x = (4, 5), noise(range(2), tiny_eps.shape)
    stream = NoiseStream(seeds, tiny_eps.shape)
    stream.draw()  # the eps of x_n
    first, second = walk(tiny_eps, x, torch.tensor([[400, 200, 700, 0]] * 2), 0.0, seeds)
    stream.draw()  # of the first step down, not used at eta = 0
    up = tiny_eps.schedule.renoise(first.x, torch.tensor([200, 200]), torch.tensor([700, 700]), stream.draw())
    assert torch.equal(second.before, up)
    assert second.n.tolist() == [700, 700]
    assert float((second.before - first.x).abs().max()) > 0.1


@pytest.mark.parametrize("up", [101, 400, 1000])
def test_a_state_of_a_walk_that_went_up_is_the_picture_noised_further(up):
    rows, x0 = 4000, torch.tensor([-1.0, 0.2, 0.9]).view(1, 1, 1, 3)
    model = Gaussian(torch.ones(1, 1, 3))
    x = model.schedule.add_noise(x0, noise(range(rows), (1, 1, 3)), 100)
    (step,) = walk(model, x, torch.tensor([[100, up, 0]] * rows), seeds=range(rows))
    kept = float(model.schedule.alpha_bar[up])
    assert torch.allclose(step.before.mean(0), kept**0.5 * x0[0], rtol=0, atol=4 * ((1 - kept) / rows) ** 0.5)
    assert torch.allclose(step.before.var(0), torch.full((1, 1, 3), 1 - kept), rtol=4 * (2 / rows) ** 0.5, atol=0)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_rows_with_different_jumps_do_not_depend_on_their_neighbours(tiny, eta):
    plain = grid(tiny.schedule, 600, 7)
    rows = [with_jumps(plain, 2), with_jumps(plain, 3, 2), plain, with_jumps(grid(tiny.schedule, 1000, 5), 1), [0]]
    seeds = (9, 8, 7, 6, 5)
    x = noise(seeds, tiny.shape)
    *_, together = walk(tiny, x, filled(rows), eta, seeds)
    for row, levels in enumerate(rows[:-1]):
        *_, alone = walk(tiny, x[row : row + 1], torch.tensor([levels]), eta, seeds[row : row + 1])
        assert float((together.x[row] - alone.x[0]).abs().max()) < 2 / 255 / 4
        assert int(together.n[row]) == int(alone.n[0])
    assert torch.equal(together.x[4], x[4])
    assert not torch.equal(together.x[0], denoise(tiny, x[:1], 600, 7, eta, seeds=seeds[:1])[0])


def test_a_jump_costs_a_network_call_for_every_level_it_falls_again(tiny_eps):
    spy = Spy(tiny_eps)
    list(walk(spy, noise([0], tiny_eps.shape), torch.tensor([with_jumps([5, 4, 3, 2, 1, 0], 2)]), 1.0, (0,)))
    assert spy.asked == [[5], [4], [5], [4], [3], [2], [3], [2], [1]]


@pytest.mark.parametrize(
    ("levels", "options"),
    [
        ([[10, 5, 8, 0]], {}), ([[10, 5, 8, 0]], {"eta": 0.0, "seeds": (1, 2)}), ([[10, 5, 0]], {"eta": 1.0}), ([[10, 5, 8, 0]], {"seeds": (-1,)}),
        ([[1001, 5, 0]], {}), ([[10, -1, 0]], {}), ([[10, 5, 0]] * 2, {}), ([10, 5, 0], {}), ([[]], {}), ([[10.0, 5.0, 0.0]], {}),
        ([[10, 5, 0]], {"eta": 1.5, "seeds": (1,)}),
    ],
)  # fmt: skip
def test_impossible_walks_are_refused_before_any_call(tiny_eps, levels, options):
    spy = Spy(tiny_eps)
    with pytest.raises(DiffdemoError):
        walk(spy, noise([0], tiny_eps.shape), torch.tensor(levels), **options)
    assert spy.asked == []


@pytest.mark.parametrize("options", [{}, {"eta": 1.0}, {"solver": "dpm++2m"}, {"spacing": "logsnr"}])
def test_rows_with_their_own_steps_are_those_they_are_alone(tiny, options):
    n, steps, seeds = torch.tensor([1000, 1000, 250, 3]), (2, 9, 5, 20), (3, 2, 1, 0)
    x_n = noise(seeds, tiny.shape)
    together = denoise(tiny, x_n, n, steps, seeds=seeds, **options)
    for row in range(4):
        alone = denoise(tiny, x_n[row : row + 1], int(n[row]), steps[row], seeds=seeds[row : row + 1], **options)
        assert float((together[row] - alone[0]).abs().max()) < 2 / 255 / 4
    with pytest.raises(ExperimentError):
        denoise(tiny, x_n, n, (2, 9), seeds=seeds, **options)
