import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from doubles import Stalls

from diffdemo import lab
from diffdemo.errors import ModelError
from diffdemo.experiments import RoundTrip
from diffdemo.lab import worker as module
from diffdemo.lab.worker import Worker

ONE = SimpleNamespace(name="one", device="cpu")
OTHER = SimpleNamespace(name="other", device="cpu")


@pytest.fixture
def worker():
    return Worker("cpu")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "CALL_SECONDS", 0.4)


def in_thread(work):
    """Start a thread; return it with a list that will hold what `work` returns or raises."""
    found = []

    def run():
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def test_calls_are_made_one_at_a_time_in_the_order_asked(worker):
    done = []
    at_work = []
    gate = threading.Event()

    def work(name):
        at_work.append(name)
        assert len(at_work) == 1
        done.append(name)
        at_work.remove(name)

    first, _ = in_thread(lambda: worker.call(ONE, gate.wait))
    waiting = []
    for name in range(20):
        thread, _ = in_thread(lambda name=name: worker.call(ONE, lambda: work(name)))
        waiting.append(thread)
        while worker._queue.qsize() < name + 1 - (not first.is_alive()):
            time.sleep(0.001)
    gate.set()
    for thread in (first, *waiting):
        thread.join()
    assert done == list(range(20))


def test_two_runs_take_turns(worker):
    """A plain lock would give many calls of one run in a row."""
    turns = []

    def turn(name):
        turns.append(name)
        while len(turns) < 59 and worker._queue.empty():  # until the other run asks
            time.sleep(0.001)

    def run(name):
        for _ in range(30):
            worker.call(ONE, lambda: turn(name))

    threads = [in_thread(lambda name=name: run(name))[0] for name in "ab"]
    for thread in threads:
        thread.join()
    assert turns in (["a", "b"] * 30, ["b", "a"] * 30)


def test_an_error_is_raised_in_the_callers_thread_and_the_worker_goes_on(worker):
    def fail(error):
        raise error

    for error in (ValueError("no"), TimeoutError("own"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            worker.call(ONE, lambda error=error: fail(error))
    assert worker.call(ONE, lambda: 5) == 5


def test_a_call_that_hangs_is_given_up_and_the_next_ones_are_served(impatient):
    worker = Worker("that hangs")
    gate = threading.Event()
    hanging, raised = in_thread(lambda: worker.call(ONE, gate.wait))
    behind, found = in_thread(lambda: worker.call(OTHER, lambda: "served"))
    same, refused = in_thread(lambda: worker.call(ONE, lambda: "never"))
    for thread in (hanging, behind, same):
        thread.join()
    assert isinstance(raised[0], ModelError)
    assert "did not answer within" in str(raised[0])
    assert found == ["served"]
    assert isinstance(refused[0], ModelError)
    with pytest.raises(ModelError, match="not asked again"):
        worker.call(ONE, lambda: "still hangs")
    gate.set()
    while sum(thread.name == worker.name for thread in threading.enumerate()) > 1:
        time.sleep(0.01)
    assert worker.call(ONE, lambda: "again") == "again"


def test_a_call_that_waits_long_behind_others_does_not_hang(worker, monkeypatch):
    monkeypatch.setattr(module, "CALL_SECONDS", 2)
    threads = [
        in_thread(lambda: worker.call(ONE, lambda: time.sleep(0.3) or "done")) for _ in range(8)
    ]
    for thread, _ in threads:
        thread.join()
    assert [found for _, found in threads] == [["done"]] * 8


def test_a_call_uses_as_many_threads_as_its_caller(worker):
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 1):
            torch.set_num_threads(threads)
            assert worker.call(ONE, torch.get_num_threads) == threads
    finally:
        torch.set_num_threads(before)


def test_an_idle_worker_holds_nothing(worker):
    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)
    worker.call(ONE, lambda held=held: None)
    del held
    worker.call(ONE, lambda: None)
    gc.collect()
    assert gone() is None


def test_the_models_of_a_device_share_a_worker_and_a_forked_process_has_its_own(tiny_eps):
    worker = module.worker(tiny_eps)
    assert module.worker(replace(tiny_eps, name="other")) is worker
    worker.call(tiny_eps, lambda: None)
    child = os.fork()
    if not child:
        os._exit(0 if module.call(tiny_eps, lambda: 7) == 7 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_network_that_stalls_ends_its_run_and_no_other(tiny_eps, monkeypatch):
    stalls = Stalls(tiny_eps.network)
    hung = replace(tiny_eps, name="hung", network=stalls)
    e = RoundTrip("hung", n=10, seeds=(0,), steps=2)
    with monkeypatch.context() as patch:
        patch.setattr(module, "CALL_SECONDS", 0.4)
        with pytest.raises(ModelError, match="hung did not answer"):
            lab.run(e, hung)
    result = lab.run(replace(e, model=tiny_eps.name), tiny_eps)
    assert result.reconstructions.isfinite().all()
    with pytest.raises(ModelError, match="hung has not answered"):
        lab.run(e, hung)
    stalls.gate.set()


BUSY = """
import threading, torch
from types import SimpleNamespace
from diffdemo.lab import worker

model = SimpleNamespace(name="one", device="cpu")
begun = threading.Event()

def work():
    begun.set()
    return torch.randn(1500, 1500) @ torch.randn(1500, 1500)

def run():
    while True:
        worker.call(model, work)
        torch.randn(1_000_000).isfinite().all()

threading.Thread(target=run, daemon=True).start()
begun.wait()
"""


def test_a_process_that_ends_amid_a_network_call_ends_well():
    ended = subprocess.run(
        [sys.executable, "-c", BUSY],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=Path(__file__).parents[2],
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_closed_worker_ends_with_the_call_under_way(worker):
    begun = threading.Event()
    gate = threading.Event()

    def run():
        with suppress(ModelError):  # as this process goes on
            worker.call(ONE, lambda: (begun.set(), gate.wait()))

    threading.Thread(target=run, daemon=True).start()
    begun.wait()
    worker.close(0.05)  # which does not wait for one that hangs
    assert worker._thread.is_alive()
    gate.set()
    worker._thread.join()


def test_an_idle_worker_that_is_closed_ends_at_once(worker):
    worker.close(60)
    assert not worker._thread.is_alive()
