"""A visitor who speaks raw HTTP to the app, as a browser does or worse."""

import http.client
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from served import Served, served
from visitors import API, events

HERE = Path(__file__).parent
SESSION = "one-visitor"


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP.
        text: the error's own words, else the body.
        data: what a finished event returned; None where it failed.
        failed: the event or the request was refused.
    """

    status: int
    text: str | None = ""
    data: Any = None
    failed: bool = False


@dataclass(frozen=True)
class Visitor:
    """Somebody who speaks raw HTTP to a running server.

    Attributes:
        server: the app in its process.
        log: the file that says what it opened.
        before: lines of it that tell of the start.
    """

    server: Served
    log: Path
    before: int = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server.url.rpartition(":")[2])

    @property
    def files(self) -> Path:
        """Where its uploads go."""
        return self.server.files

    @property
    def canary(self) -> Path:
        """A picture on the same disk that nobody uploaded."""
        return self.log.parent / "elsewhere" / "diffdemo-canary.png"

    def opened(self) -> list[str]:
        """Names looked up, addresses connected to, and marked files opened, since it answered first."""
        return self.log.read_text().splitlines()[self.before :]

    def memory(self) -> int:
        """Bytes of memory that the server occupies."""
        return self.server.rss()

    def raw(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """One request; names of headers are written with underscores."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            line.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            found = line.getresponse()
            return found.status, {name.lower(): value for name, value in found.getheaders()}, found.read()
        finally:
            line.close()

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json", **headers: str) -> Answer:
        """One request; a body that is no bytes is sent as JSON."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        status, _, found = self.raw(method, path, data, **({"content_type": kind} if data is not None else {}), **headers)
        return Answer(status, _words(found), failed=status >= 400)

    def event(self, name: str) -> dict[str, Any]:
        """The first of the page's events of that name, see `visitors.events`."""
        return events(self.server.url, name)[0]

    def post(self, target: str, happened: str, *data: Any, event_data: Any = None, **more: Any) -> Answer:
        """What the page's own event ends with, asked for as a browser does: /queue/join, then /queue/data."""
        return self.join({"data": list(data), "fn_index": self.event(f"{target}.{happened}")["id"], "event_data": event_data, **more})

    def join(self, body: dict[str, Any], query: str = "", session: str = SESSION) -> Answer:
        """The end of an event that a body asks for, on the page of some address."""
        joined = self.ask("POST", f"{API}/queue/join?{query}", {"session_hash": session, **body})
        return joined if joined.failed else self._end(f"{API}/queue/data?session_hash={session}")

    def call(self, name: str, body: Any) -> Answer:
        """What a named endpoint ends with: /call/NAME, then /call/NAME/ID."""
        asked = self.ask("POST", f"{API}/call/{name}", body)
        return asked if asked.failed else self._end(f"{API}/call/{name}/{json.loads(asked.text)['event_id']}")

    def _end(self, path: str) -> Answer:
        status, _, stream = self.raw("GET", path)
        last = Answer(status, stream.decode(), failed=True)
        for block in re.split("\n\n", stream.decode().strip()):
            found = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            data = json.loads(found.get("data", "null"))
            kind = found.get("event") or (data or {}).get("msg")
            if kind in ("complete", "error", "process_completed", "unexpected_error"):
                last = _ended(status, kind, data)
        return last

    def upload(self, data: bytes, name: str = "picture.png", kind: str = "image/png") -> Answer:
        """Where an uploaded file lies, as the server tells it, in `data`."""
        bound = secrets.token_hex(8)
        head = f'--{bound}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'.encode()
        body = head + data + f"\r\n--{bound}--\r\n".encode()
        answer = self.ask("POST", f"{API}/upload", body, f"multipart/form-data; boundary={bound}")
        return answer if answer.failed else Answer(answer.status, data=json.loads(answer.text)[0])

    def take(self, path: Any, model: str = "faces", **more: Any) -> Answer:
        """What the page makes of an uploaded file: widgets by number, the portrait's value first among them (see `portrait`)."""
        meta = {"meta": {"_type": "gradio.FileData"}}
        return self.post("upload", "input", model, None, {"path": path, **meta, **more})


def _ended(status: int, kind: str, data: Any) -> Answer:
    if kind == "complete":
        return Answer(status, data=data)
    output = data.get("output", data) if isinstance(data, dict) else data
    if kind == "process_completed" and data["success"]:
        return Answer(status, data=output["data"])
    words = output.get("error", output.get("message")) if isinstance(output, dict) else output
    return Answer(status, words, failed=True)


def _words(body: bytes) -> str:
    """The words of an error that came as JSON, else the body as it is."""
    text = body.decode(errors="replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    words = (found.get("detail") or found.get("error")) if isinstance(found, dict) else None
    return words if isinstance(words, str) else text


@contextmanager
def serve(folder: Path, *marks: str) -> Iterator[Visitor]:
    """The app on a free port of 127.0.0.1, watched.

    Args:
        folder: where the log of what it opens goes.
        marks: parts of the paths whose opening is logged.
    """
    log = folder / "opened.log"
    with served(env={"NO_PROXY": "*"}, program=(str(HERE / "watched_app.py"), str(log), ",".join(marks))) as server:
        yield Visitor(server, log, len(log.read_text().splitlines()))
