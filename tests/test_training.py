import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from diffdemo import training
from diffdemo.errors import DiffdemoError
from diffdemo.models import load_model

TINY = {
    "sample_size": 16, "in_channels": 3, "out_channels": 3, "block_out_channels": (8, 16), "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "UpBlock2D"), "norm_num_groups": 4,
}  # fmt: skip


@pytest.fixture
def recipe(monkeypatch):
    recipe = replace(training.RECIPES["faces"], network=TINY, size=16, warm_up=5)
    monkeypatch.setitem(training.RECIPES, "faces", recipe)
    return recipe


def steps(trainer, count):
    reports = trainer.fit()
    return [next(reports) for _ in range(count)]


def test_the_loss_falls(recipe):
    trainer = training.Trainer(recipe, seconds=1000)
    reports = steps(trainer, 100)
    assert trainer.loss < reports[0].loss
    assert float(trainer._loss()[0].detach()) < 0.75 * reports[0].loss


def test_the_weighted_loss_is_the_epsilon_loss_where_alpha_bar_is_large(recipe, monkeypatch):
    """alpha_bar |v_hat - v|^2 = |eps_hat - eps|^2, checked through the network itself."""
    trainer = training.Trainer(recipe, seconds=1000)
    weighted, epsilon = trainer._loss()
    assert weighted.item() > epsilon.item() > 0
    monkeypatch.setattr(training, "FLOOR", 0.0)
    weighted, epsilon = trainer._loss()
    assert weighted.item() == pytest.approx(epsilon.item(), rel=1e-5)


def test_a_second_training_begins_with_the_first_and_sees_other_faces(recipe, tmp_path):
    first = training.Trainer(recipe, seconds=1000)
    first.save(tmp_path / "first")
    second = training.Trainer(recipe, seconds=1000, seed=1, start=tmp_path / "first")
    for a, b in zip(first.average, second.weights, strict=True):
        assert torch.allclose(a, b, atol=1e-3)  # saved in half precision
    seen = []
    for trainer in (first, second):
        stream = trainer.stream
        trainer.stream = lambda place, count, stream=stream: seen.append(place) or stream(place, count)
        trainer._loss()
    assert seen == [0, training.PICTURES]
    wider = replace(recipe, network={**TINY, "block_out_channels": (8, 24)})
    with pytest.raises(DiffdemoError, match="shape"):
        training.Trainer(wider, seconds=1000, start=tmp_path / "first")


def test_a_stopped_run_goes_on_where_it_was(recipe):
    """Held by everything that is saved: the weights after 3 + 3 steps are those after 6."""
    whole = training.Trainer(recipe, seconds=math.inf)
    steps(whole, 6)
    first = training.Trainer(recipe, seconds=math.inf)
    steps(first, 3)
    second = training.Trainer(recipe, seconds=math.inf, seed=0)
    second.restore(first.state())
    steps(second, 3)
    assert second.step == 6
    for a, b in zip(whole.average, second.average, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_train_saves_a_pipeline_that_loads_and_a_state_that_resumes(recipe, tmp_path):
    state, out = tmp_path / "state" / "faces.pt", tmp_path / "faces"
    reports = list(training.train("faces", 0.03, state, out, dtype=torch.float32))
    model = load_model(str(out), device="cpu")
    assert model.prediction_type == "v_prediction"
    assert model.clip is None
    assert json.loads(state.with_suffix(".jsonl").read_text().splitlines()[-1])["step"] == reports[-1].step
    assert all(f.suffix in (".json", ".safetensors") for f in out.rglob("*") if f.is_file())
    again = list(training.train("faces", 0.05, state, out, dtype=torch.float32))
    assert again[0].step == reports[-1].step + 1


def test_training_never_sees_the_line_up_or_the_evaluation_faces(monkeypatch):
    asked, draw = [], training.faces.pictures
    monkeypatch.setattr(training.faces, "pictures", lambda seeds: asked.append(seeds) or draw(seeds))
    stream = training.RECIPES["faces"].source(Path())
    stream(0, 4)
    stream(10**7, 4)
    assert min(int(s.min()) for s in asked) == 1_000_000


def test_digits_are_shuffled_anew_each_epoch(tmp_path):
    from test_digits import write

    pictures = write(tmp_path, count=50)
    stream = training.RECIPES["digits"].source(tmp_path)
    first, second = stream(0, 50), stream(50, 50)
    assert first.shape == (50, 1, 32, 32)
    assert not torch.equal(first, second)
    for epoch in (first, second):  # every digit once
        sums = epoch.add(1).mul(127.5).round().sum((1, 2, 3))
        assert sorted(sums.tolist()) == sorted(pictures.reshape(50, -1).sum(1).astype(float).tolist())
    assert torch.equal(stream(45, 10), torch.cat([first[45:], second[:5]]))


@pytest.mark.parametrize("name", ["faces", "digits"])
def test_the_committed_weights_are_those_of_the_committed_recipe(name):
    network = load_model(name, "cpu").unet.config
    for key, value in training.RECIPES[name].network.items():
        found = network[key]
        assert (tuple(found) if isinstance(found, list | tuple) else found) == value, key


@pytest.mark.parametrize(("name", "minutes"), [("cats", 1), ("faces", 0), ("faces", math.nan), ("digits", 1)])
def test_impossible_training_is_refused(name, minutes, tmp_path):
    with pytest.raises(DiffdemoError):
        training.train(name, minutes, tmp_path / "s.pt", tmp_path / "m", data=tmp_path)


@pytest.mark.slow
def test_two_processes_train_together(tmp_path):
    """What accelerate launch starts on several devices; with --cpu alone it starts one process, so torchrun starts two here."""
    out = tmp_path / "faces"
    arguments = ["train", "faces", "--minutes", "0.25", "--state", str(tmp_path / "s.pt"), "--out", str(out)]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "diffdemo", *arguments]
    root = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "s.jsonl").read_text().splitlines()[-1])
    assert report["pictures"] == report["step"] * 2 * training.RECIPES["faces"].size
    assert load_model(str(out), device="cpu").shape == (3, 16, 16)
