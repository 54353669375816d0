from itertools import pairwise

import pytest
import torch

import diffdemo
from diffdemo import lab, metrics
from diffdemo.experiment import Branch
from diffdemo.lab import Progress, lane
from diffdemo.lab.branch import FRAMES
from diffdemo.models import load_model
from diffdemo.noise import NoiseStream, noise
from diffdemo.sampling import walk
from diffdemo.schedule import grid, with_jumps


@pytest.fixture(scope="module")
def model(folders):
    return load_model(str(folders["epsilon"]), device="cpu")


def branch(model, **options):
    return lab.run(Branch(**{"model": model.name, "steps": 8, "points": 3, "futures": 4, "seed": 5, **options}), model)


def near(a, b, tolerance=1e-5):
    return float((a - b).abs().max()) <= tolerance * max(1.0, float(b.abs().max()))


def ancestral(model, x, n, steps, *seeds):
    return diffdemo.denoise(model, x.expand(len(seeds), -1, -1, -1), n, steps, eta=1.0, seeds=seeds)


def test_a_branch_holds_what_it_promises(model):
    found = branch(model)
    assert found.experiment.revision == model.revision
    assert found.path.levels.tolist() == [1000, 500, 125]  # of the grid 1000, 875, ... 125, 0
    assert found.path.x.shape == found.path.x0_hat.shape == (3, *model.shape)
    assert found.path.end.shape == (1, *model.shape)
    assert found.futures.shape == (3, 4, *model.shape)
    assert found.seeds == (6, 7, 8, 9)
    assert found.diversity.shape == (3,)
    assert found.calls == 8
    assert found.frames.levels.shape == (FRAMES, 3, 4)
    assert found.frames.x.shape == found.frames.x0_hat.shape == (FRAMES, 3, 4, *model.shape)
    assert torch.equal(found.path.x[0], model.schedule.add_noise(found.x0, noise([5], model.shape), 1000)[0])
    for diversity, futures in zip(found.diversity, found.futures, strict=True):
        assert float(diversity) == pytest.approx(metrics.unrelated_rmse(futures))


def test_without_jumps_path_and_futures_are_plain_ancestral_samples(model):
    found = branch(model)
    x_T = found.path.x[:1]
    assert near(found.path.end, ancestral(model, x_T, 1000, 8, 5))
    assert near(found.futures[0], ancestral(model, x_T, 1000, 8, 6, 7, 8, 9))
    for j in range(4):
        assert near(found.futures[0, j], ancestral(model, x_T, 1000, 8, 6 + j)[0], 1e-4)
    assert near(found.futures[1], ancestral(model, found.path.x[1:2], 500, 4, 6, 7, 8, 9), 1e-4)


def test_points_are_states_of_the_path_and_their_estimates_the_network_s(model):
    found = branch(model)
    states = {int(step.n[0]): step for step in diffdemo.denoise_steps(model, found.path.x[:1], 1000, 8, eta=1.0, seeds=(5,))}
    for k, n in enumerate(found.path.levels.tolist()):
        assert near(found.path.x[k : k + 1], states[n].before)
        assert near(found.path.x0_hat[k : k + 1], states[n].x0_hat)


def test_path_and_futures_with_jumps_are_walks_that_climb_back(model):
    found, plain = branch(model, jump=2), branch(model)
    x_T, way = found.path.x[:1], with_jumps(grid(model.schedule, 1000, 8), 2)
    assert max(b - a for a, b in pairwise(way)) > 0
    *_, end = walk(model, x_T, torch.tensor([way]), 1.0, (5,))
    assert near(found.path.end, end.x)
    *_, ends = walk(model, x_T.expand(4, -1, -1, -1), torch.tensor([way] * 4), 1.0, found.seeds)
    assert near(found.futures[0], ends.x, 1e-4)
    assert found.calls == sum(b < a for a, b in pairwise(way)) > 8
    assert torch.equal(found.path.x[0], plain.path.x[0])
    assert float((found.path.end - plain.path.end).abs().max()) > 1e-3
    assert float((found.futures[0] - plain.futures[0]).abs().max()) > 1e-3


def test_with_jumps_a_point_is_the_state_at_its_first_arrival(model):
    found = branch(model, jump=2)
    x_T, levels = found.path.x[:1], grid(model.schedule, 1000, 8)
    way, seen = with_jumps(levels, 2), {1000: x_T}
    arrivals = (lower for upper, lower in pairwise(way) if lower < upper)
    for step, level in zip(walk(model, x_T, torch.tensor([way]), 1.0, (5,)), arrivals, strict=True):
        seen.setdefault(level, step.x)
    for k, n in enumerate(found.path.levels.tolist()):
        assert near(found.path.x[k : k + 1], seen[n])


@pytest.mark.parametrize("points", [1, 2, 8, 32])
def test_points_go_evenly_from_the_first_level_to_the_last_and_are_never_doubled(model, points):
    levels = branch(model, points=points, futures=2).path.levels.tolist()
    assert levels == sorted(set(levels), reverse=True)
    assert levels[0] == 1000
    assert len(levels) == min(points, 8)
    assert points == 1 or levels[-1] == 125


def test_frames_begin_at_the_point_and_end_at_the_last_call(model):
    found, levels = branch(model), grid(model.schedule, 1000, 8)
    for k, n in enumerate(found.path.levels.tolist()):
        own = levels[levels.index(n) : -1]  # the levels the network is asked at
        for j in range(4):
            seen = found.frames.levels[:, k, j].tolist()
            assert seen == sorted(seen, reverse=True)
            assert (seen[0], seen[-1]) == (own[0], own[-1])
            assert set(seen) <= set(own)
            assert torch.equal(found.frames.x[0, k, j], found.path.x[k])
    n, j = 1000, 2
    steps = {int(s.n[0]): s for s in diffdemo.denoise_steps(model, found.path.x[:1], n, 8, eta=1.0, seeds=(found.seeds[j],))}
    for frame, level in enumerate(found.frames.levels[:, 0, j].tolist()):
        assert near(found.frames.x[frame, 0, j], steps[level].before[0], 1e-4)
        assert near(found.frames.x0_hat[frame, 0, j], steps[level].x0_hat[0], 1e-4)
    assert near(found.frames.x0_hat[-1], found.futures, 1e-4)  # the last step down goes to the estimate itself


def test_frames_of_a_future_with_jumps_follow_its_own_way(model):
    found, levels = branch(model, jump=3), grid(model.schedule, 1000, 8)
    for k, n in enumerate(found.path.levels.tolist()):
        way = with_jumps(levels[levels.index(n) :], 3)
        asked = [upper for upper, lower in pairwise(way) if lower < upper]
        wanted = [asked[int(place)] for place in (torch.linspace(0, 1, FRAMES) * (len(asked) - 1)).round()]
        assert found.frames.levels[:, k].tolist() == [[level] * 4 for level in wanted]
        assert torch.equal(found.frames.x[0, k, 0], found.path.x[k])
        *_, last = walk(model, found.path.x[k : k + 1], torch.tensor([way]), 1.0, found.seeds[:1])
        assert near(found.frames.x[-1, k, 0], last.before[0], 1e-4)
        assert near(found.futures[k, 0], last.x[0], 1e-4)


@pytest.mark.parametrize("jump", [0, 2])
def test_futures_do_not_depend_on_how_many_there_are_nor_on_chunks(model, monkeypatch, jump):
    whole = branch(model, jump=jump)
    few = branch(model, jump=jump, futures=2, points=1)
    assert near(few.futures[0], whole.futures[0, :2], 1e-4)
    monkeypatch.setattr(lane, "CHUNK", 5)
    parts = branch(model, jump=jump)
    assert near(parts.futures, whole.futures, 1e-4)
    assert torch.equal(parts.frames.levels, whole.frames.levels)
    assert near(parts.frames.x, whole.frames.x, 1e-4)
    assert near(parts.frames.x0_hat, whole.frames.x0_hat, 1e-4)


@pytest.mark.parametrize("jump", [0, 2])
@pytest.mark.parametrize("chunk", [5, 64])
def test_progress_counts_every_call_of_path_and_futures(model, monkeypatch, jump, chunk):
    monkeypatch.setattr(lane, "CHUNK", chunk)
    *progress, result = lab.stream(Branch(model.name, steps=8, points=3, futures=4, jump=jump), model)
    assert all(isinstance(p, Progress) for p in progress)
    assert [p.done for p in progress] == list(range(1, progress[-1].total + 1))
    assert len({p.total for p in progress}) == 1
    assert [len(p.x0_hat) for p in progress] == [1] * result.calls + [12] * (len(progress) - result.calls)
    assert torch.equal(progress[-1].x0_hat.view_as(result.futures), result.frames.x0_hat[-1])


def test_a_model_without_line_up_keeps_nothing_that_can_be_named(model):
    found = branch(model)
    assert found.kept is None
    assert found.chance is None
    assert found.unrelated > 0


@pytest.mark.parametrize("steps", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_futures_of_the_last_level_are_one_and_the_same(tmp_path, folders, steps):
    from diffusers import DDPMPipeline, DDPMScheduler
    from doubles import tiny_unet

    folder = folders["epsilon"]
    if steps == 40:
        folder = tmp_path / "short"
        DDPMPipeline(unet=tiny_unet(), scheduler=DDPMScheduler(num_train_timesteps=40)).save_pretrained(folder)
    model = load_model(str(folder), device="cpu")
    found = lab.run(Branch(model.name, steps=steps, points=2, futures=2), model)
    assert found.path.levels.tolist() == [steps, 1]
    assert float((found.futures[1] - found.futures[1, :1]).abs().max()) <= 2 / 255
    assert float((found.futures[1, 0] - found.path.end[0]).abs().max()) <= 2 / 255
    assert float(found.diversity[1]) < float(found.diversity[0])


def test_futures_of_faces_agree_more_the_later_they_leave(faces_model):
    found = lab.run(Branch(points=2, futures=3, steps=20), faces_model)
    assert found.path.levels.tolist() == [1000, 50]
    assert float((found.futures[1] - found.path.end).abs().max()) <= 2 / 255
    assert float(found.diversity[1]) < 0.01 < float(found.diversity[0])
    assert float(found.kept[1]) == 1
    assert float(found.kept[0]) < 0.8
    assert 0.1 < found.chance < 0.5


def test_futures_of_all_noise_are_as_different_as_independent_samples(faces_model):
    """32 futures of one x_T against 64 samples of 64 x_T: their mean distance is uncertain by about 4 % (from samples of samples), so 10 % is 2 to
    3 standard errors; futures that shared their noise, or left late, would be far below.
    """
    found = lab.run(Branch(points=1, futures=32, steps=10), faces_model)
    seeds = range(500, 564)
    independent = lane.draw(faces_model, noise(seeds, faces_model.shape), 1000, seeds, steps=10, eta=1.0)
    assert float(found.diversity) == pytest.approx(metrics.unrelated_rmse(independent), rel=0.1)


def test_the_path_uses_fresh_noise_that_comes_after_its_eps(model):
    found = branch(model, points=2, steps=2)
    stream = NoiseStream((5,), model.shape)
    eps, fresh = stream.draw(), stream.draw()
    n, lower = torch.tensor([1000]), torch.tensor([500])
    x_T = model.schedule.add_noise(found.x0, eps, 1000)
    x = model.schedule.ddim_step(x_T, model.predict_noise(x_T, n), n, lower, eta=1.0, fresh=fresh)
    assert near(found.path.x[1:], x)
