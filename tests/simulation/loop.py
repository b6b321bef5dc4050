"""An event loop in virtual time: one callback a step, chosen at random among those that are ready. No threads, no sockets."""

from __future__ import annotations

import asyncio
import gc
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(Exception):
    """Nothing is ready and no timer runs: whoever waits will wait for ever."""


class SimTask(asyncio.Task[Any]):
    """A task whose hash is its serial number in its loop, so that sets of tasks have the same order in every run.

    A number counted on from loop to loop would give another order to the same run: which place of a set it falls to depends on it.
    """

    def __init__(self, coro: Coroutine[Any, Any, Any], *, loop: VirtualLoop, **named: Any) -> None:
        self._serial = next(loop.serials)
        super().__init__(coro, loop=loop, **named)

    def __hash__(self) -> int:
        return self._serial

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(asyncio.BaseEventLoop):
    """`on_step` is called before each step; what it raises ends the run."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._pick = random.Random(seed).random
        self.serials = itertools.count()
        self._now = 0.0
        self.steps = 0
        self.on_step: Callable[[], None] = lambda: None
        self.set_task_factory(lambda _loop, coro, **named: SimTask(coro, loop=self, **named))

    def time(self) -> float:
        """Virtual seconds since the world began."""
        return self._now

    def _run_once(self) -> None:
        self._drop_cancelled()
        if not self._ready:
            if not self._scheduled:
                raise Deadlock
            self._now = max(self._now, self._scheduled[0].when())
        while self._scheduled and self._scheduled[0].when() <= self._now:
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]
            self._ready.append(timer)
        index = int(self._pick() * len(self._ready))
        self._ready.rotate(-index)
        handle = self._ready.popleft()
        self._ready.rotate(index)
        if handle.cancelled():
            return
        self.steps += 1
        self.on_step()
        handle._run()

    def _drop_cancelled(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers leave when their time comes."""

    def call_soon_threadsafe(self, callback: Any, *arguments: Any, context: Any = None) -> asyncio.Handle:
        """There is one thread."""
        return self.call_soon(callback, *arguments, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """The work is done at once; its outcome arrives in a later step."""
        done: asyncio.Future[T] = self.create_future()
        try:
            result = func(*arguments)
        except Exception as error:
            self.call_soon(_fail, done, error)
        else:
            self.call_soon(_finish, done, result)
        return done

    def _write_to_self(self) -> None:
        pass

    def _process_events(self, event_list: Any) -> None:
        pass


def _finish(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()


def run(loop: VirtualLoop, main: Coroutine[Any, Any, T]) -> T:
    """Run a world to its end; the collector of cycles waits, because when it runs is not decided by the seed."""
    collecting = gc.isenabled()
    gc.disable()
    loop.set_exception_handler(lambda _loop, _context: None)
    try:
        return loop.run_until_complete(main)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.on_step = lambda: None
        while loop._ready:
            loop.call_soon(loop.stop)
            loop.run_forever()
        loop.close()
        if collecting:
            gc.enable()
