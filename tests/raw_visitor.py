"""A visitor who speaks raw HTTP to the app, as a browser does or worse."""

import http.client
import json
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from served import Server, run_app
from visitors import API, events

WATCHED_APP = Path(__file__).parent / "watched_app.py"
SESSION = "one-visitor"
LAST = ("complete", "error", "process_completed", "unexpected_error")  # messages that end an event


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP.
        text: the words of an error, else the body.
        data: what a finished event returned; None if it failed.
        failed: whether the event or the request was refused.
    """

    status: int
    text: str | None = ""
    data: Any = None
    failed: bool = False


@dataclass(frozen=True)
class RawVisitor:
    """A visitor of a running app.

    Attributes:
        server: the app.
        access_log: what the app looked up, connected to and opened, see `watched_app`.
        at_start: number of its lines when the app had started.
    """

    server: Server
    access_log: Path
    at_start: int = 0

    @property
    def canary(self) -> Path:
        """A picture on the same disk that nobody uploaded."""
        return self.access_log.parent / "elsewhere" / "diffdemo-canary.png"

    def accessed(self) -> list[str]:
        """Return what the app looked up, connected to and opened since it had started."""
        return self.access_log.read_text().splitlines()[self.at_start :]

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request, headers named with underscores; returns status, headers and body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)) as line:
            line.request(method, path, body, named)
            found = line.getresponse()
            received = {name.lower(): value for name, value in found.getheaders()}
            return found.status, received, found.read()

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        kind: str = "application/json",
        **headers: str,
    ) -> Answer:
        """Send one request; a body that is not bytes is sent as JSON."""
        if not isinstance(body, bytes | None):
            body = json.dumps(body).encode()
        if body is not None:
            headers["content_type"] = kind
        status, _, found = self.request(method, path, body, **headers)
        return Answer(status, _words(found), failed=status >= 400)

    def event(self, name: str) -> int:
        """Return the number of the first of the page's events with a name, see `events`."""
        return events(self.server.url, name)[0]["id"]

    def trigger(self, name: str, *data: object, event_data: object = None) -> Answer:
        """Trigger one of the page's events as a browser does; returns how it ended."""
        body = {"data": list(data), "fn_index": self.event(name), "event_data": event_data}
        return self.join(body)

    def join(self, body: dict, query: str = "", session: str = SESSION) -> Answer:
        """Queue an event on the page at an address with a query; returns how it ended."""
        body = {"session_hash": session, **body}
        joined = self.send("POST", f"{API}/queue/join?{query}", body)
        return joined if joined.failed else self._end(f"{API}/queue/data?session_hash={session}")

    def call(self, name: str, body: object) -> Answer:
        """Call a named endpoint; returns how it ended."""
        called = self.send("POST", f"{API}/call/{name}", body)
        if called.failed:
            return called
        return self._end(f"{API}/call/{name}/{json.loads(called.text)['event_id']}")

    def _end(self, path: str) -> Answer:
        """Read a stream of messages to its end."""
        status, _, stream = self.request("GET", path)
        last = Answer(status, stream.decode(), failed=True)
        for block in stream.decode().strip().split("\n\n"):
            found = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            data = json.loads(found.get("data", "null"))
            kind = found.get("event") or (data or {}).get("msg")
            if kind in LAST:
                last = _ended(status, kind, data)
        return last

    def upload(self, data: bytes, name: str = "picture.png", kind: str = "image/png") -> Answer:
        """Upload a file; `data` of the answer is where the server says it is."""
        boundary = secrets.token_hex(8)
        disposition = f'Content-Disposition: form-data; name="files"; filename="{name}"'
        head = f"--{boundary}\r\n{disposition}\r\nContent-Type: {kind}\r\n\r\n".encode()
        body = head + data + f"\r\n--{boundary}--\r\n".encode()
        multipart = f"multipart/form-data; boundary={boundary}"
        answer = self.send("POST", f"{API}/upload", body, multipart)
        return answer if answer.failed else Answer(answer.status, data=json.loads(answer.text)[0])

    def take(self, path: object) -> Answer:
        """Let the page take an uploaded file."""
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        return self.trigger("upload.input", "faces", None, file)


def _ended(status: int, kind: str, data: Any) -> Answer:
    if kind == "complete":
        return Answer(status, data=data)
    output = data.get("output", data) if isinstance(data, dict) else data
    if kind == "process_completed" and data["success"]:
        return Answer(status, data=output["data"])
    words = output.get("error", output.get("message")) if isinstance(output, dict) else output
    return Answer(status, words, failed=True)


def _words(body: bytes) -> str:
    """Return the words of an error that came as JSON, else the body as it is."""
    text = body.decode(errors="replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    words = (found.get("detail") or found.get("error")) if isinstance(found, dict) else None
    return words if isinstance(words, str) else text


@contextmanager
def serve_watched(folder: Path, *marks: str) -> Iterator[RawVisitor]:
    """Serve the app on a free port, watched.

    Args:
        folder: where the access log goes.
        marks: parts of the paths whose opening is logged.
    """
    log = folder / "opened.log"
    program = (str(WATCHED_APP), str(log), ",".join(marks))
    with run_app(program, NO_PROXY="*") as server:
        yield RawVisitor(server, log, len(log.read_text().splitlines()))
