import numpy as np
import pytest

from diffdemo import evaluation, faces, images, matching
from diffdemo.noise import noise
from diffdemo.schedule import Schedule

LINEAR = Schedule.linear()


def noisy(choices, n):
    x0 = images.from_uint8(faces.draw(choices))
    x_n = LINEAR.add_noise(x0, noise(range(len(x0)), x0.shape[1:]), n)
    return x_n.permute(0, 2, 3, 1).numpy(), float(LINEAR.alpha_bar[n])


def test_priors_are_distributions():
    for column in faces.atlas().columns:
        assert evaluation.prior(column).sum() == pytest.approx(1)
        assert len(evaluation.prior(column)) == len(faces.atlas().values(column))
    assert evaluation.prior("hat")[0] == pytest.approx(0.85)


def test_the_observer_knows_all_without_noise_and_only_the_prior_with_nothing_but_noise():
    choices = faces.choose(np.arange(60) + 900_000)
    x_n, alpha_bar = noisy(choices, 2)
    clear, guess = evaluation.observe(x_n, choices, alpha_bar)
    assert clear.mean() > 0.99
    assert guess.mean() > 0.99
    x_n, alpha_bar = noisy(choices, 1000)
    blind, _ = evaluation.observe(x_n, choices, alpha_bar)
    for i, (name, column) in enumerate(faces.ATTRIBUTES.items()):
        if name in ("skin", "hat", "background"):
            values = list(faces.atlas().values(column))
            wanted = [evaluation.prior(column)[values.index(v)] for v in choices[:, faces.atlas().columns[column]]]
            assert blind[:, i] == pytest.approx(wanted, rel=0.25)


def test_a_draw_from_the_posterior_is_right_as_often_as_it_says():
    """Over many noisy faces the true value has posterior probability p on average as often as a draw from p hits it (calibration)."""
    choices = faces.choose(np.arange(400) + 900_000)
    x_n, alpha_bar = noisy(choices, 250)
    p, _ = evaluation.conditional(x_n, choices, "colour:hair", alpha_bar)
    truth = p[np.arange(400), choices[:, faces.atlas().columns["colour:hair"]]]
    assert truth.mean() == pytest.approx(np.square(p).sum(1).mean(), abs=0.04)


def test_exact_samples_keep_what_is_sure_and_forget_the_rest():
    choices = faces.choose(np.arange(40) + 900_000)
    x_n, alpha_bar = noisy(choices, 2)
    assert matching.kept(choices, evaluation.exact_samples(x_n, choices, alpha_bar, sweeps=2)).mean() > 0.97
    x_n, alpha_bar = noisy(choices, 1000)
    forgotten = evaluation.exact_samples(x_n, choices, alpha_bar, sweeps=2)
    other = faces.choose(np.arange(40) + 970_000)
    assert matching.kept(choices, forgotten).mean() == pytest.approx(matching.kept(choices, other).mean(), abs=0.06)


def test_real_faces_are_legal_and_as_frequent_as_expected():
    report = evaluation.judge_samples(images.from_uint8(faces.pictures(np.arange(300) + 950_000)))
    assert report.legal > 0.97
    assert np.mean(list(report.difference.values())) < 1.3 * np.mean(list(report.expected.values()))


def test_noise_is_not_legal():
    assert evaluation.judge_samples(noise(range(20), (3, 16, 16))).legal == 0


def test_the_bundled_model_draws_faces(faces_model):
    report = evaluation.judge_samples(evaluation.draw_samples(faces_model, 32, steps=25))
    assert np.median(report.rmse) < 0.13


def test_what_the_readme_says_of_250_and_1000_steps_holds_on_some_faces(faces_model):
    reports = {(r.n, r.sampler): r for r in evaluation.survival(faces_model, 16, (250, 1000))}
    for sampler, back in (("20 DDIM steps", 0.9), ("50 steps, eta = 1", 0.7), (evaluation.EXACT, 0.75)):
        assert reports[250, sampler].came_back >= back
        assert reports[1000, sampler].came_back <= 0.05
        means = reports[250, sampler].means
        assert means["kept"] > means["unrelated"] + 0.2
    assert len(evaluation.survival_tables(list(reports.values()))) > 15
