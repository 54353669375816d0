import math
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from doubles import Gaussian, Ideal, Knowing, Spy

from diffdemo.diffusion.noise import NoiseStream, noise
from diffdemo.diffusion.sampling import denoise, denoise_steps
from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.models import load_model
from diffdemo.pictures import faces, images

SEEDS = (0, 1, 2)
OPTIONS = [{}, {"eta": 1.0}, {"solver": "dpm++2m"}, {"spacing": "logsnr"}]
QUARTER_GREY = 2 / 255 / 4  # a quarter of a grey level, on the [-1, 1] scale


def diffusers_ddim(model, x, steps, eta=0.0, seeds=None, clip=False):
    scheduler = DDIMScheduler(
        prediction_type=model.prediction_type, clip_sample=clip, timestep_spacing="trailing"
    )
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
def test_ancestral_sampling_equals_diffusers(tiny, eta, steps):
    x_T = noise(SEEDS, tiny.shape)
    ours = denoise(tiny, x_T, 1000, steps, eta, seeds=SEEDS)
    assert close(ours, diffusers_ddim(tiny, x_T, steps, eta, SEEDS), 1e-4)


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 25])
def test_dpm_solver_equals_diffusers(tiny, steps):
    scheduler = DPMSolverMultistepScheduler(
        beta_schedule="linear",
        beta_start=1e-4,
        beta_end=0.02,
        prediction_type=tiny.prediction_type,
        timestep_spacing="trailing",
        solver_order=2,
    )
    scheduler.set_timesteps(steps)
    x_T = noise(SEEDS, tiny.shape)
    x = x_T
    for t in scheduler.timesteps:
        with torch.no_grad():
            x = scheduler.step(tiny.unet(x, t).sample, t, x).prev_sample
    assert close(denoise(tiny, x_T, 1000, steps, solver="dpm++2m"), x, 1e-3)


def test_clipping_follows_the_config_and_equals_diffusers(folders):
    model = load_model(str(folders["clipped"]), device="cpu")
    x_T = noise(SEEDS, model.shape)

    def largest(**options):
        steps = denoise_steps(model, x_T, 1000, 10, **options)
        return max(float(step.x0_hat.abs().max()) for step in steps)

    assert close(denoise(model, x_T, 1000, 10), diffusers_ddim(model, x_T, 10, clip=True), 1e-4)
    assert close(denoise(model, x_T, 1000, 10, clip=False), diffusers_ddim(model, x_T, 10), 1e-4)
    assert largest(solver="dpm++2m") <= 1
    assert largest(clip=False) > 1


def test_without_noise_the_input_is_returned_without_a_call(tiny_eps):
    spy = Spy(tiny_eps)
    x = torch.rand(3, *tiny_eps.shape)
    assert torch.equal(denoise(spy, x, 0), x)
    assert list(denoise_steps(spy, x, 0)) == []
    assert spy.calls == []


def test_every_level_starts_at_exactly_n_and_changes_the_result(tiny_eps):
    eps = noise([0], tiny_eps.shape).expand(1000, -1, -1, -1)
    n = torch.arange(1, 1001)
    x_n = tiny_eps.schedule.add_noise(torch.zeros(1, *tiny_eps.shape), eps, n)
    spy = Spy(tiny_eps)
    x = denoise(spy, x_n, n, steps=2)
    assert spy.calls[0] == n.tolist()
    assert float((x[1:] - x[:-1]).abs().amax((1, 2, 3)).min()) > 0


def test_a_row_makes_exactly_min_n_steps_calls_and_then_repeats(tiny_eps):
    spy = Spy(tiny_eps)
    n = torch.tensor([0, 1, 3, 1000])
    steps = list(denoise_steps(spy, noise(range(4), tiny_eps.shape), n, steps=5))
    assert spy.calls == [[1, 3, 1000], [2, 800], [1, 600], [400], [200]]
    assert [step.n.tolist() for step in steps] == [
        [0, 1, 3, 1000],
        [0, 1, 2, 800],
        [0, 1, 1, 600],
        [0, 1, 1, 400],
        [0, 1, 1, 200],
    ]
    assert torch.equal(steps[0].x[1], steps[-1].x[1])
    assert torch.equal(steps[2].x0_hat[2], steps[-1].x0_hat[2])


def test_every_step_has_the_state_that_the_network_was_given(tiny_eps):
    x_n = noise(SEEDS, tiny_eps.shape)
    steps = list(denoise_steps(tiny_eps, x_n, [0, 2, 1000], 4))
    assert torch.equal(steps[0].before, x_n)
    for earlier, later in pairwise(steps):
        moved = later.n != earlier.n
        assert torch.equal(later.before[moved], earlier.x[moved])
        assert torch.equal(later.before[~moved], earlier.before[~moved])  # finished rows repeat
    for step in steps:
        x = step.before[2:]
        n = step.n[2:]
        eps_hat = tiny_eps.predict_noise(x, n)
        assert close(tiny_eps.schedule.x0_from_eps(x, eps_hat, n), step.x0_hat[2:], 1e-5)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(
    ("n", "steps"),
    [((0, 1, 7, 250, 1000), (10,) * 5), ((0, 1000, 1000, 250, 3), (4, 2, 9, 5, 20))],
)
def test_rows_with_their_own_n_and_steps_do_not_depend_on_their_neighbours(tiny, options, n, steps):
    seeds = (4, 3, 2, 1, 0)
    x_n = noise(seeds, tiny.shape)
    together = denoise(tiny, x_n, n, steps, seeds=seeds, **options)
    for k in range(5):
        row = slice(k, k + 1)
        alone = denoise(tiny, x_n[row], n[k], steps[k], seeds=seeds[row], **options)
        assert float((together[row] - alone).abs().max()) < QUARTER_GREY


def test_fresh_noise_is_not_the_eps_again():
    """A generator made anew from the seed inside the loop would give the numbers of eps as z."""
    model = Gaussian(torch.ones(1, 16, 16))
    seeds = range(64)
    n = torch.full((64,), 500)
    below = torch.full_like(n, 450)
    eps = noise(seeds, (1, 16, 16))
    first = next(denoise_steps(model, eps, 500, 10, eta=1.0, seeds=seeds))
    mean = model.schedule.ddim_step(
        first.x0_hat, model.predict_noise(eps, n), n, below, 1.0, torch.zeros_like(eps)
    )
    z = (first.x - mean) / float(model.schedule.sigma(n, below, 1.0)[0])
    correlation = torch.corrcoef(torch.stack([z.flatten(), eps.flatten()]))[0, 1]
    assert abs(float(z.std()) - 1) < 0.02
    assert abs(float(correlation)) < 4 / z.numel() ** 0.5


@pytest.mark.parametrize("options", OPTIONS)
def test_a_denoiser_that_knows_the_picture_ends_on_it(options):
    x0 = torch.full((1, 1, 4, 4), 0.3)
    x = denoise(Knowing(x0), noise(SEEDS, (1, 4, 4)), 1000, 12, seeds=SEEDS, **options)
    assert torch.allclose(x, x0.expand_as(x), atol=1e-3)


def rms(x):
    return float(x.square().mean().sqrt())


@pytest.mark.parametrize(("solver", "low", "high"), [("ddim", -1.1, -0.9), ("dpm++2m", -3.0, -1.8)])
def test_solvers_have_their_order_on_a_gaussian(solver, low, high):
    model = Gaussian(torch.logspace(-1.3, 1.3, 64, dtype=torch.float64).view(1, 8, 8))
    x_T = noise(range(32), (1, 8, 8)).double()
    exact = model.solution(x_T)
    few, many = (rms(denoise(model, x_T, 1000, s, solver=solver) - exact) for s in (50, 200))
    assert low < math.log(many / few) / math.log(200 / 50) < high


def test_first_order_dpm_solver_is_ddim():
    model = Gaussian(torch.full((1, 4, 4), 0.5, dtype=torch.float64))
    x_T = noise(SEEDS, (1, 4, 4)).double()
    ddim = [step.x for step in denoise_steps(model, x_T, 1000, 10)]
    dpm = [step.x for step in denoise_steps(model, x_T, 1000, 10, solver="dpm++2m")]
    assert torch.allclose(ddim[0], dpm[0], atol=1e-12)
    assert not torch.allclose(ddim[1], dpm[1], rtol=0, atol=1e-5)


def test_logsnr_spacing_makes_2m_far_better_on_a_gaussian():
    model = Gaussian(torch.logspace(-3, 0, 64).view(1, 8, 8))  # variances as pictures have them
    x_T = noise(range(16), (1, 8, 8))
    exact = model.solution(x_T)
    trailing = denoise(model, x_T, 1000, 15, solver="dpm++2m", spacing="trailing")
    logsnr = denoise(model, x_T, 1000, 15, solver="dpm++2m", spacing="logsnr")
    assert rms(logsnr - exact) < rms(trailing - exact) / 3


def test_ancestral_sampling_draws_from_the_exact_posterior():
    """With an exact denoiser and eta = 1, x_n ends on picture j with probability p(j | x_n)."""
    x0 = images.from_uint8(faces.pictures(range(16)))
    model = Ideal(x0)
    clones = 600
    x_n = model.schedule.add_noise(x0[3:4], noise([8], x0.shape[1:]), 560)
    expected = model.posterior(x_n, 560)[0].double()
    assert 0.2 < float(expected.max()) < 0.95
    x = denoise(model, x_n.expand(clones, -1, -1, -1), 560, 100, eta=1.0, seeds=range(clones))
    ends = torch.cdist(x.flatten(1), x0.flatten(1)).argmin(1)
    counts = torch.bincount(ends, minlength=16).double()
    big = expected * clones >= 5  # the others are pooled
    seen = torch.cat([counts[big], counts[~big].sum()[None]])
    wanted = torch.cat([expected[big], expected[~big].sum()[None]]) * clones
    chi_square = float(((seen - wanted) ** 2 / wanted.clamp(min=0.5)).sum())
    degrees = int(big.sum())
    assert chi_square < degrees + 4 * (2 * degrees) ** 0.5 + 4  # far beyond the 0.1 % point


@pytest.mark.parametrize("n", [100, 400, 650])
def test_round_trips_of_a_gaussian_have_the_known_statistics(n):
    """For pictures from N(0, v) the posterior variance is s^2 = v (1 - a) / (a v + 1 - a).

    At eta = 1 the way back is a fresh draw from p(x0 | x_n), so E|x0' - x0|^2 = 2 s^2. At eta = 0
    it is x_n times a known number.
    """
    rows = 2000
    v = torch.tensor([0.05, 0.3, 1.0]).view(1, 1, 3)
    model = Gaussian(v)
    a = float(model.schedule.alpha_bar[n])
    x0 = v.sqrt() * noise(range(10**6, 10**6 + rows), (1, 1, 3))
    x_n = model.schedule.add_noise(x0, noise(range(rows), x0.shape[1:]), n)
    x_variance = a * v + 1 - a
    posterior_variance = v * (1 - a) / x_variance
    drawn = denoise(model, x_n, n, n, eta=1.0, seeds=range(rows))
    assert torch.allclose((drawn - x0).square().mean(0), 2 * posterior_variance, rtol=0.12)
    assert torch.allclose(drawn.square().mean(0), v, rtol=0.12)  # also a draw from N(0, v)
    certain = denoise(model, x_n, n, n)
    assert torch.allclose(certain, x_n * (v / x_variance).sqrt(), atol=0.02)


@pytest.mark.parametrize(
    "bad",
    [
        *({"n": n} for n in (1001, -1, 1.5)),
        *({"steps": steps} for steps in (0, 1.5, (2, 9, 5))),
        *({"eta": eta} for eta in (-0.1, math.nan, 1.01, "1")),
        {"solver": "euler"},
        {"spacing": "leading"},
        {"eta": 0.5},
        *({"eta": 0.5, "seeds": seeds} for seeds in ([1], [1, -2])),
        {"eta": 0.5, "solver": "dpm++2m", "seeds": [1, 2]},
    ],
)
def test_bad_arguments_are_refused_before_any_call(tiny_eps, bad):
    spy = Spy(tiny_eps)
    with pytest.raises(ExperimentError):
        denoise_steps(spy, noise([0, 1], tiny_eps.shape), **{"n": 10, **bad})
    assert spy.calls == []


def test_tensors_of_the_wrong_shape_are_refused(tiny_eps):
    with pytest.raises(DiffdemoError, match="x_n"):
        denoise(tiny_eps, torch.zeros(3, 8, 8), 10)
    with pytest.raises(DiffdemoError, match="shape"):
        denoise(tiny_eps, torch.zeros(1, 3, 4, 4), 10)
