import itertools
import math

import numpy as np
import pytest
import torch
from doubles import Ideal

from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.posterior import (
    bits_known,
    collide,
    entropy_bits,
    log_odds,
    log_posterior,
    marginal,
    norm_p_value,
    posterior,
    posterior_mean,
    speciation,
    top_variance,
)
from diffdemo.diffusion.schedule import Schedule
from diffdemo.errors import DiffdemoError
from diffdemo.pictures import faces, images
from diffdemo.pictures.line_ups import line_up

LINEAR = Schedule.linear()
FACES = images.from_uint8(faces.pictures(np.arange(256)))
SHAPE = FACES.shape[1:]


def noisy(n, rows=64, candidates=FACES, first_seed=0):
    """Rows of x_n, of one candidate after the other."""
    x0 = candidates[torch.arange(rows) % len(candidates)]
    return LINEAR.add_noise(x0, noise(range(first_seed, first_seed + rows), SHAPE), n)


def log_density(x, n, candidates):
    """log p(x_n | candidate) up to a constant, (B, N), from its definition."""
    a = LINEAR.alpha_bar[n]
    difference = x.double()[:, None] - a.sqrt() * candidates.double()
    return -difference.square().sum((2, 3, 4)) / (2 * (1 - a))


@pytest.mark.parametrize("n", [1, 10, 100, 300, 500, 700, 1000])
def test_rows_sum_to_one_and_follow_bayes_rule(n):
    x = noisy(n, 6)
    p = posterior(LINEAR, x, n, FACES)
    assert p.dtype == torch.float64
    assert torch.allclose(p.sum(1), torch.ones(6, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(p, log_density(x, n, FACES).softmax(1), atol=1e-9)


def test_rows_have_their_own_levels_and_chunks_change_nothing():
    n = torch.arange(0, 1000, 10)
    x = noisy(n, 100)
    together = log_posterior(LINEAR, x, n, FACES)
    for row in (1, 40, 99):
        alone = log_posterior(LINEAR, x[row : row + 1], int(n[row]), FACES)
        assert torch.allclose(together[row], alone[0])
    assert posterior(LINEAR, x[:0], 5, FACES).shape == (0, 256)


def test_entropy_rises_from_nothing_to_everything():
    entropies = []
    for n in (100, 300, 400, 500, 600, 700, 1000):
        p = posterior(LINEAR, noisy(n), n, FACES)
        entropies.append(float(entropy_bits(p).mean()))
    assert entropies[0] < 1e-3
    assert all(a < b for a, b in itertools.pairwise(entropies))
    assert 8 - entropies[-1] < 0.02
    uniform = torch.full((1, 8), 1 / 8, dtype=torch.float64)
    assert float(bits_known(uniform)) == pytest.approx(0)


@pytest.mark.parametrize("n", [300, 500, 700, 900])
def test_information_stays_under_the_gaussian_ceiling(n):
    covariance = torch.cov(FACES.flatten(1).double().T, correction=0)
    spectrum = torch.linalg.eigvalsh(covariance).clamp(min=0)
    ceiling = 0.5 * torch.log2(1 + LINEAR.snr[n] * spectrum).sum()
    known = bits_known(posterior(LINEAR, noisy(n, 256), n, FACES))
    assert float(known.mean()) < float(ceiling) + 4 * float(known.std()) / 16


def test_information_is_half_the_integral_of_the_mean_square_error():
    """I-MMSE: dI / dSNR = mmse / 2, over the exact denoiser of 32 faces."""
    some = FACES[:32]
    x0 = some[torch.arange(256) % 32]
    levels = torch.arange(100, 1001, 10)
    errors = []
    for n in levels.tolist():
        x = noisy(n, 256, some, first_seed=1000 * n)
        best = posterior_mean(posterior(LINEAR, x, n, some), some)
        errors.append(float((best - x0).double().square().flatten(1).sum(1).mean()))
    snr = LINEAR.snr[levels].numpy()
    by_log_snr = np.array(errors) * snr
    nats = 0.5 * np.trapezoid(by_log_snr[::-1], np.log(snr)[::-1])
    assert nats == pytest.approx(math.log(32), rel=0.06)


@pytest.mark.parametrize("n", [100, 500])
def test_the_mean_follows_tweedie_s_formula(n):
    """x0_hat = (x + (1 - alpha_bar) grad log p(x)) / sqrt(alpha_bar), by finite differences.

    A wrong variance in the logits fails here.
    """
    some = FACES[:8].double()
    a = LINEAR.alpha_bar[n]
    x = noisy(n, 1, FACES[:8]).double()
    direction = noise([77], SHAPE).double()
    step = 1e-4
    above, below = (
        float(log_density(y, n, some).logsumexp(1))
        for y in (x + step * direction, x - step * direction)
    )
    best = posterior_mean(posterior(LINEAR, x, n, some), some)
    score = (a.sqrt() * best - x) / (1 - a)
    known = float((score * direction).sum())
    assert (above - below) / (2 * step) == pytest.approx(known, rel=1e-4)


def test_the_order_of_the_line_up_does_not_matter_and_a_copy_of_it_adds_one_bit():
    x = noisy(450, 8)
    order = torch.randperm(256, generator=torch.Generator().manual_seed(0))
    p = posterior(LINEAR, x, 450, FACES)
    assert torch.allclose(posterior(LINEAR, x, 450, FACES[order]), p[:, order])
    doubled = posterior(LINEAR, x, 450, torch.cat([FACES, FACES]))
    assert torch.allclose(entropy_bits(doubled), entropy_bits(p) + 1)


def test_without_noise_only_the_equal_candidates_remain():
    candidates = torch.cat([FACES[:5], FACES[2:3]])
    assert posterior(LINEAR, FACES[2:3], 0, candidates).tolist() == [[0, 0, 0.5, 0, 0, 0.5]]
    with pytest.raises(DiffdemoError, match="line-up has none"):
        posterior(LINEAR, FACES[9:10], 0, candidates)


def test_the_posterior_agrees_with_the_ideal_denoiser():
    x = noisy(480, 4)
    found = posterior(LINEAR, x, 480, FACES).float()
    assert torch.allclose(found, Ideal(FACES).posterior(x, 480), atol=1e-4)


def test_marginals_add_up():
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    found = marginal(p, torch.tensor([0, 1, 0, 2]), 4)
    assert torch.allclose(found, torch.tensor([[0.4, 0.2, 0.4, 0.0]]))


@pytest.mark.parametrize("n", [100, 300, 700, 1000])
def test_colliding_noises_meet_at_the_same_x_n(n):
    a = FACES[:1]
    b = FACES[1:9]
    eps = noise(range(8), SHAPE)
    eps_b = collide(LINEAR, a, b, eps, n)
    assert torch.allclose(LINEAR.add_noise(b, eps_b, n), LINEAR.add_noise(a, eps, n), atol=1e-5)
    assert torch.equal(collide(LINEAR, a, a, eps, n), eps)


@pytest.mark.parametrize("n", [100, 300, 600])
def test_the_log_odds_are_the_difference_of_the_log_posteriors(n):
    pair = FACES[:2]
    eps = noise(range(6), SHAPE)
    eps_b = collide(LINEAR, pair[:1], pair[1:], eps, n)
    logs = log_posterior(LINEAR, LINEAR.add_noise(pair[:1], eps, n), n, pair)
    found = log_odds(eps, eps_b)
    assert torch.allclose(found, logs[:, 1] - logs[:, 0], atol=1e-2, rtol=1e-4)
    assert torch.allclose(log_odds(eps_b, eps), -found)


def test_the_length_of_the_other_noise_is_that_of_theory():
    """|eps_b|^2 is a noncentral chi-square with parameter SNR |x0_a - x0_b|^2."""
    draws = 4000
    a = FACES[:1]
    b = FACES[1:2]
    eps_b = collide(LINEAR, a, b, noise(range(draws), SHAPE), 500)
    power = float(eps_b.square().flatten(1).sum(1).mean())
    d = a.numel()
    excess = float(LINEAR.snr[500] * (a - b).square().sum())
    assert abs(power - (d + excess)) < 4 * (2 * (d + 2 * excess) / draws) ** 0.5


def test_p_values_are_uniform_for_true_noise_and_match_the_tables():
    p = norm_p_value(noise(range(2000), (3, 16, 16))).sort().values
    uniform = torch.linspace(0, 1, 2000, dtype=torch.float64)
    assert float((p - uniform).abs().max()) < 1.63 / 2000**0.5
    at_one_percent = torch.full((1, 3, 16, 16), (862.1 / 768) ** 0.5)
    assert float(norm_p_value(at_one_percent)) == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize("n", [0, -1, 1001])
def test_noises_collide_at_levels_from_1_to_T_only(n):
    with pytest.raises(DiffdemoError):
        collide(LINEAR, FACES[:1], FACES[1:2], noise([0], SHAPE), n)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(DiffdemoError, match="fit"):
        posterior(LINEAR, torch.zeros(1, 3, 8, 8), 5, FACES)
    with pytest.raises(DiffdemoError, match="fit"):
        posterior(LINEAR, FACES[:1], 5, FACES[:0])
    with pytest.raises(DiffdemoError, match="fit"):
        collide(LINEAR, FACES[:2], FACES[:1], noise([0, 1, 2], SHAPE), 5)


@pytest.mark.parametrize("n", [1, 40, 300, 700, 1000])
def test_the_posterior_agrees_with_fifty_digits(n):
    """Bayes' rule in mpmath by brute force, on 6 pictures of 12 values."""
    reason = "mpmath is a developer tool, see .ci/requirements.txt"
    mpmath = pytest.importorskip("mpmath", reason=reason)
    generator = torch.Generator().manual_seed(n)
    candidates = torch.rand(6, 3, 2, 2, generator=generator) * 2 - 1
    x_n = LINEAR.add_noise(candidates[2:3], noise([n], (3, 2, 2)), n)
    values = x_n.flatten().tolist()
    with mpmath.workdps(50):
        a = mpmath.mpf(float(LINEAR.alpha_bar[n]))
        weights = []
        for candidate in candidates.flatten(1).tolist():
            pairs = zip(values, candidate, strict=True)
            distance = sum((mpmath.mpf(x) - mpmath.sqrt(a) * mpmath.mpf(c)) ** 2 for x, c in pairs)
            weights.append(mpmath.exp(-distance / (2 * (1 - a))))
        p = [weight / sum(weights) for weight in weights]
        bits = -sum(q * mpmath.log(q, 2) for q in p if q > 0)
    found = posterior(LINEAR, x_n, n, candidates)
    assert found[0].tolist() == pytest.approx([float(q) for q in p], rel=1e-9, abs=1e-15)
    assert float(entropy_bits(found)) == pytest.approx(float(bits), rel=1e-8, abs=1e-12)


PROBABILITIES = {
    "faces": {200: 1.00, 300: 0.97, 400: 0.55, 500: 0.08, 700: 0.00},
    "digits": {200: 0.99, 300: 0.97, 400: 0.79, 500: 0.23, 700: 0.00},
}


@pytest.mark.parametrize("name", PROBABILITIES)
def test_the_exact_observer_knows_what_design_says_of_10_000_pictures(name):
    """P(true) over 2,000 pictures, one level at a time to save memory."""
    candidates = line_up(name).pictures
    rows = torch.arange(2000)
    eps = noise(range(2000), candidates.shape[1:])
    for n, expected in PROBABILITIES[name].items():
        p = posterior(LINEAR, LINEAR.add_noise(candidates[rows], eps, n), n, candidates)
        assert float(p[rows, rows].mean()) == pytest.approx(expected, abs=0.04)
        assert float((p.sum(1) - 1).abs().max()) < 1e-9


def test_the_top_variance_is_the_largest_eigenvalue_of_the_covariance():
    covariance = np.cov(FACES.flatten(1).double().numpy().T, bias=True)
    variance = top_variance(FACES)
    assert variance == pytest.approx(float(np.linalg.eigvalsh(covariance)[-1]), rel=1e-9)
    assert top_variance(3 * FACES) == pytest.approx(9 * variance, rel=1e-6)


def test_speciation_is_where_alpha_bar_is_one_over_the_largest_variance():
    variance = top_variance(FACES)
    n = speciation(LINEAR, variance)
    assert LINEAR.alpha_bar[math.floor(n)] >= 1 / variance >= LINEAR.alpha_bar[math.ceil(n)]
    assert speciation(LINEAR, 21.6) == pytest.approx(550, abs=1)  # faces, Lambda 21.6
    assert speciation(LINEAR, 0.5) == 0
