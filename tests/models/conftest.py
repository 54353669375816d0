"""A model of every class: of pixels, of latents, and of latents with a prompt."""

import pytest

from diffdemo.models import load_model

CLASSES = ("faces", "pixel", "root", "vq", "kl", "text")


@pytest.fixture
def load_class(class_folders):
    """Load a model by the name of its class."""

    def load(name):
        if name == "text":
            pytest.importorskip("transformers")
        return load_model(str(class_folders.get(name, name)), "cpu")

    return load


@pytest.fixture(params=CLASSES)
def model(request, load_class):
    return load_class(request.param)


@pytest.fixture
def text(load_class):
    return load_class("text")
