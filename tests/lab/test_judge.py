from collections import OrderedDict

import numpy as np
import pytest
import torch

from diffdemo import lab
from diffdemo.diffusion import metrics
from diffdemo.diffusion.noise import noise
from diffdemo.experiments import RoundTrip
from diffdemo.lab import batches, judge
from diffdemo.lab.notation import picture_from_png
from diffdemo.lab.prepare import prepare
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
