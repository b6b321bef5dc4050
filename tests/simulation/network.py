"""Calls between processes and to ledger nodes: lost, late, doubled, cut off, or answered when nobody listens any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from relay.core.errors import Unavailable, Uncertain
from relay.core.package import Package
from relay.durable.errors import StorageFailed
from tests.simulation.dice import Dice
from tests.simulation.process import Crash, Process

T = TypeVar("T")

SLOW_S = 8.0
LATE_S = 40.0


class Link:
    """The line between two places; `cut` while a partition lasts."""

    def __init__(self) -> None:
        self.cut = False


class Net:
    """One process's way out over one link."""

    def __init__(self, process: Process, dice: Dice, link: Link) -> None:
        self._process = process
        self._dice = dice
        self._link = link

    def check(self, name: str) -> None:
        """The process lives and the line is up. Raises `Crash`, `Unavailable`."""
        self._process.point(name)
        if self._link.cut:
            raise Unavailable(f"{name}: no connection")

    async def read(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """A call without effect."""
        return await self._call(name, call, Unavailable)

    async def write(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """A call with an effect: when the answer is lost, it may have happened, may still happen, or happen twice."""
        if self._dice.maybe("call twice"):
            self._later(call)
        return await self._call(name, call, Uncertain)

    async def _call(self, name: str, call: Callable[[], Awaitable[T]], unknown: type[Exception]) -> T:
        self.check(f"send {name}")
        if self._dice.maybe("slow call"):
            await asyncio.sleep(self._dice.delay(SLOW_S))
        if self._dice.maybe("call lost"):
            raise Unavailable(f"{name}: not sent")
        if unknown is Uncertain and self._dice.maybe("call late"):
            self._later(call)
            raise Uncertain(f"{name}: no answer in time")
        answer = await asyncio.shield(self._remote(call))
        self.check(f"receive {name}")
        if self._dice.maybe("answer lost"):
            raise unknown(f"{name}: the answer was lost")
        return answer

    def _remote(self, call: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """What happens at the other side goes on when the caller dies."""

        async def run() -> T:
            try:
                return await call()
            except (Crash, StorageFailed):
                raise Unavailable("the other side went away") from None

        return asyncio.get_running_loop().create_task(run())

    def _later(self, call: Callable[[], Awaitable[Any]]) -> None:
        async def run() -> None:
            await asyncio.sleep(self._dice.delay(LATE_S))
            await call()

        asyncio.get_running_loop().create_task(run())

    async def stream(self, name: str, packages: AsyncIterator[Package]) -> AsyncIterator[list[Package]]:
        """Packages on their way: cut off or changed. The other side sees a broken stream as `Unavailable`."""
        try:
            async for package in packages:
                self.check(name)
                if self._dice.maybe("stream cut"):
                    raise Unavailable(f"{name}: the stream broke")
                if self._dice.maybe("bytes changed"):
                    at = self._dice.random.randrange(len(package.entries))
                    flipped = package.entries[at] ^ 1 << self._dice.random.randrange(8)
                    package = replace(
                        package, entries=package.entries[:at] + bytes([flipped]) + package.entries[at + 1 :]
                    )
                yield [package]
        except Crash:
            raise Unavailable("the sender went away") from None
