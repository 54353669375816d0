"""Every experiment runs with every class of models."""

from dataclasses import fields, is_dataclass, replace
from importlib import import_module

import numpy as np
import pytest
import torch
from PIL import Image

from diffdemo import lab
from diffdemo.diffusion import gaussianity
from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.sampling import denoise
from diffdemo.errors import ModelError
from diffdemo.experiments import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.lab import batches
from diffdemo.lab.prepare import picture, picture_text
from diffdemo.lab.progress import Progress

embedding = import_module("diffdemo.experiments.embedding.run")

PROMPT = {"prompt": "a cat", "guidance": 3.0}
ALL_METHODS = ("random", "ddim", "fixed-point", "edit-friendly", "dpm-encoder")
CLEAN = {
    *("x0", "reconstructions", "x0_hat", "futures", "end", "other", "mixtures"),
    *("posterior_mean", "picture"),
}
NOISY = {"x_n", "x", "eps_a", "eps_b", "z"}


def small_experiments(model):
    T = model.schedule.T
    n = T * 3 // 10
    slow = model.line_up or model.kind == "text"
    methods = ("random", "ddim", "dpm-encoder") if slow else ALL_METHODS
    common = {"model": model.name, **(PROMPT if model.text else {})}
    line_up = "" if model.line_up else "face:1,face:2"
    return [
        RoundTrip(n=n, seeds=(0, 1), steps=3, eta=0.5, **common),
        Curve(levels=(0, n, T), seeds=(0, 1), steps=2, **common),
        Embedding(n=n, seeds=(0, 1), steps=3, methods=methods, other="face:4", **common),
        Collision(n=n, steps=2, **common),
        Belief(n=n, line_up=line_up, **common),
        Branch(points=2, futures=2, steps=3, **common),
    ]


def tensors(value, name=""):
    """All tensors of a result, by the names that lead to them."""
    if isinstance(value, torch.Tensor):
        return {name: value}
    items = {}
    if is_dataclass(value):
        items = {field.name: getattr(value, field.name) for field in fields(value)}
    elif isinstance(value, dict):
        items = value
    elif isinstance(value, tuple):
        items = dict(enumerate(value))
    found = {}
    for key, item in items.items():
        found |= tensors(item, f"{name}.{key}")
    return found


@pytest.fixture
def few_draws(monkeypatch):
    """Make the bands of noise from a few draws, and keep them out of the cache of other tests."""
    bands = gaussianity.bands.__wrapped__
    monkeypatch.setattr(gaussianity, "DRAWS", 500)
    monkeypatch.setattr(gaussianity, "bands", bands)
    monkeypatch.setattr(embedding, "bands", bands)
    monkeypatch.setattr(embedding, "CURVE", {"ddim": (5,), "fixed-point": (5,)})


@pytest.mark.usefixtures("few_draws")
@pytest.mark.parametrize("name", ["faces", "pixel", "vq", "kl", "text"])
def test_every_experiment_runs_and_gives_the_same_bits_again(load_class, name):
    """Clean pictures are pixels, noisy ones have the shape of what the network works on."""
    model = load_class(name)
    for experiment in small_experiments(model):
        *progress, result = lab.stream(experiment, model)
        assert all(isinstance(p, Progress) and p.x0_hat.shape[1:] == model.shape for p in progress)
        assert result.experiment == replace(experiment, revision=model.revision)
        again = tensors(lab.run(experiment, model))
        for path, x in tensors(result).items():
            assert torch.isfinite(x).all(), path
            assert torch.equal(x, again[path]), path
            last = path.split(".")[-1]
            if (last in CLEAN or ".replays." in path) and ".statistics." not in path:
                assert x.shape[-3:] == model.picture_shape, path
            if last in NOISY:
                assert x.shape[-3:] == model.shape, path


def test_latents_are_judged_before_they_are_decoded(load_class):
    model = load_class("kl")
    result = lab.run(RoundTrip(model="kl", n=60, seeds=(0, 1), steps=3), model)
    x0 = picture("face:17", model)
    x = denoise(model, result.x_n, 60, 3)
    assert torch.allclose(result.rmse, (x - x0).square().mean((1, 2, 3)).sqrt(), atol=1e-5)
    assert torch.allclose(result.reconstructions, model.pixels(x), atol=1e-5)
    assert torch.equal(result.came_back, result.rmse < 0.4 * result.unrelated)
    assert result.kept is None


def test_the_second_picture_of_a_swap_is_shown_in_pixels(load_class):
    model = load_class("kl")
    options = {"n": 60, "seeds": (0,), "steps": 3, "methods": ("edit-friendly",)}
    swap = lab.run(Embedding(model="kl", other="face:4", **options), model).swap
    assert torch.allclose(swap.other, model.pixels(picture("face:4", model)), atol=1e-5)


def test_a_prompt_changes_what_comes_back(text):
    prompts = (PROMPT, {"prompt": "dog"}, {})
    trips = [RoundTrip(model="text", n=1000, seeds=(0,), steps=3, **p) for p in prompts]
    cat, dog, none = (lab.run(trip, text) for trip in trips)
    assert cat.experiment.prompt == "a cat"
    assert torch.equal(cat.x_n, dog.x_n)
    for other in (dog, none):
        assert not torch.allclose(cat.reconstructions, other.reconstructions, atol=1e-3)


@pytest.mark.parametrize("options", [{"prompt": "a cat"}, {"guidance": 2}])
def test_a_prompt_for_a_model_that_takes_none_is_refused_before_any_work(load_class, options):
    with pytest.raises(ModelError, match="takes no prompt"):
        next(lab.stream(RoundTrip(model="pixel", **options), load_class("pixel")))


def test_models_that_see_the_same_pixels_name_a_picture_alike(load_class):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    photo = Image.fromarray(pixels)
    vq = load_class("vq")
    name = picture_text(vq, photo)
    assert name.startswith("png:")
    for model in (vq, load_class("kl")):
        assert picture_text(model, photo) == name
        assert torch.equal(picture(name, model), model.encode(photo))
        with pytest.raises(ValueError, match="hash"):
            picture("sha256:" + "0" * 64, model, photo)


def test_latents_are_decoded_in_batches_of_rows_that_change_nothing(load_class, monkeypatch):
    model = load_class("vq")
    x = noise(range(5), model.shape)
    whole = batches.pixels(model, x)
    monkeypatch.setattr(batches, "ROWS", 3)
    assert torch.allclose(batches.pixels(model, x), whole, atol=1e-5)
