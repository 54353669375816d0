import numpy as np
import pytest
import torch

from diffdemo import grading
from diffdemo.line_ups import line_up
from diffdemo.models import load_model


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
    report = grading.grade_digits(grading.sample_digits(load_model("digits", "cpu"), 48, steps=20))
    assert report.sure > 0.8
    assert report.specks < 0.1
    assert (report.balance > 0).sum() >= 8


@pytest.mark.parametrize("name", ["faces", "digits"])
def test_the_network_s_guess_is_near_the_exact_one_at_high_n_and_always_better_than_naive(name):
    reports = {r.n: r for r in grading.guesses(load_model(name, "cpu"), 16, (200, 500, 800))}
    assert reports[800].apart < 0.2
    assert all(r.apart < r.naive for r in reports.values())
    assert reports[200].p_true > 0.9
    assert reports[800].entropy > 12
    assert len(grading.guess_table(list(reports.values()))) == 5


def test_where_one_picture_is_certain_the_exact_mean_is_that_picture():
    (report,) = grading.guesses(load_model("faces", "cpu"), 8, (100,))
    assert report.p_true == pytest.approx(1, abs=1e-6)
    assert report.exact < 1e-3
    assert report.apart == pytest.approx(report.network, abs=1e-3)
    assert torch.tensor(report.naive) > report.network
