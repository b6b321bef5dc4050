"""The custodian's payload vault: each payload encrypted under a key of its own, in a file of random name.

A file holds chunks of up to 1 MiB, each AES-256-GCM with a counter and a last-chunk flag in the nonce (the STREAM construction),
so that cutting, reordering or mixing files is seen. Forgetting a payload's key erases the payload.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.core.errors import NotFound, Unavailable, Unverified
from relay.durable.errors import StorageFailed
from relay.durable.files import make_folder, sync_folder
from relay.ports.custodian import VaultPayload

CHUNK_BYTES: Final = 1024 * 1024
TAG_BYTES: Final = 16
KEY_BYTES: Final = 32
_BLOB: Final = re.compile(r"[0-9a-f]{32}")


_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def _failed(path: Path, error: OSError) -> Exception:
    """A full disk, met while a payload is written that nothing refers to yet, is waited out: its draft is removed, nothing is unknown."""
    if error.errno in _NO_ROOM:
        return Unavailable("there is no room for payloads on the custodian's disk; try again when there is")
    return StorageFailed(f"{path}: {error}")


def _nonce(index: int, *, last: bool) -> bytes:
    return bytes(7) + index.to_bytes(4, "big") + (b"\x01" if last else b"\x00")


class VaultWriter:
    """One payload being written. End with `finish` or `abort`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blob = secrets.token_hex(16)
        self._path = folder / f"{self._blob}.part"
        self._key = secrets.token_bytes(KEY_BYTES)
        self._cipher = AESGCM(self._key)
        self._digest = hashlib.sha256()
        self._pending = bytearray()
        self._chunks = 0
        self.size = 0
        try:
            self._file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
        except OSError as error:
            raise _failed(self._path, error) from error

    def write(self, data: bytes) -> None:
        """Append plaintext. Raises `Unavailable` (no room), `StorageFailed`."""
        self._digest.update(data)
        self.size += len(data)
        self._pending += data
        while len(self._pending) > CHUNK_BYTES:
            self._put(bytes(self._pending[:CHUNK_BYTES]), last=False)
            del self._pending[:CHUNK_BYTES]

    def _put(self, plaintext: bytes, *, last: bool) -> None:
        view = memoryview(self._cipher.encrypt(_nonce(self._chunks, last=last), plaintext, self._blob.encode()))
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise _failed(self._path, error) from error
        self._chunks += 1

    def finish(self) -> VaultPayload:
        """Durable under its final name on return; the caller syncs the folder once (`Vault.sync`).

        Raises `Unavailable` (no room), `StorageFailed`.
        """
        self._put(bytes(self._pending), last=True)
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.rename(self._folder / self._blob)
        except OSError as error:
            raise StorageFailed(f"{self._path}: {error}") from error
        return VaultPayload(blob=self._blob, size=self.size, sha256=self._digest.hexdigest(), key=self._key)

    def abort(self) -> None:
        """Forget what was written."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class Vault:
    """A folder of encrypted payloads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)

    def begin(self) -> VaultWriter:
        """Start a payload."""
        return VaultWriter(self._folder)

    def sync(self) -> None:
        """Make the names of finished payloads durable."""
        sync_folder(self._folder)

    def check(self, payload: VaultPayload) -> None:
        """Raise `NotFound` (lost) or `Unverified` (altered: wrong length) without reading the content."""
        path = self._folder / payload.blob
        chunks = max(1, -(-payload.size // CHUNK_BYTES))
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise NotFound("a payload is lost: its file is not in the vault") from None
        if size != payload.size + chunks * TAG_BYTES:
            raise Unverified("vault", "a payload was altered: its file has another length than when it was stored")

    def audit(self, payload: VaultPayload) -> None:
        """The whole content is there and unchanged. Raises `NotFound` (lost), `Unverified` (altered)."""
        for _ in self.read(payload):
            pass

    def read(self, payload: VaultPayload, start: int = 0) -> Iterator[bytes | memoryview]:
        """Plaintext in pieces, from byte `start` on. Raises `NotFound` (lost), `Unverified` (altered).

        The cipher authenticates every chunk, its place and the end, so that the digest need not be taken again.
        """
        self.check(payload)
        cipher = AESGCM(payload.key)
        last = max(1, -(-payload.size // CHUNK_BYTES)) - 1
        first, into = divmod(start, CHUNK_BYTES)
        try:
            with (self._folder / payload.blob).open("rb") as file:
                file.seek(first * (CHUNK_BYTES + TAG_BYTES))
                for index in range(first, last + 1):
                    sealed = file.read(min(payload.size - index * CHUNK_BYTES, CHUNK_BYTES) + TAG_BYTES)
                    chunk = cipher.decrypt(_nonce(index, last=index == last), sealed, payload.blob.encode())
                    yield memoryview(chunk)[into:] if into else chunk
                    into = 0
        except FileNotFoundError:
            raise NotFound("a payload is lost: its file is not in the vault") from None
        except InvalidTag:
            raise Unverified("vault", "a payload was altered in the vault") from None

    def discard(self, payload: VaultPayload) -> None:
        """Remove a payload that no record refers to."""
        self.forget(payload.blob)

    def forget(self, blob: str) -> None:
        """Remove a file by its name, if it is there. Durable after `sync`. Raises `StorageFailed`."""
        try:
            (self._folder / blob).unlink(missing_ok=True)
        except OSError as error:
            raise StorageFailed(f"{self._folder / blob}: {error}") from error

    def sweep(self, known: Collection[str]) -> int:
        """Remove temporary files and payloads that nothing refers to; returns how many."""
        wanted = set(known)
        removed = 0
        for path in self._folder.iterdir():
            if path.suffix == ".part" or (_BLOB.fullmatch(path.name) and path.name not in wanted):
                path.unlink()
                removed += 1
        return removed
