"""Projection: events of a lender's own contract as log entries that anyone who reads the same ledger makes again, byte for byte.

No randomness and no key of the lender goes in (docs/spec/projection.md). What hides an event from those who cannot read the ledger
is the hash of its block, which they do not know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from relay.core.dossier import HASH_BYTES, make_projected_entry, tag
from relay.core.fields import IDENTIFIER
from relay.core.limits import JSON_INT_MAX

_COMMITMENT: Final = b"courtrelay/projected/v1"
_DOSSIER: Final = b"courtrelay/projected-dossier/v1"
_KEY: Final = b"courtrelay/projected-key/v1"
PLACE_MAX: Final = JSON_INT_MAX
"""Of heights, places of logs and times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEvent:
    """One event in a final block, as a mapping reads it.

    `emitter` names chain and contract, `kind` the event (32 bytes); `log` counts the logs of the block from 0 over all its transactions;
    `dossier` and `digest` are the mapped fields as 32 bytes; `time` is the contract's own number, whatever its unit.
    """

    emitter: str
    kind: bytes
    height: int
    block_hash: bytes
    log: int
    dossier: bytes
    digest: bytes
    time: int

    def __post_init__(self) -> None:
        hashes = (self.kind, self.block_hash, self.dossier, self.digest)
        numbers = (self.height, self.log, self.time)
        if any(len(one) != HASH_BYTES for one in hashes) or not all(0 <= one <= PLACE_MAX for one in numbers):
            raise RuntimeError("an event has hashes of 32 bytes and numbers up to 2^53 - 1")
        if IDENTIFIER.fullmatch(self.emitter) is None:
            raise RuntimeError("an emitter is visible ASCII")

    @property
    def place(self) -> tuple[int, int]:
        """What orders the events of one ledger."""
        return self.height, self.log


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectedDossier:
    """Where a dossier's first event stands, and how many of its events are projected."""

    first_block: bytes
    first_log: int
    count: int


def dossier_id(event: LedgerEvent) -> bytes:
    """One dossier: the same value in whatever events of one contract."""
    return hashlib.sha256(_DOSSIER + _hashed(event.emitter) + event.dossier).digest()


def dossier_key(event: LedgerEvent, dossier: ProjectedDossier) -> bytes:
    """What the tags of the event's dossier are made with, as with a dossier of records."""
    place = dossier.first_block + _number(dossier.first_log)
    return hashlib.sha256(_KEY + dossier_id(event) + place).digest()


def commitment(event: LedgerEvent) -> bytes:
    """All of the event, hashed."""
    values = (
        _hashed(event.emitter),
        event.kind,
        _number(event.height),
        event.block_hash,
        _number(event.log),
        event.dossier,
        event.digest,
        _number(event.time),
    )
    return hashlib.sha256(_COMMITMENT + b"".join(values)).digest()


def projected_entry(event: LedgerEvent, dossier: ProjectedDossier, seq: int) -> bytes:
    """The 65 bytes of an event that is the `seq`-th of its dossier, counted from 0."""
    return make_projected_entry(tag(dossier_key(event, dossier), seq), commitment(event))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectedEvent:
    """An event with its entry: the `seq`-th of its dossier, whose first event and count so far `dossier` has."""

    event: LedgerEvent
    dossier: ProjectedDossier
    seq: int
    entry: bytes


class Projection:
    """Makes the entries of events as they come; `begun` are the dossiers so far, by name: one row for each."""

    def __init__(self, begun: Mapping[bytes, ProjectedDossier] | None = None) -> None:
        self.begun: dict[bytes, ProjectedDossier] = dict(begun or {})
        self._last: tuple[int, int] = (-1, -1)

    def take(self, event: LedgerEvent) -> ProjectedEvent:
        """The next event. RuntimeError when it is not above the one before in ledger order."""
        if event.place <= self._last:
            raise RuntimeError("events are projected in ledger order")
        self._last = event.place
        name = dossier_id(event)
        before = self.begun.get(name)
        if before is None:
            before = ProjectedDossier(first_block=event.block_hash, first_log=event.log, count=0)
        self.begun[name] = replace(before, count=before.count + 1)
        entry = projected_entry(event, before, before.count)
        return ProjectedEvent(event=event, dossier=self.begun[name], seq=before.count, entry=entry)


def project(
    events: Sequence[LedgerEvent], known: Mapping[bytes, ProjectedDossier]
) -> tuple[list[bytes], dict[bytes, ProjectedDossier]]:
    """The entries of events in ledger order, and the dossiers that they begin or go on with.

    `known` has every dossier of these events that was begun before. RuntimeError when the events are not in ledger order.
    """
    projection = Projection(known)
    entries = [projection.take(event).entry for event in events]
    return entries, projection.begun


def _hashed(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")
