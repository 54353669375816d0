"""Visitors who speak HTTP to a page as a browser tab does.

Each has its own session, queues events, and reads the answers from a stream that it can leave.
"""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import httpx

from diffdemo.experiments import RoundTrip
from diffdemo.lab.experiment import Experiment

API = "/gradio_api"
ENDED = "process_completed"


class BusyError(Exception):
    """The queue is full."""


@lru_cache(maxsize=8)
def config(url: str) -> dict:
    """Return what Gradio tells a browser about a page."""
    return httpx.get(f"{url}/config", timeout=60, trust_env=False).json()


def events(url: str, name: str) -> list[dict]:
    """Return the events of a page with a name.

    Args:
        url: of the page.
        name: of an endpoint, or "elem_id.happened" or "type.happened" for those of components;
            ".load" is the page's own.
    """
    found = config(url)["dependencies"]
    target, _, happened = name.partition(".")
    if not happened:
        return [event for event in found if event["api_name"] == target]
    ids = [
        component["id"]
        for component in config(url)["components"]
        if target in (component["props"].get("elem_id"), component["type"])
    ]
    return [
        event
        for event in found
        if any(what == happened and (not target or one in ids) for one, what in event["targets"])
    ]


def arguments(e: Experiment) -> list[str | int | float]:
    """Return the arguments of the endpoint that runs an experiment."""
    values = {name: getattr(e, name) for name in e.fields() if name != "revision"}
    return [
        value if isinstance(value, str | int | float) else e.fields()[name].write(value)
        for name, value in values.items()
    ]


class Visitor:
    """One browser tab.

    Args:
        url: of the page, without a slash at its end.
        patience: seconds to wait for an answer; Gradio sends a sign of life every 15 s.
    """

    def __init__(self, url: str, patience: float = 120.0):
        self.url = url
        self.session = secrets.token_hex(6)
        self.patience = patience
        self.client = httpx.Client(base_url=url, timeout=120, trust_env=False)

    def event(self, name: str) -> dict:
        """Return the first of the page's events with a name, see `events`."""
        return events(self.url, name)[0]

    def inputs(self, name: str, **changed: object) -> list:
        """Return what an event sends if only the components with these elem_ids were changed."""
        components = {one["id"]: one["props"] for one in config(self.url)["components"]}
        inputs = [components[one] for one in self.event(name)["inputs"]]
        return [changed.get(props.get("elem_id"), props.get("value")) for props in inputs]

    def queue(self, name: str, *values: object) -> str:
        """Queue an event; returns its id.

        Raises:
            BusyError: the queue is full.
        """
        return self._join(self.event(name), values)

    def _join(self, event: dict, values: tuple, link: str = "") -> str:
        answer = self.client.post(f"{API}/queue/join?{link}", json=self._body(event, values))
        if answer.status_code == 503:
            raise BusyError(answer.json()["detail"])
        return answer.raise_for_status().json()["event_id"]

    def call(self, name: str, *values: object, link: str = "", which: int = 0) -> list:
        """Return the outputs of an event, as `run` does.

        Args:
            name: of the event.
            values: its inputs.
            link: the query of the page's address.
            which: number among the events with this name.
        """
        self._join(events(self.url, name)[which], values, link)
        return self._outputs()

    def _body(self, event: dict, values: tuple) -> dict:
        return {"data": list(values), "fn_index": event["id"], "session_hash": self.session}

    @contextmanager
    def messages(self) -> Iterator[Iterator[dict]]:
        """Yield the messages about this visitor's events; at the end the visitor leaves."""
        params = {"session_hash": self.session}
        with self.client.stream("GET", f"{API}/queue/data", params=params) as stream:
            yield self._read(stream)

    def _read(self, stream: httpx.Response) -> Iterator[dict]:
        end = time.monotonic() + self.patience
        for line in stream.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])
            assert time.monotonic() < end, "no answer"

    def end(self) -> dict:
        """Return how the one queued event ended."""
        with self.messages() as messages:
            return next(message for message in messages if message["msg"] == ENDED)

    def run(self, name: str, *values: object) -> Any:
        """Queue an event; returns its last outputs."""
        self.queue(name, *values)
        return self._outputs()

    def _outputs(self) -> Any:
        ended = self.end()
        assert ended["success"], ended["output"]
        return ended["output"]["data"]

    def cancel(self, name: str, event_id: str) -> None:
        """Stop a queued event, as the button does."""
        body = {"session_hash": self.session, "fn_index": self.event(name)["id"]}
        answer = self.client.post(f"{API}/cancel", json={**body, "event_id": event_id})
        answer.raise_for_status()


def queue_run(visitor: Visitor, name: str, e: RoundTrip) -> str:
    """Queue an experiment by its endpoint or by the page's Run; returns the id of the event."""
    values = arguments(e) if name == "round_trip" else run_inputs(visitor, e)
    return visitor.queue(name, *values)


def run_inputs(visitor: Visitor, e: RoundTrip, tab: int = 0) -> list:
    """Return what the page's Run sends.

    Args:
        visitor: who presses it.
        e: the settings of the page; its seeds follow each other.
        tab: number of the open tab.
    """
    sampler = {name: getattr(e, name) for name in ("steps", "eta", "solver", "spacing")}
    controls = {"dial": {"n": e.n}, "first": e.seeds[0], "count": len(e.seeds), **sampler}
    values = visitor.inputs("run.click", **controls)
    number = visitor.event("tabitem.select")["outputs"][0]
    values[visitor.event("run.click")["inputs"].index(number)] = tab
    return values
