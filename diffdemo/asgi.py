"""What the page's middleware speaks: the types of ASGI, and whole answers in one go."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[..., Awaitable[None]]


async def answer(send: Send, body: bytes, kind: bytes, cached: bytes, status: int = 200) -> None:
    """Send a whole answer.

    Args:
        send: as ASGI hands it to an application.
        body: the content.
        kind: its content type.
        cached: the cache-control header.
        status: of HTTP.
    """
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", cached)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, status: int, said: str) -> None:
    """Send one sentence, in the form in which Gradio's front end and clients show it."""
    await answer(send, json.dumps({"detail": said}).encode(), b"application/json", b"no-store", status)
