import numpy as np
import pytest
import torch
from PIL import Image

from diffdemo import lab
from diffdemo.errors import ExperimentError, ModelError, PictureError
from diffdemo.experiments import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.lab import prepare as module
from diffdemo.lab.cache import Cache
from diffdemo.lab.notation import picture_from_png
from diffdemo.lab.prepare import original_picture, picture, picture_text, prepare
from diffdemo.lab.runner import Runner
from diffdemo.models import Model
from diffdemo.pictures.images import png_bytes

QUICK = [
    RoundTrip(n=20, seeds=(0,), steps=1),
    Curve(levels=(20,), seeds=(0,), steps=1),
    Embedding(n=20, seeds=(0,), steps=1, methods=("random",)),
    Collision(n=20, steps=1),
    Belief(n=20),
    Branch(points=1, futures=2, steps=1),
]


def noise_picture(seed: int, side: int = 32) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def recorded(monkeypatch):
    """Record the arguments of each call of a function."""

    def record(holder, name):
        calls = []
        function = getattr(holder, name)

        def spy(*args, **options):
            calls.append(args)
            return function(*args, **options)

        monkeypatch.setattr(holder, name, spy)
        return calls

    return record


@pytest.mark.parametrize("e", QUICK, ids=lambda e: e.kind)
def test_a_run_resolves_its_model_once_and_reads_its_picture_once(recorded, e):
    models = [recorded(module, name) for name in ("resolve", "load_model")]
    originals = recorded(module, "original_picture")
    encoded = recorded(Model, "encode")
    *_, result = Runner(cache=Cache()).stream(prepare(e))
    assert result.experiment.picture == e.picture
    assert [len(calls) for calls in models] == [1, 1]
    others = 1 if e.kind == "collide" else 0
    assert [text for text, *_ in originals] == [e.picture] + ["face:4"] * others
    assert len(encoded) == 1 + others


@pytest.mark.parametrize(
    ("e", "error"),
    [
        (RoundTrip("cats"), ModelError),
        (RoundTrip("a/b"), ModelError),
        (RoundTrip(prompt="a cat"), ModelError),
        (RoundTrip(picture="png:AAAA"), PictureError),
        (RoundTrip(picture="png:A"), ExperimentError),
        ("face:17", ExperimentError),
    ],
)
def test_what_cannot_be_run_is_refused_before_any_work(e, error):
    with pytest.raises(error):
        prepare(e)


def test_a_model_that_does_not_exist_is_refused_with_those_that_do(tiny_eps):
    with pytest.raises(
        ModelError, match=r"no model 'cats' here; there is faces, digits, .*epsilon"
    ):
        prepare(RoundTrip("cats"), tiny_eps)


@pytest.mark.parametrize(
    "e",
    [
        RoundTrip("short", n=101),
        Curve("short", levels=(0, 101)),
        Embedding("short"),
        Collision("short", n=101),
        Belief("short", n=101),
    ],
    ids=lambda e: e.kind,
)
def test_levels_beyond_the_model_are_refused(short, e):
    with pytest.raises(ExperimentError, match="100 noise steps"):
        next(lab.stream(e, short))


def test_a_picture_in_a_link_is_the_same_picture(faces_model):
    text = picture_text(faces_model, original_picture("face:17", faces_model))
    ready = prepare(RoundTrip(picture=text), faces_model)
    assert text.startswith("png:")
    assert torch.equal(ready.x0, picture("face:17", faces_model))
    assert ready.judge.attributes == prepare(RoundTrip(), faces_model).judge.attributes > 0


def test_a_picture_in_a_link_of_more_pixels_than_it_can_show_is_refused():
    text = picture_from_png(png_bytes(np.zeros((2000, 2000, 3), dtype=np.uint8))[:1000])
    with pytest.raises(PictureError, match="pixels"):
        prepare(RoundTrip(picture=text))


def test_a_picture_that_is_named_by_its_hash_has_to_be_given(large):
    mine = noise_picture(0)
    e = RoundTrip(large.name, picture_text(large, mine))
    assert e.picture.startswith("sha256:")
    assert torch.equal(prepare(e, large, mine).x0, large.encode(mine))
    for given in (None, noise_picture(1)):
        with pytest.raises(PictureError, match="hash"):
            prepare(e, large, given)


def test_the_key_of_a_result_is_its_experiment_with_the_weights_device_and_dtype(faces_model):
    ready = prepare(RoundTrip(), faces_model)
    assert ready.experiment == RoundTrip(revision=faces_model.revision)
    assert ready.key == (ready.experiment, faces_model.device, faces_model.dtype)
    assert ready.calls() == 16 * 20
