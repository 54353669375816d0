"""Fixtures that several rooms' tests share."""

from importlib.util import find_spec
from pathlib import Path

import chromium
import gradio as gr
import pages
import pytest
from diffusers import DDIMPipeline, DDIMScheduler
from doubles import (
    PREDICTIONS,
    save_latent,
    save_pipeline,
    save_root_layout,
    tiny_stable_diffusion,
    tiny_unet,
)

from diffdemo import lab
from diffdemo.experiments import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.lab.experiment import KINDS
from diffdemo.lab.runner import Runner
from diffdemo.models import load_model
from diffdemo.widgets.available import Models
from diffdemo.widgets.second_picture import SecondPicture


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    saved = {kind: save_pipeline(root / kind, kind) for kind in PREDICTIONS}
    saved["clipped"] = save_pipeline(root / "clipped", clip=True)
    saved["grey"] = save_pipeline(root / "grey", channels=1)
    saved["large"] = save_pipeline(root / "large", size=32)
    saved["short"] = save_pipeline(root / "short", T=100)
    saved["ddim"] = root / "ddim"
    scheduler = DDIMScheduler(clip_sample=False)
    DDIMPipeline(unet=tiny_unet(3), scheduler=scheduler).save_pretrained(saved["ddim"])
    return saved


@pytest.fixture(params=PREDICTIONS)
def tiny(request, folders):
    return load_model(str(folders[request.param]), device="cpu")


@pytest.fixture
def tiny_eps(folders):
    return load_model(str(folders["epsilon"]), device="cpu")


@pytest.fixture
def large(folders):
    """A model of 32 x 32 pixels: its pictures are too large for a link."""
    return load_model(str(folders["large"]), device="cpu")


@pytest.fixture
def short(folders):
    """A model of 100 noise steps."""
    return load_model(str(folders["short"]), device="cpu")


@pytest.fixture(scope="session")
def faces_model():
    return load_model("faces", device="cpu")


@pytest.fixture(scope="session")
def class_folders(tmp_path_factory) -> dict[str, Path]:
    """A tiny pipeline of each class; the one that takes prompts needs transformers."""
    root = tmp_path_factory.mktemp("classes")
    saved = {"pixel": save_pipeline(root / "pixel"), "root": save_root_layout(root / "root")}
    saved |= {"vq": save_latent(root / "vq", "vq"), "kl": save_latent(root / "kl", "kl", T=200)}
    if find_spec("transformers"):
        saved["text"] = root / "text"
        tiny_stable_diffusion(root / "tokenizer").save_pretrained(saved["text"])
    return saved


@pytest.fixture(scope="session")
def runs(folders):
    """kind → a small result and its model: a tiny model where no line-up is needed.

    A kind that is not listed here runs as it is set by default.
    """
    faces = load_model("faces", device="cpu")
    tiny = load_model(str(folders["epsilon"]), device="cpu")
    small = [
        (RoundTrip(n=300, seeds=(0, 3), steps=3), faces),
        (Curve(levels=(0, 300, 1000), seeds=(0, 1), steps=2), faces),
        (Embedding(tiny.name, n=60, seeds=(1, 2), steps=3, other="face:4"), tiny),
        (Collision(tiny.name, n=60, steps=2), tiny),
        (Belief(n=400), faces),
        (Branch(tiny.name, points=3, futures=2, steps=4), tiny),
    ]
    listed = {e.kind for e, _ in small}
    small += [(kind(), faces) for kind in KINDS.values() if kind.kind not in listed]
    return {e.kind: (lab.run(e, model), model) for e, model in small}


@pytest.fixture(scope="module")
def models(faces_model):
    """The models of a page that was started with the faces."""
    return Models(faces_model, "cpu")


@pytest.fixture
def tab_of(models):
    """Make the tab of a kind of experiments, in a page of its own."""

    def make(kind, runner=None):
        with gr.Blocks():
            tab = kind.part("tab").Tab(runner or Runner(), SecondPicture(models))
            tab.layout()
        tab.pause = 0
        return tab

    return make


@pytest.fixture(scope="session")
def exhibit():
    """The page, built in this process."""
    return pages.build()


@pytest.fixture(scope="session")
def address(exhibit):
    """The address of that page, served from this process."""
    with pages.served(exhibit) as url:
        yield url


@pytest.fixture(scope="session")
def browser():
    yield from chromium.start()
