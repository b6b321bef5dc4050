"""Folders and small files whose existence survives a power cut, and the lock on a data folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from relay.core.errors import Conflict
from relay.durable.errors import StorageFailed

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
LOCK: Final = "lock"
"""The file in a data folder that its process holds."""
_PID_BYTES_MAX: Final = 32


def sync_folder(folder: Path) -> None:
    """Make the creation, renaming or removal of a file in it durable. Raises `StorageFailed`."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Make a file's content durable. Raises `StorageFailed`."""
    _sync(path, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    try:
        handle = os.open(path, flags)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise StorageFailed(f"{path}: {error}") from error


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, readable by the owner only, and make them durable. Raises `StorageFailed`.

    The parent is synced even when the folder exists: the process that created it may have died before it could.
    """
    if not folder.is_dir():
        if folder.parent != folder:
            make_folder(folder.parent)
        try:
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        except OSError as error:
            raise StorageFailed(f"{folder}: {error}") from error
    if os.access(folder.parent, os.R_OK):
        sync_folder(folder.parent)


def write_file(path: Path, data: bytes) -> None:
    """Replace a small file: after a crash it holds either the old or the new bytes, whole. Raises `StorageFailed`."""
    draft = path.with_name(path.name + ".new")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(draft, path)
    except OSError as error:
        raise StorageFailed(f"{path}: {error}") from error
    sync_folder(path.parent)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """For a small file that several processes of a role replace: one reads and writes it at a time. Raises `StorageFailed`.

    The lock is a file of its own beside it (its name and `.lock`), because replacing a file would replace its lock too.
    """
    try:
        handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, FILE_MODE)
    except OSError as error:
        raise StorageFailed(f"{path}: {error}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def holder_in(handle: int) -> str:
    """The process id that a lock's file holds, `unknown` for none."""
    return os.pread(handle, _PID_BYTES_MAX, 0).decode("ascii", "replace").strip() or "unknown"


class FolderLock:
    """One process a data folder: an flock on its file `lock`, which the system drops when the process dies."""

    def __init__(self, folder: Path) -> None:
        """Take it. Raises `Conflict` naming the holder's process id."""
        path = folder / LOCK
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = holder_in(self._handle)
            self.release()
            raise Conflict(f"{folder} is in use by process {holder}; stop it first or choose another folder") from None
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give it back. Safe to call twice. The file stays: removing it would let two processes lock two files."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
