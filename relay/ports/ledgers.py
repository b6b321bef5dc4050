"""What services need from the outside, as Protocols with their obligations.

An adapter author needs this file and nothing else. Every method may raise `Unavailable` (not reachable now) and, for
writes, `Uncertain` (may have happened: the caller queries with the matching `find` before it tries again). No other
error leaves an adapter except those named at a method.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from relay.core.checkpoint import Checkpoint
from relay.core.checks import Verifiers
from relay.core.ledgerproof import LedgerProof, LedgerProofVerifier
from relay.ports.projection import OpenEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A checkpoint's (origin, size, root) as it stands in one transaction of a lender's ledger."""

    ledger: str
    origin: str
    size: int
    root: bytes
    height: int
    block_hash: bytes
    tx_id: bytes
    time_ms: int
    """Block time, milliseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHead:
    """The newest block a node knows and the highest that is final (`final_height <= height`)."""

    height: int
    block_hash: bytes
    final_height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorBlock:
    """One block as the anchor feed delivers it; blocks without anchors are delivered too."""

    height: int
    block_hash: bytes
    parent_hash: bytes
    time_ms: int
    anchors: tuple[Anchor, ...]
    final_height: int = field(default=0, compare=False)
    """What the node called final on this block's own chain when it gave the block; 0 when it said nothing. No part of the block."""


class AnchorSource(Protocol):
    """A lender's ledger, read by relays and court gateways, written by custodians."""

    @property
    def ledger(self) -> str:
        """The ledger's id, fixed for the ledger's life."""

    async def head(self) -> LedgerHead:
        """Newest and final height, as the node sees them now. Heights start at 1; 0 means no block yet."""

    def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        """Blocks from height `start` on, in order, without gaps, live and without end.

        After a reorganisation the feed delivers the replaced heights again with other hashes; the caller compares
        `parent_hash`. A broken feed raises `Unavailable`; the caller starts again from its own cursor.
        """

    async def find(self, origin: str, size: int) -> Anchor | None:
        """The first anchor of that origin and size in the node's present chain, final or not."""

    async def prove(self, anchor: Anchor) -> LedgerProof:
        """Evidence, checkable offline, that the anchor is in a final block. Raises `NotFound` while it is not final."""

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        """Write the checkpoint's facts to the ledger; returns once a block holds them.

        Idempotent: the same (origin, size, root) again returns the anchor that exists. Another root at a size that is
        already anchored, or a smaller size than the last, raises `Conflict`.
        """

    async def close(self) -> None:
        """Release connections. Safe to call twice."""


@runtime_checkable
class Prompted(Protocol):
    """What an `AnchorSource` may have besides: for one that looks at its ledger from time to time and is not told."""

    def prompt(self) -> None:
        """There may be something new: look at once. The caller sees to it that this is not said too often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What the relay asks the court ledger to accept."""

    checkpoint: bytes
    """Signed note: the log's signature and the court gateway's cosignature."""
    old_size: int
    consistency: tuple[bytes, ...]
    """RFC 6962 consistency proof from `old_size` (empty when that is 0)."""
    anchor: LedgerProof
    """Proof of the anchor on the lender's ledger."""
    attempt: int
    """Attempt epoch, raised before each try; recorded by the caller before the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The court ledger's acceptance of one checkpoint."""

    ledger: str
    origin: str
    size: int
    root: bytes
    height: int
    tx_id: bytes
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantState:
    """What the court ledger says of a grant digest. Times are block times in ms since 1970 UTC, 0 when absent."""

    registered_ms: int
    revoked_ms: int
    registration: bytes
    """Transaction id of the registration, empty when absent."""


class CourtRegistry(Protocol):
    """The court's ledger. Accepts a checkpoint only if it extends the last one of its origin."""

    @property
    def ledger(self) -> str:
        """The ledger's id."""

    async def latest(self, origin: str) -> Receipt | None:
        """The last accepted checkpoint of an origin, custody logs included; None before the first."""

    async def submit(self, submission: Submission) -> Receipt:
        """Append a checkpoint; returns once a final block holds it.

        Idempotent without a time window: the same (origin, size, root) again returns the first receipt. Raises
        `Conflict` when `old_size` is not the last accepted size or the checkpoint does not extend it, `Unverified` when
        a signature or proof does not hold, `Denied` when the origin is not registered.
        """

    async def find(self, origin: str, size: int, root: bytes) -> Receipt | None:
        """The receipt of exactly these facts, None if there is none.

        What is accepted in a block that is not final yet is neither: `Unavailable`, for a proof could not be had of it.
        """

    async def prove(self, tx_id: bytes) -> LedgerProof:
        """Offline evidence of any accepted transaction. Raises `NotFound`."""

    async def record_grant(self, statement: bytes) -> bytes:
        """Append a lender-signed grant statement (register or revoke); idempotent; returns the transaction id.

        Raises `Unverified` (signature), `Conflict` (revoking what was never registered).
        """

    async def grant_state(self, issuer: str, digest: bytes) -> GrantState:
        """Registration and revocation of a grant digest by its issuer; what others say of it does not count."""

    async def append_custody_head(self, checkpoint: bytes, old_size: int, consistency: tuple[bytes, ...]) -> bytes:
        """Append a custody log's signed checkpoint; it must extend the last one of its origin. Returns the tx id."""

    async def close(self) -> None:
        """Release connections. Safe to call twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFamily:
    """One ledger family, as found through the entry-point group `relay.adapters`.

    `proof_kind` empty: the family has no proof format of its own, `verify_proof` is never asked. `open_checking_court`: for a family
    whose court's side checks lenders' proofs before it writes; it is given the verifiers of all families, and used instead of `open_court`.
    `open_around`: for a family that stands before another lender's ledger, which it is given opened and closes with itself; used instead
    of `open_source`.
    `open_events`: for a family whose ledgers hold events of lenders' own contracts, which a custodian may project into its log.
    """

    name: str
    proof_kind: str
    verify_proof: LedgerProofVerifier
    open_source: Callable[[Mapping[str, object]], Awaitable[AnchorSource]]
    open_court: Callable[[Mapping[str, object]], Awaitable[CourtRegistry]]
    open_checking_court: Callable[[Mapping[str, object], Verifiers], Awaitable[CourtRegistry]] | None = None
    open_around: Callable[[Mapping[str, object], AnchorSource], Awaitable[AnchorSource]] | None = None
    open_events: OpenEvents | None = None
