import json

import numpy as np
import pytest
import torch
from PIL import Image
from raw_values import SHARED

from diffdemo import RoundTrip, lab
from diffdemo.diffusion import metrics
from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.sampling import denoise
from diffdemo.diffusion.schedule import Schedule
from diffdemo.experiments.round_trip.run import (
    PREVIEW_CALLS,
    PREVIEW_SEEDS,
    Path,
    RoundTripResult,
    preview,
)
from diffdemo.experiments.round_trip.tab import Tab
from diffdemo.experiments.round_trip.words import Words
from diffdemo.lab import batches
from diffdemo.lab.prepare import picture_text, prepare
from diffdemo.lab.progress import Progress
from diffdemo.lab.runner import Runner
from diffdemo.pictures.images import data_uri
from diffdemo.report.presenter import film
from diffdemo.widgets.controls import ControlValues, Settings

SEEDS = (0, 1, 2)


def trip(**options):
    return lab.run(RoundTrip(**{"seeds": SEEDS, "steps": 4, **options}))


def largest(difference):
    return float(difference.abs().max())


def test_the_parts_of_a_result_fit_together(faces_model):
    found = trip()
    shape = faces_model.shape
    x_n = faces_model.schedule.add_noise(found.x0, noise(SEEDS, shape), 250)
    assert found.experiment.revision == faces_model.revision
    assert found.x0.shape == (1, *shape)
    assert torch.equal(found.x_n, x_n)
    assert torch.allclose(found.rmse, metrics.rmse(found.x0, found.reconstructions))
    assert found.came_back.dtype == torch.bool
    assert found.came_back.shape == found.kept.shape == (3,)
    assert 0 < found.attributes <= 14
    assert 0 < found.chance < 0.5
    assert (found.line_up, found.foreign) == ("faces", False)
    assert found.values.shape == (3, 14)
    same = (found.values == found.original.values)[:, found.original.visible]
    assert torch.allclose(found.kept, same.float().mean(1))
    assert found.path.levels.tolist() == [[n] * 3 for n in (250, 188, 125, 62)]
    assert torch.equal(found.path.x[0], found.x_n)


def test_progress_counts_every_call_and_shows_the_latest_estimates():
    *progress, found = lab.stream(RoundTrip(seeds=SEEDS, steps=4))
    assert [(p.done, p.total) for p in progress] == [(k, 4) for k in range(1, 5)]
    assert {type(p) for p in progress} == {Progress}
    assert torch.equal(progress[-1].x0_hat, found.path.x0_hat[-1])
    assert not torch.equal(progress[0].x0_hat, progress[-1].x0_hat)


def test_a_preview_has_the_same_noises_and_is_nearer_than_an_estimate(faces_model):
    ready = prepare(RoundTrip(n=700, seeds=range(PREVIEW_SEEDS + 2), steps=20), faces_model)
    early = preview(ready, Runner())
    first, *_, found = ready.run()
    seen = slice(PREVIEW_SEEDS)

    def distance(progress):
        return float(metrics.rmse(progress.x0_hat[seen], found.reconstructions[seen]).mean())

    assert torch.equal(early.x_n, found.x_n)
    assert (early.done, early.total) == (0, 20)
    assert distance(early) < 0.7 * distance(first)
    assert torch.equal(early.x0_hat[PREVIEW_SEEDS:], early.x_n[PREVIEW_SEEDS:])
    exact = denoise(faces_model, early.x_n[:1], 700, PREVIEW_CALLS, solver="dpm++2m")
    assert torch.allclose(early.x0_hat[:1], exact, atol=1e-5)


def test_without_noise_the_picture_comes_back_bit_for_bit():
    found = trip(n=0)
    assert torch.equal(found.reconstructions, found.x0.expand(3, -1, -1, -1))
    assert found.came_back.all()
    assert found.kept.tolist() == [1, 1, 1]
    assert len(found.path.x) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"n": 1000},
        {"n": 500, "eta": 1.0, "steps": 10},
        {"n": 1000, "solver": "dpm++2m", "spacing": "logsnr"},
    ],
)
def test_4_seeds_are_the_first_4_of_16(options):
    few = trip(**{"seeds": range(4), "steps": 20, **options})
    many = trip(**{"seeds": range(16), "steps": 20, **options})
    assert torch.equal(few.x_n, many.x_n[:4])
    assert largest(few.reconstructions - many.reconstructions[:4]) < 2 / 255


def test_batches_never_change_a_picture(monkeypatch):
    e = RoundTrip(seeds=range(5), steps=5)
    whole = lab.run(e)
    monkeypatch.setattr(batches, "ROWS", 2)
    *progress, parts = lab.stream(e)
    assert largest(whole.reconstructions - parts.reconstructions) < 1 / 255
    assert torch.equal(whole.path.levels, parts.path.levels)
    assert [p.done for p in progress] == list(range(1, 16))


def test_pure_noise_ignores_the_picture():
    one = trip(n=1000, start="noise")
    other = trip(picture="face:4", n=1000, start="noise")
    assert torch.equal(one.reconstructions, other.reconstructions)
    assert torch.equal(one.x_n, noise(SEEDS, (3, 16, 16)))


def test_all_noise_is_nearly_the_same_whatever_the_picture():
    one = trip(n=1000)
    other = trip(picture="face:4", n=1000)
    assert largest(one.x_n - other.x_n) < 0.0064 * 2
    assert not one.came_back.any()


def test_a_film_goes_up_with_the_very_noise_of_x_n(runs):
    result, model = runs["round-trip"]
    rising = Words(result)._rising(model.schedule, 2)
    n, x = rising[3]
    assert (rising[0][0], rising[-1][0]) == (0, 300)
    assert torch.equal(rising[0][1], result.x0.expand(2, -1, -1, -1))
    assert torch.equal(rising[-1][1], result.x_n)
    assert torch.equal(x, model.schedule.add_noise(result.x0, noise((0, 3), model.shape), n))


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"n": 0}, 1),
        ({"n": 1}, 2 + 1 + 1),
        ({"n": 9, "start": "noise", "seeds": range(10)}, 3 + 1),
    ],
)
def test_a_film_has_a_still_for_every_state(tiny_eps, options, count):
    e = RoundTrip(tiny_eps.name, **{"seeds": (0,), "steps": 3, **options})
    assert len(film(lab.run(e, tiny_eps), tiny_eps.schedule)) == count


@pytest.fixture
def latent():
    """The clean latent of a picture, and a result of its model.

    Pictures have 3 channels, latents 4.
    """
    seeds = (0, 1)
    clean = torch.linspace(-1, 1, 256).reshape(1, 4, 8, 8)
    x_n = Schedule.linear().add_noise(clean, noise(seeds, (4, 8, 8)), 1000)
    pictures = torch.zeros(2, 3, 32, 32)
    result = RoundTripResult(
        experiment=RoundTrip("latent", "png:AAAA", n=1000, seeds=seeds),
        x0=pictures[:1],
        x_n=x_n,
        reconstructions=pictures,
        rmse=torch.zeros(2),
        unrelated=0.5,
        came_back=torch.tensor([True, False]),
        line_up=None,
        foreign=False,
        kept=None,
        chance=None,
        attributes=0,
        original=None,
        values=None,
        path=Path(torch.full((1, 2), 1000), x_n[None], x_n[None]),
        seconds=1.0,
    )
    return clean, result


def test_latents_are_shown_as_mosaics_and_their_way_up_is_recovered(latent):
    clean, result = latent
    words = Words(result)
    tiles = [tile.picture.shape for row in words.tiles() for tile in row.tiles]
    assert tiles == [(32, 32, 3), *[(16, 16, 1), (32, 32, 3)] * 2]
    rising = words._rising(Schedule.linear(), 2)
    assert torch.allclose(rising[0][1], clean.expand(2, -1, -1, -1), atol=1e-3)
    assert len(film(result, Schedule.linear())) == 8 + 1 + 1
    assert words.as_json()["x_n"][0].startswith("data:image/png")


def test_the_tab_shows_estimates_and_ends_with_the_finished_map(faces_model, tab_of):
    tab = tab_of(RoundTrip)
    *partial, last = tab.run(prepare(RoundTrip(seeds=SEEDS, steps=4), faces_model))
    items = last[tab.shown]["items"]
    assert [update[tab.sentence]["done"] for update in partial] == [1, 2, 3, 4]
    assert {len(update[tab.shown]["items"]) for update in partial} == {3}
    assert last[tab.sentence]["text"].startswith("After 250 steps of noise, ")
    assert [item["seed"] for item in items] == [0, 1, 2]
    for item in items:
        assert item["back"] in (True, False)
        assert item["label"][0] in "✓≠"
        assert "features kept" in item["reconstruction_alt"]
        assert len(json.loads(item["path"])) == 4
    assert items[0]["noise"] == partial[0][tab.shown]["items"][0]["noise"]
    assert json.dumps(last[tab.shown])


def test_a_preview_comes_first_and_only_sharper_estimates_replace_it(faces_model, tab_of):
    tab = tab_of(RoundTrip)
    ready = prepare(RoundTrip(seeds=(0, 1), steps=60), faces_model)
    *partial, last = tab.run(ready)
    assert [update[tab.sentence]["done"] for update in partial] == list(range(61))
    assert "preview, of 4 network calls" in partial[0][tab.sentence]["note"]
    shown = [update[tab.sentence]["done"] for update in partial if tab.shown in update]
    assert shown[0] == 0
    assert min(shown[1:]) >= 45
    assert len(shown) <= Tab.pictures + 1
    first = partial[0][tab.shown]["items"][0]
    final = last[tab.shown]["items"][0]
    assert first["noise"] == final["noise"]
    assert first["reconstruction"] != final["reconstruction"]
    assert last[tab.sentence]["note"].endswith("In float32 by diffdemo's own forward pass.")
    assert len(list(tab.run(ready))) == 1  # the cached result alone


def test_a_quick_run_shows_its_first_estimate_and_its_result(faces_model, tab_of):
    tab = tab_of(RoundTrip)
    tab.pause = 1000
    first, last = tab.run(prepare(RoundTrip(seeds=SEEDS, steps=4), faces_model))
    assert first[tab.sentence]["done"] == 1
    assert len(first[tab.shown]["items"]) == len(last[tab.shown]["items"]) == 3
    assert "query" in last[tab.sentence]


def test_a_picture_that_no_link_can_hold_is_shown_too(large, tab_of):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    given = Image.fromarray(pixels)
    tab = tab_of(RoundTrip)
    e = RoundTrip("large", picture_text(large, given), seeds=(0,), steps=1)
    *_, last = tab.run(prepare(e, large, given))
    assert "an unrelated picture" in last[tab.sentence]["text"]
    assert last[tab.shown]["picture"]["src"] == data_uri(pixels)


def test_the_controls_describe_an_experiment_and_an_experiment_the_controls(
    faces_model, models, tab_of
):
    tab = tab_of(RoundTrip)
    e = tab.experiment(Settings.read(models, SHARED), {})
    assert e == RoundTrip(seeds=SEEDS, steps=4)
    names = ("n", "start", "steps", "eta", "solver", "spacing", "first", "count", "listed")
    assert tab.values(e, faces_model) == ControlValues({name: SHARED[name] for name in names}, {})
    assert tab.changes() == []
