import time

import pytest
import torch

from diffdemo.training import clock


@pytest.fixture
def now(monkeypatch):
    """Clocks of wall time and of CPU time that the test sets, in seconds."""
    now = {"monotonic": 100.0, "process_time": 5.0}
    for name in now:
        monkeypatch.setattr(time, name, lambda name=name: now[name])
    return now


def test_on_a_cpu_time_is_cpu_time_per_thread(now):
    ticking = clock.Clock(torch.device("cpu"))
    now["monotonic"] += 10_000
    now["process_time"] += 6
    assert ticking.tick() == pytest.approx(6 / torch.get_num_threads())
    assert ticking.tick() == 0


def test_on_cuda_time_is_wall_time_without_pauses(now):
    ticking = clock.Clock(torch.device("cuda"))
    passed = []
    for seconds in (2, 59, 61, 3):
        now["monotonic"] += seconds
        now["process_time"] += 1000
        passed.append(ticking.tick())
    assert passed == [2, 59, 0, 3]


def test_waiting_does_not_count_on_a_cpu():
    ticking = clock.Clock(torch.device("cpu"))
    time.sleep(0.5)
    assert ticking.tick() < 0.25
