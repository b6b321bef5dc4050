"""What projecting a lender's own events needs: the events, from a ledger; and a memory that moves together with the log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.core.projection import LedgerEvent, ProjectedDossier


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A final block; everything up to it is read. Height 0 and no hash: nothing is."""

    height: int
    block_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """One mapping, in its one spelling. `text` says all of it; its events count from height `start` on."""

    text: str
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An event of a mapped contract that cannot be projected, by its place and the reason."""

    height: int
    log: int
    reason: str

    def words(self) -> str:
        """One line for people."""
        return f"event in block {self.height}, log {self.log}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Final blocks that follow each other, up to and with `upto`, and their events in ledger order."""

    upto: Place
    events: tuple[LedgerEvent, ...]
    refused: tuple[Refusal, ...]


class LedgerEvents(Protocol):
    """The mapped events of a lender's ledger. Every method may raise `Unavailable`."""

    @property
    def ledger(self) -> str:
        """The ledger's id."""

    @property
    def sources(self) -> Sequence[EventSource]:
        """All mappings, as configured."""

    async def final_height(self) -> int:
        """The highest block that no reorganisation will touch, as the node sees it now."""

    def stretches(self, after: Place) -> AsyncGenerator[Stretch, None]:
        """All blocks after that one once they are final, in order, without gaps, without end.

        No event is left out, put in, or given twice; whoever answers is not believed about it. Raises `Conflict` when the chain has
        another block at the height of `after`, `Malformed` when a mapping does not fit what its contract emits. A broken feed raises
        `Unavailable`; the caller starts again from its own place.
        """

    async def close(self) -> None:
        """Release connections. Safe to call twice."""


OpenEvents = Callable[[Mapping[str, object], Sequence[Mapping[str, object]]], Awaitable[LedgerEvents]]
"""Opens them with a ledger's settings and the `projection` tables of a configuration. Raises `Malformed` for a wrong key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionState:
    """How far the log has come. `sources`: text of every mapping so far, and the height from which on it counts."""

    upto: Place
    sources: Mapping[str, int]
    projected: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectedStep:
    """Entries to append, their dossiers as they are afterwards, and the block up to which everything is read then."""

    entries: tuple[bytes, ...]
    dossiers: Mapping[bytes, ProjectedDossier]
    refused: int
    before: Place
    upto: Place


class ProjectionStore(Protocol):
    """Every write returns only after its transaction is durable."""

    async def projection(self) -> ProjectionState:
        """As it is now."""

    async def add_sources(self, sources: Sequence[EventSource]) -> None:
        """Mappings that are projected from now on; they are kept for good."""

    async def projected_dossiers(self, names: Sequence[bytes]) -> dict[bytes, ProjectedDossier]:
        """Those of these dossiers that were begun."""

    async def append_projected(self, step: ProjectedStep) -> None:
        """Entries, dossiers and place in ONE transaction: all or nothing. Raises `Conflict` when the place is not `step.before`."""
