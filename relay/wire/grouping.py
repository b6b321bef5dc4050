"""Group what has already arrived on a stream, so that one durable write serves many messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, TypeVar

T = TypeVar("T")

_END: Final = object()


async def grouped(source: AsyncIterator[T], most: int) -> AsyncIterator[list[T]]:
    """Lists of up to `most` items: whatever has arrived while the last list was handled, at least one.

    At most `2 * most` items wait in memory; then the source is not read, which slows its sender down.
    """
    queue: asyncio.Queue[object] = asyncio.Queue(most)
    failure: list[BaseException] = []

    async def fill() -> None:
        try:
            async for item in source:
                await queue.put(item)
        except Exception as error:
            failure.append(error)
        await queue.put(_END)

    filler = asyncio.create_task(fill(), name="stream reader")
    try:
        ended = False
        while not ended:
            group: list[T] = []
            item = await queue.get()
            while True:
                if item is _END:
                    ended = True
                    break
                group.append(item)  # type: ignore[arg-type]
                if len(group) >= most or queue.empty():
                    break
                item = queue.get_nowait()
            if group:
                yield group
        if failure:
            raise failure[0]
    finally:
        filler.cancel()
        await asyncio.wait({filler})
