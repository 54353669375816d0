from itertools import pairwise

import pytest
import torch
from doubles import Knowing

from diffdemo.diffusion.grids import grid
from diffdemo.diffusion.kept_paths import (
    dpm_encoder,
    edit_friendly,
    encode_steps,
    path_statistics,
    replay,
    replay_steps,
)
from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.schedule import Schedule
from diffdemo.errors import DiffdemoError
from diffdemo.lab.prepare import picture
from diffdemo.models import load_model

SEEDS = tuple(range(8))
ENCODERS = {"edit-friendly": edit_friendly, "dpm-encoder": dpm_encoder}
both_encoders = pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)


def largest(difference):
    return float(difference.abs().max())


def clamped_noise(model):
    return noise([99], model.shape).clamp(-1, 1)


@pytest.fixture
def x0(tiny_eps):
    return clamped_noise(tiny_eps)


@pytest.fixture
def knowing():
    """A denoiser that knows its picture: the closed forms of z hold for it."""
    generator = torch.Generator().manual_seed(0)
    return Knowing(torch.rand(1, 3, 16, 16, generator=generator) * 2 - 1)


@both_encoders
@pytest.mark.parametrize("steps", [1, 10, 50, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_path_leads_back_exactly_for_every_seed(tiny, encoder, steps):
    if steps == 1000 and tiny.prediction_type != "epsilon":
        pytest.skip("one kind of network is enough for a thousand steps")
    x0 = clamped_noise(tiny)
    x_T, z = encoder(tiny, x0, 1000, steps, SEEDS)
    assert z.shape == (steps, *x_T.shape)
    assert torch.equal(x_T, tiny.schedule.add_noise(x0, noise(SEEDS, tiny.shape), 1000))
    assert largest(replay(tiny, x_T, z, 1000) - x0) < 1e-4
    correlation = torch.corrcoef(x_T.flatten(1)) - torch.eye(len(SEEDS))
    assert largest(correlation) < 0.35  # 192 pixels


@pytest.mark.parametrize("method", ENCODERS)
def test_a_path_step_by_step_is_the_whole_path(tiny_eps, x0, method):
    x_n, z = ENCODERS[method](tiny_eps, x0, 700, 6, SEEDS)
    steps = list(encode_steps(tiny_eps, x0, 700, 6, SEEDS, method))
    levels = [(int(step.n[0]), int(step.n_prev[0])) for step in steps]
    assert torch.equal(steps[0].before, x_n)
    assert torch.equal(torch.stack([step.z for step in steps]), z)
    assert levels == list(pairwise(grid(tiny_eps.schedule, 700, 6)))
    assert all(len(set(step.n.tolist())) == 1 for step in steps)
    assert all(torch.equal(later.before, earlier.x) for earlier, later in pairwise(steps))
    assert largest(steps[-1].x - x0) < 1e-4
    again = list(replay_steps(tiny_eps, x_n, z, 700))
    assert torch.equal(again[-1].x, replay(tiny_eps, x_n, z, 700))
    for step, replayed in zip(steps, again, strict=True):
        assert largest(step.before - replayed.before) < 1e-4
        assert torch.equal(step.n, replayed.n)
        assert torch.equal(step.z, replayed.z)


def test_the_two_encoders_start_at_the_same_state_and_go_different_ways(tiny_eps, x0):
    one, other = (list(encode_steps(tiny_eps, x0, 900, 4, SEEDS, method)) for method in ENCODERS)
    assert torch.equal(one[0].before, other[0].before)
    assert largest(one[1].before - other[1].before) > 0.1


def test_states_of_an_edit_friendly_path_are_noised_independently(tiny_eps, x0):
    rows = x0.expand(40, -1, -1, -1)
    steps = encode_steps(tiny_eps, x0, 1000, 5, range(40), "edit-friendly")
    eps = torch.stack(
        [tiny_eps.schedule.eps_from_x0(step.before, rows, step.n).flatten() for step in steps]
    )
    correlation = torch.corrcoef(eps) - torch.eye(5)
    assert torch.allclose(eps.std(1), torch.ones(5), atol=0.03)
    assert largest(correlation) < 4 / eps.shape[1] ** 0.5


def test_every_part_of_the_path_matters(tiny_eps, x0):
    x_T, z = edit_friendly(tiny_eps, x0, 1000, 10, (0,))
    for k in range(10):
        broken = z.clone()
        broken[k] = 0
        assert largest(replay(tiny_eps, x_T, broken, 1000) - x0) > 1e-3
    other, _ = edit_friendly(tiny_eps, -x0, 1000, 10, (1,))
    assert largest(replay(tiny_eps, other, z, 1000) - x0) > 1e-3


def correlation_of_independent_states(schedule, levels):
    """Of neighbouring z when x_t = A_t x0 + S_t e_t with independent e_t.

    z_t = (S_s e_s - c_t e_t) / sigma_t, with c_t^2 = S_s^2 - sigma_t^2.
    """
    upper = torch.tensor(levels[:-2])
    lower = torch.tensor(levels[1:-1])
    below = 1 - schedule.alpha_bar[lower]
    c_square = below - schedule.sigma(upper, lower, 1.0) ** 2
    length = (below + c_square).sqrt()
    return -(below[:-1] * c_square[1:]).sqrt() / (length[:-1] * length[1:])


def path_of(encoder, model, n, steps):
    """The statistics and the z of 20 seeds."""
    _, z = encoder(model, model.x0, n, steps, range(20))
    found = path_statistics(model.schedule, z, n)
    assert found.levels.tolist() == grid(model.schedule, n, steps)[:-2]
    assert len(found.variance) == len(found.expected) == steps - 1
    assert len(found.correlation) == steps - 2
    return found, z[:-1].flatten(1)


@pytest.mark.parametrize(("n", "steps"), [(1000, 50), (600, 30), (1000, 100)])
def test_edit_friendly_z_have_the_statistics_of_theory(knowing, n, steps):
    found, z = path_of(edit_friendly, knowing, n, steps)
    levels = grid(knowing.schedule, n, steps)
    known = correlation_of_independent_states(knowing.schedule, levels)
    correlation = torch.corrcoef(z)
    assert torch.allclose(found.variance, z.double().var(1))
    assert torch.allclose(found.variance, found.expected, rtol=0.05)
    assert torch.allclose(found.correlation, known, rtol=0, atol=0.03)
    assert torch.allclose(found.correlation.float(), correlation.diagonal(1), atol=1e-4)
    assert largest(known[: steps // 2] + 0.5) < 0.03
    assert largest(correlation.diagonal(2)) < 0.05


@pytest.mark.parametrize(("n", "steps"), [(1000, 50), (600, 30)])
def test_dpm_encoder_z_are_standard_normal(knowing, n, steps):
    found, z = path_of(dpm_encoder, knowing, n, steps)
    correlation = torch.corrcoef(z) - torch.eye(steps - 1)
    assert largest(found.variance - 1) < 0.05
    assert largest(found.correlation) < 0.05
    assert largest(correlation) < 0.05


def test_the_expected_variance_is_the_known_one():
    """From papers.md, section 5, for 100 steps."""
    found = path_statistics(Schedule.linear(), torch.zeros(100, 1, 1, 2, 2), 1000)
    expected = dict(zip(found.levels.tolist(), found.expected.tolist(), strict=True))
    known = {100: 9.48, 200: 16.5, 300: 19.8, 500: 18.4, 990: 10.1}
    assert {n: expected[n] for n in known} == pytest.approx(known, rel=0.005)


@pytest.mark.parametrize("steps", [2, 3])
def test_path_statistics_of_the_shortest_paths(steps):
    z = noise(range(steps), (1, 4, 4))[:, None]
    found = path_statistics(Schedule.linear(), z, 900)
    assert len(found.levels) == len(found.variance) == steps - 1
    assert len(found.correlation) == steps - 2


def test_a_short_path_has_as_many_steps_as_levels(tiny_eps, x0):
    x_n, z = dpm_encoder(tiny_eps, x0, 3, 20, (4, 5))
    assert len(z) == 3
    assert largest(replay(tiny_eps, x_n, z, 3) - x0) < 1e-4


def test_paths_that_do_not_fit_are_refused(tiny_eps, x0):
    x_n, z = edit_friendly(tiny_eps, x0, 100, 5, (0, 1))
    for attempt in (
        lambda: replay(tiny_eps, x_n[:1], z, 100),
        lambda: replay(tiny_eps, x_n, z, 4),
        lambda: replay(tiny_eps, x_n, z, 1001),
        lambda: edit_friendly(tiny_eps, x0, 0, 5, (0,)),
        lambda: edit_friendly(tiny_eps, x0.expand(2, -1, -1, -1), 10, 5, (0, 1, 2)),
        lambda: encode_steps(tiny_eps, x0, 10, 5, (0,), "magic"),
        lambda: dpm_encoder(tiny_eps, x0, 10, 5, (-1,)),
    ):
        with pytest.raises(DiffdemoError):
            attempt()


FEW = [("faces", 20, n, 2) for n in (250, 500, 1000)]
MANY = [
    pytest.param(name, steps, n, 16, marks=pytest.mark.slow)
    for name in ("faces", "digits")
    for steps in (20, 50, 100)
    for n in (250, 500, 1000)
]


@both_encoders
@pytest.mark.parametrize(("name", "steps", "n", "count"), FEW + MANY)
def test_the_bundled_models_replay_a_path_exactly(name, steps, n, count, encoder):
    model = load_model(name, "cpu")
    x0 = picture({"faces": "face:17", "digits": "digit:0"}[name], model)
    x_n, z = encoder(model, x0, n, steps, range(count))
    assert len(x_n.unique(dim=0)) == count
    assert largest(replay(model, x_n, z, n) - x0) < 1e-4
