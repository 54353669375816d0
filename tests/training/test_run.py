"""Whole runs: begun, stopped, resumed, refused."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from diffdemo.errors import DiffdemoError
from diffdemo.models import load_model
from diffdemo.training import checkpoints, models, run
from diffdemo.training.recipe import Options
from diffdemo.training.run import train

CPU = Options(device="cpu")


@pytest.fixture
def save_every_step(monkeypatch):
    monkeypatch.setattr(run, "SAVE_SECONDS", -1)


@pytest.fixture
def begin(tmp_path, save_every_step):
    """Run a few steps of a training, and return its state: begin(recipe, steps, state, options)."""

    def begin(recipe, count, state=tmp_path / "state.pt", options=CPU):
        list(islice(train(recipe, math.inf, tmp_path / "out", state, options), count))
        return torch.load(state, weights_only=True)

    return begin


def test_a_stopped_run_goes_on_where_it_was(recipe, begin, tmp_path):
    """Everything but the time is the same, bit for bit, after 3 + 3 steps and after 6."""
    whole = begin(recipe, 6, tmp_path / "whole.pt")
    begin(recipe, 3)
    resumed = begin(recipe, 3)
    assert resumed.pop("origin") == whole.pop("origin")
    assert resumed.pop("seconds") != whole.pop("seconds")
    assert resumed["step"] == 6
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)


def test_resuming_needs_the_same_recipe_seed_and_start(model_recipe, begin, tmp_path):
    begin(model_recipe, 1)
    network = model_recipe.build(None)
    model_recipe.save(network, tmp_path / "model")
    start = replace(CPU, start=tmp_path / "model", seed=1)
    with pytest.raises(DiffdemoError, match="another seed:"):
        begin(model_recipe, 1, options=replace(CPU, seed=1))
    with pytest.raises(DiffdemoError, match="another seed and start:"):
        begin(model_recipe, 1, options=start)
    with pytest.raises(DiffdemoError, match="another recipe:"):
        begin(replace(model_recipe, size=8), 1)
    assert begin(model_recipe, 1)["step"] == 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no state", None])
def test_a_file_that_is_no_state_is_refused_and_left_alone(model_recipe, content, tmp_path):
    path = tmp_path / "state.pt"
    path.write_bytes(content or b"")
    if content is None:
        torch.save({"step": 3}, path)
    before = path.read_bytes()
    with pytest.raises(DiffdemoError, match="another --state"):
        train(model_recipe, 1, tmp_path / "out", path, CPU)
    assert path.read_bytes() == before


def test_a_kill_while_the_state_is_written_loses_nothing(model_recipe, begin, monkeypatch):
    begin(model_recipe, 2)

    def killed(state, file):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.torch, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            begin(model_recipe, 1)
    assert begin(model_recipe, 1)["step"] == 3


def test_a_finished_run_saves_a_result_and_a_state_that_more_time_resumes(model_recipe, tmp_path):
    state = tmp_path / "state" / "faces.pt"
    out = tmp_path / "faces"
    reports = list(train(model_recipe, 0.02, out, state, CPU))
    assert reports[-1].share >= 1
    model = load_model(str(out), device="cpu")
    assert model.prediction_type == "v_prediction"
    assert model.clip is None
    logged = json.loads(state.with_suffix(".jsonl").read_text().splitlines()[-1])
    assert logged["step"] == reports[-1].step
    assert {f.suffix for f in out.rglob("*") if f.is_file()} == {".json", ".safetensors"}
    again = train(model_recipe, 0.04, out, state, CPU)
    assert next(again).step == reports[-1].step + 1


@pytest.mark.parametrize("name", [*run.RECIPES])
@pytest.mark.parametrize("minutes", [0, -1, math.nan])
def test_a_time_that_is_not_positive_is_refused(name, minutes, tmp_path):
    with pytest.raises(DiffdemoError, match="above 0"):
        train(run.find(name), minutes, tmp_path / "out", tmp_path / "s.pt", CPU)


@pytest.mark.parametrize("name", ["cats", "reader-cats", ""])
def test_a_recipe_that_is_unknown_is_refused(name):
    with pytest.raises(DiffdemoError, match="no recipe"):
        run.find(name)


@pytest.mark.parametrize("name", ["digits", "reader-digits"])
def test_missing_data_are_refused_before_the_first_step(name, tmp_path):
    options = replace(CPU, data=tmp_path)
    with pytest.raises(DiffdemoError, match="MNIST is not in"):
        train(run.find(name), 1, tmp_path / "out", tmp_path / "s.pt", options)


def test_a_place_where_the_result_cannot_go_is_refused_before_the_first_step(tmp_path):
    file = tmp_path / "file"
    file.touch()
    for name, out, message in (("reader-faces", tmp_path, "a folder"), ("faces", file, "a file")):
        with pytest.raises(DiffdemoError, match=f"is {message}"):
            train(run.find(name), 1, out, tmp_path / "s.pt", CPU)


@pytest.mark.slow
def test_two_processes_train_together(tmp_path):
    """torchrun starts two, as accelerate launch does on two devices; with --cpu it starts one."""
    out = tmp_path / "faces"
    state = tmp_path / "s.pt"
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    options = ["--minutes", "0.1", "--state", state, "--out", out, "--priority"]
    command = [*launch, "-m", "diffdemo", "train", "faces", *options]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "s.jsonl").read_text().splitlines()[-1])
    assert report["pictures"] == report["step"] * 2 * models.FACES.size
    assert load_model(str(out), device="cpu").shape == (3, 16, 16)
