"""Run a synchronous iterator in worker threads, one step ahead of its reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

T = TypeVar("T")


async def from_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """Items in order; while one is being used, the next is being made. At most two exist at a time."""
    end = object()
    ahead: asyncio.Task[object] = asyncio.create_task(asyncio.to_thread(next, items, end))
    try:
        while True:
            item = await ahead
            if item is end:
                return
            ahead = asyncio.create_task(asyncio.to_thread(next, items, end))
            yield item  # type: ignore[misc]
    finally:
        if not ahead.done():
            # the thread cannot be stopped half way: let it end, so that nobody uses the iterator twice
            await asyncio.wait({ahead})
        if not ahead.cancelled():
            ahead.exception()
