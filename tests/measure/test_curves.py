import csv

import numpy as np
import pytest

from diffdemo.errors import DiffdemoError
from diffdemo.experiments import Curve
from diffdemo.experiments.curve.run import CurveResult
from diffdemo.measure import curves

SHORT = Curve(levels=(0, 5), seeds=(0,), steps=1)


@pytest.fixture(scope="module")
def results(faces_model):
    settings = Curve(levels=(0, 300, 600, 1000), seeds=(0, 1), steps=4)
    return list(curves.measure(faces_model, ("face:900000", "face:900001"), settings))


def test_a_summary_is_the_mean_over_pictures_and_seeds(results):
    found = curves.summary(results)
    every = np.stack([result.kept.numpy() for result in results])
    assert found.kept == pytest.approx(every.mean((0, 2)))
    assert found.kept[0] == found.came_back[0] == 1
    assert found.rmse[0] == 0
    assert found.bits[0] == pytest.approx(found.total, abs=1e-3)  # 10,001 candidates
    assert (found.low <= found.kept + 1e-9).all()
    assert (found.kept <= found.high + 1e-9).all()
    assert 400 < found.halves["half of the bits"] < 560
    assert found.halves["half come back"] < 600


def test_the_csv_has_a_line_for_each_picture_level_and_seed(results, tmp_path):
    curves.write_csv(results, tmp_path / "c.csv")
    with (tmp_path / "c.csv").open() as file:
        rows = {(r["picture"], r["n"], r["seed"]): r for r in csv.DictReader(file)}
    assert len(rows) == 2 * 4 * 2
    row = rows["face:900001", "300", "1"]
    assert float(row["rmse"]) == pytest.approx(float(results[1].rmse[1, 1]), rel=1e-5)
    assert float(row["kept"]) == pytest.approx(float(results[1].kept[1, 1]), rel=1e-5)


def test_the_chart_shows_the_summary(results):
    found = curves.summary(results)
    chart = curves.chart(found, "faces")
    bits, kept, came_back, rmse = chart.lines
    assert bits.y * found.total == pytest.approx(found.bits)
    assert (kept.y is found.kept, kept.low is found.low, kept.high is found.high) == (True,) * 3
    assert came_back.y is found.came_back
    assert rmse.y.max() <= chart.top
    assert chart.level[1] == found.chance
    assert chart.mark[1] == found.speciation
    assert chart.right[1] == found.total


def test_a_picture_that_shows_nothing_known_is_refused(faces_model):
    with pytest.raises(DiffdemoError, match="Nothing can be read"):
        list(curves.measure(faces_model, ("digit:3",), SHORT))


def test_pictures_are_measured_one_after_the_other(faces_model):
    stream = curves.measure(faces_model, ("face:1", "face:2"), SHORT)
    assert isinstance(next(stream), CurveResult)
