import numpy as np
import pytest

from diffdemo import evaluation, faces, images
from diffdemo.noise import noise
from diffdemo.schedule import Schedule


def test_priors_are_distributions():
    for name in faces.ATTRIBUTES:
        assert evaluation.prior(name).sum() == pytest.approx(1)
        assert len(evaluation.prior(name)) == len(faces.atlas().values(faces.ATTRIBUTES[name]))
    assert evaluation.prior("hat")[0] == pytest.approx(0.85)


def test_the_observer_knows_all_without_noise_and_only_the_prior_with_nothing_but_noise():
    choices = faces.choose(np.array([900_000]))[0]
    x0 = images.from_uint8(faces.draw(choices[None]))
    schedule = Schedule.linear()
    for name in ("skin", "hat", "mouth"):
        noisy = [schedule.add_noise(x0, noise([s], x0.shape[1:]), n)[0].permute(1, 2, 0).double().numpy() for s in range(20) for n in (5, 1000)]
        clear = [evaluation.observe(x, choices, name, float(schedule.alpha_bar[5]))[0] for x in noisy[::2]]
        blind = [evaluation.observe(x, choices, name, float(schedule.alpha_bar[1000]))[0] for x in noisy[1::2]]
        value = list(faces.atlas().values(faces.ATTRIBUTES[name])).index(choices[faces.atlas().columns[faces.ATTRIBUTES[name]]])
        assert np.mean(clear) > 0.99
        assert np.mean(blind) == pytest.approx(evaluation.prior(name)[value], rel=0.1)


def test_real_faces_are_legal_and_as_frequent_as_expected():
    report = evaluation.judge_samples(images.from_uint8(faces.pictures(np.arange(300) + 950_000)))
    assert report.legal > 0.97
    assert np.mean(list(report.difference.values())) < 1.3 * np.mean(list(report.expected.values()))


def test_noise_is_not_legal():
    assert evaluation.judge_samples(noise(range(20), (3, 16, 16))).legal == 0


def test_the_bundled_model_draws_faces(faces_model):
    report = evaluation.judge_samples(evaluation.draw_samples(faces_model, 32, steps=25))
    assert np.median(report.rmse) < 0.09


def test_what_the_readme_says_of_250_and_1000_steps_holds_on_some_faces(faces_model):
    reports = {(r.n, r.sampler): r for r in evaluation.survival(faces_model, 24, (250, 1000))}
    for sampler, _, _ in evaluation.SAMPLERS:
        assert reports[250, sampler].came_back >= 0.95
        assert reports[1000, sampler].came_back <= 0.05
        means = reports[250, sampler].means
        assert means["kept"] > means["unrelated"] + 0.2
    assert len(evaluation.survival_tables(list(reports.values()))) > 15
