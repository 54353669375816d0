import io

import numpy as np
import pytest
from PIL import Image

from diffdemo.errors import DiffdemoError
from diffdemo.experiments import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.lab import prepare
from diffdemo.lab.experiment import KINDS
from diffdemo.lab.notation import picture_from_png
from diffdemo.lab.prepare import Ready
from diffdemo.lab.runner import Runner
from diffdemo.pictures.images import png_bytes
from diffdemo.report import cards
from diffdemo.serving import previews

HASH = "sha256:" + "0" * 64
SMALL = picture_from_png(png_bytes(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)))
DRAWN = [
    *(kind() for kind in KINDS.values()),
    RoundTrip(n=600),
    RoundTrip(seeds=(1, 2)),
    RoundTrip(picture="face:4"),
    RoundTrip(start="noise"),
    RoundTrip("digits", "digit:3"),
    Curve(levels=(500,)),
    Curve("digits", "digit:3"),
    Embedding(n=500, seeds=(9,)),
    Collision(n=200),
    Belief("digits", "digit:7"),
    Branch(seed=3),
]
LARGEST = [
    RoundTrip(seeds=range(64)),
    Curve(levels=range(64), seeds=(1,)),
    Belief(line_up=",".join(["face:1"] * 16)),
    RoundTrip(n=0),
    RoundTrip(picture=SMALL),
    RoundTrip("digits", SMALL),
    RoundTrip("digits", "face:3", revision="0" * 12, steps=1000, eta=1 / 3),
    Branch(seed=2**31 - 33),
]
UNDRAWN = [
    RoundTrip("google/ddpm-cat-256"),
    RoundTrip("no-such"),
    RoundTrip(picture=HASH),
    RoundTrip(picture="png:AAAA"),
    RoundTrip(prompt="x"),
]
FIRST_NOISY = np.s_[236:388, 488:640]


def short(e) -> str:
    return e.to_query()[9:60]


@pytest.fixture(scope="module")
def drawn() -> dict:
    return {e: cards.draw(e) for e in DRAWN}


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("e", DRAWN, ids=short)
def test_a_card_is_a_png_of_the_size_that_previews_are_cut_to(drawn, e):
    picture = Image.open(io.BytesIO(drawn[e]))
    assert picture.format == "PNG"
    assert picture.size == (cards.WIDTH, cards.HEIGHT) == (1200, 630)
    assert len(drawn[e]) < 300_000


@pytest.mark.parametrize("e", LARGEST, ids=short)
def test_the_largest_and_the_oddest_experiments_have_a_card(e):
    assert pixels(cards.draw(e)).shape == (630, 1200, 3)


def test_every_card_shows_another_experiment(drawn):
    assert len(set(drawn.values())) == len(DRAWN)
    shown = [drawn[e] for e in DRAWN if isinstance(e, RoundTrip | Curve)]
    assert len({pixels(data)[230:].tobytes() for data in shown}) == len(shown)


def test_a_card_shows_the_picture_and_its_noisy_versions(drawn):
    one = pixels(drawn[RoundTrip()])
    other = pixels(drawn[RoundTrip(n=600)])
    noise = pixels(drawn[RoundTrip(start="noise")])[FIRST_NOISY]
    assert np.array_equal(one[236:556, 64:384], other[236:556, 64:384])
    assert not np.array_equal(one[FIRST_NOISY], other[FIRST_NOISY])
    assert len(np.unique(noise.reshape(-1, 3), axis=0)) > 50


def test_the_same_experiment_gives_the_same_card(drawn):
    assert cards.draw(RoundTrip()) == drawn[RoundTrip()]


@pytest.mark.parametrize("e", UNDRAWN, ids=short)
def test_what_cannot_be_drawn_from_the_link_alone_gets_the_first_example(drawn, e):
    with pytest.raises(DiffdemoError):
        cards.draw(e)
    assert previews.card(e.to_query()) == drawn[RoundTrip()]


def test_no_model_of_the_hub_is_loaded_for_a_card(monkeypatch):
    monkeypatch.setattr(prepare, "load_model", lambda *_: pytest.fail("loaded"))
    for e in UNDRAWN[:2]:
        with pytest.raises(DiffdemoError, match="only bundled models"):
            cards.draw(e)


def test_a_card_needs_no_network_call(monkeypatch):
    monkeypatch.setattr(Ready, "run", lambda ready: pytest.fail("run"))
    assert cards.draw(RoundTrip(n=7))


def test_every_kind_has_a_title_of_its_own():
    titles = {cards.title(kind()) for kind in KINDS.values()}
    assert len(titles) == len(KINDS)
    assert all(title.startswith("diffdemo: ") for title in titles)
    assert cards.title(RoundTrip()) == "diffdemo: Does it come back?"


@pytest.mark.parametrize("e", [*DRAWN, *UNDRAWN], ids=short)
def test_a_description_gives_the_settings_in_one_line(e):
    text = cards.description(e, Runner())
    assert text.startswith(f"Model {e.model}")
    assert f"odel {e.model}" in cards.alt(e)
    assert "\n" not in text
    assert "AAAA" not in text
    assert "sha256" not in text
    if hasattr(e, "n"):
        assert f"n = {e.n}" in text


def test_names_and_prompts_keep_their_capitals():
    e = RoundTrip("CompVis/stable-diffusion-v1-4", prompt="A Cat")
    text = cards.description(e, Runner())
    assert text.startswith("Model CompVis/stable-diffusion-v1-4, ")
    assert "A Cat" in text


def test_the_sentence_of_a_cached_result_comes_first(faces_model):
    runner = Runner()
    e = RoundTrip(n=300, seeds=(0, 3), steps=3)
    runner.run(prepare.prepare(e, faces_model))
    assert cards.description(e, runner).startswith("After 300 steps of noise, ")


def test_no_result_is_looked_up_of_a_picture_that_only_somebody_else_has(monkeypatch):
    runner = Runner()
    monkeypatch.setattr(runner.cache, "get", lambda key: pytest.fail("looked up"))
    text = cards.description(RoundTrip(picture=HASH), runner)
    assert text.startswith("Model faces, a picture of one's own")
