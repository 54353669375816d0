import math
from itertools import chain, pairwise

import pytest
import torch
from diffusers import DDIMInverseScheduler
from doubles import Gaussian, Spy

from diffdemo.diffusion.inversion import TOLERANCE, invert, invert_steps, slerp
from diffdemo.diffusion.metrics import rmse
from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.sampling import denoise
from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.lab.prepare import picture
from diffdemo.models import load_model

METHODS = ("ddim", "fixed-point")
PICTURES = {
    "faces": ("face:17", "face:4", "face:900001", "face:12"),
    "digits": ("digit:0", "digit:1", "digit:2", "digit:3"),
}


def largest(difference):
    return float(difference.abs().max())


@pytest.fixture
def gaussian():
    return Gaussian(torch.logspace(-1.3, 0.5, 64, dtype=torch.float64).view(1, 8, 8))


@pytest.fixture
def draws(gaussian):
    """Eight draws of the Gaussian."""
    return noise(range(8), (1, 8, 8)).double() * gaussian.variance.sqrt()


@pytest.fixture
def x0(tiny_eps):
    return noise(range(4), tiny_eps.shape).clamp(-1, 1)


def test_ddim_inversion_is_that_of_diffusers(tiny_eps, x0):
    """For epsilon: diffusers converts other predictions at the lower level, undefined at n = 0."""
    scheduler = DDIMInverseScheduler(clip_sample=False, timestep_spacing="trailing")
    scheduler.set_timesteps(10)
    x = x0
    for t in scheduler.timesteps:
        with torch.no_grad():
            x = scheduler.step(tiny_eps.unet(x, t).sample, t, x).prev_sample
    assert largest(invert(tiny_eps, x0, 1000, 10) - x) < 1e-4 * largest(x)


def test_the_grid_is_that_of_the_sampler_mirrored(tiny_eps, x0):
    up = Spy(tiny_eps)
    down = Spy(tiny_eps)
    n = torch.tensor([3, 250, 1000])
    invert(up, x0[:3], n, 7)
    denoise(down, x0[:3], n, 7)
    assert sorted(chain(*up.calls)) == sorted(chain(*down.calls))
    assert up.calls[0] == [36, 143]  # rows with short grids start late, so that all arrive together
    assert up.calls[-1] == [3, 250, 1000]


def test_without_noise_the_picture_is_returned_without_a_call(tiny_eps, x0):
    spy = Spy(tiny_eps)
    assert torch.equal(invert(spy, x0, 0, 10), x0)
    assert spy.calls == []


def assert_rows_are_those_they_are_alone(model, x0, n, steps, method):
    together = list(invert_steps(model, x0, torch.tensor(n), steps, method))
    for k in range(len(x0)):
        alone = list(invert_steps(model, x0[k : k + 1], n[k], steps[k], method))
        residual = float(alone[-1].residual)
        assert largest(together[-1].x[k] - alone[-1].x[0]) < 1e-4
        assert sum(step.calls for step in together)[k] == sum(int(step.calls) for step in alone)
        assert float(together[-1].residual[k]) == pytest.approx(residual, rel=1e-3)


@pytest.mark.parametrize(
    ("n", "steps"), [((5, 300, 1000), (8, 8, 8)), ((1000, 1000, 300, 5), (3, 8, 5, 20))]
)
def test_rows_do_not_depend_on_their_neighbours(tiny_eps, gaussian, x0, draws, n, steps):
    rows = len(n)
    assert_rows_are_those_they_are_alone(tiny_eps, x0[:rows], n, steps, "ddim")
    assert_rows_are_those_they_are_alone(gaussian, draws[:rows], n, steps, "fixed-point")


def test_rows_with_short_grids_wait_where_they_start(tiny_eps, x0):
    steps = list(invert_steps(tiny_eps, x0[:2], 1000, (2, 4)))
    assert [step.n.tolist() for step in steps] == [[0, 250], [0, 500], [500, 750], [1000, 1000]]
    assert [step.calls.tolist() for step in steps] == [[0, 1], [0, 1], [1, 1], [1, 1]]
    assert torch.equal(steps[1].x[0], x0[0])


def round_trip(model, x0, steps, method="ddim"):
    """The pictures after a way up to n = 1000 and back, each with its own steps."""
    return denoise(model, invert(model, x0, 1000, steps, method), 1000, steps)


def test_the_round_trip_error_of_ddim_falls_with_one_over_steps(gaussian, draws):
    few = (round_trip(gaussian, draws, 100) - draws).square().mean().sqrt()
    many = (round_trip(gaussian, draws, 1000) - draws).square().mean().sqrt()
    assert -1.1 < math.log10(many / few) < -0.9


def test_fixed_point_inversion_undoes_the_sampler(gaussian, draws):
    assert largest(round_trip(gaussian, draws, 50, "fixed-point") - draws) < 1e-4
    assert largest(round_trip(gaussian, draws, 50) - draws) > 1e-2


def test_one_fixed_point_iteration_is_ddim(gaussian, draws, monkeypatch):
    monkeypatch.setattr("diffdemo.diffusion.inversion.ITERATIONS", 1)
    solved = invert(gaussian, draws, 1000, 20, "fixed-point")
    assert torch.equal(solved, invert(gaussian, draws, 1000, 20))


def test_more_iterations_shrink_the_residual(gaussian, monkeypatch):
    x0 = noise(range(8), (1, 8, 8)).double()
    residuals = []
    for iterations in (2, 4, 8):
        monkeypatch.setattr("diffdemo.diffusion.inversion.ITERATIONS", iterations)
        steps = invert_steps(gaussian, x0, 1000, 20, "fixed-point")
        residuals.append(max(float(step.residual.max()) for step in steps))
    assert residuals[0] > 4 * residuals[1] > 16 * residuals[2] > 0


def test_the_residual_and_the_calls_are_reported(gaussian):
    x0 = noise([0], (1, 8, 8)).double()
    plain, solved = (list(invert_steps(gaussian, x0, 1000, 20, method)) for method in METHODS)
    assert [step.calls.tolist() for step in plain] == [[1]] * 20
    assert all(int(step.calls) > 1 for step in solved)
    assert all(float(step.residual) <= TOLERANCE for step in solved)
    assert [int(step.n) for step in solved] == list(range(50, 1001, 50))


def test_a_warm_start_jumps_over_the_lowest_steps(tiny_eps, x0):
    spy = Spy(tiny_eps)
    x0 = x0[:1].expand(2, -1, -1, -1)
    steps = list(invert_steps(spy, x0, 1000, 10, warm=0.2, seeds=(1, 2)))
    jump = tiny_eps.schedule.add_noise(x0, noise((1, 2), tiny_eps.shape), 200)
    assert [int(step.n[0]) for step in steps] == list(range(200, 1001, 100))
    assert torch.equal(steps[0].x, jump)
    assert len(spy.calls) == 8
    assert not torch.equal(steps[-1].x[0], steps[-1].x[1])
    cold = invert(tiny_eps, x0, 1000, 10, warm=0.0, seeds=(1, 2))
    assert torch.equal(cold, invert(tiny_eps, x0, 1000, 10))


@pytest.mark.parametrize("method", METHODS)
def test_warm_and_cold_rows_do_not_depend_on_their_neighbours(tiny_eps, method):
    x0 = noise(range(4), tiny_eps.shape)
    warm = (0.0, 0.25, 1.0, 0.5)
    steps = (8, 8, 8, 4)
    seeds = (5, 6, 7, 8)
    together = list(invert_steps(tiny_eps, x0, 300, steps, method, warm, seeds))
    x_n = together[-1].x
    assert together[0].n.tolist() == [0, 75, 300, 150]
    assert torch.equal(together[0].x[0], x0[0])
    assert sum(step.calls for step in together)[2] == 0  # nothing but the jump
    for k in range(4):
        row = slice(k, k + 1)
        alone = invert(tiny_eps, x0[row], 300, steps[k], method, warm[k], seeds[row])
        assert largest(x_n[row] - alone) < 1e-4
    cold = invert(tiny_eps, x0[:1], 300, 8, method)  # a cold row needs no seed
    assert largest(x_n[:1] - cold) < 1e-4


@pytest.mark.parametrize(
    "warm", [(0.1,), (0.1, 1.1), (0.1, True), (0.1, "x"), (0.1, -0.1), (0.1, math.nan)]
)
def test_impossible_warm_shares_are_refused(tiny_eps, x0, warm):
    with pytest.raises(ExperimentError, match="warm share"):
        invert_steps(tiny_eps, x0[:2], 100, 5, "ddim", warm, (1, 2))


def test_a_warm_start_makes_codes_of_flat_pictures_noisier():
    model = Gaussian(torch.full((1, 8, 8), 1e-3, dtype=torch.float64))
    x0 = noise(range(64), (1, 8, 8)).double() * 1e-3**0.5
    cold, warm, warmer = (
        float(invert(model, x0, 1000, 100, warm=share, seeds=range(64)).std())
        for share in (0, 0.01, 0.04)
    )
    assert cold < 0.9 < warm < warmer < 1.05


@pytest.mark.parametrize(
    "bad",
    [
        {"method": "magic"},
        *({"warm": warm} for warm in (2, 0.5, math.nan)),
        {"n": 1001},
        {"steps": 0},
    ],
)
def test_impossible_inversions_are_refused(tiny_eps, x0, bad):
    with pytest.raises(DiffdemoError):
        invert_steps(tiny_eps, x0, **{"n": 10, "steps": 5, **bad})


def test_slerp_keeps_the_length_and_its_ends():
    a = noise(range(3), (3, 8, 8))
    b = noise(range(3, 6), (3, 8, 8))
    length = a.flatten(1).norm(dim=1)
    b = b * (length / b.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)
    assert torch.equal(slerp(a, b, 0), a)
    assert torch.equal(slerp(a, b, 1), b)
    for w in (0.1, 0.5, 0.9):
        assert torch.allclose(slerp(a, b, w).flatten(1).norm(dim=1), length, rtol=1e-5)
    assert torch.allclose(slerp(a, a, 0.3), a)


DOUBLINGS = [
    ("faces", (10, 20, 40, 80)),
    ("digits", (10, 20)),
    pytest.param("digits", (10, 20, 40, 80), marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "counts"), DOUBLINGS)
def test_round_trips_of_the_bundled_models_improve_with_every_doubling_of_the_steps(name, counts):
    model = load_model(name, "cpu")
    x0 = torch.cat([picture(text, model) for text in PICTURES[name]])
    rows = x0.repeat(len(counts), 1, 1, 1)
    back = round_trip(model, rows, [steps for steps in counts for _ in x0])
    errors = rmse(rows, back).view(len(counts), len(x0)).mean(1).tolist()
    assert all(more < fewer for fewer, more in pairwise(errors))
    # Roughly one over the steps, as for a first-order solver.
    assert 0.2 < errors[-1] / errors[0] * counts[-1] / counts[0] < 2


@pytest.mark.parametrize(
    ("steps", "count", "factor"), [(20, 2, 5), pytest.param(50, 4, 10, marks=pytest.mark.slow)]
)
def test_fixed_point_inversion_of_the_bundled_faces_is_far_better_than_ddim(
    faces_model, steps, count, factor
):
    x0 = torch.cat([picture(text, faces_model) for text in PICTURES["faces"][:count]])
    ddim, solved = (
        float(rmse(x0, round_trip(faces_model, x0, steps, method)).mean()) for method in METHODS
    )
    assert solved < ddim / factor
