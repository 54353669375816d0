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
from diffdemo.experiment import RoundTrip
from diffdemo.lab import worker
from diffdemo.lab.worker import Worker

ONE, OTHER = (SimpleNamespace(name=name, device="cpu") for name in ("one", "other"))


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(worker, "PATIENCE", 0.4)


def in_thread(work):
    """A thread that keeps what `work` returned or raised in a list."""
    found = []

    def run():
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def test_what_is_asked_first_is_done_first_and_one_at_a_time():
    done, at_work, gate, lane = [], [], threading.Event(), Worker("cpu")

    def work(name):
        at_work.append(name)
        assert len(at_work) == 1
        done.append(name)
        at_work.remove(name)

    first, _ = in_thread(lambda: lane.call(ONE, gate.wait))
    waiting = []
    for name in range(20):
        waiting.append(in_thread(lambda name=name: lane.call(ONE, lambda: work(name)))[0])
        while lane._queue.qsize() < name + 1 - (not first.is_alive()):
            time.sleep(0.001)
    gate.set()
    for thread in (first, *waiting):
        thread.join()
    assert done == list(range(20))


def test_two_runs_take_turns():
    turns, lane, begin = [], Worker("cpu"), threading.Barrier(2)

    def run(name):
        begin.wait()
        for _ in range(30):
            lane.call(ONE, lambda: turns.append(name) or time.sleep(0.002))

    threads = [in_thread(lambda name=name: run(name))[0] for name in "ab"]
    for thread in threads:
        thread.join()
    alone = max(len(part) for part in "".join(turns).replace("ab", "a b").replace("ba", "b a").split())
    assert alone <= 4  # a lock that whoever let go of it takes again would give all thirty in a row


def test_an_error_reaches_who_asked_and_the_lane_goes_on():
    lane = Worker("cpu")
    for error in (ValueError("no"), TimeoutError("own"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            lane.call(ONE, lambda error=error: (_ for _ in ()).throw(error))
    assert lane.call(ONE, lambda: 5) == 5


def test_a_call_that_hangs_is_given_up_and_whoever_waits_behind_it_is_served(impatient):
    lane, gate = Worker("that hangs"), threading.Event()
    hanging, raised = in_thread(lambda: lane.call(ONE, gate.wait))
    behind, found = in_thread(lambda: lane.call(OTHER, lambda: "served"))
    same, refused = in_thread(lambda: lane.call(ONE, lambda: "never"))
    for thread in (hanging, behind, same):
        thread.join()
    assert isinstance(raised[0], ModelError)
    assert "did not answer within" in str(raised[0])
    assert found == ["served"]
    assert isinstance(refused[0], ModelError)
    with pytest.raises(ModelError, match="not asked again"):
        lane.call(ONE, lambda: "still hangs")
    gate.set()
    while sum(thread.name == lane.name for thread in threading.enumerate()) > 1:
        time.sleep(0.01)
    assert lane.call(ONE, lambda: "again") == "again"


def test_waiting_long_behind_others_is_not_hanging(impatient):
    lane = Worker("cpu")
    threads = [in_thread(lambda: lane.call(ONE, lambda: time.sleep(0.15) or "done")) for _ in range(8)]
    for thread, _ in threads:
        thread.join()
    assert [found for _, found in threads] == [["done"]] * 8


def test_the_lane_computes_with_as_many_threads_as_whoever_asks():
    lane, before = Worker("cpu"), torch.get_num_threads()
    try:
        for threads in (1, 2, 1):
            torch.set_num_threads(threads)
            assert lane.call(ONE, torch.get_num_threads) == threads
    finally:
        torch.set_num_threads(before)


def test_an_idle_lane_holds_nothing():
    class Held:
        pass

    lane, held = Worker("cpu"), Held()
    gone = weakref.ref(held)
    lane.call(ONE, lambda held=held: None)
    del held
    lane.call(ONE, lambda: None)
    gc.collect()
    assert gone() is None


def test_every_model_of_a_device_has_the_same_lane_and_a_forked_process_its_own(tiny_eps):
    lane = worker.worker(tiny_eps)
    assert worker.worker(replace(tiny_eps, name="other")) is lane
    lane.call(tiny_eps, lambda: None)
    if not (child := os.fork()):
        os._exit(0 if worker.worker(tiny_eps).call(tiny_eps, lambda: 7) == 7 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_network_that_stalls_ends_its_run_and_no_other(tiny_eps, impatient):
    stalls = Stalls(tiny_eps.network)
    hung = replace(tiny_eps, name="hung", network=stalls)
    with pytest.raises(ModelError, match="hung did not answer"):
        lab.run(RoundTrip("hung", n=10, seeds=(0,), steps=2), hung)
    assert lab.run(RoundTrip(tiny_eps.name, n=10, seeds=(0,), steps=2), tiny_eps).reconstructions.isfinite().all()
    with pytest.raises(ModelError, match="hung has not answered"):
        lab.run(RoundTrip("hung", n=10, seeds=(0,), steps=2), hung)
    stalls.gate.set()


LEFT = """
import threading, time, torch
from types import SimpleNamespace
from diffdemo.lab import worker

model, begun = SimpleNamespace(name="one", device="cpu"), threading.Event()

def ask():
    while True:
        worker.call(model, lambda: (begun.set(), torch.randn(1500, 1500) @ torch.randn(1500, 1500)))
        torch.randn(1_000_000).isfinite().all()

threading.Thread(target=ask, daemon=True).start()
begun.wait()
"""


def test_a_process_that_ends_amid_a_network_call_ends_well():
    ended = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, timeout=100, cwd=Path(__file__).parent.parent)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_lane_that_is_closed_ends_with_the_call_under_way_and_does_not_wait_for_one_that_hangs():
    lane, idle, begun, gate = Worker("cpu"), Worker("cpu"), threading.Event(), threading.Event()

    def ask():
        with suppress(ModelError):  # as this process goes on
            lane.call(ONE, lambda: (begun.set(), gate.wait()))

    threading.Thread(target=ask, daemon=True).start()
    begun.wait()
    lane.close(0.05)
    assert lane._thread.is_alive()
    gate.set()
    lane._thread.join()
    idle.close(60)
    assert not idle._thread.is_alive()
