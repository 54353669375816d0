import json
import os
from pathlib import Path

import pytest

from diffdemo.__main__ import main
from diffdemo.training import checkpoints, run


@pytest.fixture
def niced(monkeypatch):
    """What `train` added to its niceness, instead of the tests' own."""
    niced = []
    monkeypatch.setattr(os, "nice", niced.append)
    return niced


@pytest.fixture
def command(monkeypatch, model_recipe, tmp_path):
    """A tiny training, whose state is in tmp_path."""
    monkeypatch.setitem(run.RECIPES, "faces", model_recipe)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return ["train", "faces", "--device", "cpu", "--out", str(tmp_path / "out"), "--minutes"]


def test_it_shows_loss_and_time_left_and_keeps_its_state_outside(command, niced, tmp_path, capsys):
    assert main([*command, "0.02"]) == 0
    assert main([*command, "0.04"]) == 0
    printed = capsys.readouterr()
    lines = printed.err.replace("\r", "\n").splitlines()
    assert any("loss" in line and "left" in line for line in lines)
    state = tmp_path / "diffdemo" / "training" / "faces.pt"
    assert str(state) in printed.out
    first, second = map(json.loads, state.with_suffix(".jsonl").read_text().splitlines())
    assert second["step"] > first["step"]
    assert second["seconds"] >= 0.04 * 60


@pytest.mark.parametrize(("options", "added"), [([], [19]), (["--priority"], [])])
def test_it_gives_way_to_other_work_unless_told_not_to(command, niced, options, added):
    assert main([*command, "0.001", *options]) == 0
    assert niced == added


def test_an_unknown_name_is_refused_before_the_priority_changes(niced):
    assert main(["train", "cats"]) == 2
    assert niced == []


def test_the_state_folder_follows_xdg(monkeypatch):
    end = Path("diffdemo", "training", "faces.pt")
    monkeypatch.setenv("HOME", "/home/me")
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        assert checkpoints.default_path("faces") == Path("/home/me/.local/state") / end
    monkeypatch.setenv("XDG_STATE_HOME", "/states")
    assert checkpoints.default_path("faces") == "/states" / end
    monkeypatch.delenv("XDG_STATE_HOME")
    assert checkpoints.default_path("faces") == Path("/home/me/.local/state") / end
