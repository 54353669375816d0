"""What the page's middleware speaks: the types of ASGI, and a whole answer in one go."""

from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[..., Awaitable[None]]


async def answer(send: Send, body: bytes, kind: bytes, cached: bytes) -> None:
    """Send an answer of status 200.

    Args:
        send: as ASGI hands it to an application.
        body: the content.
        kind: its content type.
        cached: the cache-control header.
    """
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", cached)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
