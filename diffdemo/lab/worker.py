"""The worker thread of a device: it makes all network calls, one at a time, in the order asked.

With one thread for all calls, torch keeps one pool of threads. And a call that does not end can be
given up: the caller gets an error, a new thread takes over, and the model that hangs is refused
until its call has ended.
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

CALL_SECONDS = 120.0  # that one network call may take
EXIT_SECONDS = 10.0  # that the end of the process waits for a call under way
EXIT_GRACE = 0.2  # seconds that it then waits for threads that compute between two calls
Found = TypeVar("Found")


class _Task(NamedTuple):
    future: Future
    model: str
    threads: int  # that torch uses in the caller's thread
    work: Callable[[], Any]


class Worker:
    """A thread that does tasks in the order in which they were asked.

    Args:
        device: its name, for the name of the thread.
    """

    def __init__(self, device: str):
        self.name = f"worker {device}"
        self._queue: SimpleQueue[_Task] = SimpleQueue()
        self._hanging: dict[str, Future] = {}  # model → its call that was given up
        self._change = threading.Lock()
        self._closed = threading.Event()
        self._begin()

    def call(self, model: Model, work: Callable[[], Found]) -> Found:
        """Return what `work` returns; it uses as many torch threads as the caller would.

        Args:
            model: whose network it calls.
            work: one network call, or what takes about as long.

        Raises:
            ModelError: it took more than CALL_SECONDS, or an earlier call of this model hangs.
        """
        self._refuse_hanging(model.name)
        future: Future = Future()
        self._queue.put(_Task(future, model.name, torch.get_num_threads(), work))
        while not wait([future], CALL_SECONDS / 4).done:
            if future.running() and time.monotonic() - self._since >= CALL_SECONDS:
                self._give_up(model.name, future)
        return future.result()

    def _refuse_hanging(self, name: str) -> None:
        with self._change:
            future = self._hanging.get(name)
            if future and future.done():
                del self._hanging[name]
            elif future:
                raise ModelError(
                    f"The model {name} has not answered for a while and is not asked again "
                    "until it does; please take another one."
                )

    def _give_up(self, name: str, future: Future) -> None:
        with self._change:
            self._hanging[name] = future
            self._begin()
        raise ModelError(
            f"The model {name} did not answer within {CALL_SECONDS:.0f} s, "
            "so this run was given up; other models go on."
        )

    def close(self, seconds: float) -> None:
        """Stop serving, as the process ends; waits so many seconds for the call under way."""
        self._closed.set()
        wake = _Task(Future(), "", torch.get_num_threads(), lambda: None)
        self._queue.put(wake)
        self._thread.join(seconds)

    def _begin(self) -> None:
        """Start a new thread; one that hangs ends with its call."""
        self._since = time.monotonic()
        self._thread = threading.Thread(target=self._serve, name=self.name, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while self._thread is threading.current_thread():
            task = self._queue.get()
            if self._closed.is_set():
                return
            self._since = time.monotonic()
            self._do(task)
            del task  # so that an idle thread holds no model

    def _do(self, task: _Task) -> None:
        task.future.set_running_or_notify_cancel()
        try:
            self._refuse_hanging(task.model)
            if task.threads != torch.get_num_threads():
                torch.set_num_threads(task.threads)
            result = task.work()
            if not self._closed.is_set():  # at the end of the process the caller keeps waiting
                task.future.set_result(result)
        except BaseException as error:
            task.future.set_exception(error)


_workers: dict[str, Worker] = {}
_making = threading.Lock()


def worker(model: Model) -> Worker:
    """Return the worker of the model's device."""
    device = str(model.device)
    with _making:
        if device not in _workers:
            _workers[device] = Worker(device)
        return _workers[device]


def call(model: Model, work: Callable[[], Found]) -> Found:
    """Return what `work` returns, computed by the worker of the model's device."""
    return worker(model).call(model, work)


def _in_child() -> None:
    """Forget the workers: a forked process has none of its parent's threads."""
    global _making
    _making = threading.Lock()
    _workers.clear()


def _at_exit() -> None:
    """Stop the workers: a thread inside torch at the interpreter's end would abort the process."""
    for one in _workers.values():
        one.close(EXIT_SECONDS)
    if threading.active_count() > 1:
        time.sleep(EXIT_GRACE)


os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)
