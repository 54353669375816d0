"""What every request passes before the page sees it: only what the page needs is served, bodies have a bound, files come by upload only,
uploads have a bound together; and the headers of every answer.

Gradio bounds no body, fetches any public address that stands in the place of a file, also as /gradio_api/file=ADDRESS, keeps what is
uploaded however much that is, and leaves aborted uploads on the disk for ever.
"""

import contextlib
import ctypes
import gc
import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

from anyio import to_thread

from diffdemo.asgi import App, Message, Receive, Send, refuse
from diffdemo.errors import UNFORESEEN

log = logging.getLogger("diffdemo")
BODY = 12_000_000  # bytes: a file of 8 MB in base64, and what goes with it
PATH, QUERY = 2_000, 40_000  # characters of an address
LARGE = 5_000_000  # bytes of bodies after which memory is given back
PARTS, DEPTH = 200_000, 100  # values in a body, and how deep they are nested
UPLOADS = 200_000_000  # bytes of uploads on the disk
KEPT = 600  # seconds that an upload stays; the page reads it at once
API = "/gradio_api/"
SERVED = re.compile(
    r"/|/(assets|static|svelte)/.*|/(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json|health|card\.png)"
    rf"|{API}(info|openapi\.json|app_id|login_check|startup-events|theme\.css|heartbeat/.*|file=/.*|upload_progress)"
    rf"|{API}(run/.*|queue/.*|call/.*|cancel|reset|upload|mcp(/.*)?)"
)
CONTENT = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none'; base-uri 'self'; form-action 'self'"
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    (b"content-security-policy", CONTENT.encode()),  # Gradio makes functions of text; but nothing comes from another host, or goes there
]
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


class RequestError(Exception):
    """A request that goes no further: its status, and one sentence."""

    def __init__(self, status: int, said: str):
        super().__init__(said)
        self.status, self.said = status, said


class Guard:
    """The middleware; outermost.

    Args:
        app: the application it wraps.
        uploads: the folder of uploaded files, which nobody else writes to.
    """

    def __init__(self, app: App, uploads: Path):
        self.app, self.uploads, self.taken = app, uploads, 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = _Answer(send, scope["headers"])
        try:
            await self.app(scope, await self._passed(scope, receive), sent)
        except RequestError as no:
            await refuse(sent, no.status, no.said)
        except Exception as error:
            if sent.begun:
                raise
            unforeseen = _said(scope, error)
            await refuse(sent, unforeseen.status, unforeseen.said)
        if self.taken > LARGE:
            self.taken = 0
            await to_thread.run_sync(give_back)

    async def _passed(self, scope: Message, receive: Receive) -> Receive:
        """The request's body, if it may go on."""
        path, method = scope["path"], scope["method"]
        if len(path) > PATH or len(scope.get("query_string", b"")) > QUERY:
            raise RequestError(414, "This address is too long.")
        if not SERVED.fullmatch(path.rstrip("/") or "/"):
            raise RequestError(404, "There is nothing at this address.")
        if method in ("GET", "HEAD", "OPTIONS"):
            return receive
        if not path.startswith(API):
            raise RequestError(405, "This address can only be read.")
        body = await self._read(receive)
        if path.startswith(f"{API}upload"):
            await to_thread.run_sync(make_room, self.uploads, len(body))
        else:
            await to_thread.run_sync(check, body)
        return _again(body, receive)

    async def _read(self, receive: Receive) -> bytes:
        """A whole body of at most BODY bytes; a larger one is read to its end, within reason, for most clients listen only then."""
        whole, size = bytearray(), 0  # in one piece: many small ones would leave the memory in tatters
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestError(400, "The request did not arrive whole.")
            size += len(message.get("body", b""))
            if size <= BODY:
                whole += message.get("body", b"")
            if size > 5 * BODY or not message.get("more_body"):
                break
        self.taken += size
        if size > BODY:
            raise RequestError(413, f"This is too large: at most {BODY // 1_000_000} MB are taken at once.")
        return bytes(whole)


def _said(scope: Message, error: Exception) -> RequestError:
    """What to answer where Gradio raised: for an event, because it does not fit any; our own part in it runs later, and apart."""
    if re.match(f"{API}(call|run|queue)/", scope["path"]) and not isinstance(error, OSError):
        log.info("%s %s refused: %s", scope["method"], scope["path"][:100], type(error).__name__)
        return RequestError(404, "There is nothing here that takes this; the names and their fields are under Use via API.")
    log.exception("%s %s failed", scope["method"], scope["path"][:100], exc_info=error)
    if isinstance(error, OSError):
        return RequestError(507, "This could not be stored here; please try again later.")
    return RequestError(500, UNFORESEEN)


class _Answer:
    """Sends an answer with HEADERS, and knows whether it has begun.

    Args:
        send: where it goes.
        asked: the headers of the request; Gradio repeats them where a part of a file is asked for.
    """

    def __init__(self, send: Send, asked: list[tuple[bytes, bytes]]):
        self.send, self.asked, self.begun = send, set(asked), False

    def _own(self, pair: tuple[bytes, bytes]) -> bool:
        return pair not in self.asked or pair[0].startswith(b"content-")

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun, ours = True, {name for name, _ in HEADERS}
            kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in ours and self._own(pair)]
            message = {**message, "headers": [*kept, *HEADERS]}
        await self.send(message)


def _again(body: bytes, receive: Receive) -> Receive:
    """Hands out a body that was read already, and then what else comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


def check(body: bytes) -> None:
    """Let JSON pass that holds no address in the place of a file, and not too much of anything; what is no JSON is left to Gradio.

    Raises:
        RequestError: it does not pass.
    """
    try:
        values = [(json.loads(body), 0)] if body else []
    except RecursionError as error:
        raise RequestError(400, f"This is nested too deep: at most {DEPTH} levels are taken.") from error
    except ValueError:
        return
    seen = 1
    while values:
        value, depth = values.pop()
        seen += len(value) if isinstance(value, dict | list) else 0
        if depth > DEPTH or seen > PARTS:
            raise RequestError(400, f"This holds too much: at most {PARTS:,} values, nested {DEPTH} levels deep, are taken.")
        if isinstance(value, dict):
            if _ADDRESS.match(str(value.get("path", ""))[:200]):
                raise RequestError(400, "Files are taken by upload only, not from an address.")
            value = list(value.values())
        if isinstance(value, list):
            values += [(part, depth + 1) for part in value]


def give_back() -> None:
    """Return freed memory to the system, where the C library keeps it for itself (glibc does, tens of megabytes after a few large bodies)."""
    _ask_glibc("malloc_trim", 0)


def few_heaps() -> None:
    """Let all threads share two heaps; glibc gives each of them its own, which grows to the largest that it ever held."""
    _ask_glibc("mallopt", -8, 2)  # M_ARENA_MAX


@contextlib.contextmanager
def here_to_stay() -> Iterator[None]:
    """Look for no garbage meanwhile, nor later among what was made: a million objects of imported packages, a fifth of the time of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _ask_glibc(function: str, *numbers: int) -> None:
    """Call a function of the C library; nothing happens where that is another one."""
    with contextlib.suppress(OSError, AttributeError):
        getattr(ctypes.CDLL("libc.so.6"), function)(*numbers)


def make_room(folder: Path, wanted: int) -> None:
    """Remove uploads that have been there for long.

    Args:
        folder: where they are.
        wanted: bytes that are to come.

    Raises:
        RequestError: there is no room for them.
    """
    held, now = 0, time.time()
    for path in folder.rglob("*"):
        try:
            about = path.stat()
            if path.is_dir():
                continue
            if now - about.st_mtime > KEPT:
                path.unlink()
            else:
                held += about.st_size
        except FileNotFoundError:  # somebody else removed it
            continue
    if held + wanted > UPLOADS:
        raise RequestError(507, "Too many pictures are being uploaded here at the moment; please try again in a few minutes.")
