"""Append-only files. An append is durable when `sync` has returned; a failed write or sync poisons the file."""

from __future__ import annotations

import os
from pathlib import Path

from relay.core.errors import NotFound
from relay.durable.errors import StorageFailed
from relay.durable.files import make_folder, sync_folder


class Pack:
    """One append-only file; one thread appends, any number read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        make_folder(path.parent)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        sync_folder(path.parent)  # even when it exists: the process that created it may have died before it could
        self._size = os.fstat(self._handle).st_size
        self._failed: StorageFailed | None = None

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._size

    def append(self, data: bytes) -> None:
        """Write at the end; durable after `sync`. Raises `StorageFailed`."""
        self._check()
        view = memoryview(data)
        at = self._size
        try:
            while view:
                written = os.pwrite(self._handle, view, at)
                view = view[written:]
                at += written
        except OSError as error:
            raise self._fail(error) from error
        self._size = at

    def sync(self) -> None:
        """Make all appends durable. Raises `StorageFailed`."""
        self._check()
        try:
            os.fdatasync(self._handle)
        except OSError as error:
            raise self._fail(error) from error

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises `NotFound` beyond the end."""
        data = os.pread(self._handle, length, offset)
        while len(data) < length:
            more = os.pread(self._handle, length - len(data), offset + len(data))
            if not more:
                raise NotFound(f"{self.path.name}: byte {offset + length} is beyond its end")
            data += more
        return data

    def truncate(self, size: int) -> None:
        """Cut off everything from byte `size` on. Raises `StorageFailed`."""
        self._check()
        if size >= self._size:
            return
        try:
            os.ftruncate(self._handle, size)
            os.fsync(self._handle)
        except OSError as error:
            raise self._fail(error) from error
        self._size = size

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _fail(self, error: OSError) -> StorageFailed:
        self._failed = StorageFailed(f"{self.path}: {error}")
        return self._failed
