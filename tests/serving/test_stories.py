import threading
from dataclasses import replace

import pytest

from diffdemo.errors import DiffdemoError
from diffdemo.experiments import Curve, RoundTrip
from diffdemo.lab import prepare as preparing
from diffdemo.lab.prepare import prepare
from diffdemo.lab.runner import Price, Runner
from diffdemo.report import cards
from diffdemo.report.presenter import present
from diffdemo.serving.stories import Stories

TRIP = RoundTrip(n=200, seeds=(1, 2), steps=2)
MANY = replace(TRIP, seeds=range(12))
OPENING = RoundTrip(n=150, seeds=(0, 1, 2), steps=8, solver="dpm++2m")
HASH = RoundTrip(picture="sha256:" + "0" * 64)


@pytest.fixture
def stories(faces_model):
    return Stories(Runner(), OPENING, faces_model)


def wait():
    """Wait for what previews compute in the background."""
    for thread in threading.enumerate():
        if thread.name == "preview":
            thread.join()


def test_a_card_of_a_round_trip_is_run_and_then_said(stories):
    before = stories.story(TRIP.to_query())
    assert "see what comes back" in before.description
    data = stories.card(TRIP.to_query())
    ready = prepare(TRIP, stories.first)
    result = stories.runner.cache.get(ready.key)
    assert data == cards.draw(ready.experiment, ready, result)
    after = stories.story(TRIP.to_query())
    assert after.description == cards.description(TRIP, result)
    assert "what came back" in after.alt
    assert (before.query, before.title) == (after.query, after.title)


def test_a_card_runs_the_first_seeds_alone(stories):
    stories.card(MANY.to_query())
    held = stories._known(MANY)
    assert held.experiment.seeds == tuple(range(cards.SHOWN))


def test_a_card_shows_the_result_that_is_held(stories):
    ready = prepare(MANY, stories.first)
    result = stories.runner.run(ready)
    assert stories.card(MANY.to_query()) == cards.draw(ready.experiment, ready, result)
    assert stories.story(MANY.to_query()).description.startswith(
        present(result).sentence_for_others("a picture of one's own")
    )


def test_what_takes_long_and_other_kinds_are_not_run_for_a_card(stories, monkeypatch):
    monkeypatch.setattr(stories.runner, "run", lambda ready: pytest.fail("run"))
    assert stories.card(Curve(levels=(0, 500), seeds=(1,)).to_query())
    monkeypatch.setattr(stories.runner, "price", lambda ready: Price(1, 100.0))
    ready = prepare(TRIP, stories.first)
    assert stories.card(TRIP.to_query()) == cards.draw(TRIP, ready, None)


@pytest.mark.parametrize("e", [HASH, RoundTrip("google/ddpm-cat-256"), RoundTrip("no-such")])
def test_what_cannot_be_drawn_has_a_card_of_words_and_loads_nothing(stories, e, monkeypatch):
    monkeypatch.setattr(preparing, "load_model", lambda *_: pytest.fail("loaded"))
    assert stories.card(e.to_query()) == cards.draw_words(e)
    assert stories.story(e.to_query()).query == e.to_query()


def test_the_page_itself_is_described_without_a_claim_until_it_is_computed(stories):
    before = stories.story("").description
    assert before == cards.opening_description(OPENING, [])
    wait()
    after = stories.story("").description
    assert after.startswith("Add noise to a face, let a diffusion model remove it. With 150 steps")
    assert "With 1000 steps" in after
    assert stories.story("v=1&n=5000") == stories.story("utm_source=x") == stories.story("")
    assert stories.story("n=1000").query == replace(OPENING, n=1000).to_query()


def test_the_card_of_the_page_compares_the_same_noises(stories):
    data = stories.card("")
    levels = [replace(OPENING, n=n) for n in (150, 1000)]
    results = [stories.runner.run(prepare(e, stories.first)) for e in levels]
    assert data == cards.draw_comparison(prepare(OPENING, stories.first), results)


def test_a_page_whose_first_example_takes_long_has_a_card_of_words(stories, monkeypatch):
    monkeypatch.setattr(stories.runner, "price", lambda ready: Price(1, 100.0))
    with pytest.raises(DiffdemoError, match="takes too long"):
        stories._comparison()
    assert stories.card("") == cards.draw_words(OPENING)


def test_the_page_of_a_model_of_fewer_steps_compares_its_own(short):
    opening = RoundTrip(short.name, n=25, seeds=(0,), steps=2)
    stories = Stories(Runner(), opening, short)
    assert [trip.n for trip in stories._compared()] == [25, 100]
    assert stories.card("")
    assert "With 25 steps" in stories.story("").description
