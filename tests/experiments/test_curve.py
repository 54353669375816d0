import json
import math
import re
from dataclasses import replace
from itertools import pairwise

import gradio as gr
import numpy as np
import pytest
import torch
from raw_values import SHARED

from diffdemo import lab
from diffdemo.diffusion.crossing import crossing
from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.experiments import Curve, RoundTrip
from diffdemo.experiments.curve.words import means
from diffdemo.lab import batches
from diffdemo.lab.judge import CAME_BACK_SHARE
from diffdemo.lab.prepare import prepare
from diffdemo.models import load_model
from diffdemo.pictures import images
from diffdemo.report.letters import check_letters
from diffdemo.report.pictures import uris
from diffdemo.report.presenter import film, present
from diffdemo.report.words import picture_words
from diffdemo.widgets.controls import ControlValues, Settings, even_levels

LEVELS = (0, 300, 1000)


@pytest.fixture(scope="module")
def tiny(folders):
    return load_model(str(folders["epsilon"]), device="cpu")


@pytest.fixture(scope="module")
def found(faces_model):
    """Levels by seeds of a face."""
    return lab.run(Curve(levels=LEVELS, seeds=(0, 1), steps=2), faces_model)


@pytest.fixture(scope="module")
def unread(tiny):
    """The same of a model without a line-up."""
    return lab.run(Curve(tiny.name, levels=(0, 500), seeds=(0,), steps=2), tiny)


def test_a_curve_is_the_round_trips_of_its_levels(faces_model):
    """Rows of one batch, each with its own n, equal separate runs; n = 0 is the picture itself."""
    levels = (0, 3, 250, 1000)
    found = lab.run(Curve(levels=levels, seeds=(5, 6), steps=4), faces_model)
    assert found.experiment.revision == faces_model.revision
    assert found.reconstructions.shape == found.x_n.shape == (4, 2, 3, 16, 16)
    assert torch.equal(found.reconstructions[0], found.x0.expand(2, -1, -1, -1))
    for place, n in enumerate(levels):
        alone = lab.run(RoundTrip(n=n, seeds=(5, 6), steps=4), faces_model)
        difference = found.reconstructions[place] - alone.reconstructions
        assert torch.equal(found.x_n[place], alone.x_n)
        assert float(difference.abs().max()) < 1 / 255
        assert torch.equal(found.came_back[place], alone.came_back)
        assert torch.allclose(found.kept[place], alone.kept)
        assert torch.allclose(found.rmse[place], alone.rmse, atol=1e-5)
    assert (found.attributes, found.unrelated) == (alone.attributes, alone.unrelated)


def test_an_exact_observer_knows_everything_at_first_and_nothing_at_last(found):
    assert found.bits == pytest.approx(math.log2(10_000))
    assert found.bits_known[0].tolist() == pytest.approx([found.bits] * 2)
    assert found.p_true[1].tolist() == pytest.approx([1, 1], abs=1e-2)
    assert float(found.bits_known[2].max()) < 0.1
    assert 0 < found.chance < 0.5
    assert found.speciation == pytest.approx(545, abs=10)


def test_a_picture_outside_the_line_up_is_one_candidate_more(faces_model):
    found = lab.run(Curve(picture="face:900001", levels=(0,), seeds=(0,), steps=1), faces_model)
    assert found.bits == pytest.approx(math.log2(10_001))
    assert float(found.p_true) == 1


def test_a_foreign_picture_is_judged_by_its_distance(faces_model):
    found = lab.run(
        Curve(picture="digit:3", levels=(0, 300, 1000), seeds=(0, 1), steps=2), faces_model
    )
    assert found.foreign
    assert torch.equal(found.came_back, found.rmse < CAME_BACK_SHARE * found.unrelated)
    assert found.came_back[:, 0].tolist() == [True, False, False]
    assert (found.kept, found.chance, found.attributes) == (None, None, 0)


def test_progress_counts_every_network_call_and_batches_change_nothing(faces_model, monkeypatch):
    e = Curve(levels=(0, 2, 600), seeds=(0, 1, 2), steps=4)
    assert e.calls(faces_model.schedule) == 3 * (0 + 2 + 4)
    *progress, whole = lab.stream(e, faces_model)
    assert [(p.done, p.total) for p in progress] == [(k, 4) for k in range(1, 5)]
    monkeypatch.setattr(batches, "ROWS", 4)
    *progress, parts = lab.stream(e, faces_model)  # rows 0-3, 4-7 and 8: 2 + 4 + 4 calls
    assert [(p.done, p.total) for p in progress] == [(k, 10) for k in range(1, 11)]
    assert float((whole.reconstructions - parts.reconstructions).abs().max()) < 1 / 255


def test_a_model_without_line_up_has_distances_alone(unread):
    names = ("bits_known", "bits", "p_true", "speciation", "kept", "chance")
    assert {name: getattr(unread, name) for name in names} == dict.fromkeys(names)
    assert unread.rmse.shape == (2, 1)
    assert torch.equal(unread.came_back, unread.rmse < 0.4 * unread.unrelated)


def test_levels_beyond_the_model_are_refused_before_any_work(short):
    with pytest.raises(ExperimentError, match="100 noise steps"):
        next(lab.stream(Curve(short.name, levels=(0, 101)), short))


@pytest.mark.parametrize(("model", "picture"), [("faces", "face:17"), ("digits", "digit:3")])
def test_the_sentence_names_where_each_curve_falls_half_way(model, picture):
    levels = (0, 400, 500, 600, 1000)
    found = lab.run(Curve(model, picture, levels, seeds=(0, 1), steps=3))
    turn = crossing(levels, means(found.came_back), 0.5)
    half = crossing(levels, means(found.bits_known), found.bits / 2)
    faces = model == "faces"
    fall = crossing(levels, means(found.kept), (1 + found.chance) / 2 if faces else 0.5)
    lost = f"half of the likeness in its visible features is gone at {fall:.0f}"
    if not faces:
        lost = f"most tries show another digit from {fall:.0f} on"
    text = f"From about {turn:.0f} noise steps on, most tries no longer bring your picture back."
    text += f" {lost.capitalize()}; half of the information that picks it out of 10,000 pictures"
    assert present(found).sentence() == f"{text} lasts until {half:.0f}."
    told = present(found).sentence_for_others()
    assert f"no longer bring {picture_words(picture)} back." in told


def test_the_sentence_says_when_nothing_is_lost(faces_model):
    found = lab.run(Curve(levels=(0, 1), seeds=(0,), steps=1), faces_model)
    every = "At every number of noise steps tried,"
    assert present(found).sentence() == f"{every} at least half of the tries came back."
    lost = replace(found, came_back=torch.zeros(2, 1, dtype=torch.bool))
    assert present(lost).sentence() == f"{every} fewer than half of the tries came back."


def test_the_sentence_speaks_of_one_seed_as_one(found):
    one = replace(found, experiment=replace(found.experiment, seeds=(7,)))
    one = replace(one, came_back=torch.tensor([[True], [True], [False]]))
    wanted = "From about 650 noise steps on, seed 7 no longer brings your picture back."
    assert present(one).sentence().startswith(wanted)


def test_the_note_lists_the_settings_and_counts_one_of_each_as_one(found, faces_model):
    settings = (
        "3 noise levels x 2 seeds in one batch, at most 2 network calls each, ddim, deterministic"
    )
    note = present(found).note()
    assert re.fullmatch(rf"Model faces \w+, {settings}, [\d.]+ s\.", note)
    one = lab.run(Curve(levels=(1,), seeds=(0,), steps=1, eta=0.5), faces_model)
    note = present(one).note()
    assert (
        "1 noise level x 1 seed in one batch, at most 1 network call each, ddim, eta 0.5, " in note
    )


def test_numbers_are_given_by_level_and_seed(found):
    data = present(found).as_json()
    assert data["query"] == found.experiment.to_query()
    assert (data["levels"], data["seeds"]) == (list(LEVELS), [0, 1])
    for name in ("came_back", "kept", "rmse", "bits_known", "p_true"):
        assert data[name] == getattr(found, name).tolist()
    by_level = [uris(row) for row in found.reconstructions]
    assert data["reconstructions"] == [list(row) for row in zip(*by_level, strict=True)]
    assert json.dumps(data)


def test_numbers_that_are_not_known_are_none(unread):
    data = present(unread).as_json()
    names = ("kept", "bits_known", "p_true", "bits", "chance", "speciation")
    assert {name: data[name] for name in names} == dict.fromkeys(names)
    row = present(unread).table()[-1]
    assert [row[name] for name in ("kept", "bits_known", "p_true")] == [None] * 3


def test_table_and_tiles_belong_together(found):
    words = present(found)
    rows = words.tiles()
    tiles = {tile.name: tile for row in rows for tile in row.tiles}
    table = words.table()
    assert len(table) == 6
    assert len(tiles) == 1 + 2 * 6
    for row in table:
        i = found.experiment.levels.index(row["n"])
        j = found.experiment.seeds.index(row["seed"])
        assert row["rmse"] == float(found.rmse[i, j])
        back = tiles[f"seed-{row['seed']}-n-{row['n']}-reconstruction"]
        assert back.back == row["came_back"] == bool(found.came_back[i, j])
        pixels = images.to_uint8(found.reconstructions[i, j][None])[0]
        assert np.array_equal(back.picture, pixels)
    for text in [*(row.label for row in rows), *(tile.label for tile in tiles.values())]:
        check_letters(text)


def test_a_film_has_a_still_for_every_level(found, faces_model):
    stills = film(found, faces_model.schedule)
    assert len(stills) == 3
    assert len({(still.shape, still.dtype) for still in stills}) == 1
    assert all(not np.array_equal(a, b) for a, b in pairwise(stills))


@pytest.fixture
def tab(tab_of):
    return tab_of(Curve)


def result_of(tab, e, model):
    return tab.runner.cache.get(prepare(e, model).key)


def test_only_levels_that_were_tried_are_landmarks(found):
    assert [mark["n"] for mark in present(found).page()["landmarks"]] == [1000]


def test_the_tab_shows_lines_tiles_and_a_sentence(faces_model, tab):
    e = Curve(levels=even_levels(faces_model), seeds=(0, 1), steps=4)
    *partial, last = tab.run(prepare(e, faces_model))
    assert [update[tab.sentence]["done"] for update in partial] == [1, 2, 3, 4]
    for update in partial:
        tiles = update[tab.shown]["tiles"]
        assert [len(row) for row in tiles] == [21, 21]
        assert {tile["back"] for row in tiles for tile in row} == {None}
    text = last[tab.sentence]["text"]
    assert "half of the information that picks it out of 10,000 pictures lasts until 4" in text
    page = last[tab.shown]
    assert page["levels"] == list(range(0, 1001, 50))
    assert [line["key"] for line in page["lines"]] == ["bits", "kept", "rmse"]
    assert {len(line[name]) for line in page["lines"] for name in ("values", "texts")} == {21}
    kept = page["lines"][1]
    for low, value, high in zip(kept["low"], kept["values"], kept["high"], strict=True):
        assert 0 <= low <= value <= high <= 1
    assert [len(row) for row in (*page["tiles"], *page["noises"])] == [21] * 4
    assert page["tiles"][0][0]["back"] is True
    assert page["marks"] == [{"x": 545, "text": "speciation"}]
    assert page["back"]["values"] == means(result_of(tab, e, faces_model).came_back)
    assert page["back"]["texts"][0] == "2 of 2"
    last_count = page["back"]["texts"][-1]
    assert page["landmarks"] == [
        {"n": 250, "text": f"n = 250: {page['back']['texts'][5]} came back"},
        {"n": 1000, "text": f"n = 1000: {last_count} came back"},
    ]
    assert page["x0"]["alt"] == "face 17"
    assert page["verdicts"][0]["text"].endswith("than to any of 9,999 other pictures")
    assert json.dumps(page)


def test_the_chart_of_digits_has_no_spread_and_that_of_unknown_pictures_one_line(unread):
    digits = lab.run(Curve("digits", "digit:3", levels=(0, 500), seeds=(0, 1), steps=1))
    lines = {line["key"]: line for line in present(digits).page()["lines"]}
    assert lines["kept"]["label"] == "tries that still show the same digit"
    assert "low" not in lines["kept"]
    page = present(unread).page()
    assert [line["key"] for line in page["lines"]] == ["rmse"]
    assert (page["marks"], page["chance"]) == ([], None)
    assert page["verdicts"][0]["text"] == "✓ came back: near to the original"


def test_the_spread_over_the_seeds_stays_between_none_and_all(found):
    shares = torch.tensor([[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5]])
    page = present(replace(found, kept=shares)).page()
    kept = next(line for line in page["lines"] if line["key"] == "kept")
    deviation = 3**0.5 / 4
    assert kept["values"] == [0.75, 0.25, 0.5]
    assert kept["low"] == pytest.approx([0.75 - deviation, 0, 0.5])
    assert kept["high"] == pytest.approx([1, 0.25 + deviation, 0.5])


def test_the_controls_describe_an_experiment_and_an_experiment_the_controls(faces_model, tab):
    settings = Settings.read(tab.second.models, SHARED)
    assert tab.experiment(settings, {"levels": ""}) == Curve(seeds=(0, 1), steps=4)
    e = tab.experiment(settings, {"levels": "0:400:100"})
    assert e == Curve(levels=(0, 100, 200, 300, 400), seeds=(0, 1), steps=4)
    sampler = {"steps": 4, "eta": 0, "solver": "ddim", "spacing": "trailing"}
    shared = {**sampler, "first": 0, "per_level": 2, "listed": ""}
    assert tab.values(e, faces_model) == ControlValues(shared, {"levels": "0:400:100"})
    assert tab.values(Curve(), faces_model).own == {"levels": ""}
    with gr.Blocks():
        assert len(tab.changes()) == 1


@pytest.mark.parametrize("levels", ["9,3", "0:1000:0", "0:1000:1", "-1", [0.5], float("nan")])
def test_impossible_levels_get_one_sentence(tab, levels):
    with pytest.raises(DiffdemoError) as caught:
        tab.experiment(Settings.read(tab.second.models, SHARED), {"levels": levels})
    assert len(str(caught.value)) < 250
