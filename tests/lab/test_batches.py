from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from doubles import Breaks, Counting

from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.sampling import denoise
from diffdemo.errors import ModelError
from diffdemo.lab import batches

SEEDS = range(5)
LEVELS = torch.tensor([0, 2, 900, 300, 7])


@pytest.mark.parametrize(("side", "size"), [(8, 64), (32, 64), (64, 16), (256, 1), (1024, 1)])
def test_a_batch_is_smaller_for_larger_pictures(side, size):
    assert batches.batch_size(SimpleNamespace(picture_shape=(3, side, side))) == size


def test_batches_take_each_row_once(tiny_eps, monkeypatch):
    monkeypatch.setattr(batches, "ROWS", 4)
    rows = [list(range(10))[batch] for batch in batches.batches(tiny_eps, 10)]
    assert rows == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert batches.batches(tiny_eps, 0) == []


def test_rows_of_any_levels_are_denoised_in_batches(tiny_eps, monkeypatch):
    monkeypatch.setattr(batches, "ROWS", 2)
    model = replace(tiny_eps, network=Counting(tiny_eps.network))
    x_n = noise(SEEDS, model.shape)
    steps = [4, 4, 4, 2, 9]
    calls = list(batches.denoise_rows(model, x_n, LEVELS, SEEDS, steps))
    assert [(call.done, call.total) for call in calls] == [(k, 13) for k in range(1, 14)]
    assert [call.index for call in calls] == [0, 1, *range(4), *range(7)]
    assert max(model.network.rows) == 2
    x = {call.rows.start: call.step.x for call in calls}
    assert torch.equal(x[0][0], x_n[0])
    for row in (1, 2, 3, 4):
        n = int(LEVELS[row])
        alone = denoise(tiny_eps, x_n[row : row + 1], n, steps[row], seeds=[row])
        assert float((x[row // 2 * 2][row % 2] - alone[0]).abs().max()) < 1e-4


def test_the_estimate_of_a_clean_picture_is_itself(tiny_eps, monkeypatch):
    monkeypatch.setattr(batches, "ROWS", 3)
    x_n = noise(SEEDS, tiny_eps.shape)
    found = batches.estimate(tiny_eps, x_n, LEVELS)
    assert torch.equal(found[0], x_n[0])
    eps_hat = tiny_eps.predict_noise(x_n[1:], LEVELS[1:])
    wanted = tiny_eps.schedule.x0_from_eps(x_n[1:], eps_hat, LEVELS[1:])
    assert torch.allclose(found[1:], wanted, atol=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(tiny_eps, value):
    model = replace(tiny_eps, network=Breaks(tiny_eps.network, value))
    x_n = noise(SEEDS, model.shape)
    with pytest.raises(ModelError, match="not finite"):
        batches.draw(model, x_n, 900, SEEDS, steps=2)
    with pytest.raises(ModelError, match="not finite"):
        batches.estimate(model, x_n, LEVELS)
