"""The thread that makes the network calls of a device: one after the other, first come first served, and none waits for ever.

A thread of its own keeps torch's pool of threads to one, whoever asks, and lets a call that does not end be given up: whoever waited gets
an error, another thread takes over, and the network that hangs is refused until its call has ended.
"""

import atexit
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

import torch

from diffdemo.errors import ModelError
from diffdemo.models import Model

PATIENCE = 120.0  # seconds that one network call may take
LEAVE = 10.0  # seconds that the end of the process waits for a call under way
GRACE = 0.2  # and for what its callers compute between two calls
Found = TypeVar("Found")


class _Asked(NamedTuple):
    future: Future
    name: str  # of the model
    threads: int  # that torch gives to whoever asks
    work: Callable[[], Any]


class Worker:
    """One lane: what is asked of it is done in the order in which it was asked.

    Args:
        name: of the device, for the thread's name.
    """

    def __init__(self, name: str):
        self.name = f"lane {name}"
        self._queue: SimpleQueue[_Asked] = SimpleQueue()
        self._hanging: dict[str, Future] = {}  # model → its call that was given up
        self._change = threading.Lock()
        self._closed = threading.Event()
        self._begin()

    def call(self, model: Model, work: Callable[[], Found]) -> Found:
        """What `work` returns, computed in the lane with as many threads as torch gives to the caller.

        Args:
            model: whose network it asks.
            work: one network call, or what amounts to one.

        Raises:
            ModelError: it took more than PATIENCE seconds, or an earlier one of this model still hangs.
        """
        self._refuse_hanging(model.name)
        future: Future = Future()
        self._queue.put(_Asked(future, model.name, torch.get_num_threads(), work))
        while not wait([future], PATIENCE / 4).done:
            if future.running() and time.monotonic() - self._since >= PATIENCE:
                self._give_up(model.name, future)
        return future.result()

    def _refuse_hanging(self, name: str) -> None:
        with self._change:
            future = self._hanging.get(name)
            if future and future.done():
                del self._hanging[name]
            elif future:
                raise ModelError(f"The model {name} has not answered for a while and is not asked again until it does; please take another one.")

    def _give_up(self, name: str, future: Future) -> None:
        with self._change:
            self._hanging[name] = future
            self._begin()
        raise ModelError(f"The model {name} did not answer within {PATIENCE:.0f} s, so this run was given up; other models go on.")

    def close(self, patience: float) -> None:
        """Answer nobody any more, as the process ends; the call under way is waited for, `patience` seconds at most."""
        self._closed.set()
        self._queue.put(_Asked(Future(), "", torch.get_num_threads(), lambda: None))  # an idle thread looks up
        self._thread.join(patience)

    def _begin(self) -> None:
        """Put a new thread to work; one that hangs ends with its call."""
        self._since = time.monotonic()
        self._thread = threading.Thread(target=self._serve, name=self.name, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while self._thread is threading.current_thread():
            asked = self._queue.get()
            if self._closed.is_set():
                return
            self._since = time.monotonic()
            self._answer(asked)
            del asked  # an idle lane holds no model

    def _answer(self, asked: _Asked) -> None:
        asked.future.set_running_or_notify_cancel()
        try:
            self._refuse_hanging(asked.name)
            if asked.threads != torch.get_num_threads():
                torch.set_num_threads(asked.threads)
            result = asked.work()
            if not self._closed.is_set():  # else whoever asked stays where it is
                asked.future.set_result(result)
        except BaseException as error:
            asked.future.set_exception(error)


_workers: dict[str, Worker] = {}
_making = threading.Lock()


def worker(model: Model) -> Worker:
    """The lane of the model's device."""
    device = str(model.device)
    with _making:
        if device not in _workers:
            _workers[device] = Worker(device)
        return _workers[device]


def call(model: Model, work: Callable[[], Found]) -> Found:
    """What `work` returns, computed in the lane of the model's device; see `Worker.call`."""
    return worker(model).call(model, work)


def _in_child() -> None:
    """A forked process has none of its parent's threads."""
    global _making
    _making = threading.Lock()
    _workers.clear()


def _at_exit() -> None:
    """A thread that the end of the interpreter meets inside torch would abort the process: all are brought to wait for a lane that is closed."""
    for lane in _workers.values():
        lane.close(LEAVE)
    if threading.active_count() > 1:
        time.sleep(GRACE)


os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)
