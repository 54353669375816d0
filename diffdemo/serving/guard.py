"""The request guard, which every request passes before the page sees it.

It serves only the addresses that the page needs, bounds bodies and uploads, takes files by upload
only, and sets the headers of every answer. Gradio bounds no body, fetches any public address that
stands in place of a file (also as /gradio_api/file=ADDRESS), and keeps all that is uploaded, even
uploads that were aborted.
"""

import json
import logging
import re
import time
from contextlib import suppress
from pathlib import Path

from anyio import to_thread
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diffdemo.errors import UNFORESEEN
from diffdemo.serving.memory import return_freed_memory

log = logging.getLogger("diffdemo")

MAX_PATH = 2_000  # characters of an address
MAX_QUERY = 40_000  # characters after its question mark
MAX_BODY = 12_000_000  # bytes: a file of 8 MB in base64, and what goes with it
MAX_VALUES = 200_000  # in a body
MAX_DEPTH = 100  # of lists and objects inside each other
MAX_UPLOADS = 200_000_000  # bytes of all uploads on the disk
KEPT_SECONDS = 600  # that an upload stays on the disk; the page reads it at once
TRIM_BYTES = 5_000_000  # of bodies after which freed memory is returned to the system
API = "/gradio_api/"
SERVED = re.compile(
    r"/|/(assets|static|svelte)/.*"
    r"|/(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json|health|card\.png)"
    rf"|{API}(info|openapi\.json|app_id|login_check|startup-events|theme\.css|heartbeat/.*)"
    rf"|{API}(file=/.*|upload_progress|run/.*|queue/.*|call/.*|cancel|reset|upload|mcp(/.*)?)"
)
# Gradio makes functions of text, hence 'unsafe-eval'. Nothing comes from or goes to another host.
CONTENT_POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "content-security-policy": CONTENT_POLICY,
}
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
_EVENT = re.compile(f"{API}(call|run|queue)/")


class Guard:
    """ASGI middleware, the outermost.

    Args:
        app: the application it wraps.
        uploads: the folder of uploaded files, which nobody else writes to.
    """

    def __init__(self, app: ASGIApp, uploads: Path):
        self.app = app
        self.uploads = uploads
        self._received = 0  # bytes of bodies since freed memory was returned

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; an HTTPException is answered with its one sentence."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(send, scope["headers"])
        try:
            checked = await self._check(scope, receive)
            await self.app(scope, checked, answer)
        except Exception as error:
            if answer.started:
                raise
            refusal = _refusal(scope, error)
            # Gradio's front end and clients show the sentence in this form.
            content = {"detail": refusal.detail}
            response = JSONResponse(content, refusal.status_code, {"cache-control": "no-store"})
            await response(scope, receive, answer)
        if self._received > TRIM_BYTES:
            self._received = 0
            await to_thread.run_sync(return_freed_memory)

    async def _check(self, scope: Scope, receive: Receive) -> Receive:
        """Return where the application receives the body of a request that may go on.

        Raises:
            HTTPException: it goes no further.
        """
        path = scope["path"]
        if len(path) > MAX_PATH or len(scope["query_string"]) > MAX_QUERY:
            raise HTTPException(414, "This address is too long.")
        if not SERVED.fullmatch(path.rstrip("/") or "/"):
            raise HTTPException(404, "There is nothing at this address.")
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return receive
        if not path.startswith(API):
            raise HTTPException(405, "This address can only be read.")
        body = await self._read(receive)
        if path.startswith(f"{API}upload"):
            await to_thread.run_sync(make_room, self.uploads, len(body))
        else:
            await to_thread.run_sync(check_json, body)
        return _replay(body, receive)

    async def _read(self, receive: Receive) -> bytes:
        """Read a whole body of at most MAX_BODY bytes.

        A larger one is read to its end, within reason: most clients listen only then.
        """
        body = bytearray()  # one piece: many small ones would fragment the memory
        size = 0
        more = True
        while more and size <= 5 * MAX_BODY:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise HTTPException(400, "The request did not arrive whole.")
            part = message.get("body", b"")
            size += len(part)
            if size <= MAX_BODY:
                body += part
            more = message.get("more_body", False)
        self._received += size
        if size > MAX_BODY:
            limit = f"at most {MAX_BODY // 1_000_000} MB are taken at once"
            raise HTTPException(413, f"This is too large: {limit}.")
        return bytes(body)


class _Answer:
    """Sends an answer with HEADERS, and notes whether it has started.

    Args:
        send: where it goes.
        requested: headers of the request. Gradio repeats them when a part of a file is requested.
    """

    def __init__(self, send: Send, requested: list[tuple[bytes, bytes]]):
        self.send = send
        self.requested = set(requested)
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            pairs = message.get("headers", ())
            headers = MutableHeaders(raw=[pair for pair in pairs if not self._repeated(pair)])
            headers.update(HEADERS)
            message = {**message, "headers": headers.raw}
        await self.send(message)

    def _repeated(self, pair: tuple[bytes, bytes]) -> bool:
        return pair in self.requested and not pair[0].startswith(b"content-")


def _refusal(scope: Scope, error: Exception) -> HTTPException:
    """Return the answer to a request that raised an error."""
    if isinstance(error, HTTPException):
        return error
    request = f"{scope['method']} {scope['path'][:100]}"
    if _EVENT.match(scope["path"]) and not isinstance(error, OSError):
        # Gradio raises where a request fits no event. Our own functions run later, elsewhere.
        log.info("%s refused: %s", request, type(error).__name__)
        advice = "the names and their fields are under Use via API"
        return HTTPException(404, f"There is nothing here that takes this; {advice}.")
    log.exception("%s failed", request, exc_info=error)
    if isinstance(error, OSError):
        return HTTPException(507, "This could not be stored here; please try again later.")
    return HTTPException(500, UNFORESEEN)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that was read already, and then what else comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def check_json(body: bytes) -> None:
    """Refuse JSON that holds too much, or an address in place of a file.

    What is not JSON is left to Gradio.

    Raises:
        HTTPException: the body is refused.
    """
    try:
        values: list[tuple[object, int]] = [(json.loads(body), 0)]
    except RecursionError as error:
        limit = f"at most {MAX_DEPTH} levels are taken"
        raise HTTPException(400, f"This is nested too deep: {limit}.") from error
    except ValueError:
        return
    count = 1
    while values:
        value, depth = values.pop()
        parts = value if isinstance(value, list) else []
        if isinstance(value, dict):
            parts = list(value.values())
            _refuse_address(value.get("path"))
        count += len(parts)
        if depth > MAX_DEPTH or count > MAX_VALUES:
            limit = f"at most {MAX_VALUES:,} values, nested {MAX_DEPTH} levels deep, are taken"
            raise HTTPException(400, f"This holds too much: {limit}.")
        values += [(part, depth + 1) for part in parts]


def _refuse_address(path: object) -> None:
    if isinstance(path, str) and _ADDRESS.match(path[:200]):
        raise HTTPException(400, "Files are taken by upload only, not from an address.")


def make_room(folder: Path, size: int) -> None:
    """Remove old uploads, and refuse a new one if there is no room for it.

    Args:
        folder: where uploads are.
        size: bytes of the new one.

    Raises:
        HTTPException: the uploads would be too large together.
    """
    now = time.time()
    total = size
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # Gradio removed it meanwhile
            status = path.stat()
            if path.is_dir():
                continue
            if now - status.st_mtime > KEPT_SECONDS:
                path.unlink()
            else:
                total += status.st_size
    if total > MAX_UPLOADS:
        busy = "Too many pictures are being uploaded here at the moment"
        raise HTTPException(507, f"{busy}; please try again in a few minutes.")
