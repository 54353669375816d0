import random
from types import SimpleNamespace

import pytest
from pages import tab_of
from PIL import Image

from diffdemo.errors import DiffdemoError
from diffdemo.experiment import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.models import load_model
from diffdemo.ui import handlers, pad, views
from diffdemo.ui.controls import RAIL
from diffdemo.ui.shelf import Models

VALUES = ("faces", {"picture": "face:17"}, 250, 0, 3, 4, 0, "ddim", "trailing", "picture", 2, "", "", 1, [])


@pytest.fixture(scope="module")
def models():
    return Models(load_model("faces", "cpu"), "cpu")


def test_the_rail_describes_every_experiment(models):
    assert tab_of(RoundTrip).experiment(models, VALUES) == RoundTrip(picture="face:17", n=250, seeds=(0, 1, 2), steps=4)
    assert tab_of(Curve).experiment(models, VALUES) == Curve(picture="face:17", seeds=(0, 1), steps=4)
    assert tab_of(Belief).experiment(models, VALUES) == Belief(picture="face:17", n=250, seed=0)


OWN = {
    Embedding: ("all noise, n = T", 20, 0.1, ["ddim", "random"], {"picture": "face:4"}),
    Collision: ({"picture": "face:4"}, 30, 0.5),
    Branch: (5, 3, 40, 2),
}


def test_rail_and_own_widgets_describe_the_experiments_of_the_later_tabs(models):
    rail = VALUES[:RAIL]
    assert tab_of(Embedding).experiment(models, (*rail, *OWN[Embedding])) == Embedding(
        seeds=(0, 1), steps=20, methods=("random", "ddim"), warm=0.1, other="face:4"
    )
    assert tab_of(Embedding).experiment(models, (*rail, "the dial's n", *OWN[Embedding][1:])).n == 250
    assert tab_of(Collision).experiment(models, (*rail, *OWN[Collision])) == Collision(n=250, steps=30, eta=0.5)
    assert tab_of(Branch).experiment(models, (*rail, *OWN[Branch])) == Branch(points=5, futures=3, steps=40, jump=2)


@pytest.mark.parametrize(
    ("kind", "place", "value"),
    [(Embedding, 0, "T"), (Embedding, 0, None), (Embedding, 0, ["x"]), (Embedding, 1, 0), (Embedding, 2, float("nan")),
     (Embedding, 3, ["magic"]), (Embedding, 3, None), (Embedding, 4, {"picture": 3}), (Collision, 2, "x"),
     (Collision, 0, None), (Collision, 0, {"picture": ""}), (Collision, 0, {"picture": "sha256:" + "0" * 64}), (Collision, 1, 1e309),
     (Branch, 0, 99), (Branch, 1, 1), (Branch, 2, "50; rm"), (Branch, 3, -1)],
)  # fmt: skip
def test_hostile_values_of_own_widgets_get_one_sentence(models, kind, place, value):
    own = list(OWN[kind])
    own[place] = value
    with pytest.raises(DiffdemoError) as caught:
        tab_of(kind).experiment(models, (*VALUES[:RAIL], *own))
    assert len(str(caught.value)) < 250


def test_the_second_picture_can_be_the_first_unless_a_link_cannot_hold_it(models):
    assert handlers.second(models["digits"])["picture"] == "digit:3"
    assert handlers.take({"picture": "face:9", "src": "x"}) == {"picture": "face:9", "src": "x"}
    for portrait in ({"picture": "sha256:" + "0" * 64}, None, {}, "x"):
        with pytest.raises(DiffdemoError):
            handlers.take(portrait)


@pytest.mark.parametrize("kind", [RoundTrip, Curve, Belief])
@pytest.mark.parametrize(
    ("place", "value"),
    [(0, None), (0, "/etc"), (0, ["faces"]), (1, None), (1, {"picture": "/etc/passwd"}), (1, [1]), (2, float("nan")), (2, 5000), (3, -1), (3, "x"),
     (3, 2**31), (4, 0), (4, 10**9), (4, None)],
)  # fmt: skip
def test_hostile_widget_values_get_one_sentence(models, kind, place, value):
    if (kind, place) == (Curve, 2):
        pytest.skip("a curve has no single n")
    values = list(VALUES)
    values[place] = value
    with pytest.raises(DiffdemoError) as caught:
        tab_of(kind).experiment(models, tuple(values))
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(("place", "value"), [(5, 0), (6, 7), (7, "euler"), (8, None), (9, {}), (10, 99)])
def test_hostile_settings_get_one_sentence(models, place, value):
    values = list(VALUES)
    values[place] = value
    with pytest.raises(DiffdemoError):
        tab_of(Curve if place == 10 else RoundTrip).experiment(models, tuple(values))


def test_a_line_up_of_ones_own_is_collected_once_each_and_checked(models):
    one, other = {"picture": "face:1"}, {"picture": "face:2"}
    assert handlers.collect([one], other) == [one, other]
    assert handlers.collect([one, other], {"picture": "face:1"}) == [one, other]
    assert handlers.collect(None, one) == [one]
    found = tab_of(Belief).experiment(models, (*VALUES[:-1], [one, other]))
    assert found.line_up == "face:1,face:2"
    sixteen = [{"picture": f"face:{seed}"} for seed in range(16)]
    for collected, portrait in ((sixteen, {"picture": "face:99"}), ([], {"picture": "sha256:" + "0" * 64}), ([], None), ("x", one), ([1], one)):
        with pytest.raises(DiffdemoError):
            handlers.collect(collected, portrait)


def test_readouts_name_what_is_left(models):
    rows = {row["term"]: row["value"] for row in handlers.read_dial(models, "digits", 1000)["rows"]}
    assert rows["picture left in x_n"] == "0.635 %"
    assert handlers.read_dial(models, "faces", 0)["rows"][2]["value"] == "no noise"
    for bad in (float("nan"), -1, 1001, None):
        with pytest.raises(DiffdemoError):
            handlers.read_dial(models, "faces", bad)


def test_examples_landmarks_and_dice_are_checked(models):
    assert handlers.choose_example(models, "faces", SimpleNamespace(index=2))["picture"] == "face:12"
    assert handlers.choose_example(models, "digits", SimpleNamespace(index=0))["caption"].startswith("Digit 0 of the MNIST test set, a 7")
    assert handlers.choose_landmark(SimpleNamespace(index=250)) == 250
    for bad in (None, -1, 99, "1", 1.5, True):
        with pytest.raises(DiffdemoError):
            handlers.choose_example(models, "faces", SimpleNamespace(index=bad))
    with pytest.raises(DiffdemoError):
        handlers.choose_landmark(SimpleNamespace(index="x"))
    seed, listed = handlers.throw_dice()
    assert 0 <= seed < 10_000
    assert listed == ""


def test_random_pictures_suit_the_model(models, monkeypatch):
    monkeypatch.setattr(random, "randrange", lambda *bounds: bounds[-1] - 1)
    assert handlers.choose_random(models, "digits")["picture"] == "digit:9999"
    assert handlers.choose_random(models, "faces")["picture"] == "face:999999"


def test_the_switch_brings_everything_the_other_model_needs(models):
    strip, board, dial, readouts, button, told, draw = handlers.suit(models["digits"], 300)
    assert strip[0]["picture"] == "digit:0"
    assert len(strip) == 8
    assert (board["side"], board["channels"]) == (32, 1)
    assert dial["value"] == 300
    assert readouts["n"] == 300
    assert "digit" in button
    assert (told["visible"], draw["visible"]) == (False, True)
    for name in ("cats", None, ["faces"], "google/ddpm-cat-256"):
        with pytest.raises(DiffdemoError, match=r"no such model|not loaded yet"):
            models[name]


def test_uploads_and_drawings_become_pictures(models):
    shown = handlers.choose_upload(models, "digits", Image.new("RGB", (64, 64), "white"))
    assert shown["picture"].startswith("png:")
    drawn = handlers.choose_drawing(models, "digits", SimpleNamespace(value=pad.pad_value(models["digits"])))
    assert drawn["picture"].startswith("png:")
    with pytest.raises(DiffdemoError):
        handlers.choose_drawing(models, "faces", SimpleNamespace(value=pad.pad_value(models["digits"])))


def test_stop_says_where_it_stopped():
    assert views.stopped({"done": 3, "total": 20})["text"].startswith("Stopped after step 3 of 20")
    for value in (None, {}, {"done": "<b>", "total": 2}, [1]):
        assert views.stopped(value) is None
