"""Small recipes, so that a step takes milliseconds."""

from dataclasses import replace

import numpy as np
import pytest

from diffdemo.training import models, readers

TINY = {
    "sample_size": 16,
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D"),
    "norm_num_groups": 4,
}


@pytest.fixture
def model_recipe():
    return replace(models.FACES, network=TINY, size=16, warm_up=5)


@pytest.fixture
def reader_recipe():
    return replace(readers.FACES, size=32, warm_up=5)


@pytest.fixture(params=["model_recipe", "reader_recipe"])
def recipe(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def mnist(tmp_path):
    """A folder of 20 training digits; each is of one grey level, and its class is its index."""
    count = 20
    pixels = np.arange(count, dtype=np.uint8).repeat(784)
    sizes = b"".join(size.to_bytes(4, "big") for size in (count, 28, 28))
    images = b"\0\0\x08\x03" + sizes + pixels.tobytes()
    labels = b"\0\0\x08\x01" + sizes[:4] + bytes(range(count))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(images)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels)
    return tmp_path
