"""SQLite's file system calls, one by one, on a disk in memory. Registered once under the name "power".

As SQLite's own layer for Unix does it: a journal or log that may have been created has its folder synced with its first sync,
and a deletion syncs the folder when it is asked to. There is no shared memory: a connection must lock exclusively.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import apsw

from tests.powerloss.disk import LIVES, Life, SimFolder
from tests.simulation.disk import SimFile
from tests.simulation.process import Crash

T = TypeVar("T")

NAME = "power"
JOURNALS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_SUPER_JOURNAL


def _io(code: int, call: Callable[[], T]) -> T:
    """The call's result; a disk without power is an input/output error."""
    try:
        return call()
    except Crash as crash:
        error = apsw.IOError(str(crash))
        error.extendedresult = code
        raise error from None


class PowerFile:
    """An open file."""

    def __init__(self, life: Life, places: tuple[str, ...], file: SimFile, fresh: bool) -> None:
        self._life = life
        self._places = places
        self._file = file
        self._fresh = fresh

    def xRead(self, amount: int, offset: int) -> bytes:
        _io(apsw.SQLITE_IOERR_READ, self._life.check)
        return bytes(self._file.data[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        _io(apsw.SQLITE_IOERR_WRITE, lambda: self._life.write(self._places[-1], self._file, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        if size < len(self._file.data):
            _io(apsw.SQLITE_IOERR_TRUNCATE, lambda: self._life.truncate(self._places[-1], self._file, size))

    def xSync(self, flags: int) -> None:
        _io(apsw.SQLITE_IOERR_FSYNC, self._sync)

    def _sync(self) -> None:
        self._life.sync(self._places[-1], self._file)
        if self._fresh:
            self._life.sync(self._places[-2], self._life.folder(self._places[:-1]))
            self._fresh = False

    def xFileSize(self) -> int:
        _io(apsw.SQLITE_IOERR_FSTAT, self._life.check)
        return len(self._file.data)

    def xClose(self) -> None:
        pass

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, operation: int, pointer: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return 4096

    def xDeviceCharacteristics(self) -> int:
        return int(apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE)


class ScratchFile(PowerFile):
    """A file without a name: it is gone with the process, and no operation on it matters."""

    def __init__(self) -> None:
        self._file = SimFile()

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._file.data[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self._file.write(offset, bytes(data))

    def xTruncate(self, size: int) -> None:
        self._file.truncate(size)

    def xSync(self, flags: int) -> None:
        pass

    def xFileSize(self) -> int:
        return len(self._file.data)


class PowerVfs(apsw.VFS):
    """Files of every life, found by their path."""

    def __init__(self) -> None:
        super().__init__(NAME, "")

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        if name is None:
            return ScratchFile()
        life, places = _place(name.filename() if isinstance(name, apsw.URIFilename) else name)
        flags[1] = flags[0]
        return _io(apsw.SQLITE_CANTOPEN, lambda: _open(life, places, flags[0]))

    def xDelete(self, name: str, sync_folder: bool) -> None:
        life, places = _place(name)

        def delete() -> None:
            life.remove(places)
            if sync_folder:
                life.sync(places[-2], life.folder(places[:-1]))

        _io(apsw.SQLITE_IOERR_DELETE, delete)

    def xAccess(self, name: str, flags: int) -> bool:
        life, places = _place(name)
        return _io(apsw.SQLITE_IOERR_ACCESS, lambda: life.find(places)) is not None

    def xFullPathname(self, name: str) -> str:
        return name


def _place(name: str) -> tuple[Life, tuple[str, ...]]:
    life, *places = name.strip("/").split("/")
    return LIVES[life], tuple(places)


def _open(life: Life, places: tuple[str, ...], flags: int) -> PowerFile:
    node = life.find(places)
    assert not isinstance(node, SimFolder)
    if node is None:
        if not flags & apsw.SQLITE_OPEN_CREATE:
            raise Crash("no such file")
        node = SimFile()
        life.make(places, node)
    return PowerFile(life, places, node, bool(flags & apsw.SQLITE_OPEN_CREATE and flags & JOURNALS))


VFS = PowerVfs()
