import math
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMInverseScheduler
from doubles import Gaussian, Spy

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.inversion import TOLERANCE, dpm_encoder, edit_friendly, encode_steps, invert, invert_steps, path_statistics, replay, replay_steps, slerp
from diffdemo.lab import picture as named
from diffdemo.metrics import rmse
from diffdemo.models import load_model
from diffdemo.noise import noise
from diffdemo.sampling import denoise
from diffdemo.schedule import Schedule, grid

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
            x = scheduler.step(tiny.unet(x, t).sample, t, x).prev_sample
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


def test_rows_with_their_own_steps_are_those_they_are_alone(tiny_eps, gaussian):
    n, steps = torch.tensor([1000, 1000, 300, 5]), (3, 8, 5, 20)
    for model, method, shape in ((tiny_eps, "ddim", tiny_eps.shape), (gaussian, "fixed-point", (1, 8, 8))):
        x0 = noise(range(4), shape).to(torch.float64 if model is gaussian else torch.float32)
        together = list(invert_steps(model, x0, n, steps, method))
        for row in range(4):
            alone = list(invert_steps(model, x0[row : row + 1], int(n[row]), steps[row], method))
            assert error(together[-1].x[row], alone[-1].x[0]) < 1e-4
            assert sum(int(step.calls[row]) for step in together) == sum(int(step.calls) for step in alone)
            assert float(together[-1].residual[row]) == pytest.approx(float(alone[-1].residual), rel=1e-3)


def test_rows_with_short_grids_wait_where_they_start(tiny_eps):
    x0 = noise(range(2), tiny_eps.shape)
    steps = list(invert_steps(tiny_eps, x0, 1000, (2, 4)))
    assert [step.n.tolist() for step in steps] == [[0, 250], [0, 500], [500, 750], [1000, 1000]]
    assert [step.calls.tolist() for step in steps] == [[0, 1], [0, 1], [1, 1], [1, 1]]
    assert torch.equal(steps[1].x[0], x0[0])


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
    assert all(int(step.calls) > 1 and float(step.residual.max()) <= TOLERANCE for step in solved)
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


@pytest.mark.parametrize("method", ["ddim", "fixed-point"])
def test_warm_rows_and_cold_ones_in_a_batch_are_those_they_are_alone(tiny_eps, method):
    x0, warm, steps, seeds = noise(range(4), tiny_eps.shape), (0.0, 0.25, 1.0, 0.5), (8, 8, 8, 4), (5, 6, 7, 8)
    together = list(invert_steps(tiny_eps, x0, 300, steps, method, warm, seeds))
    assert together[0].n.tolist() == [0, 75, 300, 150]
    assert torch.equal(together[0].x[0], x0[0])
    assert sum(step.calls for step in together)[2] == 0  # nothing but the jump
    for row in range(4):
        alone = invert(tiny_eps, x0[row : row + 1], 300, steps[row], method, warm[row], seeds[row : row + 1])
        assert error(together[-1].x[row], alone[0]) < 1e-4
    assert error(together[-1].x[0], invert(tiny_eps, x0[:1], 300, 8, method)[0]) < 1e-4  # a cold row needs no seed alone


@pytest.mark.parametrize("warm", [(0.1,), (0.1, 1.1), (0.1, True), (0.1, "x"), (0.1, -0.1), (0.1, math.nan)])
def test_impossible_warm_shares_are_refused(tiny_eps, warm):
    with pytest.raises(ExperimentError, match="warm share"):
        invert_steps(tiny_eps, noise(range(2), tiny_eps.shape), 100, 5, "ddim", warm, (1, 2))


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


@pytest.mark.parametrize(("method", "encoder"), [("edit-friendly", edit_friendly), ("dpm-encoder", dpm_encoder)])
def test_a_path_step_by_step_is_the_whole_path(tiny_eps, method, encoder):
    x0, levels = picture(tiny_eps), grid(tiny_eps.schedule, 700, 6)
    x_n, z = encoder(tiny_eps, x0, 700, 6, SEEDS)
    steps = list(encode_steps(tiny_eps, x0, 700, 6, SEEDS, method))
    assert torch.equal(steps[0].before, x_n)
    assert torch.equal(torch.stack([step.z for step in steps]), z)
    assert [(step.n.tolist(), step.n_prev.tolist()) for step in steps] == [([a] * 8, [b] * 8) for a, b in pairwise(levels)]
    assert all(torch.equal(later.before, earlier.x) for earlier, later in pairwise(steps))
    assert error(steps[-1].x, x0.expand_as(x_n)) < 1e-4
    again = list(replay_steps(tiny_eps, x_n, z, 700))
    assert torch.equal(again[-1].x, replay(tiny_eps, x_n, z, 700))
    for step, replayed in zip(steps, again, strict=True):
        assert error(step.before, replayed.before) < 1e-4
        assert torch.equal(step.n, replayed.n)
        assert torch.equal(step.z, replayed.z)


def test_the_two_encoders_begin_at_the_same_state_and_go_different_ways(tiny_eps):
    one, other = (list(encode_steps(tiny_eps, picture(tiny_eps), 900, 4, SEEDS, method)) for method in ("edit-friendly", "dpm-encoder"))
    assert torch.equal(one[0].before, other[0].before)
    assert error(one[1].before, other[1].before) > 0.1


def test_states_of_an_edit_friendly_path_are_the_picture_noised_independently(tiny_eps):
    x0 = picture(tiny_eps)
    steps = list(encode_steps(tiny_eps, x0, 1000, 5, range(40), "edit-friendly"))
    schedule = tiny_eps.schedule
    eps = torch.stack([schedule.eps_from_x0(step.before, x0.expand_as(step.before), step.n).flatten() for step in steps])
    assert torch.allclose(eps.std(1), torch.ones(5), atol=0.03)
    assert float((torch.corrcoef(eps) - torch.eye(5)).abs().max()) < 4 / eps.shape[1] ** 0.5


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


@pytest.mark.parametrize(("n", "steps"), [(1000, 50), (600, 30)])
def test_path_statistics_are_those_of_theory(n, steps):
    x0 = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    model = knowing(x0)
    levels = grid(model.schedule, n, steps)
    independent, posterior = (path_statistics(model.schedule, encoder(model, x0, n, steps, range(20))[1], n) for encoder in ENCODERS)
    for found in (independent, posterior):
        assert found.levels.tolist() == levels[:-2]
        assert (len(found.variance), len(found.correlation), len(found.expected)) == (steps - 1, steps - 2, steps - 1)
    assert torch.allclose(independent.variance, independent.expected, rtol=0.05)
    known = correlation_of_independent_states(model.schedule, levels)
    assert torch.allclose(independent.correlation, known, rtol=0, atol=0.03)
    assert float((known[: steps // 2] + 0.5).abs().max()) < 0.03
    assert torch.allclose(posterior.variance, torch.ones(steps - 1, dtype=torch.float64), rtol=0.05)
    assert float(posterior.correlation.abs().max()) < 0.05


def correlation_of_independent_states(schedule, levels):
    """Of neighbouring z when x_t = A_t x0 + S_t e_t, e_t independent: z_t = (S_s e_s - c_t e_t) / sigma_t, c_t^2 = S_s^2 - sigma_t^2."""
    upper, lower = torch.tensor(levels[:-2]), torch.tensor(levels[1:-1])
    below = 1 - schedule.alpha_bar[lower]
    kept = below - schedule.sigma(upper, lower, 1.0) ** 2
    length = (below + kept).sqrt()
    return -(below[:-1] * kept[1:]).sqrt() / (length[:-1] * length[1:])


def test_the_expected_variance_is_the_known_one():
    """papers.md, section 5, 100 steps: 9.48 at n = 100, 16.5 at 200, 19.8 at 300, 18.4 at 500, 10.1 at 990."""
    found = path_statistics(Schedule.linear(), torch.zeros(100, 1, 1, 2, 2), 1000)
    at = dict(zip(found.levels.tolist(), found.expected.tolist(), strict=True))
    for n, known in {100: 9.48, 200: 16.5, 300: 19.8, 500: 18.4, 990: 10.1}.items():
        assert at[n] == pytest.approx(known, rel=0.005)


def test_path_statistics_of_the_shortest_paths():
    for steps in (2, 3):
        found = path_statistics(Schedule.linear(), noise(range(steps), (1, 4, 4))[:, None], 900)
        assert (len(found.levels), len(found.variance), len(found.correlation)) == (steps - 1, steps - 1, steps - 2)


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


PICTURES = {"faces": ("face:17", "face:4", "face:900001", "face:12"), "digits": ("digit:0", "digit:1", "digit:2", "digit:3")}
EXACT = [  # model, steps, n, seeds
    *(("faces", 20, n, range(2)) for n in (250, 500, 1000)),
    *(
        pytest.param(name, steps, n, range(16), marks=pytest.mark.slow)
        for name in PICTURES
        for steps in (20, 50, 100)
        for n in (250, 500, 1000)
    ),
]  # fmt: skip


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(("name", "steps", "n", "seeds"), EXACT)
def test_the_bundled_models_replay_a_kept_path_exactly(name, steps, n, seeds, encoder):
    model = load_model(name, "cpu")
    x0 = named(PICTURES[name][0], model)
    x_n, z = encoder(model, x0, n, steps, seeds)
    assert len({row.numpy().tobytes() for row in x_n}) == len(seeds)
    assert error(replay(model, x_n, z, n), x0.expand_as(x_n)) < 1e-4


def there_and_back(model, x0, steps, method="ddim"):
    """(B,) RMSE of rows from n = 1000, each with its own steps."""
    return rmse(x0, denoise(model, invert(model, x0, 1000, steps, method), 1000, steps))


DOUBLINGS = [("faces", (10, 20, 40, 80)), ("digits", (10, 20)), pytest.param("digits", (10, 20, 40, 80), marks=pytest.mark.slow)]


@pytest.mark.parametrize(("name", "counts"), DOUBLINGS)
def test_round_trips_of_the_bundled_models_are_better_with_every_doubling_of_the_steps(name, counts):
    model = load_model(name, "cpu")
    x0 = torch.cat([named(text, model) for text in PICTURES[name]])
    rows = there_and_back(model, x0.repeat(len(counts), 1, 1, 1), [steps for steps in counts for _ in x0])
    errors = rows.view(len(counts), len(x0)).mean(1).tolist()
    assert all(more < fewer for fewer, more in pairwise(errors))
    assert 0.2 < errors[-1] / errors[0] * counts[-1] / counts[0] < 2  # roughly one over the steps, as of a first-order solver


@pytest.mark.parametrize(("steps", "count", "factor"), [(20, 2, 5), pytest.param(50, 4, 10, marks=pytest.mark.slow)])
def test_fixed_point_inversion_of_the_bundled_faces_is_far_better_than_ddim(faces_model, steps, count, factor):
    x0 = torch.cat([named(text, faces_model) for text in PICTURES["faces"][:count]])
    ddim, solved = (float(there_and_back(faces_model, x0, steps, method).mean()) for method in ("ddim", "fixed-point"))
    assert solved < ddim / factor
