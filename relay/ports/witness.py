"""What a witness needs from its store, and what an edge needs to serve a log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from relay.core.checkpoint import Checkpoint
from relay.ports.common import LogFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """The last checkpoint of an origin that this witness has cosigned, and its note with the cosignature."""

    checkpoint: Checkpoint
    cosigned: bytes


class WitnessStore(Protocol):
    """A witness's durable memory."""

    async def latest(self, origin: str) -> Witnessed | None:
        """None before the first."""

    async def advance(self, witnessed: Witnessed, old: Checkpoint | None) -> None:
        """Compare-and-swap, written into the SQL, durable on return. Raises `Conflict` when `old` is not the last one any more."""


class TiledFiles(LogFiles, Protocol):
    """A log's files that can also be cut into tiles."""

    def read_hashes(self, level: int, start: int, count: int) -> bytes:
        """See relay.core.tiles.TileSource."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedLog:
    """A log as an edge serves it: never beyond the newest checkpoint it shows."""

    origin: str
    newest: Callable[[], Awaitable[bytes | None]]
    """The newest signed checkpoint whose entries are all held; None before the first."""
    files: Callable[[], Awaitable[TiledFiles]]
