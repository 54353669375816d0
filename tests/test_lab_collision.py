import math
from dataclasses import astuple

import numpy as np
import pytest
import torch

import diffdemo
from diffdemo import lab
from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.experiment import WAYS_BACK, Collision, picture_from_png
from diffdemo.images import png_bytes, to_uint8
from diffdemo.lab import Progress, lane
from diffdemo.lab.collision import Plausibility, odds
from diffdemo.line_ups import line_up
from diffdemo.metrics import came_back
from diffdemo.models import load_model
from diffdemo.noise import noise
from diffdemo.posterior import collide, log_odds, log_posterior


@pytest.fixture(scope="module")
def model():
    return load_model("faces", "cpu")


@pytest.fixture(scope="module")
def tiny(folders):
    return load_model(str(folders["v_prediction"]), device="cpu")


def collision(model, **options):
    return lab.run(Collision(**{"model": model.name, "steps": 2, **options}), model)


@pytest.mark.parametrize(("one", "other"), [("face:17", "face:4"), ("face:4", "face:17")])
def test_both_pictures_have_the_very_same_x_n_at_every_level(model, one, other):
    a, b, n = lab.picture(one, model), lab.picture(other, model), torch.arange(1, 1001)
    eps_a = noise([7], model.shape).expand(1000, -1, -1, -1)
    eps_b = collide(model.schedule, a, b, eps_a, n)
    from_a, from_b = model.schedule.add_noise(a, eps_a, n), model.schedule.add_noise(b, eps_b, n)
    assert float((from_a - from_b).abs().max()) < 1e-5
    assert float((eps_a - eps_b).abs().amax((1, 2, 3)).min()) > 1e-3
    assert float((collide(model.schedule, b, a, eps_b, n) - eps_a).abs()[10:].max()) < 1e-4  # and the way back


@pytest.mark.parametrize("n", [1, 300, 1000])
def test_a_collision_holds_what_it_promises(model, n):
    found = collision(model, n=n, seed=3)
    assert found.experiment.revision == model.revision
    assert torch.equal(found.eps_a, noise([3], model.shape))
    assert torch.equal(found.x_n, model.schedule.add_noise(found.x0, found.eps_a, n))
    assert float((found.x_n - model.schedule.add_noise(found.other, found.eps_b, n)).abs().max()) < 1e-5
    assert torch.equal(found.other, lab.picture("face:4", model))
    assert found.seeds == tuple(range(4, 4 + WAYS_BACK))
    assert found.reconstructions.shape == (WAYS_BACK, *model.shape)
    assert found.kept_a.shape == found.kept_b.shape == found.a.shape == found.b.shape == (WAYS_BACK,)
    assert 0 < min(found.attributes) <= max(found.attributes) <= 14
    for plausibility, eps in ((found.plausibility, found.eps_b), (found.of_eps_a, found.eps_a)):
        assert astuple(plausibility) == astuple(Plausibility.of(eps))


@pytest.mark.parametrize("n", [100, 300, 500, 700, 1000])
def test_the_log_odds_are_those_of_the_exact_posterior_over_the_two(tiny, n):
    found = collision(tiny, n=n, steps=1, eta=0.0)
    a, b = log_posterior(tiny.schedule, found.x_n, n, torch.cat([found.x0, found.other]))[0].tolist()
    assert found.log_odds == pytest.approx(b - a, abs=1e-4)
    assert found.log_odds == pytest.approx(float(log_odds(found.eps_a, found.eps_b)))


@pytest.mark.parametrize("n", [1, 123, 500, 1000])
def test_the_curve_of_the_odds_passes_through_them(tiny, n):
    found = collision(tiny, n=n, steps=1, eta=0.0)
    assert n in found.levels
    assert list(found.levels) == sorted(set(found.levels))
    assert (found.levels[0], found.levels[-1]) == (1, 1000)
    assert float(found.odds[found.levels.index(n)]) == pytest.approx(-found.log_odds / math.log(10), rel=1e-4)
    few = odds(tiny, found.x0, found.other, found.eps_a, (n, 77))
    assert float(few[0]) == pytest.approx(float(found.odds[found.levels.index(n)]), rel=1e-9)


def test_log_odds_lie_where_theory_has_them(model):
    """-lambda / 2 on average and with variance lambda, where lambda = SNR |A - B|^2."""
    a, b = lab.picture("face:17", model), lab.picture("face:4", model)
    eps = noise(range(400), model.shape)
    found = log_odds(eps, collide(model.schedule, a, b, eps, 500))
    strength = float(model.schedule.snr[500] * (a - b).double().square().sum())
    assert float(found.mean()) == pytest.approx(-strength / 2, abs=4 * (strength / 400) ** 0.5)
    assert float(found.var()) == pytest.approx(strength, rel=4 * (2 / 400) ** 0.5)


def test_the_roles_swapped_negate_the_log_odds(model):
    a, b, eps_a = lab.picture("face:17", model), lab.picture("face:4", model), noise([1], model.shape)
    eps_b = collide(model.schedule, a, b, eps_a, 400)
    assert float(log_odds(eps_b, collide(model.schedule, b, a, eps_b, 400))) == pytest.approx(-float(log_odds(eps_a, eps_b)), rel=1e-5)


def test_a_picture_and_itself_share_everything(tiny):
    found = collision(tiny, other="face:17", n=300)
    assert torch.equal(found.eps_a, found.eps_b)
    assert found.log_odds == 0
    assert found.odds.tolist() == [0] * len(found.levels)
    assert astuple(found.plausibility) == astuple(found.of_eps_a)


def test_true_noise_is_as_long_as_noise_95_times_in_100(model):
    lengths = [Plausibility.of(noise([seed], model.shape)) for seed in range(400)]
    inside = sum(abs(p.mean_square - 1) <= p.spread for p in lengths) / 400
    assert 0.92 <= inside <= 0.98
    values = torch.tensor(sorted(p.p_value for p in lengths))
    assert float((values - (torch.arange(400) + 0.5) / 400).abs().max()) < 1.63 / 400**0.5  # uniform: Kolmogorov's 1 % point


def test_early_no_noise_of_the_other_picture_looks_like_noise_and_late_it_does(model):
    early, late = collision(model, n=50, steps=1), collision(model, n=1000, steps=1)
    assert early.plausibility.p_value < 1e-12
    assert early.plausibility.mean_square > 1 + 3 * early.plausibility.spread
    assert early.log_odds < -100
    assert abs(late.plausibility.mean_square - late.of_eps_a.mean_square) < 0.02
    assert abs(late.log_odds) < 1


def test_early_every_way_back_is_the_first_picture(model):
    found = collision(model, n=50, steps=10)
    assert found.a.all()
    assert not found.b.any()
    assert float(found.kept_a.min()) > float(found.kept_b.max())


@pytest.mark.parametrize("n", [400, 600, 1000])
def test_a_way_back_is_never_both_pictures(model, n):
    found = collision(model, n=n, seed=5, steps=3)
    assert not (found.a & found.b).any()
    pictures = torch.cat([line_up("faces").pictures, found.x0, found.other])
    assert torch.equal(found.a, came_back(found.x0, found.reconstructions, pictures))
    assert torch.equal(found.b, came_back(found.other, found.reconstructions, pictures))


def test_of_two_pictures_nearly_alike_each_way_back_is_the_nearer_one(model):
    """A face outside the line-up with faint stripes, and with their opposite: only the comparison of the two tells them apart."""
    face, stripes = to_uint8(lab.picture("face:900000", model))[0].clip(1, 254), (np.arange(16)[:, None, None] % 2 * 2 - 1).astype(np.int16)
    one, other = (picture_from_png(png_bytes((face + sign * stripes).astype(np.uint8))) for sign in (1, -1))
    found = collision(model, picture=one, other=other, n=50, steps=5)
    pictures = torch.cat([line_up("faces").pictures, found.x0, found.other])
    assert torch.equal(found.a, came_back(found.x0, found.reconstructions, pictures))
    assert torch.equal(found.b, came_back(found.other, found.reconstructions, pictures))
    assert found.a.any()
    assert found.b.any()


def test_of_two_equal_pictures_the_first_came_back_and_the_second_did_not(tiny):
    """Without a line-up each picture is judged by its distance alone, and both are near."""
    found = collision(tiny, other="face:17", n=1, steps=1)
    assert found.a.all()
    assert not found.b.any()
    assert found.kept_a is None
    assert found.kept_b is None
    assert found.attributes == (0, 0)


def test_without_fresh_noise_there_is_one_way_back(model):
    found = collision(model, n=300, eta=0.0, steps=4)
    assert len(found.reconstructions) == len(found.seeds) == len(found.a) == 1
    assert float((found.reconstructions - diffdemo.denoise(model, found.x_n, 300, 4)).abs().max()) < 1e-5


def test_ways_back_are_ancestral_samples_of_the_seeds_after_its_own(model):
    found = collision(model, n=400, seed=9, steps=3)
    wanted = diffdemo.denoise(model, found.x_n.repeat(WAYS_BACK, 1, 1, 1), 400, 3, eta=1.0, seeds=range(10, 10 + WAYS_BACK))
    assert float((found.reconstructions - wanted).abs().max()) < 1e-4
    assert float((found.reconstructions[0] - found.reconstructions[1]).abs().max()) > 0.01


def test_progress_counts_every_call_and_chunks_change_nothing(model, monkeypatch):
    e = Collision(n=300, steps=3)
    *progress, whole = lab.stream(e, model)
    assert [(p.done, p.total) for p in progress] == [(1, 3), (2, 3), (3, 3)]
    assert all(isinstance(p, Progress) and len(p.x_n) == len(p.x0_hat) == WAYS_BACK for p in progress)
    monkeypatch.setattr(lane, "CHUNK", 3)
    *progress, parts = lab.stream(e, model)
    assert [(p.done, p.total) for p in progress] == [(k, 9) for k in range(1, 10)]
    assert float((whole.reconstructions - parts.reconstructions).abs().max()) < 1 / 255
    assert torch.equal(whole.a, parts.a)


def test_no_noise_and_no_second_picture_are_refused(model):
    with pytest.raises(ExperimentError, match="at least 1"):
        Collision(n=0)
    with pytest.raises(ExperimentError, match="second picture"):
        Collision(other="")
    with pytest.raises(DiffdemoError):
        collide(model.schedule, *torch.zeros(3, 1, *model.shape), 0)
    with pytest.raises(DiffdemoError):
        next(lab.stream(Collision(other="png:AAAA"), model))
