"""Visitors who speak HTTP to a page as a browser does: each its own session, events through the queue, answers by a stream that can be left."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import lru_cache
from typing import Any

import httpx

from diffdemo.fields import FIELDS

API = "/gradio_api"
ENDED = "process_completed"


class BusyError(Exception):
    """The queue is full."""


@lru_cache(maxsize=8)
def config(url: str) -> dict[str, Any]:
    """What Gradio tells a browser about the page."""
    return httpx.get(f"{url}/config", timeout=60, trust_env=False).json()


def events(url: str, name: str) -> list[dict[str, Any]]:
    """Events of a page: an endpoint by its name, or those of components by "elem_id_or_type.what_happens"; ".load" is the page's own."""
    found, (target, _, happened) = config(url)["dependencies"], name.partition(".")
    if not happened:
        return [event for event in found if event["api_name"] == target]
    ids = [part["id"] for part in config(url)["components"] if target in (part["props"].get("elem_id"), part["type"])]
    return [event for event in found if any(what == happened and (not target or one in ids) for one, what in event["targets"])]


def values(e: Any) -> list[Any]:
    """What an experiment's endpoint is sent for it."""
    found = {item.name: getattr(e, item.name) for item in fields(e) if item.name != "revision"}
    return [value if isinstance(value, str | int | float) else FIELDS[name].write(value) for name, value in found.items()]


class Visitor:
    """One tab of a browser.

    Args:
        url: of the page, without a slash at its end.
        patience: seconds to listen for what was asked for, at most; Gradio says every 15 s that it is still there.
    """

    def __init__(self, url: str, patience: float = 120.0):
        self.url, self.session, self.patience = url, secrets.token_hex(6), patience
        self.line = httpx.Client(base_url=url, timeout=120, trust_env=False)

    def event(self, name: str) -> dict[str, Any]:
        """The first of the page's events of that name, see `events`."""
        return events(self.url, name)[0]

    def shown(self, name: str, **other: Any) -> list[Any]:
        """The values that an event sends if nobody changed anything but the components with these elem_ids."""
        parts = {part["id"]: part["props"] for part in config(self.url)["components"]}
        return [other.get(parts[one].get("elem_id"), parts[one].get("value")) for one in self.event(name)["inputs"]]

    def ask(self, name: str, *values: Any, event_data: Any = None) -> str:
        """Put an event into the queue; returns its id.

        Raises:
            BusyError: the queue is full.
        """
        body = {"data": list(values), "fn_index": self.event(name)["id"], "session_hash": self.session, "event_data": event_data}
        answer = self.line.post(f"{API}/queue/join", json=body)
        if answer.status_code == 503:
            raise BusyError(answer.json()["detail"])
        return answer.raise_for_status().json()["event_id"]

    def at_once(self, name: str, *values: Any, link: str = "", which: int = 0) -> Any:
        """What an event gives that does not queue; `link` is the query of the page's address."""
        body = {"data": list(values), "fn_index": events(self.url, name)[which]["id"], "session_hash": self.session}
        return self.line.post(f"{API}/run/predict?{link}", json=body).raise_for_status().json()["data"]

    @contextmanager
    def answers(self) -> Iterator[Iterator[dict[str, Any]]]:
        """The messages about all that this visitor asked for; on the way out the visitor has left."""
        with self.line.stream("GET", f"{API}/queue/data", params={"session_hash": self.session}) as stream:
            yield self._read(stream)

    def _read(self, stream: httpx.Response) -> Iterator[dict[str, Any]]:
        end = time.monotonic() + self.patience
        for line in stream.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])
            assert time.monotonic() < end, "no answer"

    def end(self) -> dict[str, Any]:
        """How the one thing that was asked for ended."""
        with self.answers() as messages:
            return next(message for message in messages if message["msg"] == ENDED)

    def run(self, name: str, *values: Any, **more: Any) -> Any:
        """What an event ends with."""
        self.ask(name, *values, **more)
        ended = self.end()
        assert ended["success"], ended["output"]
        return ended["output"]["data"]

    def cancel(self, name: str, event: str) -> None:
        """Stop an event, as the button does."""
        body = {"session_hash": self.session, "fn_index": self.event(name)["id"], "event_id": event}
        self.line.post(f"{API}/cancel", json=body).raise_for_status()
