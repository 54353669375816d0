import csv

import numpy as np
import pytest

from diffdemo import curves, lab
from diffdemo.errors import DiffdemoError
from diffdemo.experiment import Curve
from diffdemo.figures import line_chart


@pytest.fixture(scope="module")
def results():
    from diffdemo.models import load_model

    return list(curves.measure(load_model("faces", "cpu"), ("face:900000", "face:900001"), Curve(levels=(0, 300, 600, 1000), seeds=(0, 1), steps=4)))


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


def test_the_csv_has_a_line_for_every_picture_level_and_seed(results, tmp_path):
    curves.write_csv(results, tmp_path / "c.csv")
    with (tmp_path / "c.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4 * 2
    row = next(r for r in rows if r["picture"] == "face:900001" and r["n"] == "300" and r["seed"] == "1")
    assert float(row["rmse"]) == pytest.approx(float(results[1].rmse[1, 1]), rel=1e-5)
    assert float(row["kept"]) == pytest.approx(float(results[1].kept[1, 1]), rel=1e-5)


def test_the_chart_can_be_drawn(results):
    assert line_chart(curves.chart(curves.summary(results), "faces")).ndim == 3


def test_a_picture_that_shows_nothing_known_gets_one_sentence(faces_model):
    with pytest.raises(DiffdemoError, match="Nothing can be read"):
        list(curves.measure(faces_model, ("digit:3",), Curve(levels=(0, 5), seeds=(0,), steps=1)))


def test_pictures_are_measured_one_after_the_other(faces_model):
    stream = curves.measure(faces_model, ("face:1", "face:2"), Curve(levels=(0, 5), seeds=(0,), steps=1))
    assert isinstance(next(stream), lab.CurveResult)
