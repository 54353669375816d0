import itertools
import math

import numpy as np
import pytest
import torch
from doubles import Ideal

from diffdemo import faces, images
from diffdemo.errors import DiffdemoError
from diffdemo.noise import noise
from diffdemo.posterior import (
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
from diffdemo.schedule import Schedule

LINEAR = Schedule.linear()
LINE_UP = images.from_uint8(faces.pictures(np.arange(256)))


def noisy(n, rows=64, line_up=LINE_UP, first_seed=0):
    x0 = line_up[torch.arange(rows) % len(line_up)]
    return LINEAR.add_noise(x0, noise(range(first_seed, first_seed + rows), x0.shape[1:]), n)


@pytest.mark.parametrize("n", [1, 10, 100, 300, 500, 700, 1000])
def test_rows_sum_to_one_and_are_the_plain_formula(n):
    x = noisy(n, 6)
    p = posterior(LINEAR, x, n, LINE_UP)
    assert p.dtype == torch.float64
    assert torch.allclose(p.sum(1), torch.ones(6, dtype=torch.float64), atol=1e-12)
    a = LINEAR.alpha_bar[n]
    plain = -(x.double()[:, None] - a.sqrt() * LINE_UP.double()).square().sum((2, 3, 4)) / (2 * (1 - a))
    assert torch.allclose(p, plain.softmax(1), atol=1e-9)


def test_rows_have_their_own_levels_and_chunks_change_nothing():
    n = torch.arange(0, 1000, 10)
    x = noisy(n, 100)
    together = log_posterior(LINEAR, x, n, LINE_UP)
    for row in (1, 40, 99):
        assert torch.allclose(together[row], log_posterior(LINEAR, x[row : row + 1], int(n[row]), LINE_UP)[0])
    assert posterior(LINEAR, x[:0], 5, LINE_UP).shape == (0, 256)


def test_entropy_rises_from_nothing_to_everything():
    mean = [float(entropy_bits(posterior(LINEAR, noisy(n), n, LINE_UP)).mean()) for n in (100, 300, 400, 500, 600, 700, 1000)]
    assert mean[0] < 1e-3
    assert all(a < b for a, b in itertools.pairwise(mean))
    assert 8 - mean[-1] < 0.02
    assert float(bits_known(torch.full((1, 8), 1 / 8, dtype=torch.float64))[0]) == pytest.approx(0)


def test_information_stays_under_the_gaussian_ceiling():
    flat = LINE_UP.flatten(1).double()
    spectrum = torch.linalg.eigvalsh(torch.cov(flat.T, correction=0)).clamp(min=0)
    for n in (300, 500, 700, 900):
        known = bits_known(posterior(LINEAR, noisy(n, 256), n, LINE_UP))
        ceiling = 0.5 * torch.log2(1 + LINEAR.snr[n] * spectrum).sum()
        assert float(known.mean()) < float(ceiling) + 4 * float(known.std()) / 16


def test_information_is_half_the_integral_of_the_mean_square_error():
    """I-MMSE: dI / dSNR = mmse / 2, over the exact denoiser of 32 faces."""
    some = LINE_UP[:32]
    levels = torch.arange(100, 1001, 10)
    errors = []
    for n in levels.tolist():
        x = noisy(n, 256, some, first_seed=1000 * n)
        best = posterior_mean(posterior(LINEAR, x, n, some), some)
        errors.append(float((best - some[torch.arange(256) % 32]).double().square().flatten(1).sum(1).mean()))
    snr = LINEAR.snr[levels].numpy()
    nats = 0.5 * np.trapezoid((np.array(errors) * snr)[::-1], np.log(snr)[::-1])
    assert nats == pytest.approx(math.log(32), rel=0.06)


@pytest.mark.parametrize("n", [100, 500])
def test_tweedie_ties_the_mean_to_the_gradient_of_the_density(n):
    """x0_hat = (x + (1 - alpha_bar) grad log p(x)) / sqrt(alpha_bar), by finite differences: catches a wrong variance in the logits."""
    some, a = LINE_UP[:8].double(), LINEAR.alpha_bar[n]
    x = noisy(n, 1, LINE_UP[:8]).double()

    def log_density(y):
        return torch.logsumexp(-(y[:, None] - a.sqrt() * some).square().sum((2, 3, 4)) / (2 * (1 - a)), 1)

    direction = noise([77], x.shape[1:]).double()
    step = 1e-4
    slope = (log_density(x + step * direction) - log_density(x - step * direction)) / (2 * step)
    best = posterior_mean(posterior(LINEAR, x, n, some), some)
    wanted = ((a.sqrt() * best - x) / (1 - a) * direction).sum()
    assert float(slope[0]) == pytest.approx(float(wanted), rel=1e-4)


def test_the_order_of_the_line_up_does_not_matter_and_a_double_adds_one_bit():
    x, order = noisy(450, 8), torch.randperm(256, generator=torch.Generator().manual_seed(0))
    p = posterior(LINEAR, x, 450, LINE_UP)
    assert torch.allclose(posterior(LINEAR, x, 450, LINE_UP[order]), p[:, order])
    doubled = posterior(LINEAR, x, 450, torch.cat([LINE_UP, LINE_UP]))
    assert torch.allclose(entropy_bits(doubled), entropy_bits(p) + 1)


def test_without_noise_only_the_equal_candidates_remain():
    line_up = torch.cat([LINE_UP[:5], LINE_UP[2:3]])
    assert posterior(LINEAR, LINE_UP[2:3], 0, line_up).tolist() == [[0, 0, 0.5, 0, 0, 0.5]]
    with pytest.raises(DiffdemoError, match="line-up has none"):
        posterior(LINEAR, LINE_UP[9:10], 0, line_up)


def test_it_agrees_with_the_tests_own_ideal_denoiser():
    x = noisy(480, 4)
    assert torch.allclose(posterior(LINEAR, x, 480, LINE_UP).float(), Ideal(LINE_UP).posterior(x, 480), atol=1e-4)


def test_marginals_add_up():
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    assert torch.allclose(marginal(p, torch.tensor([0, 1, 0, 2]), 4), torch.tensor([[0.4, 0.2, 0.4, 0.0]]))


@pytest.mark.parametrize("n", [100, 300, 700, 1000])
def test_colliding_noises_meet_at_the_same_x_n(n):
    a, b, eps = LINE_UP[:1], LINE_UP[1:9], noise(range(8), LINE_UP.shape[1:])
    eps_b = collide(LINEAR, a, b, eps, n)
    assert torch.allclose(LINEAR.add_noise(b, eps_b, n), LINEAR.add_noise(a, eps, n), atol=1e-5)
    assert torch.equal(collide(LINEAR, a, a, eps, n), eps)


def test_the_odds_are_the_difference_of_the_posteriors_and_change_sign_with_the_roles():
    a, b, eps = LINE_UP[:1], LINE_UP[1:2], noise(range(6), LINE_UP.shape[1:])
    for n in (100, 300, 600):
        eps_b = collide(LINEAR, a, b, eps, n)
        logs = log_posterior(LINEAR, LINEAR.add_noise(a, eps, n), n, torch.cat([a, b]))
        assert torch.allclose(log_odds(eps, eps_b), logs[:, 1] - logs[:, 0], atol=1e-2, rtol=1e-4)
        assert torch.allclose(log_odds(eps_b, eps), -log_odds(eps, eps_b))


def test_the_length_of_the_other_noise_is_what_theory_says():
    a, b, n, draws = LINE_UP[:1], LINE_UP[1:2], 500, 4000
    eps_b = collide(LINEAR, a, b, noise(range(draws), a.shape[1:]), n)
    power = eps_b.square().flatten(1).sum(1)
    d, lam = a.numel(), float(LINEAR.snr[n]) * float((a - b).square().sum())
    assert abs(float(power.mean()) - (d + lam)) < 4 * (2 * (d + 2 * lam) / draws) ** 0.5


def test_p_values_are_uniform_for_true_noise_and_match_the_tables():
    p = norm_p_value(noise(range(2000), (3, 16, 16))).sort().values
    assert float((p - torch.linspace(0, 1, 2000, dtype=torch.float64)).abs().max()) < 1.63 / 2000**0.5
    at = torch.full((1, 3, 16, 16), (862.1 / 768) ** 0.5)
    assert float(norm_p_value(at)[0]) == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize("n", [0, -1, 1001])
def test_no_noise_takes_b_to_a_without_noise(n):
    with pytest.raises(DiffdemoError):
        collide(LINEAR, LINE_UP[:1], LINE_UP[1:2], noise([0], LINE_UP.shape[1:]), n)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(DiffdemoError, match="fit"):
        posterior(LINEAR, torch.zeros(1, 3, 8, 8), 5, LINE_UP)
    with pytest.raises(DiffdemoError, match="fit"):
        posterior(LINEAR, LINE_UP[:1], 5, LINE_UP[:0])
    with pytest.raises(DiffdemoError, match="fit"):
        collide(LINEAR, LINE_UP[:2], LINE_UP[:1], noise([0, 1, 2], LINE_UP.shape[1:]), 5)


@pytest.mark.parametrize("n", [1, 40, 300, 700, 1000])
def test_fifty_digits_agree(n):
    """A brute-force computation with mpmath, straight from Bayes' rule, on 6 pictures of 12 pixels."""
    mpmath = pytest.importorskip("mpmath", reason="mpmath is a developer tool, see .ci/requirements.txt")
    generator = torch.Generator().manual_seed(n)
    line_up = torch.rand(6, 3, 2, 2, generator=generator) * 2 - 1
    x_n = LINEAR.add_noise(line_up[2:3], noise([n], (3, 2, 2)), n)
    with mpmath.workdps(50):
        a = mpmath.mpf(float(LINEAR.alpha_bar[n]))
        exponents = []
        for candidate in line_up:
            pairs = zip(x_n.flatten().tolist(), candidate.flatten().tolist(), strict=True)
            exponents.append(-sum((mpmath.mpf(x) - mpmath.sqrt(a) * mpmath.mpf(c)) ** 2 for x, c in pairs) / (2 * (1 - a)))
        total = sum(mpmath.exp(e) for e in exponents)
        p = [mpmath.exp(e) / total for e in exponents]
        bits = -sum(q * mpmath.log(q, 2) for q in p if q > 0)
    found = posterior(LINEAR, x_n, n, line_up)
    assert found[0].tolist() == pytest.approx([float(q) for q in p], rel=1e-9, abs=1e-15)
    assert float(entropy_bits(found)[0]) == pytest.approx(float(bits), rel=1e-8, abs=1e-12)


PROBABILITIES = {"faces": {200: 1.00, 300: 0.97, 400: 0.55, 500: 0.08, 700: 0.00}, "digits": {200: 0.99, 300: 0.97, 400: 0.79, 500: 0.23, 700: 0.00}}


@pytest.mark.parametrize("name", PROBABILITIES)
def test_the_exact_observer_knows_what_design_says_of_10_000_pictures(name):
    """P(true) over 2,000 pictures; the rows of one level at a time, so that memory stays small."""
    from diffdemo.line_ups import line_up

    candidates = line_up(name).pictures
    rows = torch.arange(2000)
    eps = noise(range(2000), candidates.shape[1:])
    for n, expected in PROBABILITIES[name].items():
        p = posterior(LINEAR, LINEAR.add_noise(candidates[rows], eps, n), n, candidates)
        assert float(p[rows, rows].mean()) == pytest.approx(expected, abs=0.04)
        assert float((p.sum(1) - 1).abs().max()) < 1e-9


def test_speciation_is_where_alpha_bar_is_one_over_the_largest_variance():
    variance = top_variance(LINE_UP)
    x = LINE_UP.flatten(1).double()
    assert variance == pytest.approx(float(np.linalg.eigvalsh(np.cov(x.numpy().T, bias=True))[-1]), rel=1e-9)
    assert top_variance(3 * LINE_UP) == pytest.approx(9 * variance, rel=1e-6)
    n = speciation(LINEAR, variance)
    assert LINEAR.alpha_bar[math.floor(n)] >= 1 / variance >= LINEAR.alpha_bar[math.ceil(n)]
    assert speciation(LINEAR, 21.6) == pytest.approx(550, abs=1)  # papers: faces, Lambda 21.6
    assert speciation(LINEAR, 0.5) == 0
