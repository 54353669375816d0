import numpy as np
import pytest
import torch

from diffdemo.errors import DiffdemoError
from diffdemo.measure import grading
from diffdemo.measure.samples import draw_samples, real_pictures, sheet
from diffdemo.models import load_model
from diffdemo.pictures.line_ups import line_up


def test_real_digits_are_graded_as_digits_and_a_lone_bright_pixel_is_a_speck():
    real = line_up("digits").pictures[:300]
    report = grading.grade_digits(real)
    assert report.sure == report.real > 0.97
    assert report.specks == report.real_specks < 0.03
    assert report.balance.sum() == pytest.approx(1)
    assert np.abs(report.balance - 0.1).max() < 0.06
    dotted = real.clone()
    dotted[:, 0, 0, 5] = 1
    assert grading.grade_digits(dotted).specks > 0.99
    assert len(grading.digit_table(report, 300)) == 7


def test_the_bundled_model_draws_digits():
    """Most samples are digits of every kind, on a ground as black as that of real ones."""
    report = grading.grade_digits(draw_samples(load_model("digits", "cpu"), 48, steps=20))
    assert report.sure > 0.8
    assert report.specks < 0.1
    assert (report.balance > 0).sum() >= 8


@pytest.mark.parametrize("name", ["faces", "digits"])
def test_the_network_guesses_nearly_exactly_at_high_n_and_always_better_than_naively(name):
    reports = {r.n: r for r in grading.guesses(load_model(name, "cpu"), 16, (200, 500, 800))}
    assert reports[800].apart < 0.2
    assert all(r.apart < r.naive for r in reports.values())
    assert reports[200].p_true > 0.9
    assert reports[800].entropy > 12
    assert len(grading.guess_table(list(reports.values()))) == 5


def test_where_one_picture_is_certain_the_exact_mean_is_that_picture(faces_model):
    (report,) = grading.guesses(faces_model, 8, (100,))
    assert report.p_true == pytest.approx(1, abs=1e-6)
    assert report.exact < 1e-3
    assert report.apart == pytest.approx(report.network, abs=1e-3)
    assert torch.tensor(report.naive) > report.network


def test_a_model_without_a_line_up_has_no_real_pictures(tiny_eps):
    with pytest.raises(DiffdemoError, match="no line-up"):
        real_pictures(tiny_eps, 1)


@pytest.mark.parametrize(("name", "side"), [("faces", 48), ("digits", 64)])
def test_a_sheet_shows_as_many_samples_as_real_pictures(name, side):
    page = sheet(load_model(name, "cpu"), count=2, columns=1)
    gap = 3 if name == "faces" else 2
    assert page.shape[:2] == (2 * side + gap, 2 * side + 24)
