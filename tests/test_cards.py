import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from diffdemo import cards, lab, service, unfurl
from diffdemo.errors import DiffdemoError
from diffdemo.experiment import KINDS, Belief, Branch, Collision, Curve, Embedding, RoundTrip, picture_from_png
from diffdemo.images import png_bytes

HASH = "sha256:" + "0" * 64
SMALL = picture_from_png(png_bytes(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)))
CARDS = [
    *(kind() for kind in KINDS.values()),
    RoundTrip(n=600), RoundTrip(seeds=(1, 2)), RoundTrip(picture="face:4"), RoundTrip(start="noise"), RoundTrip("digits", "digit:3"),
    Curve(levels=(500,)), Curve("digits", "digit:3"), Embedding(n=500, seeds=(9,)), Collision(n=200), Belief("digits", "digit:7"), Branch(seed=3),
]  # fmt: skip


@pytest.fixture(scope="module")
def drawn() -> dict:
    return {e: cards.draw(e) for e in CARDS}


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("e", CARDS, ids=lambda e: e.to_query()[9:60])
def test_a_card_is_a_png_of_the_size_that_previews_are_cut_to(drawn, e):
    picture = Image.open(io.BytesIO(drawn[e]))
    assert picture.format == "PNG"
    assert picture.size == (1200, 630)
    assert len(drawn[e]) < 300_000


def test_every_card_shows_another_experiment(drawn):
    assert len(set(drawn.values())) == len(CARDS)
    tiles = [pixels(data)[230:, :].tobytes() for e, data in drawn.items() if isinstance(e, RoundTrip | Curve)]
    assert len(set(tiles)) == len(tiles)


def test_a_card_shows_its_noisy_pictures_and_their_original(drawn):
    one, other = pixels(drawn[RoundTrip()]), pixels(drawn[RoundTrip(n=600)])
    assert np.array_equal(one[236:556, 64:384], other[236:556, 64:384])
    assert not np.array_equal(one[236:388, 488:640], other[236:388, 488:640])
    assert len(np.unique(pixels(drawn[RoundTrip(start="noise")])[236:388, 488:640].reshape(-1, 3), axis=0)) > 50


def test_the_same_experiment_gives_the_same_card(drawn):
    assert cards.draw(RoundTrip()) == drawn[RoundTrip()]


@pytest.mark.parametrize(
    "e",
    [RoundTrip(seeds=range(64)),
     Curve(levels=range(64), seeds=(1,)), Belief(line_up=",".join(["face:1"] * 16)), RoundTrip(n=0),
     RoundTrip(picture=SMALL), RoundTrip("digits", SMALL), RoundTrip("digits", "face:3", revision="0" * 12, steps=1000, eta=1 / 3),
     Branch(seed=2**31 - 33)],
    ids=lambda e: e.to_query()[9:60],
)  # fmt: skip
def test_the_largest_and_the_oddest_experiments_have_a_card(e):
    assert Image.open(io.BytesIO(cards.draw(e))).size == (1200, 630)


UNDRAWN = [
    RoundTrip("google/ddpm-cat-256"), RoundTrip("no-such"), RoundTrip(picture=HASH), RoundTrip(picture="png:AAAA"), RoundTrip(prompt="x"),
]  # fmt: skip


@pytest.mark.parametrize("e", UNDRAWN, ids=lambda e: e.to_query()[9:60])
def test_what_cannot_be_drawn_from_the_link_alone_gets_the_first_example(drawn, e):
    with pytest.raises(DiffdemoError):
        cards.draw(e)
    assert unfurl.picture(e.to_query()) == drawn[RoundTrip()]


def test_no_model_of_the_hub_is_loaded_for_a_card(monkeypatch):
    monkeypatch.setattr(lab, "resolve", lambda *_: pytest.fail("loaded"))
    for e in UNDRAWN[:2]:
        with pytest.raises(DiffdemoError, match="only bundled models"):
            cards.draw(e)


def test_the_questions_are_told_apart():
    titles = {cards.title(kind()) for kind in KINDS.values()}
    assert len(titles) == len(KINDS)
    assert all(title.startswith("diffdemo: ") for title in titles)
    assert cards.title(RoundTrip()) == "diffdemo: Does it come back?"


@pytest.mark.parametrize("e", [*CARDS, *UNDRAWN], ids=lambda e: e.to_query()[9:60])
def test_the_words_tell_the_settings_and_are_one_line(e):
    said = cards.description(e)
    assert f"odel {e.model}" in said
    assert "\n" not in said
    assert f"odel {e.model}" in cards.alt(e)
    assert "AAAA" not in said
    assert "sha256" not in said
    if hasattr(e, "n"):
        assert f"n = {e.n}" in said


def test_names_keep_their_capitals():
    said = cards.description(RoundTrip("CompVis/stable-diffusion-v1-4", prompt="A Cat"))
    assert said.startswith("Model CompVis/stable-diffusion-v1-4, ")
    assert "A Cat" in said


def test_the_sentence_of_a_kept_run_comes_first(monkeypatch, runs):
    result, _ = runs["round-trip"]
    monkeypatch.setattr(service, "known", lambda e: result)
    assert cards.description(result.experiment).startswith("Of 2 noises of 300 steps, ")


def test_nothing_is_said_of_a_picture_that_only_somebody_else_has(monkeypatch):
    monkeypatch.setattr(service, "known", lambda e: pytest.fail("looked up"))
    assert cards.description(replace(RoundTrip(), picture=HASH)).startswith("Model faces, a picture of one's own")
