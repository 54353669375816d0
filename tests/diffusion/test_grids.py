import itertools

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from diffdemo.diffusion.grids import grid, grids, pad_rows, with_jumps
from diffdemo.diffusion.schedule import Schedule
from diffdemo.errors import ExperimentError

LINEAR = Schedule.linear()


@pytest.mark.parametrize("spacing", ["trailing", "logsnr"])
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 20, 50, 333, 1000])
def test_every_grid_falls_from_exactly_n_to_0(spacing, steps):
    for n in range(0, 1001, 1 if steps < 100 else 37):
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
    rises = np.diff(0.5 * np.log(LINEAR.snr[levels[:-1]].numpy()))
    # Rounding to whole levels is coarse near 1.
    assert np.allclose(rises, rises.mean(), rtol=0.12)


def test_short_grids_are_padded_with_zeros():
    table = grids(LINEAR, torch.tensor([0, 3, 1000]), 5)
    assert table.tolist() == [[0] * 6, [3, 2, 1, 0, 0, 0], [1000, 800, 600, 400, 200, 0]]
    assert pad_rows([[5, 2, 0], [1, 0], [0]]).tolist() == [[5, 2, 0], [1, 0, 0], [0, 0, 0]]
    assert pad_rows([]).shape == (0, 1)


@pytest.mark.parametrize("spacing", ["trailing", "logsnr"])
def test_rows_with_their_own_steps_have_the_grids_they_have_alone(spacing):
    n = torch.tensor([1000, 250, 3, 1000, 0])
    steps = (7, 20, 20, 2, 5)
    table = grids(LINEAR, n, steps, spacing)
    alone = [
        grid(LINEAR, level, count, spacing) for level, count in zip(n.tolist(), steps, strict=True)
    ]
    assert table.shape == (5, 21)
    assert torch.equal(table, pad_rows(alone))
    assert torch.equal(grids(LINEAR, n, 7, spacing), grids(LINEAR, n, [7] * 5, spacing))


@pytest.mark.parametrize("steps", [0, 2.0, True, "5", None, (5, 5), (), (0,), (True,), (2.0,)])
def test_impossible_steps_are_refused(steps):
    with pytest.raises(ExperimentError, match="steps"):
        grids(LINEAR, torch.tensor([10]), steps)


def test_unknown_spacings_are_refused():
    with pytest.raises(ExperimentError, match="spacing"):
        grids(LINEAR, torch.tensor([10]), 5, "leading")


def published_times(T, jump, times):
    """RePaint's get_schedule_jump for t_T = T and one sample a step.

    From guided_diffusion/scheduler.py in github.com/andreas128/RePaint.
    """
    left = dict.fromkeys(range(0, T - jump, jump), times)
    t = T
    visited = []
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
    once = with_jumps([900, 300, 40, 0], 1)
    twice = with_jumps([900, 300, 40, 0], 1, 2)
    assert with_jumps([5, 4, 3, 2, 1, 0], 2) == [5, 4, 3, 4, 5, 4, 3, 2, 1, 2, 3, 2, 1, 0]
    assert once == [900, 300, 900, 300, 40, 300, 40, 0]
    assert twice == [900, *[300, 900] * 2, *[300, 40] * 3, 0]


@pytest.mark.parametrize("jump", [1, 3, 7, 20])
@pytest.mark.parametrize("times", [1, 4])
def test_jumps_visit_neighbours_of_the_grid_and_climb_as_high_as_they_should(jump, times):
    levels = grid(LINEAR, 1000, 31, "logsnr")
    places = [levels.index(level) for level in with_jumps(levels, jump, times)]
    moves = np.diff(places)
    assert set(moves.tolist()) == {-1, 1}  # one place earlier in the grid is one level up
    assert (places[0], places[-1]) == (0, 31)
    climbs = [len(list(group)) for rising, group in itertools.groupby(moves < 0) if rising]
    feet = [place for place in range(30, -1, -jump) if place >= jump]
    assert climbs == [jump] * (times * len(feet))
    starts = [places[k] for k in range(1, len(moves)) if moves[k] < 0 < moves[k - 1]]
    assert starts == sorted(feet * times)


def test_no_jump_and_one_that_is_too_high_leave_the_grid_as_it_is():
    for levels in ([0], [5, 0], grid(LINEAR, 1000, 10)):
        assert with_jumps(levels, 0, 9) == levels
        assert with_jumps(levels, len(levels), 9) == levels
