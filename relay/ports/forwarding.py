"""What the relay needs from its store and from the court gateway."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.core.ledgerproof import LedgerProof
from relay.core.lifecycle import ItemState
from relay.core.package import Package
from relay.ports.common import LogFiles
from relay.ports.ledgers import Anchor, AnchorBlock, Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An anchored checkpoint on its way to the court ledger."""

    id: bytes
    anchor: Anchor
    state: ItemState
    attempt: int
    """How many submissions to the court ledger were begun."""
    reason: str
    """Why it is quarantined; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The last block taken in: next to read is `height + 1`, whose parent hash must equal `block_hash`."""

    height: int
    block_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What goes back to the custodian: the receipt, its ledger proof and the checkpoint the court cosigned."""

    receipt: Receipt
    proof: LedgerProof
    cosigned: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """What halted an origin: the contradictory pieces by name, verbatim. `resumed`: the operator's reason, empty while it stands."""

    number: int
    origin: str
    reason: str
    pieces: Mapping[str, bytes]
    resumed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many items wait for a receipt, and the age of the oldest among the next of them; 0.0 when none waits.

    Age is in seconds by the store's own clock, from when the item became FINAL here: a restart changes nothing of it.
    """

    items: int
    oldest_s: float


class RelayStore(Protocol):
    """The relay's durable memory. Every method returns only after its transaction is durable (synchronous FULL)."""

    async def cursor(self, ledger: str) -> Cursor:
        """Height 0 with an empty hash before the first block."""

    async def take_block(self, ledger: str, block: AnchorBlock) -> Counter[str]:
        """Record its anchors as items and advance the cursor in one transaction; returns how many were new, by origin.

        They are FINAL at once where the block was given as final itself, SEEN otherwise.
        Raises `Conflict` unless the block extends the cursor: the caller then reads the chain again from below.
        """

    async def rewind(self, ledger: str, height: int) -> Counter[str]:
        """Move the cursor back to `height`; items seen above it become ORPHANED. Returns how many, by origin."""

    async def block_hash(self, ledger: str, height: int) -> bytes | None:
        """The hash recorded for a height, None when it is not (any longer) remembered."""

    async def mark_final(self, ledger: str, final_height: int) -> Counter[str]:
        """SEEN items at or below the height become FINAL. Returns how many, by origin."""

    async def taken_for_final(self, ledger: str, block: Cursor) -> list[Item]:
        """Items in that very block that are FINAL or further, the DISCARDED excepted."""

    async def find_item(self, origin: str, size: int) -> Item | None:
        """The item of that origin and size that is not orphaned."""

    async def next_item(self, origin: str) -> Item | None:
        """The smallest item of the origin that is on its way (relay.core.lifecycle.OPEN_STATES); None while the origin is halted."""

    async def move(self, item: bytes, old: ItemState, new: ItemState, *, reason: str = "") -> None:
        """Compare-and-swap of the state, written into the SQL. Raises `Conflict` when `old` is not the state."""

    async def begin_attempt(self, item: bytes) -> int:
        """Store the intent to submit: raise the attempt epoch and return it."""

    async def save_checkpoint(self, origin: str, size: int, note: bytes) -> None:
        """Keep a checkpoint as the log signed it (idempotent for the same bytes)."""

    async def checkpoint(self, origin: str, size: int) -> bytes | None:
        """The signed checkpoint the custodian offered."""

    async def save_mirrored(self, item: bytes, cosigned: bytes) -> None:
        """PROVEN → MIRRORED together with the cosigned note."""

    async def cosigned(self, origin: str, size: int) -> bytes | None:
        """The checkpoint with the court's cosignature."""

    async def save_confirmed(self, item: bytes, confirmation: Confirmation) -> float:
        """SUBMITTED → CONFIRMED together with receipt and proof.

        Returns how many seconds ago, by the store's own clock, the item became FINAL here.
        """

    async def confirmations(self, origin: str, above_size: int, limit: int) -> list[Confirmation]:
        """Confirmed checkpoints above a size, ascending."""

    async def last_confirmed(self, origin: str) -> int:
        """Size of the largest confirmed checkpoint, 0 before the first."""

    async def halt(self, origin: str, reason: str, exhibit: Mapping[str, bytes]) -> None:
        """Stop an origin and keep the contradictory pieces."""

    async def halted(self, origin: str) -> str:
        """Why the origin is halted; empty when it is not."""

    async def resume(self, origin: str, reason: str) -> None:
        """End a halt; its exhibit stays on record with the reason. Raises `NotFound` when the origin is not halted."""

    async def exhibits(self, origin: str) -> list[Exhibit]:
        """What halted an origin, then and now, oldest first."""

    async def items(self, states: Collection[ItemState], origin: str, limit: int) -> list[Item]:
        """Items in these states by origin and size; an empty origin means all."""

    async def item(self, item: bytes) -> Item | None:
        """One item by id."""

    async def rescanned(self, ledger: str) -> Cursor:
        """The last block of the proven contiguous history that a rescan has compared; height 0 before the first."""

    async def save_rescan(self, ledger: str, upto: Cursor, anchors: Sequence[Anchor]) -> Counter[str]:
        """Record anchors that are missing as SEEN and how far was compared, in one transaction.

        Returns how many were missing, by origin.
        """

    async def save_found(self, anchor: Anchor) -> bool:
        """Record one anchor that no detector has delivered as SEEN; False when it is recorded already."""

    async def log(self, origin: str) -> MirrorLog:
        """The relay's own verified copy of an origin's log, opened once."""

    async def counts(self) -> dict[str, int]:
        """Items by state. Cheap however many there are."""

    async def counts_by_origin(self) -> dict[str, dict[str, int]]:
        """Items by origin and state, of every origin that ever had one. Cheap however many there are."""

    async def waiting(self, origin: str) -> Waiting:
        """The origin's items that are final, not set aside, and larger than the last that has a receipt. Cheap however many there are."""


class MirrorLog(Protocol):
    """A verified copy of a log whose committed size is kept in the database."""

    @property
    def size(self) -> int:
        """Entries held durably."""

    @property
    def files(self) -> LogFiles:
        """For proofs and reading."""

    async def append(self, entries: Sequence[bytes]) -> int:
        """Durably append verified entries; returns the new size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CourtState:
    """What the court gateway holds of an origin; `cosigned` is empty until all entries up to `size` are there."""

    size: int
    next_index: int
    cosigned: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A checkpoint that extends the court's last one, of size `old_size`, and stands on the lender's ledger."""

    checkpoint: bytes
    old_size: int
    consistency: Sequence[bytes]
    anchor: LedgerProof


class CourtLink(Protocol):
    """The court gateway as the relay sees it. Errors: `Unavailable`, `Conflict`, `Unverified`, `Denied`."""

    async def latest(self, origin: str) -> CourtState:
        """What the court holds now."""

    async def add_checkpoint(self, announced: Announcement) -> CourtState:
        """Announce a checkpoint alone; its entries may come in any number of streams."""

    async def add_entries(
        self, origin: str, size: int, packages: AsyncIterator[Package], announced: Announcement | None = None
    ) -> bytes:
        """Send the entries up to a checkpoint that was announced before or is `announced` here.

        Returns the cosigned note once all are durable there.
        """
