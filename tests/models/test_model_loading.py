"""Loads that threads share, the cache of models, and networks that are loaded when needed."""

import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from doubles import save_pipeline
from safetensors.torch import load_file, save_file

from diffdemo.errors import ModelError
from diffdemo.models import (
    BUNDLED,
    Loading,
    default_device,
    load_model,
    load_steps,
    loading,
    pipelines,
)
from diffdemo.models.network import LazyNetwork


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch):
    monkeypatch.setattr(loading, "_cache", type(loading._cache)())


def test_the_cache_is_bounded_by_count_and_by_bytes(monkeypatch, tmp_path):
    names = [str(save_pipeline(tmp_path / str(i), seed=i)) for i in range(3)]
    monkeypatch.setattr(loading, "CACHED_MODELS", 2)
    first = load_model(names[0], "cpu")
    second = load_model(names[1], "cpu")
    assert second.revision != first.revision
    assert load_model(names[0], "cpu") is first
    load_model(names[2], "cpu")  # drops the second, the least recently used
    assert len(loading._cache) == 2
    assert load_model(names[0], "cpu") is first
    assert load_model(names[1], "cpu") is not second
    monkeypatch.setattr(loading, "CACHED_BYTES", first.size + 1)
    newest = load_model(names[2], "cpu", "float64")
    assert list(loading._cache.values()) == [newest]
    assert newest.size == 2 * (first.size - first.network.prepared)


def test_a_model_that_many_threads_want_is_read_once(monkeypatch, folders):
    reads = []
    gate = threading.Event()

    def wait_and_read(*args):
        reads.append(args)
        gate.wait(10)
        return pipelines.read(*args)

    monkeypatch.setattr(loading, "read", wait_and_read)
    monkeypatch.setattr(loading, "POLL", 0.01)
    name = str(folders["epsilon"])
    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load_model, name, "cpu") for _ in range(4)]
        watching = load_steps(name, "cpu")
        assert next(watching) == Loading("waiting", 0, 0)
        watching.close()  # does not stop the load
        gate.set()
    assert len(reads) == 1
    assert len({id(load.result()) for load in loads}) == 1
    assert not loading._jobs


def test_a_load_that_failed_is_tried_again(folders, tmp_path):
    folder = shutil.copytree(folders["epsilon"], tmp_path / "model")
    index = folder / "model_index.json"
    content = index.read_text()
    index.write_text("{")
    with pytest.raises(ModelError):
        load_model(str(folder), "cpu")
    index.write_text(content)
    assert load_model(str(folder), "cpu").kind == "pixel"


def test_weights_that_lack_a_tensor_are_refused(folders, tmp_path):
    folder = shutil.copytree(folders["epsilon"], tmp_path / "model")
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    del weights["conv_in.weight"]
    save_file(weights, file)
    with pytest.raises(ModelError, match="lack 1 of its tensors"):
        load_model(str(folder), "cpu")


def test_the_default_device_exists():
    assert torch.empty(1, device=default_device()).device.type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_is_ready_before_diffusers_is_imported(name):
    """Its configuration gives the same model as reading all of it; in a process of its own."""
    code = f"""
import sys, torch
from diffdemo.models import WEIGHTS, load_model
model = load_model("{name}", "cpu")
assert "diffusers" not in sys.modules
from diffdemo.models.pipelines import Folder, read
folder = Folder("{name}", WEIGHTS / "{name}")
whole = read(folder, model.device, model.dtype, lambda *_: None)
assert torch.equal(whole.schedule.alpha_bar, model.schedule.alpha_bar)
for part in ("shape", "prediction_type", "clip", "revision"):
    assert getattr(whole, part) == getattr(model, part), part
assert 0 < model.size < whole.size
x = torch.randn(2, *model.shape)
assert torch.equal(whole.predict_noise(x, 500), model.predict_noise(x, 500))
assert whole.size == model.size
"""
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr


def test_a_lazy_network_is_loaded_once_by_many_threads():
    loads = []

    def load():
        time.sleep(0.05)
        loads.append(1)
        return lambda x, timestep, return_dict: (x + timestep,)

    network = LazyNetwork(load, 5)
    assert not network.loaded
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(network, range(8), [1] * 8)) == [(x + 1,) for x in range(8)]
    assert network.loaded
    assert loads == [1]
