"""Outcomes at many levels: shipped files, what the browser is told, and what it may ask for."""

import base64
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from diffdemo import lab
from diffdemo.diffusion.noise import noise
from diffdemo.errors import DiffdemoError
from diffdemo.experiments import RoundTrip
from diffdemo.experiments.round_trip import outcomes
from diffdemo.experiments.round_trip.headline import short
from diffdemo.experiments.round_trip.words import Words
from diffdemo.lab.prepare import prepare
from diffdemo.models import BUNDLED, load_model
from diffdemo.page.controls import example_trips
from diffdemo.pictures import images

TRIPS = [trip for name in BUNDLED for trip in example_trips(load_model(name, "cpu"))]
SMALL = RoundTrip(n=300, seeds=(0, 3), steps=3)


def same(found, place, result):
    """Whether a level of shipped outcomes is what a run gives, to one grey level in 255."""
    fresh = outcomes.join([result])
    assert (found.back[place] == fresh.back[0]).all()
    assert (found.kept[place] == fresh.kept[0]).all()
    off = np.abs(found.pictures[place].astype(int) - fresh.pictures[0].astype(int))
    assert off.max() <= 1


@pytest.mark.parametrize("trip", TRIPS, ids=lambda trip: trip.picture)
def test_every_example_ships_its_outcomes_for_these_weights(trip):
    ready = prepare(trip)
    found = outcomes.shipped(ready)
    assert found is not None, "run `python -m diffdemo outcomes` after new weights"
    assert found.levels == outcomes.levels(ready.model.schedule.T)
    assert outcomes.shipped_path(trip).stat().st_size < 200_000


@pytest.mark.parametrize("trip", TRIPS[::5], ids=lambda trip: trip.picture)
def test_shipped_outcomes_are_what_a_run_gives(trip):
    found = outcomes.read(outcomes.shipped_path(trip))
    for place in (0, 9, 17, 40):
        same(found, place, lab.run(replace(trip, n=found.levels[place])))


@pytest.mark.slow
@pytest.mark.parametrize("trip", TRIPS, ids=lambda trip: trip.picture)
def test_all_shipped_outcomes_are_what_a_run_gives(trip):
    found = outcomes.read(outcomes.shipped_path(trip))
    for place, n in enumerate(found.levels):
        same(found, place, lab.run(replace(trip, n=n)))


def test_a_shipped_level_says_what_the_run_says():
    trip = TRIPS[0]
    ready = prepare(trip)
    found = outcomes.read(outcomes.shipped_path(trip))
    for n in (0, 250, 1000):
        result = lab.run(replace(trip, n=n))
        shipped = outcomes.at_level(found, found.levels.index(n), ready)
        assert Words(shipped).sentence() == Words(result).sentence()
        assert short(shipped) == short(result)


def test_outcomes_are_read_back_as_they_were_written(tmp_path, faces_model, folders):
    grey = load_model(str(folders["grey"]), device="cpu")
    for model, picture in ((faces_model, "face:17"), (grey, "face:17")):
        trip = replace(SMALL, model=model.name, picture=picture)
        wanted = outcomes.join(lab.run(replace(trip, n=n), model) for n in (0, 500))
        outcomes.write(wanted, tmp_path / "one.png")
        found = outcomes.read(tmp_path / "one.png")
        assert (found.key, found.revision) == (wanted.key, wanted.revision)
        assert found.levels == (0, 500)
        for name in ("back", "kept", "pictures"):
            assert np.array_equal(getattr(found, name), getattr(wanted, name))


def test_outcomes_belong_to_all_but_n_and_the_weights():
    assert outcomes.key(SMALL) == outcomes.key(replace(SMALL, n=7, revision="0" * 12))
    for other in ({"seeds": (0,)}, {"steps": 4}, {"picture": "face:4"}, {"start": "noise"}):
        assert outcomes.key(SMALL) != outcomes.key(replace(SMALL, **other))


def test_other_seeds_and_other_weights_have_no_shipped_outcomes(tmp_path, monkeypatch):
    assert outcomes.shipped(prepare(replace(TRIPS[0], seeds=(0, 1)))) is None
    found = outcomes.read(outcomes.shipped_path(TRIPS[0]))
    monkeypatch.setattr(outcomes, "SHIPPED", tmp_path)
    outcomes.write(replace(found, revision="0" * 12), outcomes.shipped_path(TRIPS[0]))
    assert outcomes.shipped(prepare(TRIPS[0])) is None


def test_the_browser_gets_the_noises_of_the_seeds(faces_model):
    ready = prepare(SMALL, faces_model)
    base = outcomes.base(ready, (0, 1000))
    data = np.frombuffer(base64.b64decode(base["noise"]), np.float16)
    sent = torch.from_numpy(data.astype(np.float32).reshape(2, *base["shape"]))
    assert (sent - noise(SMALL.seeds, faces_model.shape)).abs().max() < 2e-3
    assert (base["levels"], base["seeds"], base["pure"]) == ([0, 1000], [0, 3], False)


def test_noisy_pictures_are_sent_where_the_browser_cannot_draw_them(class_folders):
    model = load_model(str(class_folders["vq"]), device="cpu")
    trip = replace(SMALL, model=model.name)
    assert outcomes.base(prepare(trip, model), ())["noise"] is None
    result = lab.run(trip, model)
    row = outcomes.level_pictures(result, noisy=True)
    assert row["x_n"].startswith(images.DATA_URI)


def test_fewer_levels_where_the_machine_is_slow(faces_model):
    ready = prepare(TRIPS[0], faces_model)
    counts = [len(outcomes.affordable_levels(ready, s)) for s in (0, 0.01, 0.02, 0.05, 10)]
    assert counts == [41, 21, 11, 5, 0]
    assert outcomes.levels(3) == (0, 1, 2, 3)


@pytest.fixture
def ask(tab_of):
    tab = tab_of(RoundTrip)

    def send(query, levels, portrait=None):
        return tab.more(portrait, SimpleNamespace(query=query, levels=levels))

    return send


def test_the_browser_asks_for_what_is_shipped_and_then_for_levels(ask):
    first = ask(TRIPS[0].to_query(), [])
    assert len(first["rows"]) == len(first["levels"]) == 41
    assert first["sprite"].startswith(images.DATA_URI)
    other = ask(SMALL.to_query(), [])
    assert other["rows"] == []
    assert len(other["levels"]) > 1
    (row,) = ask(SMALL.to_query(), [500])["rows"]
    result = lab.run(replace(SMALL, n=500))
    assert row["back"] == result.came_back.tolist()
    assert row["said"] == Words(result).sentence()
    assert row["x_n"] is None


@pytest.mark.parametrize(
    ("query", "levels"),
    [
        ("", []),
        (None, []),
        ("v=1&kind=belief", []),
        (SMALL.to_query(), None),
        (SMALL.to_query(), [1001]),
        (SMALL.to_query(), [-1]),
        (SMALL.to_query(), ["a"]),
        (SMALL.to_query(), [True]),
        (SMALL.to_query(), [1, 2, 3, 4, 5]),
    ],
)
def test_anything_else_gets_one_sentence(ask, query, levels):
    with pytest.raises(DiffdemoError):
        ask(query, levels)
