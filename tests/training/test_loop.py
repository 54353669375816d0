"""What holds for every recipe."""

import math
from dataclasses import replace
from itertools import islice

import pytest
import torch

from diffdemo.errors import DiffdemoError
from diffdemo.training import loop
from diffdemo.training.loop import Trainer
from diffdemo.training.recipe import Options

CPU = Options(device="cpu")


@pytest.mark.parametrize(
    ("recipe", "count", "share"),
    [("model_recipe", 100, 0.75), ("reader_recipe", 40, 0.85)],
    indirect=["recipe"],
)
def test_the_loss_falls(recipe, count, share):
    trainer = Trainer(recipe, 1000, CPU)
    reports = list(islice(trainer.run(), count))
    assert trainer.loss < reports[0].loss
    assert trainer._losses()[1].item() < share * reports[0].loss
    assert [report.step for report in reports] == list(range(1, count + 1))
    assert reports[-1].pictures == count * recipe.size


def test_the_same_steps_give_the_same_weights(recipe):
    trainers = [Trainer(recipe, math.inf, CPU) for _ in range(2)]
    for trainer in trainers:
        list(islice(trainer.run(), 3))
    first, second = (trainer.average.state_dict() for trainer in trainers)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_training_leaves_the_global_random_state_alone(recipe):
    before = torch.random.get_rng_state()
    next(Trainer(recipe, 1000, CPU).run())
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_average_is_a_mean_over_the_horizon(reader_recipe):
    """It includes the statistics of the normalisation, and takes the first weights as they are."""
    trainer = Trainer(replace(reader_recipe, horizon=3), math.inf, CPU)
    seen = []
    for _ in islice(trainer.run(), 4):
        state = trainer.network.state_dict()
        seen.append(torch.cat([state["0.weight"].flatten(), state["1.running_mean"]]))
    state = trainer.average.module.state_dict()
    average = torch.cat([state["0.weight"].flatten(), state["1.running_mean"]])
    expected = torch.stack(seen[:3]).mean(0).lerp(seen[3], 1 / 3)
    assert torch.allclose(average, expected, atol=1e-6)


def test_the_learning_rate_rises_to_its_peak_and_falls_by_a_half_cosine(model_recipe):
    trainer = Trainer(model_recipe, 100, CPU)
    assert trainer._rate() == pytest.approx(model_recipe.rate / model_recipe.warm_up)
    trainer.step = model_recipe.warm_up
    rates = []
    for seconds in (0, 50, 100):
        trainer.seconds = seconds
        rates.append(trainer._rate() / model_recipe.rate)
    assert rates == pytest.approx([1, 0.5, 0])


def test_bfloat16_computes_about_the_same_and_keeps_float32_weights(recipe):
    losses = []
    for dtype in (torch.float32, torch.bfloat16):
        trainer = Trainer(recipe, math.inf, replace(CPU, dtype=dtype))
        losses.append(list(islice(trainer.run(), 3))[-1].loss)
        weights = [*trainer.network.parameters(), *trainer.average.parameters()]
        assert {weight.dtype for weight in weights} == {torch.float32}
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_a_device_that_is_missing_is_refused(recipe, monkeypatch):
    monkeypatch.setattr(loop.torch.cuda, "is_available", lambda: False)
    with pytest.raises(DiffdemoError, match="no CUDA device"):
        Trainer(recipe, 1000, Options(device="cuda"))
