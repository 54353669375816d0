from dataclasses import replace

import pytest

from diffdemo.errors import DiffdemoError
from diffdemo.measure.bench import scale
from diffdemo.measure.bench.memory import MB, Usage
from diffdemo.models import gmacs, load_model


@pytest.fixture
def short(monkeypatch):
    """Two small sizes of everything."""
    sizes = {"ROWS": (1, 3), "SEEDS": (1, 2), "STEPS": (1, 2), "SIDES": (8, 16)}
    for name, values in {**sizes, "SEED_STEPS": 2, "STEP_SEEDS": 2}.items():
        monkeypatch.setattr(scale, name, values)


def test_every_size_is_timed_on_the_same_network(short, tiny_eps):
    found = scale.measure(tiny_eps, rounds=1)
    costs = (found.rows, found.seeds, found.steps, found.sides)
    assert [list(cost) for cost in costs] == [[1, 3], [1, 2], [1, 2], [8, 16]]
    assert all(seconds > 0 for cost in costs for seconds in cost.values())
    assert found.gmacs[8] == pytest.approx(gmacs(tiny_eps))
    # convolutions go with the pixels, attention with their square
    assert 4 < found.gmacs[16] / found.gmacs[8] < 6


def test_tables_and_charts_have_every_model_and_size(short):
    fast = scale.Scale(
        model="fast",
        batch=64,
        rows={1: 0.001, 3: 0.002},
        seeds={1: 1, 2: 2},
        steps={1: 3, 2: 4},
        sides={8: 0.01, 16: 0.04},
        gmacs={8: 2, 16: 8},
    )
    slow = replace(fast, model="slow", rows={1: 0.1, 3: 0.15})
    lines = list(scale.tables([fast, slow]))
    assert "| 3 | 0.67 | 50.00 |" in lines
    assert "| 16 | 40.0, 200 | 40.0, 200 |" in lines
    charts = scale.charts([fast, slow])
    assert [chart.x.tolist() for chart in charts] == [[1, 3], [1, 2], [1, 2], [64, 256]]
    assert {tuple(line.label for line in chart.lines) for chart in charts} == {("fast", "slow")}
    assert charts[0].lines[1].y == pytest.approx([100, 50])
    assert all(line.y.max() < chart.top for chart in charts for line in chart.lines)


def test_memory_is_compared_with_the_first_run_of_the_same_model():
    used = {
        ("a", 16, 50): Usage(100 * MB, 200 * MB),
        ("a", 64, 50): Usage(100 * MB, 250 * MB),
        ("b", 16, 50): Usage(0, 10 * MB),
    }
    *_, second, third = scale.memory_table(used)
    assert second == "| a | 64 | 50 | 250 | 1.25 | 150 |"
    assert third.split("|")[5] == " 1.00 "


def test_latents_are_refused(class_folders):
    with pytest.raises(DiffdemoError, match="pictures themselves"):
        scale.measure(load_model(str(class_folders["kl"]), "cpu"))
