"""Answering somebody who is still sending: who sends does not listen, and a connection closed at once loses the answer."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

LINGER_S: Final = 2.0
LINGER_BYTES: Final = 64 * 1024 * 1024


async def linger(response: Response, scope: Scope, receive: Receive, out: Send) -> None:
    """Send the answer, then read what still comes for a moment and throw it away, then end."""

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    async def hold(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "more_body": True}
        await out(message)

    await response(scope, nothing, hold)
    if scope["method"] not in ("GET", "HEAD"):
        await _thrown_away(receive)
    await out({"type": "http.response.body", "body": b"", "more_body": False})


async def _thrown_away(receive: Receive) -> None:
    done = 0
    try:
        async with asyncio.timeout(LINGER_S):
            while done < LINGER_BYTES:
                message = await receive()
                done += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
