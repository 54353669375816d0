"""What a network call costs, and how long a run takes."""

import threading

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from diffdemo.models import costs, estimate_seconds, find, gmacs


def test_multiply_adds_are_counted_for_every_class(model):
    assert 0 < gmacs(model) < 0.5
    assert gmacs(model) == gmacs(model.conditioned())


def test_a_convolution_multiplies_every_weight_once_for_every_pixel(load_class):
    model = load_class("pixel")
    first = model.unet.conv_in.weight.numel() * 8 * 8 / 1e9
    assert first < gmacs(model) < 100 * first


def test_counting_does_not_disturb_a_network_that_is_used(load_class, monkeypatch):
    model = load_class("pixel")
    x = torch.zeros(1, *model.shape)
    eps_hat = model.predict_noise(x, 5)
    count = FlopCounterMode._count_flops
    found = []

    def predict_and_count(*arguments):
        thread = threading.Thread(target=lambda: found.append(model.predict_noise(x, 5)))
        thread.start()
        thread.join()
        return count(*arguments)

    costs._counted.clear()
    monkeypatch.setattr(FlopCounterMode, "_count_flops", predict_and_count)
    gmacs(model)
    assert len(found) > 5
    assert all(torch.equal(one, eps_hat) for one in found)


def test_times_are_proportional(monkeypatch, load_class):
    monkeypatch.setattr(costs, "machine_rate", lambda device="": 50.0)
    model = load_class("pixel")
    cifar = find("google/ddpm-cifar10-32")
    assert estimate_seconds(cifar, 16, 20) == pytest.approx(16 * 20 * 6.2 / 50)
    assert estimate_seconds(model, 2, 3) == pytest.approx(6 * gmacs(model) / 50)


def test_guidance_doubles_the_time(monkeypatch, text):
    monkeypatch.setattr(costs, "machine_rate", lambda device="": 50.0)
    guided = text.conditioned("a", 2)
    assert estimate_seconds(guided, 2, 3) == pytest.approx(2 * estimate_seconds(text, 2, 3))


def test_the_machine_is_measured_once(monkeypatch):
    monkeypatch.setattr(costs, "SECONDS", 0.01)
    costs.machine_rate.cache_clear()
    rate = costs.machine_rate("cpu")
    assert 0.1 < rate < 1e6
    assert costs.machine_rate("cpu") == rate
    costs.machine_rate.cache_clear()
