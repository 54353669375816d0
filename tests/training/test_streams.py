import numpy as np
import torch

from diffdemo.pictures import faces, readers
from diffdemo.training import models, streams
from diffdemo.training import readers as reader_recipes


def test_training_never_sees_the_line_up_or_the_evaluation_faces(monkeypatch, tmp_path):
    seen = []
    choose = faces.choose
    monkeypatch.setattr(faces, "choose", lambda seeds: seen.append(seeds) or choose(seeds))
    for recipe in (models.FACES, reader_recipes.FACES):
        stream = recipe.source(tmp_path)
        stream(0, 4)
        pictures, values = stream(10**7, 4)
        choices = choose(np.arange(4) + 11_000_000)
        assert pictures.shape == (4, 3, 16, 16)
        assert torch.equal(values, torch.from_numpy(readers.true_values(choices)))
    assert min(int(seeds.min()) for seeds in seen) == 1_000_000


def test_digits_come_from_the_training_files_each_once_an_epoch_in_a_new_order(mnist):
    stream = models.DIGITS.source(mnist)
    pictures, values = stream(0, 40)
    assert pictures.shape == (40, 1, 32, 32)
    assert values.shape == (40, 1)
    assert torch.equal(((pictures[:, 0, 16, 16] + 1) * 127.5).round().long(), values[:, 0])
    first, second = values[:, 0].split(20)
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(20))
    assert not torch.equal(first, second)
    across = stream(15, 10)
    assert torch.equal(across[0], pictures[15:25])
    assert torch.equal(across[1], values[15:25])


def test_any_part_of_the_shuffled_sequence_can_be_had():
    whole = streams.shuffled(7, 0, 30)
    assert np.array_equal(streams.shuffled(7, 5, 20), whole[5:25])
