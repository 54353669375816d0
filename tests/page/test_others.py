import gradio as gr
import pytest

from diffdemo import models
from diffdemo.errors import DiffdemoError, ModelError
from diffdemo.models import BUNDLED, TABLE, Loading
from diffdemo.page import others
from diffdemo.widgets.available import Models

HUB = [entry for entry in TABLE if not entry.bundled]
CATS = "google/ddpm-cat-256"


@pytest.fixture
def available(faces_model):
    return Models(faces_model, "cpu")


@pytest.fixture(autouse=True)
def _no_download_and_no_clock(monkeypatch, faces_model):
    real = models.load_model

    def load_model(name, *rest):
        if name in BUNDLED:
            return real(name, *rest)
        assert name == CATS
        return faces_model

    monkeypatch.setattr(models, "load_model", load_model)
    monkeypatch.setattr(models, "load_steps", lambda *_: pytest.fail("a model is being loaded"))
    monkeypatch.setattr(others, "estimate_seconds", lambda entry, rows, calls: 600)


def loads(monkeypatch, *items) -> list:
    """Loading goes like this, an error at its end or not; what was asked for."""
    asked = []

    def load_steps(name, device):
        asked.append((name, device))
        for item in items:
            if isinstance(item, Exception):
                raise item
            yield item

    monkeypatch.setattr(models, "load_steps", load_steps)
    return asked


@pytest.mark.parametrize("entry", HUB, ids=lambda entry: entry.name)
def test_a_card_says_what_a_model_is_and_takes_before_it_is_loaded(entry):
    found = others.card(entry.name)
    assert found["text"] == entry.description
    for part in (
        f"{entry.picture[0]} x {entry.picture[1]} pixels",
        f"licence {entry.licence}",
        f"revision {entry.revision}",
        "take about 10 minutes",
    ):
        assert part in found["note"]
    assert (
        f"{entry.megabytes:,.0f} MB" if entry.megabytes else "size of the download unknown"
    ) in found["note"]
    assert ("not verified" in found["note"]) is not entry.verified


def test_the_time_on_a_card_is_that_of_the_run_it_names(monkeypatch):
    monkeypatch.setattr(others, "estimate_seconds", lambda entry, rows, calls: rows * calls)
    assert (
        f"{others.ROWS} seeds with {others.CALLS} steps take about 80 s."
        in others.card(CATS)["note"]
    )


NONE = [
    None,
    "",
    "cats",
    3,
    [],
    ["google/ddpm-cat-256"],
    {},
    CATS + "\n",
    CATS.upper(),
    "../x",
    "google/ddpm-cat-256@main",
]


@pytest.mark.parametrize("name", NONE, ids=repr)
def test_a_name_that_is_not_in_the_table_gets_one_sentence(available, name):
    for ask in (
        lambda: list(available.fetch(name)),
        lambda: list(others.fetch(available, name)),
        lambda: available[name],
    ):
        with pytest.raises(ModelError) as caught:
            ask()
        assert len(str(caught.value)) < 250


@pytest.mark.parametrize("name", ["cats", "../x", CATS.upper(), "me/my-model"])
def test_a_name_that_is_not_in_the_table_is_told_the_command_for_it(name):
    assert others.card(name)["note"].endswith(f"python app.py --model {name}")


def test_a_typed_name_may_be_long_empty_or_that_of_a_bundled_model():
    assert len(others.card("x" * 5000)["note"]) < 250
    assert others.card("  ") == {}
    assert "is here already" in others.card("faces")["text"]
    for wrong in (None, 3, [], {}):
        with pytest.raises(ModelError):
            others.card(wrong)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 s"),
        (0.4, "1 s"),
        (1.6, "2 s"),
        (89, "89 s"),
        (90, "2 minutes"),
        (600, "10 minutes"),
        (5399, "90 minutes"),
        (5400, "2 hours"),
        (7200, "2 hours"),
        (360_000, "100 hours"),
    ],
)
def test_durations_are_written_in_words(seconds, words):
    assert models.duration(seconds) == words


def test_the_card_says_how_far_a_load_is():
    before = {"text": "about it", "note": "before"}
    found = others.loading(Loading("downloading x", 3_000_000, 12_000_000), before)
    assert found == {
        "text": "about it",
        "note": "Downloading x: 3 of 12 MB.",
        "done": 3_000_000,
        "total": 12_000_000,
    }
    assert (
        others.loading(Loading("reading", 5_000_000_000, None), before)["note"]
        == "Reading: 5,000 MB."
    )
    assert before["note"] == "before"


def test_a_model_that_was_loaded_is_offered_and_chosen(available, monkeypatch, faces_model):
    asked = loads(
        monkeypatch, Loading("downloading", 1, 2), Loading("downloading", 2, 2), faces_model
    )
    *during, (card, switch) = others.fetch(available, CATS)
    assert asked == [(CATS, "cpu")]
    assert [card["done"] for card, _ in during] == [1, 2]
    assert all(choice == gr.skip() for _, choice in during)
    assert card == others.card(CATS)
    assert switch["value"] == CATS
    assert switch["choices"] == available.names
    assert CATS in available.names
    assert available[CATS] is faces_model
    assert not available.missing(CATS)


def test_a_load_that_fails_says_why_and_offers_nothing(available, monkeypatch):
    loads(monkeypatch, Loading("downloading", 1, 2), ModelError("The disk is full."))
    seen = []
    with pytest.raises(ModelError, match="The disk is full"):
        seen.extend(others.fetch(available, CATS))
    assert seen[-1][0] == {**others.card(CATS), "note": "The disk is full."}
    assert all(choice == gr.skip() for _, choice in seen)
    assert available.missing(CATS)
    with pytest.raises(ModelError, match="not loaded yet"):
        available[CATS]


def test_a_load_that_is_left_offers_nothing(available, monkeypatch, faces_model):
    loads(monkeypatch, Loading("downloading", 1, 2), faces_model)
    run = others.fetch(available, CATS)
    next(run)
    run.close()
    assert available.missing(CATS)


def test_the_switch_offers_the_first_model_and_the_bundled_ones_once(
    available, tiny_eps, faces_model
):
    assert available.names == list(BUNDLED)
    assert Models(tiny_eps).names == [tiny_eps.name, *BUNDLED]
    assert available["faces"] is faces_model
    assert Models(tiny_eps)[tiny_eps.name] is tiny_eps
    assert available["digits"].name == "digits"


def test_only_models_of_the_table_can_be_missing(available, tiny_eps):
    assert available.missing(CATS)
    assert not any(available.missing(name) for name in (*BUNDLED, "no-such", "/etc", ""))
    assert not Models(tiny_eps).missing(tiny_eps.name)


def test_a_model_that_is_not_loaded_differs_from_one_that_does_not_exist(available):
    with pytest.raises(
        DiffdemoError, match=f"{CATS} is not loaded yet; choose it under Other models"
    ):
        available[CATS]
    with pytest.raises(DiffdemoError, match="There is no such model here; there is faces, digits"):
        available["cats"]


def test_a_folder_of_the_server_is_no_model(available, folders):
    for name in (str(folders["epsilon"]), "/etc", "diffdemo/weights/faces"):
        with pytest.raises(DiffdemoError, match="no such model"):
            available[name]


def test_the_fold_offers_the_hubs_models_and_opens_for_a_link(exhibit):
    fold = exhibit.others
    assert [value for _, value in fold.name.choices] == [entry.name for entry in HUB]
    offered = fold.offer(CATS)
    assert offered[fold.name] == CATS
    assert offered[fold.card] == others.card(CATS)
    assert offered[fold.fold].open
