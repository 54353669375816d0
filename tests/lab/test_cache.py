import random
import threading
from dataclasses import dataclass

import pytest
import torch

from diffdemo.lab.cache import Cache, tensor_bytes
from diffdemo.lab.experiment import KINDS


@dataclass
class Found:
    x: torch.Tensor


def found(count: int = 100) -> Found:
    """A result of so many bytes."""
    return Found(torch.zeros(count, dtype=torch.uint8))


def filled(limit: int) -> Cache:
    """A cache into which three results of 100 bytes were put."""
    cache = Cache(limit)
    for key in "abc":
        cache.put(key, found())
    return cache


def test_results_are_held_up_to_so_many_bytes_and_the_oldest_goes():
    cache = filled(250)
    assert [cache.get(key) is None for key in "abc"] == [True, False, False]
    cache.put("d", found(250))
    assert len(cache) == 1


def test_a_result_that_was_used_or_put_again_is_held_longer():
    cache = filled(300)
    newest = found()
    cache.get("a")
    cache.put("b", newest)
    cache.put("d", found())
    assert cache.get("c") is None
    assert cache.get("a") is not None
    assert cache.get("b") is newest
    assert len(cache) == 3


def test_a_result_that_is_too_large_alone_is_not_held_and_drives_nothing_out():
    cache = Cache(250)
    small = found()
    cache.put("a", small)
    cache.put("b", found(251))
    assert cache.get("b") is None
    assert cache.get("a") is small


def test_a_cleared_cache_is_empty():
    cache = filled(300)
    cache.clear()
    assert len(cache) == 0
    assert cache.get("a") is None


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (torch.zeros(3, 5), 60),
        (torch.zeros(4, dtype=torch.float64), 32),
        ({"a": [torch.zeros(1)], "b": (torch.zeros(2), None, 3)}, 12),
        (Found(torch.zeros(7)), 28),
        ([Found(torch.zeros(1))] * 2, 8),
        ("abc", 0),
        (None, 0),
    ],
)
def test_all_tensors_of_a_result_are_counted(value, size):
    assert tensor_bytes(value) == size


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_has_at_least_the_bytes_of_its_pictures(runs, kind):
    result, _ = runs[kind]
    tensors = [value for value in vars(result).values() if isinstance(value, torch.Tensor)]
    assert tensor_bytes(result) >= sum(x.element_size() * x.nelement() for x in tensors) > 0


def test_many_threads_share_the_results():
    cache = Cache(2000)
    failed = []

    def work(number: int) -> None:
        chance = random.Random(number)
        try:
            for _ in range(300):
                key = chance.randrange(30)
                held = cache.get(key)
                if held is None or chance.random() < 0.5:
                    cache.put(key, found(100 + key))
                else:
                    assert held.x.nelement() == 100 + key
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert 0 < sum(tensor_bytes(cache.get(key)) for key in range(30)) <= 2000
