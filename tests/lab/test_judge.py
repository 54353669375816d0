from collections import OrderedDict

import numpy as np
import pytest
import torch
from art import art

from diffdemo import lab
from diffdemo.diffusion import metrics
from diffdemo.diffusion.noise import noise
from diffdemo.experiments import RoundTrip
from diffdemo.lab import batches, judge
from diffdemo.lab.judge import CAME_BACK_SHARE
from diffdemo.lab.notation import picture_from_png
from diffdemo.lab.prepare import prepare
from diffdemo.models import load_model
from diffdemo.pictures import digits, faces
from diffdemo.pictures.images import png_bytes


def test_of_the_original_and_the_line_up_the_original_is_nearest(faces_model):
    ready = prepare(RoundTrip(), faces_model)
    other = prepare(RoundTrip(picture="face:4"), faces_model).x0
    mixtures = torch.cat([ready.x0, other, 0.9 * ready.x0 + 0.1 * other])
    assert ready.judge.came_back(mixtures).tolist() == [True, False, True]
    kept = ready.judge.kept(mixtures)
    assert kept[0] == 1
    assert kept[1] < 1
    assert 0 < ready.judge.chance < 0.5


def test_without_a_line_up_the_distance_between_samples_decides(tiny_eps, monkeypatch):
    monkeypatch.setattr(judge, "_known", OrderedDict())
    result = lab.run(RoundTrip(tiny_eps.name, n=10, seeds=(0, 1, 2), steps=4), tiny_eps)
    seeds = range(16)
    x_T = noise(seeds, tiny_eps.shape)
    samples = batches.draw(tiny_eps, x_T, 1000, seeds, steps=20)
    assert result.unrelated == pytest.approx(metrics.unrelated_rmse(samples))
    assert torch.equal(result.came_back, result.rmse < 0.4 * result.unrelated)
    assert result.kept is None
    assert result.attributes == 0


def test_the_samples_of_a_model_are_drawn_once(tiny_eps, monkeypatch):
    monkeypatch.setattr(judge, "_known", OrderedDict())
    first = judge.unrelated_rmse(tiny_eps)
    monkeypatch.setattr(judge, "_samples", lambda model: pytest.fail("drawn again"))
    assert judge.unrelated_rmse(tiny_eps) == first


def test_what_is_no_face_has_no_attributes(faces_model):
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    text = picture_from_png(png_bytes(pixels))
    ready = prepare(RoundTrip(picture=text), faces_model)
    assert ready.judge.kept(ready.x0) is None
    assert ready.judge.chance is None
    assert ready.judge.attributes == 0


def ready(model, pixels):
    return prepare(RoundTrip(model.name, picture_from_png(png_bytes(pixels))), model)


@pytest.fixture(scope="module")
def digits_model():
    return load_model("digits", device="cpu")


def test_a_foreign_picture_is_judged_by_its_distance_and_not_by_the_line_up(faces_model):
    """Any photo is nearer to itself than to pixel faces: the line-up would let all of it pass."""
    found = ready(faces_model, art(16, 3, 5))
    judge = found.judge
    half = 0.5 * found.x0
    line_up = judge.line_up.pictures
    assert metrics.came_back(found.x0, half, line_up).tolist() == [True]
    assert judge.foreign
    x = torch.cat([found.x0, 0.9 * found.x0, half])
    near = metrics.rmse(found.x0, x) < CAME_BACK_SHARE * judge.unrelated
    assert judge.came_back(x).tolist() == near.tolist() == [True, True, False]
    assert (judge.original, judge.chance, judge.kept(x), judge.read(x)) == (None,) * 4


def test_pictures_of_the_models_own_kind_are_not_foreign(faces_model, digits_model):
    edited = faces.sample(17)[0].copy()
    edited[3:5, 4:6] = (0, 200, 0)
    digit = digits.line_up()[0][7]
    assert not prepare(RoundTrip(picture="face:900000"), faces_model).judge.foreign
    assert not ready(faces_model, edited).judge.foreign
    assert not prepare(RoundTrip("digits", "digit:3"), digits_model).judge.foreign
    assert not ready(digits_model, digit // 4 * 3).judge.foreign


@pytest.mark.parametrize("picture", ["face:17", "face:4"])
def test_a_face_is_foreign_to_digits(picture, digits_model):
    judge = prepare(RoundTrip("digits", picture), digits_model).judge
    assert judge.foreign
    assert judge.kept(judge.x0) is None


@pytest.mark.parametrize("picture", ["digit:3", "digit:61"])
def test_a_digit_is_foreign_to_faces(picture, faces_model):
    assert prepare(RoundTrip(picture=picture), faces_model).judge.foreign


def test_a_model_without_a_line_up_knows_no_foreign_pictures(tiny_eps):
    assert not prepare(RoundTrip(tiny_eps.name), tiny_eps).judge.foreign
