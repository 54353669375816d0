"""Let visitors who wait take turns, tell them how long it takes, and let any run be cancelled.

Gradio 6.31 has no setting for this, so this changes its queue; tests/serving/test_turns.py fails
when the queue has changed.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from gradio import Blocks
    from gradio.queueing import Event, Queue
    from gradio.routes import App

RUNS = "model"  # concurrency id of the runs
RECENT = 20  # runs whose mean duration says how long the next ones take
Result = TypeVar("Result")


class FairQueue:
    """Puts a visitor's next run behind one run of everybody else, not behind all of them.

    Runs that share a concurrency limit are numbered by start-time fair queueing with equal weights.
    A visitor's first waiting run has the number that is being served, each further one the next.
    Visitors with one run each are served first come, first served.

    The size of the queue bounds the waiting events of each concurrency limit by themselves, so that
    waiting runs keep nobody from turning the dial. Events without a limit are never refused.

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
        self._most = queue.max_size
        queue.max_size = None  # counts all waiting events together; `_full` does not
        self._served: dict[str, int] = defaultdict(int)  # concurrency id → number being served
        self._numbers: WeakKeyDictionary[Event, int] = WeakKeyDictionary()
        self._began: dict[Event, float] = {}  # runs under way or just ended → when they began
        self._took: deque[float] = deque(maxlen=RECENT)  # seconds of the latest runs

    async def push(self, **request: Any) -> Any:
        """Queue an event at its place; arguments and result are Gradio's."""
        function = self._queue.blocks.fns.get(request["body"].fn_index)
        if function and self._full(function.concurrency_id):
            busy = f"This page is busy: {self._most} others are waiting"
            return False, f"{busy}; please try again in a minute.", "queue_full"
        result = await self._push(**request)
        event = self._queue.event_ids_to_events.get(str(result[1])) if result[0] else None
        if event:
            self._place(event)
            self.tell(event.concurrency_id)
        return result

    def _full(self, group: str) -> bool:
        """Whether no other event may wait in a group of events with one concurrency limit."""
        found = self._queue.event_queue_per_concurrency_id.get(group)
        if found is None or found.concurrency_limit is None or self._most is None:
            return False
        return len(found.queue) >= self._most

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
        work = self._process(events, *args)
        if first.concurrency_id == RUNS:
            self._began[first] = time.monotonic()
            work = self._timed(first, work)
        return start_even_if_cancelled(work)

    async def _timed(self, run: "Event", work: Coroutine[object, None, None]) -> None:
        """Do the work of a run, and note how long it took."""
        try:
            await work
        finally:
            self._took.append(time.monotonic() - self._began.pop(run))

    def then_tell(self, drop: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """Wrap a method of the queue that drops events: those who wait hear of it."""

        async def drop_and_tell(*args: Any, **options: Any) -> None:
            await drop(*args, **options)
            self.tell(RUNS)

        return drop_and_tell

    def tell(self, group: str, after: int | None = None) -> None:
        """Tell visitors whose runs wait how many runs are before theirs, and for how long.

        The message is Gradio's: its `rank` counts the run under way and those that wait before,
        its `rank_eta` estimates the seconds until theirs begins, from the mean of the latest runs.
        It is None while no run has ended yet.

        Args:
            group: concurrency id; only those of runs are told.
            after: Gradio gives it while an event has no place yet, which is told later.
        """
        found = self._queue.event_queue_per_concurrency_id.get(group)
        if group != RUNS or found is None or after is not None:
            return
        mean = fmean(self._took) if self._took else None
        for place, event in enumerate(found.queue):
            told = self._queue.get_status()
            told.rank = found.current_concurrency + place
            told.rank_eta = None if mean is None else self._left(mean) + place * mean
            self._queue.send_message(event, told)

    def _left(self, mean: float) -> float:
        """Estimate the seconds until the run under way has ended."""
        if not self._began:
            return 0.0
        passed = time.monotonic() - max(self._began.values())
        return max(mean - passed, 0.0)

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
    fair = FairQueue(demo._queue)
    queue: Any = demo._queue  # whose methods are replaced
    queue.push = fair.push
    queue.process_events = fair.process
    queue.broadcast_estimations = fair.tell
    queue.clean_events = fair.then_tell(queue.clean_events)
    queue.remove_from_queue = fair.then_tell(queue.remove_from_queue)
    queue.set_server_app = fair.set_app
