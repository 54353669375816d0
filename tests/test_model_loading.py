"""Models by name: the table, the Hub (which cannot be reached from the tests), the cache, and what a run costs."""

import errno
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

import huggingface_hub
import pytest
import torch
from doubles import save_pipeline
from huggingface_hub import errors

from diffdemo import lab, models
from diffdemo.__main__ import main
from diffdemo.errors import ExperimentError, ModelError
from diffdemo.experiment import RoundTrip, experiment_from_query
from diffdemo.models import BUNDLED, TABLE, Loading, Model, costs, find, load_model, load_steps, loading, pipelines
from diffdemo.models.deferred import Deferred

http = import_module(errors.HTTPError.__module__.partition(".")[0])  # what this version of the Hub's client is built on
HUB = tuple(entry for entry in TABLE if entry.hub)


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch):
    monkeypatch.setattr(loading, "_cache", type(loading._cache)())


def answer(status):
    return http.Response(status, request=http.Request("GET", "https://huggingface.co/api"))


def fail(error):
    def function(*_, **__):
        raise error

    return function


def hub_of(folder, asked):
    """Stands for `snapshot_download`: a folder that is there already, and bars as the real one moves them."""

    def download(repo, *, revision, allow_patterns, tqdm_class):
        asked.append((repo, revision, allow_patterns))
        with tqdm_class(total=0, unit="B", unit_scale=True, desc="bytes") as bytes_bar, tqdm_class(total=2, desc="files") as files_bar:
            bytes_bar.total = 1000
            bytes_bar.update(400)
            files_bar.update(2)
            bytes_bar.update(600)
        return str(folder)

    return download


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_every_entry_of_the_table_can_be_named_and_read(entry):
    experiment = RoundTrip(model=entry.name)
    assert experiment_from_query(experiment.to_query()) == experiment
    assert find(entry.name) is entry
    assert entry.kind in ("pixel", "latent", "text")
    assert entry.hub == ("" if entry.name in BUNDLED else entry.name)
    assert entry.gmacs > 0
    assert entry.picture[0] >= 16
    assert entry.licence
    assert entry.card.endswith(".")
    assert entry.card.count(". ") <= 2
    assert entry.verified == (not entry.hub)


def test_bundled_entries_say_what_is_so():
    for name in BUNDLED:
        model, entry = load_model(name, "cpu"), find(name)
        assert (model.kind, model.picture_shape[:0:-1]) == (entry.kind, entry.picture)
        assert models.gmacs(model) == pytest.approx(entry.gmacs, rel=0.01)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (errors.GatedRepoError("gated", response=answer(403)), "accept its terms"),
        (errors.RepositoryNotFoundError("no", response=answer(404)), "There is no model"),
        (errors.RevisionNotFoundError("no", response=answer(404)), "no revision main"),
        (errors.HfHubHTTPError("down", response=answer(503)), "error 503"),
        (errors.LocalEntryNotFoundError("offline"), "cannot be reached"),
        (errors.OfflineModeIsEnabled("offline"), "cannot be reached"),
        (errors.XetDownloadError("broken off"), "cannot be reached"),
        (http.ConnectError("no route"), "cannot be reached"),
        (errors.HFValidationError("bad"), "owner/name"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full: google/ddpm-cat-256 needs about 455 MB"),
        (PermissionError(errno.EACCES, "denied"), "not writable"),
    ],
)
def test_what_goes_wrong_with_the_hub_gets_one_sentence(monkeypatch, error, says):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail(error))
    with pytest.raises(ModelError, match=says) as caught:
        load_model("google/ddpm-cat-256", "cpu")
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_without_a_network_the_sentence_is_the_same(monkeypatch, tmp_path):
    """For once the real client: nothing listens where the Hub should be."""
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="cannot be reached"):
        load_model("google/ddpm-cat-256", "cpu")
    with pytest.raises(ModelError, match="cannot be reached"):
        list(models.pin_lines())


def test_a_model_of_the_hub_is_downloaded_observably(monkeypatch, folders):
    asked = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub_of(folders["epsilon"], asked))
    monkeypatch.setattr(loading, "POLL", 0.01)
    told = []
    monkeypatch.setattr(loading._Job, "tell", lambda job, *state: told.append(state))
    *steps, model = load_steps("somebody/a-model", "cpu")
    assert isinstance(model, Model)
    assert model.name == "somebody/a-model"
    assert model.revision == load_model(str(folders["epsilon"]), "cpu").revision
    assert all(isinstance(step, Loading) for step in steps)
    assert ("downloading somebody/a-model", 1000, 1000) in told
    assert ("downloading somebody/a-model", 400, 1000) in told
    assert [what for what, done, total in told if done == total][-1] == "checking the weights"
    assert asked[0][:2] == ("somebody/a-model", "main")
    load_model("CompVis/ldm-celebahq-256", "cpu")
    assert asked[1][:2] == ("CompVis/ldm-celebahq-256", find("CompVis/ldm-celebahq-256").revision)


def test_only_what_is_read_is_downloaded(class_folders):
    for name, folder in class_folders.items():
        files = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
        assert all(any(fnmatch(file, pattern) for pattern in pipelines.FILES) for file in files), name
    for other in ("v1-5-pruned.safetensors", "unet/diffusion_pytorch_model.bin", "safety_checker/model.safetensors", "run.py",
                  "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors"):  # fmt: skip
        assert not any(fnmatch(other, pattern) for pattern in pipelines.FILES), other


def test_a_link_can_name_the_table_but_no_folder_and_no_other_model_of_the_hub(monkeypatch, folders, tmp_path):
    asked = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub_of(folders["epsilon"], asked))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folders["epsilon"], tmp_path / "google" / "ddpm-cat-256")
    shutil.copytree(folders["epsilon"], tmp_path / "secret")
    for name in ("secret", "google/other", "somebody/a-model"):
        with pytest.raises(ModelError, match=r"There is no model .* here"):
            lab.resolve(RoundTrip(model=name), None)
    assert not asked
    assert lab.resolve(RoundTrip(model="google/ddpm-cat-256"), None).name == "google/ddpm-cat-256"
    assert len(asked) == 1
    assert load_model("./google/ddpm-cat-256", "cpu").name == "ddpm-cat-256"
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["a/b/c", "/etc", "../x", "a/../b", "a/", "/a", "a//b", "a/.b"])
def test_a_model_has_at_most_one_slash(name):
    with pytest.raises(ExperimentError):
        RoundTrip(model=name)


def test_prompt_and_guidance_stand_in_a_link_only_where_something_is_asked():
    assert RoundTrip(prompt="", guidance=1).to_query() == RoundTrip().to_query()
    asked = RoundTrip(prompt="a cat, 50 % & more: ü猫?", guidance=7.5)
    assert asked.to_query().endswith("&guidance=7.5")
    assert experiment_from_query(asked.to_query()) == asked
    assert experiment_from_query("v=1&guidance=1") == RoundTrip()
    for bad in ({"prompt": "x" * 301}, {"prompt": "a\nb"}, {"prompt": "\u2028"}, {"prompt": "\ud800"}, {"prompt": None}, {"guidance": 0.9},
                {"guidance": 21}, {"guidance": float("nan")}, {"guidance": "much"}):  # fmt: skip
        with pytest.raises(ExperimentError) as caught:
            RoundTrip(**bad)
        assert len(str(caught.value)) < 250
    pictures = ",".join(["png:" + "A" * 700] * 8)
    from diffdemo.experiment import Belief

    with pytest.raises(ExperimentError, match="shorten the prompt"):
        Belief(prompt="猫" * 300, line_up=pictures)


def test_the_cache_is_bounded_by_count_and_by_bytes(monkeypatch, tmp_path):
    names = [str(save_pipeline(tmp_path / str(i), seed=i)) for i in range(3)]
    monkeypatch.setattr(loading, "KEPT", 2)
    first, second = (load_model(name, "cpu") for name in names[:2])
    assert load_model(names[0], "cpu") is first
    load_model(names[2], "cpu")  # the second was used the longest ago
    assert load_model(names[0], "cpu") is first
    assert load_model(names[1], "cpu") is not second
    monkeypatch.setattr(loading, "KEPT_BYTES", first.size + 1)
    newest = load_model(names[2], "cpu", "float64")
    assert list(loading._cache.values()) == [newest]
    assert newest.size == 2 * (first.size - first.network.prepared)


def test_a_model_is_read_once_however_many_ask(monkeypatch, folders):
    reads, gate, read = [], threading.Event(), pipelines.read

    def slow(*args):
        reads.append(args)
        gate.wait(10)
        return read(*args)

    monkeypatch.setattr(loading, "read", slow)
    monkeypatch.setattr(loading, "POLL", 0.01)
    name, found = str(folders["epsilon"]), []
    threads = [threading.Thread(target=lambda: found.append(load_model(name, "cpu"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    watching = load_steps(name, "cpu")
    assert next(watching) == Loading("waiting", 0, 0)
    watching.close()  # whoever stops watching stops nothing
    gate.set()
    for thread in threads:
        thread.join()
    assert len(reads) == 1
    assert len({id(model) for model in found}) == 1
    assert not loading._jobs


def test_a_load_that_failed_is_tried_again(folders, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(folders["epsilon"], folder)
    index = (folder / "model_index.json").read_text()
    (folder / "model_index.json").write_text("{")
    with pytest.raises(ModelError):
        load_model(str(folder), "cpu")
    (folder / "model_index.json").write_text(index)
    assert load_model(str(folder), "cpu").kind == "pixel"


def test_weights_that_lack_a_tensor_are_refused(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(folders["epsilon"], folder)
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    del weights["conv_in.weight"]
    save_file(weights, file)
    with pytest.raises(ModelError, match="lack 1 of its tensors"):
        load_model(str(folder), "cpu")


def test_multiply_adds_are_counted_for_every_class(class_folders):
    for folder in class_folders.values():
        model = load_model(str(folder), "cpu")
        assert 0 < models.gmacs(model) < 0.1
        assert models.gmacs(model) == models.gmacs(model.conditioned())
    unet = load_model(str(class_folders["pixel"]), "cpu").unet
    first = unet.conv_in.weight.numel() * 64 / 1e9  # a convolution does every weight once for every pixel
    assert models.gmacs(load_model(str(class_folders["pixel"]), "cpu")) > first


def test_counting_does_not_touch_a_network_that_is_at_work(class_folders, monkeypatch):
    """The network is asked in the middle of the count."""
    from torch.utils.flop_counter import FlopCounterMode

    model = load_model(str(class_folders["pixel"]), "cpu")
    x, asked = torch.zeros(1, *model.shape), []
    wanted = model.predict_noise(x, 5)
    costs._counted.clear()
    count = FlopCounterMode._count_flops

    def meanwhile(*arguments):
        asker = threading.Thread(target=lambda: asked.append(model.predict_noise(x, 5)))
        asker.start()
        asker.join()
        return count(*arguments)

    monkeypatch.setattr(FlopCounterMode, "_count_flops", meanwhile)
    models.gmacs(model)
    assert len(asked) > 5
    assert all(torch.equal(found, wanted) for found in asked)


def test_times_are_proportional(monkeypatch, class_folders):
    monkeypatch.setattr(costs, "machine_rate", lambda device="": 50.0)
    entry, model = find("google/ddpm-cifar10-32"), load_model(str(class_folders["pixel"]), "cpu")
    assert models.estimate_seconds(entry, 16, 20) == pytest.approx(16 * 20 * 6.2 / 50)
    assert models.estimate_seconds(entry, 16, 20, guidance=3) == pytest.approx(2 * 16 * 20 * 6.2 / 50)
    assert models.estimate_seconds(model, 2, 3) == pytest.approx(6 * models.gmacs(model) / 50)
    if "text" in class_folders:
        text = load_model(str(class_folders["text"]), "cpu")
        assert models.estimate_seconds(text.conditioned("a", 2), 2, 3) == pytest.approx(2 * models.estimate_seconds(text, 2, 3))


def test_the_machine_is_measured_once(monkeypatch):
    monkeypatch.setattr(costs, "SECONDS", 0.01)
    costs.machine_rate.cache_clear()
    rate = models.machine_rate("cpu")
    assert 0.1 < rate < 1e6
    assert models.machine_rate("cpu") == rate
    costs.machine_rate.cache_clear()


def test_the_command_prints_the_table_and_pins_it(monkeypatch, capsys):
    monkeypatch.setattr(costs, "machine_rate", lambda device="": 50.0)
    assert main(["models"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 + len(TABLE)
    assert "| google/ddpm-cat-256 | pixel | 256 x 256 | 455 MB | Apache 2.0 | main, not verified | 27 minutes |" in said
    asked = []
    info = type("Info", (), {"sha": "0" * 40})
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda self, repo, revision: asked.append((repo, revision)) or info)
    assert main(["models", "--pin"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{entry.name}: {'0' * 40}" for entry in HUB]
    assert asked == [(entry.hub, entry.revision) for entry in HUB]


def test_models_of_the_table_are_not_folders_of_this_package():
    assert {path.name for path in Path(models.WEIGHTS).iterdir() if path.is_dir()} == set(BUNDLED)
    assert torch.device(models.default_device()).type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_is_known_before_its_network_is_read(name):
    """In a process of its own, where nothing was imported before."""
    asked = f"""
import sys, torch
from diffdemo.models import load_model
model = load_model("{name}", "cpu")
assert "diffusers" not in sys.modules
from diffdemo.models.pipelines import Source, read
from diffdemo.models.loading import WEIGHTS
whole = read(Source("{name}", WEIGHTS / "{name}"), model.device, model.dtype, lambda *_: None)
assert torch.equal(whole.schedule.alpha_bar, model.schedule.alpha_bar)
for part in ("shape", "prediction_type", "clip", "revision"):
    assert getattr(whole, part) == getattr(model, part), part
assert 0 < model.size < whole.size
x = torch.randn(2, *model.shape)
assert torch.equal(whole.predict_noise(x, 500), model.predict_noise(x, 500))
assert whole.size == model.size
"""
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0, done.stderr


def test_a_deferred_network_is_read_once_however_many_ask():
    read = []

    def slow():
        time.sleep(0.05)
        read.append(1)
        return lambda x: x + 1

    network = Deferred(slow, 5)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(network, range(8))) == list(range(1, 9))
    assert read == [1]
