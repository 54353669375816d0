import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from diffdemo import lab
from diffdemo.experiments import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.lab.experiment import KINDS
from diffdemo.lab.notation import picture_from_png
from diffdemo.lab.prepare import Ready, prepare
from diffdemo.pictures.images import png_bytes
from diffdemo.report import card_drawing, cards, colours
from diffdemo.report.presenter import present

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
FACE = "With 250 steps your face comes back. With 1000 steps someone else does."
DIGIT = "With 250 steps your digit comes back. With 1000 steps another one does."


def short(e) -> str:
    return e.to_query()[9:60]


def drawn_of(e) -> bytes:
    return cards.draw(e, prepare(e), None)


@pytest.fixture(scope="module")
def drawn() -> dict:
    return {e: drawn_of(e) for e in DRAWN}


@pytest.fixture(scope="module")
def trips(faces_model):
    """The same noises at two levels, as the page's own card shows them."""
    return [
        lab.run(RoundTrip(n=n, seeds=(0, 1), steps=8, solver="dpm++2m"), faces_model)
        for n in (150, 1000)
    ]


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def count_of(data: bytes, colour: str) -> int:
    """Count the pixels of a colour."""
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return int((pixels(data) == wanted).all(-1).sum())


@pytest.mark.parametrize("e", DRAWN, ids=short)
def test_a_card_is_a_png_of_the_size_that_previews_are_cut_to(drawn, e):
    picture = Image.open(io.BytesIO(drawn[e]))
    assert picture.format == "PNG"
    assert picture.size == (card_drawing.WIDTH, card_drawing.HEIGHT) == (1200, 630)
    assert len(drawn[e]) < 300_000


@pytest.mark.parametrize("e", LARGEST, ids=short)
def test_the_largest_and_the_oddest_experiments_have_a_card(e):
    assert pixels(drawn_of(e)).shape == (630, 1200, 3)


def test_every_card_shows_another_experiment(drawn):
    assert len(set(drawn.values())) == len(DRAWN)
    shown = [drawn[e] for e in DRAWN if isinstance(e, RoundTrip | Curve)]
    assert len({pixels(data)[130:560].tobytes() for data in shown}) == len(shown)


def test_the_same_experiment_gives_the_same_card(drawn):
    assert drawn_of(RoundTrip()) == drawn[RoundTrip()]


def test_a_card_without_a_result_needs_no_network_call_and_claims_nothing(monkeypatch):
    monkeypatch.setattr(Ready, "run", lambda ready: pytest.fail("run"))
    data = drawn_of(RoundTrip(n=7))
    assert count_of(data, colours.CAME_BACK) == count_of(data, colours.CHANGED) == 0


def test_a_card_of_a_round_trip_shows_who_came_back(trips):
    for result, seen, other in zip(
        trips,
        (colours.CAME_BACK, colours.CHANGED),
        (colours.CHANGED, colours.CAME_BACK),
        strict=True,
    ):
        data = cards.draw(result.experiment, prepare(result.experiment), result)
        assert count_of(data, seen) > 2000
        assert count_of(data, other) == 0
        assert data != drawn_of(result.experiment)


def test_a_card_of_one_seed_has_its_pictures_in_a_row(faces_model):
    e = RoundTrip(n=1000, seeds=(3,), steps=4)
    data = cards.draw(e, prepare(e), lab.run(e, faces_model))
    tall = (pixels(data)[300] != 255).any(-1).sum()
    assert tall > 800  # three pictures of 300 pixels and more, beside each other


def test_the_card_of_the_page_compares_the_same_noises_at_two_levels(trips):
    ready = prepare(trips[0].experiment)
    data = cards.draw_comparison(ready, trips)
    assert Image.open(io.BytesIO(data)).size == (1200, 630)
    assert count_of(data, colours.CAME_BACK) > 2000
    assert count_of(data, colours.CHANGED) > 2000


def outcome(e, back: list[bool]):
    return SimpleNamespace(experiment=e, came_back=torch.tensor(back))


@pytest.mark.parametrize(
    ("picture", "back", "says"),
    [
        ("face:17", ([True] * 2, [False] * 2), FACE),
        ("digit:3", ([True] * 2, [False] * 2), DIGIT),
        (
            "face:17",
            ([True, False], [False, True]),
            "With 250 steps 1 of 2 tries come back as your face. "
            "With 1000 steps 1 of 2 tries come back as your face.",
        ),
        (
            SMALL,
            ([True], [False]),
            "With 250 steps your picture comes back. With 1000 steps another picture does.",
        ),
        (
            "face:17",
            ([False], [False]),
            "With 250 steps someone else comes back. With 1000 steps someone else does.",
        ),
    ],
)
def test_the_page_says_what_was_computed_not_what_is_usual(picture, back, says):
    trips = [
        outcome(RoundTrip(picture=picture, n=n), found)
        for n, found in zip((250, 1000), back, strict=True)
    ]
    assert cards.compared(trips) == says


def test_the_page_is_described_without_a_claim_before_anything_is_computed():
    text = cards.opening_description(RoundTrip(), [])
    assert text == (
        "Add noise to a face, let a diffusion model remove it, and see what comes back. "
        "Try it in your browser."
    )


def test_every_kind_has_a_title_of_its_own():
    titles = {cards.title(kind()) for kind in KINDS.values()}
    assert len(titles) == len(KINDS)
    assert all(title.startswith("diffdemo: ") for title in titles)


@pytest.mark.parametrize("e", [*DRAWN, *UNDRAWN], ids=short)
def test_a_description_is_plain_words_in_one_line(e):
    text = cards.description(e, None)
    assert text.endswith(" Try it in your browser.")
    for jargon in ("\n", "AAAA", "sha256", "solver", "spacing"):
        assert jargon not in text
    assert len(cards.draw_words(e)) > 1000


def test_a_prompt_is_part_of_the_description():
    e = RoundTrip("CompVis/stable-diffusion-v1-4", prompt="A Cat")
    assert 'Prompt: "A Cat".' in cards.description(e, None)


def test_the_sentence_of_a_result_comes_first(trips):
    e = trips[0].experiment
    text = cards.description(e, trips[0])
    assert text.startswith(present(trips[0]).sentence_for_others("a picture of one's own"))
    assert "what came back" in cards.alt(e, trips[0])
    assert "what came back" not in cards.alt(e, None)


@pytest.mark.parametrize("text", ["word", "many words " * 60, "x" * 300, "one.\ntwo."])
def test_a_sentence_fits_its_card(text):
    size, lines = card_drawing._fitted(text)
    assert 1 <= len(lines) <= card_drawing.LINES
    assert size in card_drawing.SIZES
