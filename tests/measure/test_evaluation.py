import numpy as np

from diffdemo.diffusion.noise import noise
from diffdemo.measure.evaluation import EXACT, judge_samples, survival, survival_tables
from diffdemo.measure.samples import draw_samples
from diffdemo.pictures import faces, images


def test_real_faces_are_legal_and_as_frequent_as_expected():
    report = judge_samples(images.from_uint8(faces.pictures(np.arange(300) + 950_000)))
    assert report.legal > 0.97
    expected = np.mean(list(report.expected.values()))
    assert np.mean(list(report.difference.values())) < 1.3 * expected


def test_noise_is_not_legal():
    assert judge_samples(noise(range(20), (3, 16, 16))).legal == 0


def test_the_bundled_model_draws_faces(faces_model):
    report = judge_samples(draw_samples(faces_model, 32, steps=25))
    assert np.median(report.rmse) < 0.13


def test_what_the_readme_says_of_250_and_1000_steps_holds_on_some_faces(faces_model):
    reports = {(r.n, r.sampler): r for r in survival(faces_model, 16, (250, 1000))}
    least = {"20 DDIM steps": 0.9, "50 steps, eta = 1": 0.7, EXACT: 0.75}
    for sampler, back in least.items():
        assert reports[250, sampler].came_back >= back
        assert reports[1000, sampler].came_back <= 0.05
        means = reports[250, sampler].means
        assert means["kept"] > means["unrelated"] + 0.2
    assert len(survival_tables(list(reports.values()))) > 15
