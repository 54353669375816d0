"""The table of models, and the Hugging Face Hub, which the tests cannot reach."""

import errno
import shutil
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors

from diffdemo.errors import ExperimentError, ModelError
from diffdemo.experiments import RoundTrip
from diffdemo.lab.experiment import experiment_from_query
from diffdemo.lab.prepare import resolve
from diffdemo.models import (
    BUNDLED,
    TABLE,
    WEIGHTS,
    Loading,
    Model,
    find,
    gmacs,
    hub,
    load_model,
    load_steps,
    loading,
)
from diffdemo.models.folder import FILES

# httpx or requests, whichever this version of the Hub's client uses
http = import_module(errors.HTTPError.__module__.partition(".")[0])
CAT = "google/ddpm-cat-256"


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch):
    monkeypatch.setattr(loading, "_cache", type(loading._cache)())
    monkeypatch.setattr(loading, "POLL", 0.01)


@pytest.fixture
def downloads(monkeypatch, folders):
    """Replace `snapshot_download`: it returns a folder and moves its bars as the real one does.

    Records the repository, the revision and the patterns of each call.
    """
    calls = []

    def download(repo, *, revision, allow_patterns, tqdm_class):
        calls.append((repo, revision, allow_patterns))
        with (
            tqdm_class(total=0, unit="B", unit_scale=True, desc="bytes") as bytes_bar,
            tqdm_class(total=2, desc="files") as files_bar,
        ):
            bytes_bar.total = 1000
            bytes_bar.update(400)
            files_bar.update(2)
            bytes_bar.update(600)
        return str(folders["epsilon"])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return calls


def response(status):
    return http.Response(status, request=http.Request("GET", "https://huggingface.co/api"))


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_every_entry_of_the_table_can_be_named_and_read(entry):
    experiment = RoundTrip(model=entry.name)
    assert experiment_from_query(experiment.to_query()) == experiment
    assert find(entry.name) is entry
    assert entry.kind in ("pixel", "latent", "text")
    assert entry.bundled == (entry.name in BUNDLED) == entry.verified
    assert entry.gmacs > 0
    assert entry.picture[0] >= 16
    assert entry.licence
    assert entry.description.endswith(".")
    assert entry.description.count(". ") <= 2


@pytest.mark.parametrize("name", BUNDLED)
def test_the_entry_of_a_bundled_model_is_right(name):
    model = load_model(name, "cpu")
    entry = find(name)
    assert model.kind == entry.kind
    assert model.picture_shape[:0:-1] == entry.picture
    assert gmacs(model) == pytest.approx(entry.gmacs, rel=0.01)


def test_the_bundled_models_are_the_folders_of_weights():
    assert {path.name for path in Path(WEIGHTS).iterdir() if path.is_dir()} == set(BUNDLED)


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (errors.GatedRepoError("gated", response=response(403)), "accept its terms"),
        (errors.RepositoryNotFoundError("no", response=response(404)), "There is no model"),
        (errors.RevisionNotFoundError("no", response=response(404)), "no revision main"),
        (errors.HfHubHTTPError("down", response=response(503)), "error 503"),
        (errors.LocalEntryNotFoundError("offline"), "cannot be reached"),
        (errors.OfflineModeIsEnabled("offline"), "cannot be reached"),
        (errors.XetDownloadError("broken off"), "cannot be reached"),
        (http.ConnectError("no route"), "cannot be reached"),
        (errors.HFValidationError("bad"), "owner/name"),
        (OSError(errno.ENOSPC, "No space"), f"disk is full: {CAT} needs about 455 MB"),
        (PermissionError(errno.EACCES, "denied"), "not writable"),
    ],
)
def test_an_error_of_the_hub_gets_one_sentence(monkeypatch, error, problem):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(ModelError, match=problem) as caught:
        load_model(CAT, "cpu")
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_the_real_client_without_a_network_gets_the_same_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="cannot be reached"):
        load_model(CAT, "cpu")
    with pytest.raises(ModelError, match="cannot be reached"):
        hub.commit(CAT, "main")


def test_a_download_reports_its_progress(monkeypatch, downloads, folders):
    states = []
    monkeypatch.setattr(loading._Job, "on_progress", lambda job, *state: states.append(state))
    name = "somebody/a-model"
    *steps, model = load_steps(name, "cpu")
    assert isinstance(model, Model)
    assert model.name == name
    assert model.revision == load_model(str(folders["epsilon"]), "cpu").revision
    assert all(isinstance(step, Loading) for step in steps)
    assert (f"downloading {name}", 400, 1000) in states
    assert (f"downloading {name}", 1000, 1000) in states
    assert [what for what, done, total in states if done == total][-1] == "checking the weights"


def test_the_revision_of_the_table_is_downloaded_or_main(downloads):
    names = ("somebody/a-model", "CompVis/ldm-celebahq-256")
    for name in names:
        load_model(name, "cpu")
    revisions = ("main", find(names[1]).revision)
    assert [call[:2] for call in downloads] == list(zip(names, revisions, strict=True))


def test_only_what_is_read_is_downloaded(class_folders):
    def is_downloaded(file):
        return any(fnmatch(file, pattern) for pattern in FILES)

    for folder in class_folders.values():
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert all(is_downloaded(path.relative_to(folder).as_posix()) for path in files)
    for other in (
        "run.py",
        "safety_checker/model.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "v1-5-pruned.safetensors",
    ):
        assert not is_downloaded(other), other


def test_an_experiment_names_models_of_the_table_but_no_folder(
    monkeypatch, folders, tmp_path, downloads
):
    monkeypatch.chdir(tmp_path)
    for folder in (CAT, "secret"):
        shutil.copytree(folders["epsilon"], tmp_path / folder)
    for name in ("secret", "google/other", "somebody/a-model"):
        with pytest.raises(ModelError, match=r"There is no model .* here"):
            resolve(RoundTrip(model=name), None)
    assert not downloads
    assert resolve(RoundTrip(model=CAT), None).name == CAT
    assert len(downloads) == 1
    assert load_model(f"./{CAT}", "cpu").name == "ddpm-cat-256"
    assert len(downloads) == 1


@pytest.mark.parametrize("name", ["a/b/c", "/etc", "../x", "a/../b", "a/", "/a", "a//b", "a/.b"])
def test_the_name_of_a_model_has_at_most_one_slash(name):
    with pytest.raises(ExperimentError):
        RoundTrip(model=name)


def test_prompt_and_guidance_are_in_a_link_only_if_they_are_used():
    assert RoundTrip(prompt="", guidance=1).to_query() == RoundTrip().to_query()
    prompted = RoundTrip(prompt="a cat, 50 % & more: ü猫?", guidance=7.5)
    assert prompted.to_query().endswith("&guidance=7.5")
    assert experiment_from_query(prompted.to_query()) == prompted
    assert experiment_from_query("v=1&guidance=1") == RoundTrip()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("prompt", text) for text in ("x" * 301, "a\nb", "\u2028", "\ud800", None)),
        *(("guidance", value) for value in (0.9, 21, float("nan"), "much")),
    ],
)
def test_an_impossible_prompt_or_guidance_gets_one_sentence(name, value):
    with pytest.raises(ExperimentError) as caught:
        RoundTrip(**{name: value})
    assert len(str(caught.value)) < 250
