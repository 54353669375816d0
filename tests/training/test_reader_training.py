from dataclasses import replace

import pytest
import torch

from diffdemo import pictures
from diffdemo.errors import DiffdemoError
from diffdemo.pictures import digits, images
from diffdemo.training import readers
from diffdemo.training.recipe import Options
from diffdemo.training.run import train

CPU = Options(device="cpu")


@pytest.mark.parametrize("change", [readers.disturb, readers.move])
def test_changed_pictures_stay_pictures_and_depend_on_the_generator_alone(change):
    x = images.from_uint8(digits.line_up()[0][:32])
    first, again, other = (change(x, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first.shape == x.shape
    assert first.min() >= -1
    assert first.max() <= 1
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert 0.01 < (first - x).square().mean().sqrt() < 0.6


@pytest.mark.parametrize("recipe", [readers.FACES, readers.DIGITS], ids=lambda r: r.reader)
def test_a_trained_reader_is_saved_and_loads(recipe, tmp_path, monkeypatch):
    folder = tmp_path / "new"
    monkeypatch.setattr(pictures.readers, "WEIGHTS", folder)
    shape = pictures.readers.ARCHITECTURES[recipe.reader].shape
    values = pictures.readers.attribute_values(recipe.reader)
    batch = torch.zeros(8, *shape), torch.zeros(8, len(values), dtype=torch.int64)
    tiny = replace(recipe, size=8, source=lambda data: lambda first, count: batch)
    path = folder / recipe.out.name
    reports = list(train(tiny, 0.002, path, tmp_path / "state.pt", CPU))
    assert reports[-1].share >= 1
    loaded = pictures.readers.load_reader.__wrapped__(recipe.reader)
    assert loaded.name == recipe.reader
    assert not loaded.network.training
    assert path.stat().st_size < 1_000_000


def test_a_reader_refuses_weights_to_begin_with(tmp_path):
    options = replace(CPU, start=tmp_path)
    with pytest.raises(DiffdemoError, match="from scratch"):
        train(readers.FACES, 1, tmp_path / "r.safetensors", tmp_path / "s.pt", options)
