import numpy as np
import pytest

from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.schedule import Schedule
from diffdemo.measure.observer import conditional, exact_samples, observe, prior
from diffdemo.pictures import faces, images, matching

LINEAR = Schedule.linear()


def fresh(count):
    return faces.choose(np.arange(count) + 900_000)


def noisy(choices, n):
    x0 = images.from_uint8(faces.draw(choices))
    x_n = LINEAR.add_noise(x0, noise(range(len(x0)), x0.shape[1:]), n)
    return x_n.permute(0, 2, 3, 1).numpy(), float(LINEAR.alpha_bar[n])


def test_priors_are_distributions():
    for column in faces.atlas().columns:
        assert prior(column).sum() == pytest.approx(1)
        assert len(prior(column)) == len(faces.atlas().values(column))
    assert prior("hat")[0] == pytest.approx(0.85)


def test_the_observer_knows_all_without_noise_and_only_the_prior_in_pure_noise():
    choices = fresh(60)
    x_n, alpha_bar = noisy(choices, 2)
    clear, guess = observe(x_n, choices, alpha_bar)
    assert clear.mean() > 0.99
    assert guess.mean() > 0.99
    x_n, alpha_bar = noisy(choices, 1000)
    blind, _ = observe(x_n, choices, alpha_bar)
    for i, (name, column) in enumerate(faces.ATTRIBUTES.items()):
        if name in ("skin", "hat", "background"):
            values = list(faces.atlas().values(column))
            true = choices[:, faces.atlas().columns[column]]
            expected = [prior(column)[values.index(value)] for value in true]
            assert blind[:, i] == pytest.approx(expected, rel=0.25)


def test_the_posterior_is_calibrated():
    """On average the true value is as probable as a draw from the posterior is to hit it."""
    choices = fresh(400)
    x_n, alpha_bar = noisy(choices, 250)
    p, _ = conditional(x_n, choices, "colour:hair", alpha_bar)
    truth = p[np.arange(400), choices[:, faces.atlas().columns["colour:hair"]]]
    assert truth.mean() == pytest.approx(np.square(p).sum(1).mean(), abs=0.04)


def test_exact_samples_keep_what_is_sure_and_forget_the_rest():
    choices = fresh(40)
    x_n, alpha_bar = noisy(choices, 2)
    sure = exact_samples(x_n, choices, alpha_bar, sweeps=2)
    assert matching.attributes_kept(choices, sure).mean() > 0.97
    x_n, alpha_bar = noisy(choices, 1000)
    forgotten = exact_samples(x_n, choices, alpha_bar, sweeps=2)
    other = faces.choose(np.arange(40) + 970_000)
    chance = matching.attributes_kept(choices, other).mean()
    assert matching.attributes_kept(choices, forgotten).mean() == pytest.approx(chance, abs=0.06)
