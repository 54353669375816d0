"""Fixtures that several rooms' tests share."""

from pathlib import Path

import pytest
from diffusers import DDIMPipeline, DDIMScheduler
from doubles import KINDS, save_pipeline, tiny_unet

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
