"""Link previews: a link in a thread or chat shows its experiment, with numbers and a picture.

Programs that make previews run no script. They read the head of the served page, where Gradio
writes its own name and banner. This middleware writes there about the experiment of the link
instead, and serves its picture as /card.png with the same query.
"""

import html
import re
from collections.abc import Callable

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diffdemo.report.card_drawing import HEIGHT, WIDTH
from diffdemo.serving.stories import MAX_QUERY, Stories, Story

CARD = "/card.png"
MAX_WAITING = 16  # requests for a card
_GRADIO_TAGS = re.compile(
    rb'\s*(<meta\s+(?:property="og:|name="twitter:|name="description")[^>]*>'
    rb"|<title>[^<]*</title>)"
)
_GRADIO_SCRIPT = b"window.gradio_config"


class Previews:
    """ASGI middleware: writes previews into the page at /, and answers /card.png.

    Args:
        app: the application it wraps.
        stories: what there is to tell of a link.
        script: runs on the page before all others; Gradio would add it after its own.
    """

    def __init__(self, app: ASGIApp, stories: Stories, script: str = ""):
        self.app = app
        self.stories = stories
        self.script = script
        self._drawing = CapacityLimiter(1)  # cards are drawn one at a time, for runs come first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        read = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        path = scope["path"] if read else None
        if path == "/":
            story = await to_thread.run_sync(self.stories.story, _query(scope))
            send = _PageEditor(send, meta_tags(story, _origin(scope)), self.script)
        app = await self._card(_query(scope)) if path == CARD else self.app
        await app(scope, receive, send)

    async def _card(self, query: str) -> Response:
        """Return the card of a link.

        Raises:
            HTTPException: too many others are being drawn; the guard answers it.
        """
        if self._drawing.statistics().tasks_waiting >= MAX_WAITING:
            busy = "Too many previews are being drawn"
            raise HTTPException(503, f"{busy}; please try again in a minute.")
        draw: Callable[[str], bytes] = self.stories.card
        data = await to_thread.run_sync(draw, query, limiter=self._drawing)
        return Response(data, 200, {"cache-control": "public, max-age=86400"}, "image/png")


class _PageEditor:
    """Holds an answer back until it is whole, and edits it if it is a page; see `edit`."""

    def __init__(self, send: Send, tags: str, script: str):
        self.send = send
        self.tags = tags
        self.script = script
        self.body = b""
        self.start: Message = {}

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        self.body += message.get("body", b"")
        if message.get("more_body"):
            return
        headers = MutableHeaders(raw=list(self.start["headers"]))
        is_page = headers.get("content-type", "").startswith("text/html")
        if is_page and "content-encoding" not in headers:
            self.body = edit(self.body, self.tags, self.script)
            headers["content-length"] = str(len(self.body))
        await self.send({**self.start, "headers": headers.raw})
        await self.send({**message, "body": self.body})


def _query(scope: Scope) -> str:
    """Return the query of an address, cut where it is longer than a link can be."""
    query: bytes = scope["query_string"][: MAX_QUERY + 1]
    return query.decode("latin-1")


def _origin(scope: Scope) -> str:
    """Return scheme and host of the page as the visitor sees it, behind a proxy or not."""
    headers = Headers(scope=scope)
    scheme = headers.get("x-forwarded-proto", scope["scheme"]).split(",")[0].strip()
    if scheme not in ("http", "https"):
        scheme = "https"
    return f"{scheme}://{headers.get('host', 'localhost')}"


def meta_tags(story: Story, origin: str) -> str:
    """Write the title, the description and the Open Graph tags of a link.

    Args:
        story: what there is to tell of it.
        origin: scheme and host of the page.
    """
    query = f"?{story.query}" if story.query else ""
    properties = {
        "og:type": "website",
        "og:site_name": "diffdemo",
        "og:title": story.title,
        "og:description": story.description,
        "og:url": f"{origin}/{query}",
        "og:image": f"{origin}{CARD}{query}",
        "og:image:width": str(WIDTH),
        "og:image:height": str(HEIGHT),
        "og:image:alt": story.alt,
    }
    names = {
        "description": story.description,
        "twitter:card": "summary_large_image",
        "twitter:title": story.title,
        "twitter:description": story.description,
        "twitter:image": properties["og:image"],
        "twitter:image:alt": story.alt,
    }
    return "".join(
        [
            f"<title>{html.escape(story.title)}</title>",
            *(_tag("property", name, text) for name, text in properties.items()),
            *(_tag("name", name, text) for name, text in names.items()),
        ]
    )


def _tag(kind: str, name: str, text: str) -> str:
    return f'<meta {kind}="{name}" content="{html.escape(text)}">'


def edit(page: bytes, tags: str, script: str = "") -> bytes:
    """Return the page with other tags in its head instead of Gradio's.

    Args:
        page: as Gradio serves it.
        tags: of the preview.
        script: runs before all others.
    """
    head, separator, rest = page.partition(_GRADIO_SCRIPT)
    added = f"<head>{tags}<script>{script}</script>" if script else f"<head>{tags}"
    head = _GRADIO_TAGS.sub(b"", head).replace(b"<head>", added.encode(), 1)
    return head + separator + rest
