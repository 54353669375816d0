"""Whose turn it is: visitors who wait take turns, and a run that is cancelled as it begins or ends does no harm.

Gradio 6.31 has no setting for any of it, so this reaches into its queue; tests/ui/test_turns.py fails once that has changed.
"""

from collections import defaultdict
from collections.abc import Coroutine, Generator
from typing import Any

import gradio as gr
from gradio.queueing import Event, Queue


class Begun(Coroutine):
    """A coroutine that takes its first step even if its task was cancelled before it; otherwise its `finally` would never run."""

    def __init__(self, inner: Coroutine):
        self._inner, self._begun = inner, False

    def send(self, value: Any) -> Any:
        """As of any coroutine."""
        self._begun = True
        return self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        """As of any coroutine."""
        if not self._begun:
            self.send(None)
        return self._inner.throw(*error)

    def close(self) -> None:
        """As of any coroutine."""
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()


class Forgiving(dict):
    """What may be deleted twice: Gradio forgets a run's iterator when the run ends, and again when it is cancelled at that moment."""

    def __delitem__(self, key: Any) -> None:
        self.pop(key, None)


class Turns:
    """Puts what a visitor asks for behind one thing of everybody else's, and not behind all of it.

    The events of a lane are numbered by start-time fair queueing, every visitor with the same weight: one that nothing waits before has the
    number that is being served, each further one of the same visitor the next. Who asks for one thing at a time is served first come first served.

    Args:
        queue: the page's.

    References:
        Goyal, Vin, Cheng, 1996, Start-time fair queueing, sec. 2.
    """

    def __init__(self, queue: Queue):
        self._queue, self._push, self._process, self._serve = queue, queue.push, queue.process_events, queue.set_server_app
        self._served: dict[str, int] = defaultdict(int)  # lane → the number that is being served
        self._numbers: dict[str, int] = {}  # waiting event → its number

    async def push(self, *args: Any, **kwargs: Any) -> Any:
        """Queue an event, in its place."""
        found = await self._push(*args, **kwargs)
        event = self._queue.event_ids_to_events.get(str(found[1])) if found[0] else None
        if event:
            self._place(event)
        return found

    def _place(self, event: Event) -> None:
        lane, numbers = self._queue.event_queue_per_concurrency_id[event.concurrency_id].queue, self._numbers
        own = [numbers[other._id] + 1 for other in lane if other.session_hash == event.session_hash and other is not event]
        numbers[event._id] = max([self._served[event.concurrency_id], *own])
        lane.sort(key=lambda other: numbers[other._id])

    def process(self, events: list[Event], *args: Any) -> Begun:
        """Begin to serve what is next."""
        first = events[0]
        self._served[first.concurrency_id] = self._numbers.get(first._id, 0)
        waiting = {event._id for lane in self._queue.event_queue_per_concurrency_id.values() for event in lane.queue}
        self._numbers = {name: number for name, number in self._numbers.items() if name in waiting}
        return Begun(self._process(events, *args))

    def serve(self, app: Any) -> None:
        """Work for a server."""
        app.iterators = Forgiving(app.iterators)
        self._serve(app)


def take_turns(demo: gr.Blocks) -> gr.Blocks:
    """The page, with a queue in which visitors take turns."""
    turns, queue = Turns(demo._queue), demo._queue
    queue.push, queue.process_events, queue.set_server_app = turns.push, turns.process, turns.serve  # type: ignore[method-assign, assignment]
    return demo
