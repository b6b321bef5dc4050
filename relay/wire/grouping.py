"""Group what has already arrived on a stream, so that one durable write serves many messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

T = TypeVar("T")

_END: Final = object()
LINGER_S: Final = 0.003
"""How long a group that is not full waits for what is right behind: less than the durable write that it may save."""


def _never(_item: object) -> bool:
    return False


@asynccontextmanager
async def arriving(
    source: AsyncIterator[T], most: int, ends: Callable[[T], bool] = _never
) -> AsyncIterator[AsyncIterator[list[T]]]:
    """Lists of up to `most` items: whatever has arrived while the last list was handled and shortly after, at least one.

    The source is read from the beginning of the context, before the first list is asked for. A list waits no longer than
    `LINGER_S` after its first item, and not at all once the source has ended or `ends` says of an item that nothing is wanted
    behind it. At most `2 * most` items wait in memory; then the source is not read, which slows its sender down.
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
    groups = _groups(queue, most, ends, failure)
    try:
        yield groups
    finally:
        filler.cancel()
        await asyncio.wait({filler})
        await groups.aclose()  # left open, the loop would make a task to close it


async def _groups(
    queue: asyncio.Queue[object], most: int, ends: Callable[[T], bool], failure: list[BaseException]
) -> AsyncGenerator[list[T], None]:
    ended = False
    while not ended:
        group: list[T]
        group, ended = await _next_group(queue, most, ends)
        if group:
            yield group
    if failure:
        raise failure[0]


async def _next_group(queue: asyncio.Queue[object], most: int, ends: Callable[[T], bool]) -> tuple[list[T], bool]:
    """The next items, and whether the end came after them."""
    group: list[T] = []
    item = await queue.get()
    try:
        async with asyncio.timeout(LINGER_S):
            while item is not _END:
                group.append(item)  # type: ignore[arg-type]
                if len(group) >= most or ends(group[-1]):
                    return group, False
                item = await queue.get()
    except TimeoutError:
        return group, False
    return group, True
