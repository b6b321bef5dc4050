"""The plaintext of a disclosure while it arrives, in one file, and beside it the SHA-256 of every chunk.

A killed process leaves both as they were written. A power cut may leave less, or zeros: what does not match its digest is cut off and
asked for again, so that a fault of this disk is never taken for a fault of the lender.
"""

from __future__ import annotations

import hashlib
import os
from io import FileIO
from pathlib import Path
from typing import Final

DIGEST_BYTES: Final = 32


class Staging:
    """Synchronous. First `read` what is there, then `add`; close it at the end. Nothing is buffered here."""

    def __init__(self, folder: Path) -> None:
        self.contents: Final = folder / "contents"
        self._file = _open(self.contents)
        self._digests = _open(folder / "chunks.sha256")
        self._bytes = 0
        self._chunks = 0
        self._cut = False

    def read(self, size: int) -> bytes | None:
        """The next chunk, of this size, as it was staged; None when none is there that matches its digest."""
        data = os.pread(self._file.fileno(), size, self._bytes)
        digest = os.pread(self._digests.fileno(), DIGEST_BYTES, self._chunks * DIGEST_BYTES)
        if len(data) != size or hashlib.sha256(data).digest() != digest:
            return None
        self._bytes += size
        self._chunks += 1
        return data

    def add(self, plaintext: bytes) -> None:
        """Append a chunk behind the last one that was read or added: the content first, then its digest."""
        if not self._cut:
            self._file.truncate(self._bytes)
            self._digests.truncate(self._chunks * DIGEST_BYTES)
            self._cut = True
        _write(self._file, plaintext, self._bytes)
        _write(self._digests, hashlib.sha256(plaintext).digest(), self._chunks * DIGEST_BYTES)
        self._bytes += len(plaintext)
        self._chunks += 1

    def close(self) -> None:
        """Close both files."""
        self._file.close()
        self._digests.close()


def _open(path: Path) -> FileIO:
    return FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")


def _write(file: FileIO, data: bytes, place: int) -> None:
    rest = memoryview(data)
    while rest:
        done = os.pwrite(file.fileno(), rest, place)
        rest, place = rest[done:], place + done
