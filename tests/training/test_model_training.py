from dataclasses import replace

import pytest
import torch

from diffdemo.errors import DiffdemoError
from diffdemo.models import load_model
from diffdemo.training import loop, models
from diffdemo.training.loop import Trainer
from diffdemo.training.recipe import Options

CPU = Options(device="cpu")


def test_the_weighted_loss_is_the_epsilon_loss_where_alpha_bar_is_large(model_recipe, monkeypatch):
    """alpha_bar |v_hat - v|^2 = |eps_hat - eps|^2, checked through the network itself."""
    trainer = Trainer(model_recipe, 1000, CPU)
    weighted, epsilon = trainer._losses()
    assert weighted.item() > epsilon.item() > 0
    monkeypatch.setattr(models, "FLOOR", 0.0)
    weighted, epsilon = trainer._losses()
    assert weighted.item() == pytest.approx(epsilon.item(), rel=1e-5)


def test_each_part_of_the_levels_gets_one_timestep():
    t = models.stratified(50, torch.Generator().manual_seed(0))
    assert (t // 20).tolist() == list(range(50))


def test_a_second_training_begins_with_the_first_and_sees_other_faces(model_recipe, tmp_path):
    first = Trainer(model_recipe, 1000, CPU)
    first.save(tmp_path / "first")
    options = replace(CPU, seed=1, start=tmp_path / "first")
    second = Trainer(model_recipe, 1000, options)
    pairs = zip(first.network.parameters(), second.network.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in pairs)  # saved in half precision
    assert second._rate() == first._rate() / 2
    seen = []
    for trainer in (first, second):
        stream = trainer.stream
        trainer.stream = lambda place, count, stream=stream: (
            seen.append(place) or stream(place, count)
        )
        trainer._losses()
    assert seen == [0, loop.PICTURES]


def test_weights_of_another_shape_are_refused(model_recipe, tmp_path):
    Trainer(model_recipe, 1000, CPU).save(tmp_path / "first")
    wider = replace(model_recipe, network=model_recipe.network | {"block_out_channels": (8, 24)})
    with pytest.raises(DiffdemoError, match="shape"):
        Trainer(wider, 1000, replace(CPU, start=tmp_path / "first"))


@pytest.mark.parametrize("recipe", [models.FACES, models.DIGITS], ids=lambda recipe: recipe.name)
def test_the_committed_weights_are_those_of_the_committed_recipe(recipe):
    network = load_model(recipe.name, "cpu").unet.config
    for key, value in recipe.network.items():
        found = network[key]
        assert (tuple(found) if isinstance(found, list) else found) == value, key
