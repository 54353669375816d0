"""Fixtures that several rooms' tests share."""

from importlib.util import find_spec
from pathlib import Path

import pages
import pytest
from diffusers import DDIMPipeline, DDIMScheduler
from doubles import KINDS, save_latent, save_pipeline, save_root_layout, tiny_stable_diffusion, tiny_unet

from diffdemo.models import load_model


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    made = {kind: save_pipeline(root / kind, kind) for kind in KINDS}
    made["clipped"] = save_pipeline(root / "clipped", clip=True)
    made["grey"] = save_pipeline(root / "grey", channels=1)
    DDIMPipeline(unet=tiny_unet(3), scheduler=DDIMScheduler(clip_sample=False)).save_pretrained(root / "ddim")
    made["ddim"] = root / "ddim"
    return made


@pytest.fixture(params=KINDS)
def tiny(request, folders):
    return load_model(str(folders[request.param]), device="cpu")


@pytest.fixture
def tiny_eps(folders):
    return load_model(str(folders["epsilon"]), device="cpu")


@pytest.fixture(scope="session")
def faces_model():
    return load_model("faces", device="cpu")


@pytest.fixture(scope="session")
def class_folders(tmp_path_factory) -> dict[str, Path]:
    """One tiny pipeline of each class that can be loaded; that of prompts only where transformers is installed."""
    root = tmp_path_factory.mktemp("classes")
    made = {"pixel": save_pipeline(root / "pixel"), "root": save_root_layout(root / "root")}
    made |= {"vq": save_latent(root / "vq", "vq"), "kl": save_latent(root / "kl", "kl", T=200)}
    if find_spec("transformers"):
        tiny_stable_diffusion(root / "tokenizer").save_pretrained(root / "text")
        made["text"] = root / "text"
    return made


@pytest.fixture(scope="session")
def runs(folders):
    """kind → a small experiment and its model; the tiny one where no line-up is needed."""
    from diffdemo import lab
    from diffdemo.experiment import Belief, Branch, Collision, Curve, Embedding, RoundTrip

    tiny, faces = load_model(str(folders["epsilon"]), device="cpu"), load_model("faces", device="cpu")
    found = {
        "round-trip": (RoundTrip(n=300, seeds=(0, 3), steps=3), faces),
        "curve": (Curve(levels=(0, 300, 1000), seeds=(0, 1), steps=2), faces),
        "embed": (Embedding(tiny.name, n=60, seeds=(1, 2), steps=3, other="face:4"), tiny),
        "collide": (Collision(tiny.name, n=60, steps=2), tiny),
        "belief": (Belief(n=400), faces),
        "branch": (Branch(tiny.name, points=3, futures=2, steps=4), tiny),
    }
    return {kind: (lab.run(e, model), model) for kind, (e, model) in found.items()}


@pytest.fixture(scope="session")
def built():
    """The page as Gradio sees it, and the Page in it."""
    return pages.build()


@pytest.fixture(scope="session")
def address(built):
    """Where that page is served, from this process."""
    with pages.launched(built[0]) as url:
        yield url
