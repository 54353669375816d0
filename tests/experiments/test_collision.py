import json
import math
from dataclasses import astuple, replace

import numpy as np
import pytest
import raw_values
import torch

import diffdemo
from diffdemo import Collision, lab
from diffdemo.diffusion.metrics import came_back, rmse
from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.posterior import collide, log_odds, log_posterior
from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.experiments.collision import WAYS_BACK
from diffdemo.experiments.collision.run import Plausibility, log10_odds
from diffdemo.experiments.collision.words import times
from diffdemo.lab import batches
from diffdemo.lab.judge import CAME_BACK_SHARE
from diffdemo.lab.notation import picture_from_png
from diffdemo.lab.prepare import picture, prepare
from diffdemo.lab.progress import Progress
from diffdemo.models import load_model
from diffdemo.pictures.images import png_bytes, to_uint8
from diffdemo.pictures.line_ups import line_up, unrelated_rmse
from diffdemo.report.presenter import animated, present
from diffdemo.widgets.controls import ControlValues, Settings


@pytest.fixture(scope="module")
def model(faces_model):
    return faces_model


@pytest.fixture(scope="module")
def tiny(folders):
    return load_model(str(folders["v_prediction"]), device="cpu")


def collision(model, **options):
    return lab.run(Collision(**{"model": model.name, "steps": 2, **options}), model)


def largest(difference):
    return float(difference.abs().max())


@pytest.mark.parametrize(("one", "other"), [("face:17", "face:4"), ("face:4", "face:17")])
def test_both_pictures_have_the_same_x_n_at_every_level(model, one, other):
    schedule = model.schedule
    a = picture(one, model)
    b = picture(other, model)
    n = torch.arange(1, 1001)
    eps_a = noise([7], model.shape).expand(1000, -1, -1, -1)
    eps_b = collide(schedule, a, b, eps_a, n)
    assert largest(schedule.add_noise(a, eps_a, n) - schedule.add_noise(b, eps_b, n)) < 1e-5
    assert float((eps_a - eps_b).abs().amax((1, 2, 3)).min()) > 1e-3
    assert largest((collide(schedule, b, a, eps_b, n) - eps_a)[10:]) < 1e-4  # and the way back


@pytest.mark.parametrize("n", [1, 300, 1000])
def test_the_parts_of_a_result_fit_together(model, n):
    found = collision(model, n=n, seed=3)
    schedule = model.schedule
    assert found.experiment.revision == model.revision
    assert torch.equal(found.eps_a, noise([3], model.shape))
    assert torch.equal(found.x_n, schedule.add_noise(found.x0, found.eps_a, n))
    assert largest(found.x_n - schedule.add_noise(found.other, found.eps_b, n)) < 1e-5
    assert found.signal == pytest.approx(float(schedule.alpha_bar[n]) ** 0.5)
    assert found.signal**2 + found.spread**2 == pytest.approx(1)
    assert found.T == 1000
    assert torch.equal(found.other, picture("face:4", model))
    assert found.seeds == tuple(range(4, 4 + WAYS_BACK))
    assert found.reconstructions.shape == (WAYS_BACK, *model.shape)
    by_way = (found.kept_a, found.kept_b, found.a, found.b)
    assert {each.shape for each in by_way} == {(WAYS_BACK,)}
    assert 0 < min(found.attributes) <= max(found.attributes) <= 14
    assert astuple(found.plausibility) == astuple(Plausibility.of(found.eps_b))
    assert astuple(found.of_eps_a) == astuple(Plausibility.of(found.eps_a))


@pytest.mark.parametrize("n", [100, 300, 500, 700, 1000])
def test_the_log_odds_are_those_of_the_exact_posterior_over_the_two(tiny, n):
    found = collision(tiny, n=n, steps=1, eta=0.0)
    both = torch.cat([found.x0, found.other])
    a, b = log_posterior(tiny.schedule, found.x_n, n, both)[0].tolist()
    assert found.log_odds == pytest.approx(b - a, abs=1e-4)
    assert found.log_odds == pytest.approx(float(log_odds(found.eps_a, found.eps_b)))


@pytest.mark.parametrize("n", [1, 123, 500, 1000])
def test_the_curve_of_the_odds_passes_through_them(tiny, n):
    found = collision(tiny, n=n, steps=1, eta=0.0)
    assert n in found.levels
    assert list(found.levels) == sorted(set(found.levels))
    assert (found.levels[0], found.levels[-1]) == (1, 1000)
    at_n = float(found.odds[found.levels.index(n)])
    assert at_n == pytest.approx(-found.log_odds / math.log(10), rel=1e-4)
    few = log10_odds(tiny.schedule, found.x0, found.other, found.eps_a, (n, 77))
    assert float(few[0]) == pytest.approx(at_n, rel=1e-9)


def test_log_odds_have_the_mean_and_variance_of_theory(model):
    """The mean is -lambda / 2 and the variance lambda, where lambda = SNR |A - B|^2."""
    a = picture("face:17", model)
    b = picture("face:4", model)
    eps = noise(range(400), model.shape)
    found = log_odds(eps, collide(model.schedule, a, b, eps, 500))
    strength = float(model.schedule.snr[500] * (a - b).double().square().sum())
    assert float(found.mean()) == pytest.approx(-strength / 2, abs=4 * (strength / 400) ** 0.5)
    assert float(found.var()) == pytest.approx(strength, rel=4 * (2 / 400) ** 0.5)


def test_swapping_the_pictures_negates_the_log_odds(model):
    a = picture("face:17", model)
    b = picture("face:4", model)
    eps_a = noise([1], model.shape)
    eps_b = collide(model.schedule, a, b, eps_a, 400)
    swapped = log_odds(eps_b, collide(model.schedule, b, a, eps_b, 400))
    assert float(swapped) == pytest.approx(-float(log_odds(eps_a, eps_b)), rel=1e-5)


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
    p_values = torch.tensor(sorted(p.p_value for p in lengths))
    uniform = (torch.arange(400) + 0.5) / 400
    assert largest(p_values - uniform) < 1.63 / 400**0.5  # Kolmogorov's 1 % point


def test_the_noise_of_the_other_picture_looks_like_noise_late_and_not_early(model):
    early = collision(model, n=50, steps=1)
    late = collision(model, n=1000, steps=1)
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


def check_nearest(found):
    """The picture that came back is the nearest among A, B and the line-up."""
    pictures = torch.cat([line_up("faces").pictures, found.x0, found.other])
    assert torch.equal(found.a, came_back(found.x0, found.reconstructions, pictures))
    assert torch.equal(found.b, came_back(found.other, found.reconstructions, pictures))


@pytest.mark.parametrize("n", [400, 600, 1000])
def test_a_way_back_is_never_both_pictures(model, n):
    found = collision(model, n=n, seed=5, steps=3)
    assert not (found.a & found.b).any()
    check_nearest(found)


def test_of_two_pictures_nearly_alike_each_way_back_is_the_nearer_one(model):
    """A face outside the line-up with faint stripes, and with their opposite.

    Only the comparison of the two tells them apart.
    """
    face = to_uint8(picture("face:900000", model))[0].clip(1, 254)
    stripes = (np.arange(16)[:, None, None] % 2 * 2 - 1).astype(np.int16)
    one = picture_from_png(png_bytes((face + stripes).astype(np.uint8)))
    other = picture_from_png(png_bytes((face - stripes).astype(np.uint8)))
    found = collision(model, picture=one, other=other, n=50, steps=5)
    check_nearest(found)
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


def test_a_foreign_picture_comes_back_only_where_it_is_near(faces_model):
    found = lab.run(Collision(picture="digit:3", other="face:4", n=250, steps=4), faces_model)
    distance = rmse(found.x0, found.reconstructions)
    unrelated = unrelated_rmse("faces")
    assert not found.a[distance >= CAME_BACK_SHARE * unrelated].any()
    assert found.kept_a is None
    assert found.kept_b is not None


def test_without_fresh_noise_there_is_one_way_back(model):
    found = collision(model, n=300, eta=0.0, steps=4)
    assert len(found.reconstructions) == len(found.seeds) == len(found.a) == 1
    assert largest(found.reconstructions - diffdemo.denoise(model, found.x_n, 300, 4)) < 1e-5


def test_ways_back_are_ancestral_samples_of_the_next_seeds(model):
    found = collision(model, n=400, seed=9, steps=3)
    shared = found.x_n.repeat(WAYS_BACK, 1, 1, 1)
    seeds = range(10, 10 + WAYS_BACK)
    wanted = diffdemo.denoise(model, shared, 400, 3, eta=1.0, seeds=seeds)
    assert largest(found.reconstructions - wanted) < 1e-4
    assert largest(found.reconstructions[0] - found.reconstructions[1]) > 0.01


def test_progress_counts_every_call_and_batches_change_nothing(model, monkeypatch):
    e = Collision(n=300, steps=3)
    *progress, whole = lab.stream(e, model)
    assert [(p.done, p.total) for p in progress] == [(1, 3), (2, 3), (3, 3)]
    assert {type(p) for p in progress} == {Progress}
    assert {len(x) for p in progress for x in (p.x_n, p.x0_hat)} == {WAYS_BACK}
    monkeypatch.setattr(batches, "ROWS", 3)
    *progress, parts = lab.stream(e, model)
    assert [(p.done, p.total) for p in progress] == [(k, 9) for k in range(1, 10)]
    assert largest(whole.reconstructions - parts.reconstructions) < 1 / 255
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


def test_the_sentence_puts_length_and_odds_in_words(model):
    def sentence(**options):
        return present(collision(model, steps=1, **options)).sentence()

    made = "At n = 100, one noisy picture can be made from A or from B."
    strong = "The noise B needs is far too strong to be ordinary. A is 10^"
    assert sentence(n=100).startswith(f"{made} {strong}")
    late = "The noise B needs looks ordinary. B is 1.38 times likelier than A. Of 8 tries, "
    assert late in sentence(n=1000)
    assert "the same picture" in sentence(other="face:17")
    assert " The one try came back as " in sentence(eta=0)


TIMES = [(0.1, "1.26"), (2, "100"), (3.1, "1,300"), (5.9, "790,000"), (6.3, "2 million")]
TIMES += [(9.9, "7.94 billion"), (14, "100 trillion"), (23.6, "10^24")]


@pytest.mark.parametrize(("log10", "text"), TIMES)
def test_odds_are_written_in_words(log10, text):
    assert times(log10) == text


def test_the_sentence_counts_the_tries(model):
    found = collision(model, steps=1)
    no = torch.zeros(8, dtype=torch.bool)
    one = no.clone()
    one[3] = True
    text = present(replace(found, a=one, b=no)).sentence()
    assert text.endswith("Of 8 tries, one came back as A, none as B, 7 as other pictures.")


def test_the_note_lists_the_settings(model):
    note = present(collision(model, n=300, seed=2)).note()
    assert "noise on A from seed 2, back with 2 denoising steps, eta 1, seeds 3 to 10, " in note
    one = present(collision(model, n=1, eta=0)).note()
    assert "back with 1 denoising step, deterministic, " in one


def test_numbers_say_where_each_way_back_ended(model):
    words = present(collision(model, n=400, steps=3))
    found = words.as_json()
    assert found["query"] == words.experiment.to_query()
    assert found["spread"] == words.result.plausibility.spread
    assert len(found["levels"]) == len(found["log10_odds"])
    assert json.dumps(found)
    rows = words.table()
    assert [row["ended"] == "A" for row in rows] == found["a"]
    assert [row["ended"] == "B" for row in rows] == found["b"]
    assert [row["kept_a"] for row in rows] == pytest.approx(found["kept_a"])
    assert not animated(Collision)


def test_tiles_are_both_pictures_their_noises_x_n_and_the_ways_back(tiny):
    found = collision(tiny, n=60)
    rows = present(found).tiles()
    tiles = [tile for row in rows for tile in row.tiles]
    assert [tile.name for tile in tiles[:5]] == ["x0", "eps_a", "other", "eps_b", "x_n"]
    assert [tile.back for tile in tiles[5:]] == (found.a | found.b).tolist()


def test_ways_back_of_digits_tell_whose_digit_was_read():
    e = Collision("digits", "digit:3", other="digit:7", n=50, steps=3)
    ways = present(lab.run(e)).page()["ways"]
    assert {way["read"] for way in ways} == {"digit of A, not B's digit"}
    assert {way["verdict"] for way in ways} == {"✓ A"}


@pytest.fixture
def tab(tab_of):
    return tab_of(Collision)


def test_the_tab_draws_both_equations_and_the_ways_back(model, tab):
    *partial, last = tab.run(prepare(Collision(n=600, steps=3), model))
    assert [update[tab.sentence]["done"] for update in partial] == [1, 2, 3]
    assert all(tab.shown not in update for update in partial)
    assert last[tab.sentence]["text"].startswith("At n = 600, one noisy picture can be made ")
    page = last[tab.shown]
    assert (page["signal"], page["spread"]) == ("0.161", "0.987")
    assert (page["n"], page["T"]) == (600, 1000)
    assert [page[name]["alt"] for name in "ab"] == ["A, face 17", "B, face 4"]
    assert [fact["term"] for fact in page["facts"]][-1] == "exact odds A : B"
    assert len(page["ways"]) == 8
    assert all(way["who"] in ("A", "B", "") and way["verdict"] for way in page["ways"])
    assert page["odds"][0][0] == 1
    assert json.dumps(page)


OWN = raw_values.OWN["collide"]


def test_the_controls_describe_an_experiment_and_an_experiment_the_controls(model, tab):
    assert set(tab.own) == set(OWN)
    found = tab.experiment(Settings.read(tab.second.models, raw_values.SHARED), OWN)
    assert found == Collision(n=250, steps=30, eta=0.5)
    values = tab.values(found, model)
    assert values == ControlValues({"n": 250, "first": 0}, {**OWN, "other": "face:4"})
    assert tab.updates(values, model)[tab.second.portrait]["picture"] == "face:4"
    assert len(tab.changes()) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("other", None),
        ("other", {"picture": ""}),
        ("other", {"picture": "sha256:" + "0" * 64}),
        ("steps", 1e309),
        ("eta", "x"),
    ],
)
def test_impossible_values_of_its_controls_get_one_sentence(tab, name, value):
    with pytest.raises(DiffdemoError) as caught:
        tab.experiment(Settings.read(tab.second.models, raw_values.SHARED), {**OWN, name: value})
    assert len(str(caught.value)) < 250
