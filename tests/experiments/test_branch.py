import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest
import raw_values
import torch
from doubles import save_pipeline

import diffdemo
from diffdemo import Branch, lab
from diffdemo.diffusion import metrics
from diffdemo.diffusion.grids import grid, with_jumps
from diffdemo.diffusion.noise import NoiseStream, noise
from diffdemo.diffusion.sampling import walk
from diffdemo.errors import DiffdemoError
from diffdemo.experiments.branch.run import FRAMES
from diffdemo.experiments.branch.tab import Tab
from diffdemo.lab import batches
from diffdemo.lab.prepare import prepare
from diffdemo.lab.progress import Progress
from diffdemo.models import load_model
from diffdemo.report.presenter import film, present
from diffdemo.widgets.controls import ControlValues, Settings


@pytest.fixture(scope="module")
def model(folders):
    return load_model(str(folders["epsilon"]), device="cpu")


def branch(model, **options):
    known = {"model": model.name, "steps": 8, "points": 3, "futures": 4, "seed": 5}
    return lab.run(Branch(**{**known, **options}), model)


def near(a, b, tolerance=1e-5):
    return float((a - b).abs().max()) <= tolerance * max(1.0, float(b.abs().max()))


def ancestral(model, x, n, steps, *seeds):
    return diffdemo.denoise(model, x.expand(len(seeds), -1, -1, -1), n, steps, eta=1.0, seeds=seeds)


def asked_levels(way):
    return [upper for upper, lower in pairwise(way) if lower < upper]


def reached_levels(way):
    return [lower for upper, lower in pairwise(way) if lower < upper]


def test_the_parts_of_a_result_fit_together(model):
    found = branch(model)
    x_T = model.schedule.add_noise(found.x0, noise([5], model.shape), 1000)
    assert found.experiment.revision == model.revision
    assert found.path.levels.tolist() == [1000, 500, 125]  # of the grid 1000, 875, ... 125, 0
    assert found.path.x.shape == found.path.x0_hat.shape == (3, *model.shape)
    assert found.path.end.shape == (1, *model.shape)
    assert found.futures.shape == (3, 4, *model.shape)
    assert found.seeds == (6, 7, 8, 9)
    assert found.calls == 8
    assert found.frames.levels.shape == (FRAMES, 3, 4)
    assert found.frames.x.shape == found.frames.x0_hat.shape == (FRAMES, 3, 4, *model.shape)
    assert torch.equal(found.path.x[0], x_T[0])
    wanted = [metrics.unrelated_rmse(futures) for futures in found.futures]
    assert found.diversity.tolist() == pytest.approx(wanted)


def test_without_jumps_path_and_futures_are_plain_ancestral_samples(model):
    found = branch(model)
    x_T = found.path.x[:1]
    assert near(found.path.end, ancestral(model, x_T, 1000, 8, 5))
    assert near(found.futures[0], ancestral(model, x_T, 1000, 8, 6, 7, 8, 9))
    for j in range(4):
        assert near(found.futures[0, j], ancestral(model, x_T, 1000, 8, 6 + j)[0], 1e-4)
    assert near(found.futures[1], ancestral(model, found.path.x[1:2], 500, 4, 6, 7, 8, 9), 1e-4)


def test_points_are_states_of_the_path_with_the_estimates_of_the_network(model):
    found = branch(model)
    steps = diffdemo.denoise_steps(model, found.path.x[:1], 1000, 8, eta=1.0, seeds=(5,))
    states = {int(step.n[0]): step for step in steps}
    for k, n in enumerate(found.path.levels.tolist()):
        assert near(found.path.x[k : k + 1], states[n].before)
        assert near(found.path.x0_hat[k : k + 1], states[n].x0_hat)


def test_path_and_futures_with_jumps_are_walks_that_climb_back(model):
    found = branch(model, jump=2)
    plain = branch(model)
    x_T = found.path.x[:1]
    way = with_jumps(grid(model.schedule, 1000, 8), 2)
    assert max(b - a for a, b in pairwise(way)) > 0
    *_, end = walk(model, x_T, torch.tensor([way]), 1.0, (5,))
    assert near(found.path.end, end.x)
    *_, ends = walk(model, x_T.expand(4, -1, -1, -1), torch.tensor([way] * 4), 1.0, found.seeds)
    assert near(found.futures[0], ends.x, 1e-4)
    assert found.calls == len(asked_levels(way)) > 8
    assert torch.equal(found.path.x[0], plain.path.x[0])
    assert float((found.path.end - plain.path.end).abs().max()) > 1e-3
    assert float((found.futures[0] - plain.futures[0]).abs().max()) > 1e-3


def test_with_jumps_a_point_is_the_state_at_its_first_arrival(model):
    found = branch(model, jump=2)
    x_T = found.path.x[:1]
    way = with_jumps(grid(model.schedule, 1000, 8), 2)
    steps = walk(model, x_T, torch.tensor([way]), 1.0, (5,))
    seen = {1000: x_T}
    for step, level in zip(steps, reached_levels(way), strict=True):
        seen.setdefault(level, step.x)
    for k, n in enumerate(found.path.levels.tolist()):
        assert near(found.path.x[k : k + 1], seen[n])


@pytest.mark.parametrize("points", [1, 2, 8, 32])
def test_points_are_spread_evenly_over_the_levels_without_repeats(model, points):
    levels = branch(model, points=points, futures=2).path.levels.tolist()
    assert levels == sorted(set(levels), reverse=True)
    assert levels[0] == 1000
    assert len(levels) == min(points, 8)
    assert points == 1 or levels[-1] == 125


def test_frames_begin_at_the_point_and_end_at_the_last_call(model):
    found = branch(model)
    frames = found.frames
    levels = grid(model.schedule, 1000, 8)
    for k, n in enumerate(found.path.levels.tolist()):
        asked = levels[levels.index(n) : -1]
        for j in range(4):
            seen = frames.levels[:, k, j].tolist()
            assert seen == sorted(seen, reverse=True)
            assert (seen[0], seen[-1]) == (asked[0], asked[-1])
            assert set(seen) <= set(asked)
            assert torch.equal(frames.x[0, k, j], found.path.x[k])
    steps = diffdemo.denoise_steps(model, found.path.x[:1], 1000, 8, eta=1.0, seeds=(8,))
    states = {int(step.n[0]): step for step in steps}
    for frame, level in enumerate(frames.levels[:, 0, 2].tolist()):
        assert near(frames.x[frame, 0, 2], states[level].before[0], 1e-4)
        assert near(frames.x0_hat[frame, 0, 2], states[level].x0_hat[0], 1e-4)
    assert near(frames.x0_hat[-1], found.futures, 1e-4)  # the last step ends at its estimate


def test_frames_of_a_future_with_jumps_follow_its_own_way(model):
    found = branch(model, jump=3)
    levels = grid(model.schedule, 1000, 8)
    for k, n in enumerate(found.path.levels.tolist()):
        way = with_jumps(levels[levels.index(n) :], 3)
        asked = asked_levels(way)
        places = (torch.linspace(0, 1, FRAMES) * (len(asked) - 1)).round()
        wanted = [[asked[int(place)]] * 4 for place in places]
        assert found.frames.levels[:, k].tolist() == wanted
        assert torch.equal(found.frames.x[0, k, 0], found.path.x[k])
        *_, last = walk(model, found.path.x[k : k + 1], torch.tensor([way]), 1.0, found.seeds[:1])
        assert near(found.frames.x[-1, k, 0], last.before[0], 1e-4)
        assert near(found.futures[k, 0], last.x[0], 1e-4)


@pytest.mark.parametrize("jump", [0, 2])
def test_futures_do_not_depend_on_their_number_nor_on_batches(model, monkeypatch, jump):
    whole = branch(model, jump=jump)
    few = branch(model, jump=jump, futures=2, points=1)
    assert near(few.futures[0], whole.futures[0, :2], 1e-4)
    monkeypatch.setattr(batches, "ROWS", 5)
    parts = branch(model, jump=jump)
    assert near(parts.futures, whole.futures, 1e-4)
    assert torch.equal(parts.frames.levels, whole.frames.levels)
    assert near(parts.frames.x, whole.frames.x, 1e-4)
    assert near(parts.frames.x0_hat, whole.frames.x0_hat, 1e-4)


@pytest.mark.parametrize("jump", [0, 2])
@pytest.mark.parametrize("rows", [5, 64])
def test_progress_counts_every_call_of_path_and_futures(model, monkeypatch, jump, rows):
    monkeypatch.setattr(batches, "ROWS", rows)
    e = Branch(model.name, steps=8, points=3, futures=4, jump=jump)
    *progress, result = lab.stream(e, model)
    assert {type(p) for p in progress} == {Progress}
    assert [p.done for p in progress] == list(range(1, progress[-1].total + 1))
    assert len({p.total for p in progress}) == 1
    later = len(progress) - result.calls
    assert [len(p.x0_hat) for p in progress] == [1] * result.calls + [12] * later
    assert torch.equal(progress[-1].x0_hat.view_as(result.futures), result.frames.x0_hat[-1])


@pytest.mark.parametrize("steps", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_futures_of_the_last_level_are_one_and_the_same(tmp_path, folders, steps):
    folder = folders["epsilon"]
    if steps == 40:
        folder = save_pipeline(tmp_path / "short", T=40)
    model = load_model(str(folder), device="cpu")
    found = branch(model, steps=steps, points=2, futures=2, seed=0)
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
    """32 futures of one x_T against 64 samples of 64 x_T.

    Their mean distance is uncertain by about 4 % (from samples of samples), so 10 % is 2 to 3
    standard errors. Futures that shared their noise, or left late, would be far below.
    """
    found = lab.run(Branch(points=1, futures=32, steps=10), faces_model)
    seeds = range(500, 564)
    x_T = noise(seeds, faces_model.shape)
    independent = batches.draw(faces_model, x_T, 1000, seeds, steps=10, eta=1.0)
    assert float(found.diversity) == pytest.approx(metrics.unrelated_rmse(independent), rel=0.1)


def test_the_path_uses_fresh_noise_that_comes_after_its_eps(model):
    found = branch(model, points=2, steps=2)
    stream = NoiseStream((5,), model.shape)
    x_T = model.schedule.add_noise(found.x0, stream.draw(), 1000)
    n, lower = torch.tensor([[1000], [500]])
    eps_hat = model.predict_noise(x_T, n)
    x0_hat = model.schedule.x0_from_eps(x_T, eps_hat, n)
    x = model.schedule.ddim_step(x0_hat, eps_hat, n, lower, 1.0, stream.draw())
    assert near(found.path.x[1:], x)


def test_the_sentence_says_how_alike_paths_end(faces_model):
    found = lab.run(Branch(points=3, futures=4, steps=6), faces_model)
    text = present(found).sentence()
    first = f"end {100 * float(found.kept[0]):.0f} % alike (strangers: {100 * found.chance:.0f} %)"
    assert text.startswith(
        f"Paths that part at n = 1000 {first}; those that part at n = 167, 100 %"
    )
    assert re.search(r"100 %\. Half of the likeness is settled only below n = \d+\.$", text)
    digits = lab.run(Branch("digits", "digit:3", points=2, futures=2, steps=2))
    pairs = r"end at the same digit in \d+ % of pairs \(strangers: 10 %\); those that part at n"
    assert re.search(pairs, present(digits).sentence())


def test_the_tab_says_what_part_the_picture_plays(model):
    found = branch(model)
    slight = present(replace(found, left=0.00635)).page()["about"]
    plays = (
        "Your picture plays no part here. The path starts at n = 1000, where 0.6 % of it is left."
    )
    assert slight == plays
    large = present(replace(found, left=0.25)).page()["about"]
    assert large == "The path starts at n = 1000, where 25 % of your picture is left."
    assert found.left == pytest.approx(float(model.schedule.alpha_bar[1000]) ** 0.5)


def test_without_line_up_nothing_is_read_and_the_sentence_gives_distances(model):
    found = branch(model)
    assert found.kept is None
    assert found.chance is None
    assert found.unrelated > 0
    words = present(found)
    assert "% as far apart as strangers; those that part at n = " in words.sentence()
    page = words.page()
    assert [line["key"] for line in page["lines"]] == ["rmse"]
    assert page["more"] == []
    assert page["measure"] == "Bar: how near to each other they end."
    assert {row["text"] for row in page["rows"]} == {""}


def test_the_note_lists_the_settings_and_counts_one_of_each_as_one(model):
    note = present(branch(model)).note()
    assert "3 points x 4 futures in one batch, 8 denoising steps, eta 1, path from seed 5, " in note
    one = present(branch(model, points=1, futures=2, steps=1, jump=1)).note()
    assert (
        "1 point x 2 futures in one batch, 1 denoising step, eta 1, climbing back 1 step each"
        in one
    )


def test_numbers_and_tiles_belong_to_points_and_futures(model):
    found = branch(model)
    words = present(found)
    data = words.as_json()
    assert data["query"] == found.experiment.to_query()
    assert [len(row) for row in data["futures"]] == [4, 4, 4]
    assert json.dumps(data)
    row = words.table()[-1]
    assert (row["n"], row["seed"]) == (125, 9)
    assert row["rmse_to_end"] == float(metrics.rmse(found.futures[-1, -1:], found.path.end))
    assert row["diversity"] == float(found.diversity[-1])
    names = [[tile.name for tile in row.tiles] for row in words.tiles()]
    futures = [f"n-500-seed-{seed}" for seed in found.seeds]
    assert names[0] == ["x0", "end"]
    assert names[2] == ["n-500-path", "n-500-estimate", *futures]


def test_a_film_has_a_still_for_every_point_and_one_for_the_end(model):
    assert len(film(branch(model), model.schedule)) == 3 + 1


@pytest.fixture
def tab(tab_of):
    return tab_of(Branch)


def test_the_tab_draws_a_tree(faces_model, tab):
    *partial, last = tab.run(prepare(Branch(points=3, futures=4, steps=6), faces_model))
    assert [update[tab.sentence]["done"] for update in partial] == list(range(1, 13))
    bodies = [update[tab.shown] for update in partial if tab.shown in update]
    assert 0 < len(bodies) <= Tab.pictures
    assert {len(row["tiles"]) for body in bodies for row in body["rows"]} == {4}
    assert last[tab.sentence]["text"].startswith("Paths that part at n = 1000 end ")
    page = last[tab.shown]
    assert [row["n"] for row in page["rows"]] == [1000, 667, 167]
    assert {len(row["tiles"]) for row in page["rows"]} == {4}
    assert page["rows"][2]["share"] == 1
    frames = page["rows"][0]["tiles"][1]["frames"]
    assert [frame["n"] for frame in frames] == [1000, 833, 667, 333, 167]
    assert [line["key"] for line in page["lines"]] == ["kept"]
    assert [line["key"] for line in page["more"]] == ["rmse"]
    assert json.dumps(page)


OWN = raw_values.OWN["branch"]


def test_the_controls_describe_an_experiment_and_an_experiment_the_controls(faces_model, tab):
    assert list(tab.own) == list(OWN)
    found = tab.experiment(Settings.read(tab.second.models, raw_values.SHARED), OWN)
    assert found == Branch(points=5, futures=3, steps=40, jump=2)
    assert tab.values(found, faces_model) == ControlValues({"first": 0}, OWN)
    assert len(tab.changes()) == 4


def test_sliders_stretch_for_a_link_beyond_their_bounds(faces_model, tab):
    e = Branch(points=1, futures=32, steps=1000)
    shown = tab.updates(tab.values(e, faces_model), faces_model)
    assert shown[tab.own["points"]]["minimum"] == 1
    assert shown[tab.own["futures"]]["maximum"] == 32
    assert shown[tab.own["steps"]]["value"] == shown[tab.own["steps"]]["maximum"] == 1000


@pytest.mark.parametrize(
    ("name", "value"), [("points", 99), ("futures", 1), ("steps", "50; rm"), ("jump", -1)]
)
def test_impossible_values_of_its_controls_get_one_sentence(tab, name, value):
    with pytest.raises(DiffdemoError) as caught:
        tab.experiment(Settings.read(tab.second.models, raw_values.SHARED), {**OWN, name: value})
    assert len(str(caught.value)) < 250
