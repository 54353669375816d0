from dataclasses import replace

import numpy as np
import pytest

from diffdemo.bench import scale
from diffdemo.bench.memory import MB, Usage
from diffdemo.errors import DiffdemoError
from diffdemo.models import gmacs


@pytest.fixture
def short(monkeypatch):
    for name, values in {"ROWS": (1, 3), "SEEDS": (1, 2), "STEPS": (1, 2), "SIDES": (8, 16), "SEED_STEPS": 2, "STEP_SEEDS": 2}.items():
        monkeypatch.setattr(scale, name, values)


def test_every_size_is_timed_on_a_network_of_the_models_plan(short, tiny_eps):
    found = scale.measure(tiny_eps, rounds=1)
    assert (list(found.rows), list(found.seeds), list(found.steps), list(found.sides)) == ([1, 3], [1, 2], [1, 2], [8, 16])
    assert found.gmacs[8] == pytest.approx(gmacs(tiny_eps))
    assert 4 < found.gmacs[16] / found.gmacs[8] < 6  # convolutions go with the pixels, attention with their square
    assert all(seconds > 0 for part in (found.rows, found.seeds, found.steps, found.sides) for seconds in part.values())


def test_tables_and_charts_have_every_model_and_size(short):
    fast = scale.Scale("fast", 64, {1: 0.001, 3: 0.002}, {1: 1, 2: 2}, {1: 3, 2: 4}, {8: 0.01, 16: 0.04}, {8: 2, 16: 8})
    slow = replace(fast, model="slow", rows={1: 0.1, 3: 0.15})
    lines = list(scale.tables([fast, slow]))
    assert "| 3 | 0.67 | 50.00 |" in lines
    assert "| 16 | 40.0, 200 | 40.0, 200 |" in lines
    drawn, alone = scale.picture([fast, slow]), scale.picture([fast])
    assert drawn.shape == (1120, 2000, 3)
    assert [bool(np.any(drawn[y : y + 560, x : x + 1000] != alone[y : y + 560, x : x + 1000])) for y in (0, 560) for x in (0, 1000)] == [True] * 4


def test_memory_is_compared_with_the_first_run_of_the_same_model():
    used = {("a", 16, 50): Usage(100 * MB, 200 * MB), ("a", 64, 50): Usage(100 * MB, 250 * MB), ("b", 16, 50): Usage(0, 10 * MB)}
    *_, second, third = scale.memory_table(used)
    assert second == "| a | 64 | 50 | 250 | 1.25 | 150 |"
    assert third.split("|")[5] == " 1.00 "


def test_latents_are_refused(class_folders):
    from diffdemo.models import load_model

    with pytest.raises(DiffdemoError, match="pictures themselves"):
        scale.measure(load_model(str(class_folders["kl"]), "cpu"))
