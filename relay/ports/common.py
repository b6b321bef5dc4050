"""Ports that every role needs: time, randomness, keys, record kinds, log files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from relay.core.kinds import KindInfo
from relay.core.scope import Profile


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

    def personal(self, name: str) -> frozenset[str]:
        """Personal members of a kind, of all its versions. Raises `Malformed` for a kind that is not known."""

    def profile(self, name: str) -> Profile:
        """A disclosure profile. Raises `Malformed` that names the known ones."""


class LogFiles(Protocol):
    """Entries and tiles of one evidence or custody log, for reading and proofs. Synchronous; call off the loop."""

    @property
    def size(self) -> int:
        """Entries held, committed or not."""

    def entries(self, start: int, end: int) -> list[bytes]:
        """Entries [start, end). Raises `NotFound` beyond the size."""

    def root(self, size: int) -> bytes:
        """RFC 6962 root of the first `size` entries."""

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """RFC 6962 inclusion proof."""

    def consistency_proof(self, size1: int, size2: int) -> list[bytes]:
        """RFC 6962 consistency proof."""

    def extension_proof(self, size: int, entries: Sequence[bytes]) -> list[bytes]:
        """RFC 6962 consistency proof from the first `size` entries to those and `entries` after them, which need not be held."""

    def subtree_proof(self, start: int, end: int, size: int) -> list[bytes]:
        """Subtree consistency proof of [start, end) to the tree of `size`."""
