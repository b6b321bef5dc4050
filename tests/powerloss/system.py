"""The part of `os` and `pathlib` that the stores use, over a disk in memory; and the switch that puts it in their way.

What is under test stays the real thing: packs, folders, schema, database and stores. Threads run in the caller's step, and the
reader shares the writer's connection, because a database without shared memory has one.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from relay.durable import database, files, packs, schema
from relay.store import court, court_retrievals
from tests.powerloss.disk import Life, SimFolder
from tests.powerloss.shim import ReaderOf, connect
from tests.simulation.disk import SimFile

_handles = itertools.count(1_000_000)


class SimPath(PurePosixPath):
    """A path on one life's disk, made by `path_of`."""

    life: Life

    @property
    def places(self) -> tuple[str, ...]:
        """Names from the disk's root on."""
        return self.parts[2:]

    def exists(self) -> bool:
        return self.life.find(self.places) is not None

    def is_dir(self) -> bool:
        return isinstance(self.life.find(self.places), SimFolder)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        if self.exists():
            assert exist_ok
            return
        if parents:
            self.parent.mkdir(mode, parents, exist_ok=True)
        self.life.make(self.places, SimFolder())

    def glob(self, pattern: str) -> Iterator[SimPath]:
        names = sorted(self.life.folder(self.places).entries)
        return iter([self / name for name in names if PurePosixPath(name).match(pattern)])

    def iterdir(self) -> Iterator[SimPath]:
        return self.glob("*")

    def unlink(self) -> None:
        self.life.remove(self.places)


def path_of(life: Life, *names: str) -> Any:
    """A path on that life's disk."""
    return type("SimPath", (SimPath,), {"life": life})(f"/{life.name}", *names)


class Handle(int):
    """A file descriptor: a number with an open file behind it."""

    path: SimPath
    node: SimFile | SimFolder


class SimOs:
    """Stands for the module `os`: simulated paths and handles here, everything else as ever."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        if not isinstance(path, SimPath):
            return os.open(path, flags, mode)
        node = path.life.find(path.places)
        if node is None:
            if not flags & os.O_CREAT:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
            node = SimFile()
            path.life.make(path.places, node)
        if flags & os.O_TRUNC and isinstance(node, SimFile):
            path.life.truncate(path.name, node, 0)
        handle = Handle(next(_handles))
        handle.path, handle.node = path, node
        return handle

    def close(self, handle: int) -> None:
        if not isinstance(handle, Handle):
            os.close(handle)

    def access(self, path: Any, mode: int) -> bool:
        return len(path.parts) > 1 if isinstance(path, SimPath) else os.access(path, mode)

    def fsync(self, handle: Any) -> None:
        handle.path.life.sync(handle.path.name if handle.path.places else "", handle.node)

    fdatasync = fsync

    def fstat(self, handle: Any) -> Any:
        handle.path.life.check()
        return SimpleNamespace(st_size=len(handle.node.data))

    def pwrite(self, handle: Any, data: memoryview, offset: int) -> int:
        handle.path.life.write(handle.path.name, handle.node, offset, bytes(data))
        return len(data)

    def pread(self, handle: Any, length: int, offset: int) -> bytes:
        handle.path.life.check()
        return bytes(handle.node.data[offset : offset + length])

    def ftruncate(self, handle: Any, size: int) -> None:
        handle.path.life.truncate(handle.path.name, handle.node, size)


class InlineThread:
    """Stands for a thread: the work is done at once."""

    def __init__(self, *_arguments: Any, **_named: Any) -> None:
        pass

    def submit(self, work: Callable[[], None]) -> None:
        work()

    def shutdown(self) -> None:
        pass


class NoLock:
    """Stands for the lock on a data folder: each life is alone on its disk."""

    def __init__(self, folder: Any) -> None:
        pass

    def release(self) -> None:
        pass


@contextmanager
def simulated() -> Iterator[None]:
    """Stores opened on a `path_of` path use its disk."""
    system = SimOs()
    replaced = [
        *((module, "os", system) for module in (schema, files, packs, court)),
        (court_retrievals, "shutil", SimpleNamespace(rmtree=lambda _path, _ignore_errors: None)),
        (database, "open_writer", partial(schema.open_writer, connect=connect)),
        (database, "open_reader", lambda path: ReaderOf(path.life.connections[str(path)])),
        (database, "OneThread", InlineThread),
        (database, "FolderLock", NoLock),
    ]
    patches = [patch.object(module, name, value) for module, name, value in replaced]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()
