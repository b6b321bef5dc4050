"""What holds, erasures and reports need from the custodian's store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold on a dossier. Times in ms; `lifted_ms` 0 while it is in force."""

    number: int
    reason: str
    authority: str
    placed_ms: int
    lifted_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlinedRecord:
    """What retention needs to know of a record; `erased_s` 0 while it is there."""

    seq: int
    index: int
    kind: str
    event_time_s: int
    erased_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierOutline:
    """A dossier without its contents. `reference` is the lender's own; `records` by seq; `holds` oldest first."""

    row: int
    id: str
    reference: str
    records: tuple[OutlinedRecord, ...]
    holds: tuple[Hold, ...]

    @property
    def held(self) -> tuple[Hold, ...]:
        """Holds in force."""
        return tuple(hold for hold in self.holds if not hold.lifted_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewErasure:
    """An erasure about to begin. `seqs` are those to erase now, `count` is how many records the dossier had when it was planned."""

    dossier: str
    whole: bool
    seqs: tuple[int, ...]
    count: int
    token: str
    erased_s: int
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTombstone:
    """A tombstone as kept. `done_ms` 0: the erasure has begun and is not complete."""

    number: int
    dossier: str
    whole: bool
    token: str
    begun_ms: int
    done_ms: int


class RetentionStore(Protocol):
    """Reading what retention is decided by, and legal holds."""

    async def outline(self, name: str) -> DossierOutline | None:
        """By the lender's reference, else by the dossier's id."""

    async def outlines(self, after_row: int, limit: int) -> list[DossierOutline]:
        """The next dossiers in the order they were first deposited."""

    async def tombstones(self, name: str) -> list[HeldTombstone]:
        """Of a dossier id, or of the reference of a dossier erased as a whole; oldest first."""

    async def place_hold(self, dossier: str, reason: str, authority: str, at_ms: int, custody: bytes) -> int:
        """The hold's number, durable with its custody event. Raises `NotFound`, `Conflict` when an erasure has begun."""

    async def lift_hold(self, number: int, at_ms: int, custody: bytes) -> None:
        """No longer in force. Raises `NotFound` when there is none of that number in force."""

    async def custody_events(self, names: Collection[bytes]) -> list[tuple[int, bytes]]:
        """(log index, event) of every event in which one of these ASCII texts stands; in order."""


class ErasureStore(Protocol):
    """One erasure in steps, each durable on return and harmless when repeated."""

    async def begin(self, erasure: NewErasure, at_ms: int, custody: bytes) -> int:
        """Intent, tombstone and custody event in ONE transaction; from then on nothing of it is disclosed. Returns its number.

        Raises `Conflict`: under hold, changed since it was planned, or another erasure of the dossier is not complete; `NotFound`.
        """

    async def unfinished(self) -> Sequence[HeldTombstone]:
        """Erasures that have begun and are not complete."""

    async def remove(self, number: int) -> list[str]:
        """Destroy keys and rows; returns the payload files to remove, until `finish`."""

    async def scrub(self) -> None:
        """Empty the write-ahead log, so that what was removed is in no file. Raises `Unavailable` while another program reads."""

    async def finish(self, number: int, at_ms: int, custody: bytes) -> None:
        """Complete, with its custody event."""
