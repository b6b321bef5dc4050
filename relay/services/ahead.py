"""Work one step ahead of a reader: a synchronous iterator in worker threads, or a stream that is still arriving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final, TypeVar

T = TypeVar("T")

_END: Final = object()


async def _ahead(make: Callable[[], Awaitable[object]]) -> AsyncIterator[object]:
    """What `make` gives, in order, until the end mark; while one is being used, the next is being made."""

    async def one() -> object:
        return await make()

    ahead = asyncio.create_task(one())
    try:
        while True:
            item = await ahead
            if item is _END:
                return
            ahead = asyncio.create_task(one())
            yield item
    finally:
        await given_up(ahead)


async def given_up(task: asyncio.Task[Any]) -> None:
    """Return when it has ended, and let nobody miss what it raised: its outcome is not wanted any more."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


async def from_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """Items of a synchronous iterator, made in worker threads."""
    finished: list[asyncio.Future[object]] = []

    async def make() -> object:
        step = asyncio.get_running_loop().run_in_executor(None, next, items, _END)
        finished[:] = [step]
        return await asyncio.shield(step)

    try:
        async for item in _ahead(make):
            yield item  # type: ignore[misc]
    finally:
        # a thread cannot be stopped half way: let it end, so that nobody uses the iterator twice
        if finished and not finished[0].done():
            await asyncio.wait(finished)


async def one_ahead(items: AsyncIterator[T]) -> AsyncIterator[T]:
    """Items of a stream; the next one is awaited while this one is used."""

    async def make() -> object:
        return await anext(items, _END)

    async for item in _ahead(make):
        yield item  # type: ignore[misc]
