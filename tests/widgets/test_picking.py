import base64
import random
from types import SimpleNamespace

import numpy as np
import pytest
from doubles import save_pipeline
from PIL import Image

from diffdemo.errors import DiffdemoError
from diffdemo.models import load_model
from diffdemo.report.portraits import NO_PICTURE, image_of, missing_portrait
from diffdemo.widgets import pad, picking, second_picture
from diffdemo.widgets.available import Models

HASH = "sha256:" + "0" * 64


def test_examples_are_picked_by_number(models):
    third = picking.pick_example(models, "faces", SimpleNamespace(index=2))
    assert third["picture"] == "face:12"
    digit = picking.pick_example(models, "digits", SimpleNamespace(index=0))
    assert digit["caption"].startswith("Digit 0 of the MNIST test set, a 7")
    assert len(picking.example_portraits(models["digits"])) == 8
    for bad in (None, -1, 99, "1", 1.5, True):
        with pytest.raises(DiffdemoError):
            picking.pick_example(models, "faces", SimpleNamespace(index=bad))


def test_random_pictures_suit_the_model(models, monkeypatch):
    monkeypatch.setattr(random, "randrange", lambda *bounds: bounds[-1] - 1)
    assert picking.pick_random(models, "digits")["picture"] == "digit:9999"
    assert picking.pick_random(models, "faces")["picture"] == "face:999999"


def test_uploads_and_drawings_become_pictures(models):
    white = Image.new("RGB", (64, 64), "white")
    assert picking.pick_upload(models, "digits", white)["picture"].startswith("png:")
    drawing = SimpleNamespace(value=pad.pad_value(models["digits"]))
    assert picking.pick_drawing(models, "digits", drawing)["picture"].startswith("png:")
    with pytest.raises(DiffdemoError):
        picking.pick_drawing(models, "faces", drawing)


def test_a_link_shows_its_picture_or_asks_for_it(faces_model):
    assert picking.linked_portrait(faces_model, "") == NO_PICTURE
    assert picking.linked_portrait(faces_model, HASH) == missing_portrait(HASH)
    shown = picking.linked_portrait(faces_model, "face:3")
    assert shown["src"].startswith("data:image/png")
    with pytest.raises(DiffdemoError):
        picking.linked_portrait(faces_model, "png:AAAA")


def test_the_second_picture_can_be_the_first_unless_a_link_cannot_hold_it(models):
    assert second_picture.second_example(models["digits"])["picture"] == "digit:3"
    portrait = {"picture": "face:9", "src": "x"}
    assert second_picture.take_first(portrait) == portrait
    for bad in ({"picture": HASH}, None, {}, "x"):
        with pytest.raises(DiffdemoError):
            second_picture.take_first(bad)


def test_a_picture_too_large_for_a_link_is_in_its_portrait(tmp_path):
    model = load_model(str(save_pipeline(tmp_path / "large", size=32)), device="cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    found = picking.pick_upload(Models(model), "large", Image.fromarray(pixels))
    assert found["picture"].startswith("sha256:")
    assert np.array_equal(np.asarray(image_of(found)), pixels)


DAMAGED = ["é", "A", "AAAA", ""]


@pytest.mark.parametrize("data", DAMAGED)
def test_a_damaged_portrait_gets_one_sentence(data):
    with pytest.raises(DiffdemoError):
        image_of({"src": f"data:image/png;base64,{data}"})


def test_what_is_no_picture_is_called_unreadable():
    data = base64.b64encode(b"not a picture").decode()
    with pytest.raises(DiffdemoError, match="not a readable picture"):
        image_of({"src": f"data:image/png;base64,{data}"})


@pytest.mark.parametrize(
    "portrait",
    [
        None,
        {},
        [],
        "x",
        {"src": None},
        {"src": 3},
        {"src": "data:image/svg+xml,x"},
        {"src": "/etc/passwd"},
        {"src": "http://x"},
    ],
)
def test_a_portrait_without_a_picture_gives_none_and_opens_nothing(portrait):
    assert image_of(portrait) is None
