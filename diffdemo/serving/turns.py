"""Let visitors who wait take turns, and let a run be cancelled at any moment without harm.

Gradio 6.31 has no setting for either, so this changes its queue; tests/serving/test_turns.py fails
when the queue has changed.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from gradio import Blocks
    from gradio.queueing import Event, Queue
    from gradio.routes import App

Result = TypeVar("Result")


class FairQueue:
    """Puts a visitor's next run behind one run of everybody else, not behind all of them.

    Runs that share a concurrency limit are numbered by start-time fair queueing with equal weights.
    A visitor's first waiting run has the number that is being served, each further one the next.
    Visitors with one run each are served first come, first served.

    Args:
        queue: that of the page.

    References:
        Goyal, Vin, Cheng, 1996, Start-time fair queueing, sec. 2.
    """

    def __init__(self, queue: "Queue"):
        self._queue = queue
        self._push = queue.push
        self._process = queue.process_events
        self._set_app = queue.set_server_app
        self._served: dict[str, int] = defaultdict(int)  # concurrency id → number being served
        self._numbers: WeakKeyDictionary[Event, int] = WeakKeyDictionary()

    async def push(self, **request: Any) -> Any:
        """Queue an event at its place; arguments and result are Gradio's."""
        result = await self._push(**request)
        event = self._queue.event_ids_to_events.get(str(result[1])) if result[0] else None
        if event:
            self._place(event)
        return result

    def _place(self, event: "Event") -> None:
        waiting = self._queue.event_queue_per_concurrency_id[event.concurrency_id].queue
        own = [
            self._numbers[other] + 1
            for other in waiting
            if other.session_hash == event.session_hash and other is not event
        ]
        self._numbers[event] = max([self._served[event.concurrency_id], *own])
        waiting.sort(key=self._numbers.__getitem__)

    def process(self, events: "list[Event]", *args: Any) -> Coroutine[object, None, None]:
        """Begin to serve the next event."""
        first = events[0]
        self._served[first.concurrency_id] = self._numbers.get(first, 0)
        return start_even_if_cancelled(self._process(events, *args))

    def set_app(self, app: "App") -> None:
        """Serve an app."""
        app.iterators = _Iterators(app.iterators)
        self._set_app(app)


def start_even_if_cancelled(
    work: Coroutine[object, None, Result],
) -> Coroutine[object, None, Result]:
    """Return a coroutine that takes the first step of `work` even if it is cancelled before.

    Otherwise the `finally` in `work`, which frees its place in the queue, would never run.
    """
    coroutine = _start(work)
    coroutine.send(None)  # as far as the sleep, where an early cancellation then arrives
    return coroutine


async def _start(work: Coroutine[object, None, Result]) -> Result:
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task
        task.cancel()  # once more, at the first `await` in `work`
    return await work


class _Iterators(dict[str, AsyncIterator]):
    """The iterators of runs by id; Gradio forgets one twice if its run is cancelled as it ends."""

    def __delitem__(self, key: str) -> None:
        self.pop(key, None)


def take_turns(demo: "Blocks") -> None:
    """Let the visitors of a page take turns; call it once its queue is set up."""
    queue = demo._queue
    fair = FairQueue(queue)
    queue.push = fair.push  # type: ignore[assignment, method-assign]
    queue.process_events = fair.process  # type: ignore[assignment, method-assign]
    queue.set_server_app = fair.set_app  # type: ignore[method-assign]
