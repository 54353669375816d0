from dataclasses import replace

import numpy as np
import pytest
import torch

from diffdemo import models
from diffdemo.__main__ import main
from diffdemo.diffusion import metrics
from diffdemo.diffusion.schedule import Schedule
from diffdemo.errors import DiffdemoError
from diffdemo.measure import tradeoff
from diffdemo.measure.samples import real_pictures
from diffdemo.measure.tradeoff import STANDARD, Outcome, Setting, Trial, tradeoff_table
from diffdemo.models import Model
from diffdemo.pictures import faces
from diffdemo.pictures.line_ups import line_up
from diffdemo.pictures.readers import load_reader

PARTS = (0.9, 1.1, 1.0, 1.0, 1.05, 0.95, 0.9, 1.1)
SHORT = Setting(20, "ddim", "trailing", 4)


class Unsure:
    """A network that guesses the same grey picture from anything, and counts its calls.

    So every solver and grid ends at that picture.
    """

    calls = 0

    def __call__(self, x, timestep, return_dict=False):
        self.calls += 1
        return (torch.full_like(x, 0.25),)


@pytest.fixture
def trial(tmp_path, monkeypatch):
    """A line-up of 400 faces is enough to compare with."""
    few = replace(line_up("faces"), pictures=line_up("faces").pictures[:400])
    monkeypatch.setattr(tradeoff, "line_up", lambda name: few)
    monkeypatch.setattr(tradeoff, "PARTS", 2)
    model = Model(
        "faces",
        "0123",
        Schedule.linear(),
        (3, faces.SIDE, faces.SIDE),
        torch.device("cpu"),
        torch.float32,
        "sample",
        None,
        "faces",
        Unsure(),
    )
    return Trial(model, tmp_path / "store")


def test_all_settings_start_from_the_same_noise_and_lower_levels_from_pictures(trial):
    assert torch.equal(trial.start(1000, 3), trial.start(1000, 5)[:3])
    real = real_pictures(trial.model, 4)
    assert torch.allclose(trial.start(1, 2), real[:2], atol=0.1)
    # none is among those compared with
    assert float(metrics.nearest(real, line_up("faces").pictures)[0].min()) > 0


def test_the_distance_is_that_to_the_answer_of_every_step(trial):
    assert trial.judge(SHORT, 6).rmse == pytest.approx(0, abs=1e-5)
    assert torch.allclose(trial.answer(20), torch.tensor(0.25), atol=1e-5)
    np.save(trial.folder / "faces-0123-answer-20.npy", np.full((32, 3, 16, 16), 0.75, np.float32))
    assert trial.judge(replace(SHORT, calls=3), 6).rmse == pytest.approx(0.5, abs=1e-5)


def test_what_was_measured_is_never_measured_again(trial):
    setting = Setting(20, "dpm++2m", "logsnr", 2)
    first = trial.judge(setting, 4)
    calls = trial.model.network.calls
    assert trial.judge(setting, 4) == first
    assert Trial(trial.model, trial.folder).judge(setting, 4) == first
    assert trial.model.network.calls == calls
    trial.judge(setting, 5)
    assert [outcome.samples for outcome in trial.outcomes()] == [4, 5]


def test_enough_samples_get_a_frechet_distance(trial, monkeypatch):
    monkeypatch.setattr(tradeoff, "ENOUGH", 16)
    setting = Setting(3, "ddim", "trailing", 1)
    few = trial.judge(setting, 15)
    many = trial.judge(setting, 16)
    assert (few.frechet, few.parts) == (None, ())
    features = load_reader("faces").features(torch.full((1, 3, 16, 16), 0.25))[0].double()
    target = trial.target(16).double()
    to_mean = (features - target.mean(0)).square().sum()
    known = float(to_mean + target.T.cov().trace())  # samples without any spread
    assert many.frechet == pytest.approx(known, rel=1e-4)
    assert many.parts == pytest.approx([known] * tradeoff.PARTS, rel=1e-4)
    assert trial.floor(16) < known


def test_parts_leave_out_every_sample_once(monkeypatch):
    """With the sum as distance, what is left out can be told from each part."""
    monkeypatch.setattr(metrics, "frechet", lambda a, b: float(a.sum()))
    whole, *parts = tradeoff.frechets(torch.arange(20.0)[:, None], torch.zeros(1, 1))
    assert sum(whole - part for part in parts) == whole


def test_the_error_of_a_ratio_is_that_of_the_jackknife():
    """For the mean of independent samples the jackknife gives the mean's own standard error."""
    samples = np.random.default_rng(0).normal(10, 1, 80_000)
    parts = tuple(float(np.delete(samples.reshape(-1, 8), k, 1).mean()) for k in range(8))
    value, error = tradeoff.ratio(outcome(10.0, parts), outcome(1.0, parts=(1.0,) * 8))
    assert value == 10
    assert 0.4 < error / 80_000**-0.5 < 2


def outcome(frechet=1.0, parts=PARTS, **setting) -> Outcome:
    return Outcome(replace(STANDARD, **setting), 1024, 0.1, frechet, parts)


def test_the_cheapest_is_the_one_of_fewest_calls_that_is_as_good():
    others = [
        outcome(1.04, calls=20),
        outcome(1.06, calls=10),
        outcome(1.03, calls=12, solver="dpm++2m"),
        outcome(1.02, calls=12),
        outcome(0.5, calls=4, n=500),
    ]
    sentence = tradeoff_table([outcome(), *others], 1000)[-1]
    assert sentence.startswith(
        "Cheapest within 5% of 50-step DDIM: ddim, trailing, 12 calls (1.020"
    )
    assert sentence.endswith("4.2 times fewer.")


def test_distances_from_other_numbers_of_samples_are_not_compared():
    lines = tradeoff_table([outcome(), replace(outcome(0.9, calls=10), samples=2048)], 1000)
    assert lines[2].endswith("| 0.90 | – |")
    assert "50 calls" in lines[-1]
    assert "was not measured" in tradeoff_table([outcome(calls=10)], 1000)[-1]


def test_a_sheet_has_a_column_a_setting_and_the_answer(trial):
    settings = [Setting(4, "ddim", "trailing", calls) for calls in (1, 2)]
    page = trial.sheet(settings, count=3)
    assert page.shape == ((3 * 16 + 2) * 4, 3 * 64 + 2 * 6, 3)
    assert set(np.unique(page)) == {159, 255}  # the guess, and the gaps


def test_a_model_without_a_line_up_is_refused(tiny_eps, tmp_path):
    with pytest.raises(DiffdemoError, match="line-up"):
        Trial(tiny_eps, tmp_path)


def test_the_command_prints_a_table_for_each_level(trial, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(models, "load_model", lambda name: trial.model)
    settings = "tradeoff faces --n 9 6 --calls 2 3 --samples 4"
    store = f"--store {tmp_path / 'kept'} --sheet {tmp_path / 'sheet.png'}"
    assert main(f"{settings} {store}".split()) == 0
    printed = capsys.readouterr().out
    assert printed.count("| dpm++2m | logsnr | 3 |") == 2
    assert "faces from n = 6" in printed
    assert (tmp_path / "sheet.png").exists()
