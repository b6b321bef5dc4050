"""Processes that die at any point, and the machines that start them again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from relay.core.errors import RelayError
from relay.durable.errors import StorageFailed
from tests.simulation.dice import Dice
from tests.simulation.disk import Disk

RESTART_S = 2.0


class Crash(Exception):
    """The process is dead: nothing it still runs has any effect."""


class Points:
    """Numbers the crash points of one machine across its lives; it dies at each of `targets` in turn.

    A target is a number, counted afresh in each life, or a name: the first point of that name.
    """

    def __init__(self, targets: tuple[int | str, ...] = ()) -> None:
        self.targets = list(targets)
        self.count = 0
        self.names: Counter[str] = Counter()
        self.died_at: list[str] = []
        self.first_life = 0

    def hit(self, name: str) -> bool:
        """Count a point; True when the process dies here."""
        self.count += 1
        self.names[name] += 1
        if self.targets and self.targets[0] in (self.count, name):
            self.targets.pop(0)
            self.died_at.append(name)
            return True
        return False

    def new_life(self) -> None:
        """Counting begins again."""
        self.first_life = self.first_life or self.count
        self.count = 0


class Process:
    """One life of a role on a machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.alive = True
        self.dead = asyncio.Event()
        self.tasks: list[asyncio.Task[Any]] = []
        self.parts: dict[str, Any] = {}

    @property
    def disk(self) -> Disk:
        """The machine's disk."""
        return self._machine.disk

    def point(self, name: str) -> None:
        """A place at which it may die. Raises `Crash` when it does or has."""
        if self.alive and (
            self._machine.points.hit(name)
            or self._machine.dice.maybe("crash")
            or (not self.tasks and self._machine.dice.maybe("crash while recovering"))
        ):
            self.die(name)
        if not self.alive:
            raise Crash(name)

    def die(self, why: str) -> None:
        """From here on nothing happens any more."""
        self.alive = False
        self._machine.dice.trace(f"{self._machine.name} dies: {why}")
        self.dead.set()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """A worker of this process; when it ends with an error, the process ends."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or not self.alive:
            return
        error = first(task.exception())
        if not isinstance(error, StorageFailed | Crash):
            self._machine.failures.append(f"{self._machine.name}: a worker ended with {error!r}")
        self.die("worker")

    async def wait_and_clear(self) -> None:
        """Until it dies; then its tasks are gone too."""
        await self.dead.wait()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def first(error: BaseException | None) -> BaseException | None:
    """The innermost error of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class Machine:
    """Starts its process, and again whenever it dies; after a power cut the disk holds what was synced and a random part of the rest."""

    def __init__(self, name: str, dice: Dice, disk: Disk, boot: Callable[[Process], Awaitable[None]]) -> None:
        self.name = name
        self.dice = dice
        self.disk = disk
        self._boot = boot
        self.points = Points()
        self.process: Process | None = None
        self.lives = 0
        self.failures: list[str] = []

    def up(self) -> Process | None:
        """The living process, None while it is down or starting."""
        return self.process if self.process is not None and self.process.alive else None

    async def run(self) -> None:
        """Never returns."""
        while True:
            self.lives += 1
            self.points.new_life()
            process = Process(self)
            try:
                await self._boot(process)
                self.process = process
            except (Crash, StorageFailed) as error:
                process.die(str(error))
            except RelayError as error:
                self.failures.append(f"{self.name} cannot start again: {error}")
                raise
            await process.wait_and_clear()
            self.process = None
            self.disk.after_death()
            await asyncio.sleep(self.dice.delay(RESTART_S) if self.dice.active else 0.01)
