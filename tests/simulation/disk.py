"""A machine's disk in memory: append-only packs and a SQLite database, both of which outlive a process but not all of a power cut."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relay.core.errors import NotFound
from relay.durable.errors import StorageFailed

if TYPE_CHECKING:
    from tests.simulation.process import Process

SECTOR = 512


class SimFile:
    """`data` is what a reader sees; `synced` what is sure to survive; `pending` the writes between the two, in order."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = b""
        self.pending: list[tuple[int, bytes | None]] = []

    def write(self, offset: int, data: bytes) -> None:
        """Not durable yet."""
        if len(self.data) < offset:
            self.data.extend(bytes(offset - len(self.data)))
        self.data[offset : offset + len(data)] = data
        self.pending.append((offset, bytes(data)))

    def truncate(self, size: int) -> None:
        """Not durable yet."""
        del self.data[size:]
        self.pending.append((size, None))

    def sync(self) -> None:
        """Everything so far is durable."""
        if self.pending:
            self.synced = bytes(self.data)
            self.pending.clear()

    def lose_power(self, dice: random.Random, share: float = 0.5) -> None:
        """About this share of what was pending survives, in any combination; a write may survive in part."""
        survivors = [entry for entry in self.pending if dice.random() < share]
        self.data = bytearray(self.synced)
        for offset, data in survivors:
            if data is None:
                del self.data[offset:]
                continue
            if len(data) > SECTOR and dice.random() < 0.25:
                data = data[: SECTOR * dice.randrange(1, len(data) // SECTOR + 1)]
            if len(self.data) < offset:
                self.data.extend(bytes(offset - len(self.data)))
            self.data[offset : offset + len(data)] = data
        self.synced = bytes(self.data)
        self.pending.clear()


class Disk:
    """Files by name. `connect` makes the database's connection; it is kept across lives unless the power goes."""

    def __init__(self) -> None:
        self.files: dict[str, SimFile] = {}
        self._connection: sqlite3.Connection | None = None

    def file(self, name: str) -> SimFile:
        """Created when it is not there."""
        return self.files.setdefault(name, SimFile())

    def connection(self, application: int, migrations: Sequence[str]) -> sqlite3.Connection:
        """The database, schema applied."""
        if self._connection is None:
            self._connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=256)
            for script in migrations:
                self._connection.executescript(script)
            self._connection.execute("PRAGMA foreign_keys = ON")
        return self._connection

    def rows(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """For checks from outside."""
        return self._connection.execute(sql, values).fetchall() if self._connection is not None else []

    def after_death(self) -> None:
        """The process is gone; an open transaction with it."""
        if self._connection is not None and self._connection.in_transaction:
            self._connection.rollback()


class SimPack:
    """Stands for relay.durable.packs.Pack in one process."""

    def __init__(self, path: Path, process: Process) -> None:
        self.path = path
        self._process = process
        self._file = process.disk.file(str(path))
        self._kind = path.stem.partition("-")[0]

    @property
    def size(self) -> int:
        return len(self._file.data)

    def append(self, data: bytes) -> None:
        self._process.point(f"before append to {self._kind}")
        self._file.write(len(self._file.data), data)
        self._process.point(f"after append to {self._kind}")

    def sync(self) -> None:
        self._process.point(f"before sync of {self._kind}")
        self._file.sync()
        self._process.point(f"after sync of {self._kind}")

    def read(self, offset: int, length: int) -> bytes:
        data = bytes(self._file.data[offset : offset + length])
        if len(data) < length:
            raise NotFound(f"{self.path.name}: byte {offset + length} is beyond its end")
        return data

    def truncate(self, size: int) -> None:
        if size >= len(self._file.data):
            return
        self._process.point(f"before truncation of {self._kind}")
        self._file.truncate(size)
        self._file.sync()

    def close(self) -> None:
        pass


class InlineDatabase:
    """Stands for relay.durable.database.Database in one process: the same transactions, without threads."""

    def __init__(self, process: Process, connection: Any, failing: Callable[[str], bool]) -> None:
        self._process = process
        self._connection = connection
        self._failing = failing
        self._failed = False

    async def write(self, fn: Callable[[Any], Any]) -> Any:
        """One transaction."""
        await self._pause("before commit")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            outcome = fn(self._connection)
        except BaseException:
            self._connection.rollback()
            raise
        if self._failing("disk error"):
            self._connection.rollback()
            self._failed = True
            self._process.die("disk error")
            raise StorageFailed("disk error at commit")
        self._connection.execute("COMMIT")
        await self._pause("after commit")
        return outcome

    async def read(self, fn: Callable[[Any], Any]) -> Any:
        """One state throughout."""
        await self._pause("read")
        return fn(self._connection)

    async def close(self) -> None:
        """Nothing is held."""

    async def _pause(self, name: str) -> None:
        if self._failed:
            raise StorageFailed("the database has failed before")
        self._process.point(name)
        await asyncio.sleep(0)
        self._process.point(f"{name}, awaited")
