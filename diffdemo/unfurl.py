"""Link previews: whoever posts a link into a thread or a chat sees which experiment it is, with its numbers and a picture.

Unfurlers run no script and read the head of the page that is served, where Gradio writes its own name and banner; a small ASGI
middleware writes the link's instead, and serves the picture under /card.png with the same query.
"""

import html
import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread

from diffdemo import cards
from diffdemo.asgi import App, Message, Receive, Send, answer, refuse
from diffdemo.errors import DiffdemoError
from diffdemo.experiment import MAX_QUERY, Experiment, RoundTrip, experiment_from_query

PICTURE = "/card.png"
_FOREIGN = re.compile(rb'\s*<meta\s+(?:property="og:|name="twitter:)[^>]*>')
_SCRIPT = b"window.gradio_config"
_KEPT, _WAITING = 64, 16  # pictures held in memory, and requests that wait for one, at most


class Unfurl:
    """The middleware: acts on GET / and GET /card.png, hands everything else on untouched.

    Args:
        app: the application it wraps.
        script: to run on the page before all others; Gradio would add it to the head after its own.
    """

    def __init__(self, app: App, script: str = ""):
        self.app, self.pen, self.script = app, CapacityLimiter(1), script

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        asked = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        query = scope.get("query_string", b"")[: MAX_QUERY + 1].decode("latin-1")
        if asked and scope["path"] == PICTURE:
            await self._draw(send, query)
        elif asked and scope["path"] == "/":
            await self.app(scope, receive, _Rewriter(send, lambda page: rewrite(page, query, _origin(scope), self.script)))
        else:
            await self.app(scope, receive, send)

    async def _draw(self, send: Send, query: str) -> None:
        """Send the picture of a link; they are drawn one after the other, for runs come first."""
        if self.pen.statistics().tasks_waiting >= _WAITING:
            await refuse(send, 503, "Too many previews are being drawn; please try again in a minute.")
        else:
            await answer(send, await to_thread.run_sync(picture, query, limiter=self.pen), b"image/png", b"public, max-age=86400")


class _Rewriter:
    """Holds a response back until it is whole, and rewrites it if it is a page."""

    def __init__(self, send: Send, change: Callable[[bytes], bytes]):
        self.send, self.change, self.body = send, change, b""
        self.start: Message = {}

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        self.body += message.get("body", b"")
        if message.get("more_body"):
            return
        headers = dict(self.start["headers"])
        if headers.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in headers:
            self.body = self.change(self.body)
            others = [pair for pair in self.start["headers"] if pair[0] != b"content-length"]
            self.start = {**self.start, "headers": [*others, (b"content-length", str(len(self.body)).encode())]}
        await self.send(self.start)
        await self.send({**message, "body": self.body})


def _origin(scope: Message) -> str:
    """Where the visitor sees the page, behind a proxy or not."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    scheme = headers.get(b"x-forwarded-proto", str(scope.get("scheme", "http"))).split(",")[0].strip()
    return f"{scheme if scheme in ('http', 'https') else 'https'}://{headers.get(b'host', 'localhost')}"


def experiment(query: str) -> Experiment:
    """The experiment of a link; the one that the page opens with where there is none or it is broken."""
    try:
        return experiment_from_query(query) if "v=" in query else RoundTrip()
    except DiffdemoError:
        return RoundTrip()


def rewrite(page: bytes, query: str, origin: str, script: str = "") -> bytes:
    """The served page with the link's preview in its head.

    Args:
        page: as Gradio serves it.
        query: of the link; anything.
        origin: scheme and host of the page.
        script: runs before all others.
    """
    cut = page.find(_SCRIPT) if _SCRIPT in page else len(page)
    head, rest = _FOREIGN.sub(b"", page[:cut]), page[cut:]
    added = tags(query, origin) + (f"<script>{script}</script>" if script else "")
    return head.replace(b"<head>", b"<head>" + added.encode(), 1) + rest


def tags(query: str, origin: str) -> str:
    """The Open Graph tags of a link."""
    e = experiment(query)
    same = e.to_query() if "v=" in query else ""
    title, said = cards.title(e), cards.description(e)
    here = f"{origin}/{'?' if same else ''}{same}"
    picture_at = f"{origin}{PICTURE}{'?' if same else ''}{quote(same, safe='=&:,/-_.')}"
    properties = {
        "og:type": "website", "og:site_name": "diffdemo", "og:title": title, "og:description": said, "og:url": here,
        "og:image": picture_at, "og:image:width": str(cards.WIDTH), "og:image:height": str(cards.HEIGHT), "og:image:alt": cards.alt(e),
    }  # fmt: skip
    written = [f'<meta property="{name}" content="{html.escape(value, quote=True)}">' for name, value in properties.items()]
    return "".join([*written, '<meta name="twitter:card" content="summary_large_image">'])


@lru_cache(maxsize=_KEPT)
def picture(query: str) -> bytes:
    """The picture of a link's preview as a PNG file; that of the first example where it is broken or cannot be drawn."""
    try:
        return cards.draw(experiment(query))
    except DiffdemoError:
        return cards.draw(RoundTrip())
