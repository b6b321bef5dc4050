"""Ports that every role needs: time, randomness, keys, record kinds, log files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from relay.core.kinds import KindInfo


class Clock(Protocol):
    """The only source of time for services."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""


RandomBytes = Callable[[int], bytes]
"""Cryptographically strong random bytes; `secrets.token_bytes` outside tests."""


class Signer(Protocol):
    """An Ed25519 key that signs but is never shown."""

    @property
    def public_key(self) -> bytes:
        """32 raw bytes."""

    def sign(self, message: bytes) -> bytes:
        """A 64-byte Ed25519 signature (RFC 8032)."""


class RecordCatalogue(Protocol):
    """The record kinds a custodian accepts and their schemas."""

    def kind(self, name: str, version: int) -> KindInfo:
        """Raises `Malformed` that names near spellings."""

    def check(self, name: str, version: int, fields: Mapping[str, object]) -> None:
        """Raises `Malformed` with the path of the first wrong field."""


class LogFiles(Protocol):
    """One evidence or custody log on disk: entries and tiles in append-only packs. Synchronous; call off the loop.

    `append` returns only when the bytes are durable. The owner keeps the committed size in its database and opens the log
    with it; whatever lies beyond is cut off on opening, so a crash between the two is harmless.
    """

    @property
    def size(self) -> int:
        """Entries held, committed or not."""

    def append(self, entries: Sequence[bytes]) -> None:
        """Append entries and their tile hashes; one fdatasync a file."""

    def entries(self, start: int, end: int) -> list[bytes]:
        """Entries [start, end). Raises `NotFound` beyond the size."""

    def root(self, size: int) -> bytes:
        """RFC 6962 root of the first `size` entries."""

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """RFC 6962 inclusion proof."""

    def consistency_proof(self, size1: int, size2: int) -> list[bytes]:
        """RFC 6962 consistency proof."""

    def subtree_proof(self, start: int, end: int, size: int) -> list[bytes]:
        """Subtree consistency proof of [start, end) to the tree of `size`."""

    def truncate(self, size: int) -> None:
        """Cut back to `size` entries; only for what was never committed."""

    def close(self) -> None:
        """Close the files. Safe to call twice."""
