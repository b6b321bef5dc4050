"""What the court gateway needs from its store and from the relay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from relay.core.ledgerproof import LedgerProof
from relay.core.limits import TREE_SIZE_MAX
from relay.ports.forwarding import MirrorLog
from relay.ports.held import HeldCheckpoint
from relay.ports.statements import StatementStore
from relay.ports.timestamps import TimestampStore

WAITING_AT_ONCE: Final = 64
"""Checkpoints without a receipt that are read at a time: some 4 KB each."""

__all__ = [
    "CourtCounts",
    "CourtStore",
    "HeldCheckpoint",
    "KeptRetrieval",
    "NamedRetrieval",
    "RetrievalLink",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRetrieval:
    """A retrieval under way, so that it can be taken up again. `request`, `grant`: digests; secret as the dossier itself."""

    request: bytes
    grant: bytes
    dossier: str
    officer: str
    purpose: str
    token: bytes
    """The request's compact JWS."""
    key: bytes = field(repr=False)
    """The one-time private key that the answer is sealed to."""
    header: bytes
    """Of the sealed stream; empty until it came."""
    events: tuple[tuple[bytes, int], ...]
    """Custody events of this retrieval so far, with their log indices."""
    begun_ms: int
    asked_sizes: Mapping[str, int]
    """Origin → size of the last accepted checkpoint when the request was made; empty when an older version made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRetrieval:
    """A retrieval under its caller's name: how often it was begun, and its bundle once there is one (empty before)."""

    attempts: int
    bundle_id: str
    bundle_bytes: int
    verdict: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CourtCounts:
    """For `status`."""

    bundles: int
    retrievals: int


class CourtStore(TimestampStore, StatementStore, Protocol):
    """The court gateway's durable memory. Every write returns only after its transaction is durable."""

    async def log(self, origin: str) -> MirrorLog:
        """The court's verified copy of an origin's log, opened once."""

    async def latest(self, origin: str) -> HeldCheckpoint | None:
        """The largest checkpoint taken in, cosigned or not."""

    async def newest_cosigned(self, origin: str) -> bytes | None:
        """The note of the largest checkpoint whose entries are all held, with this court's cosignature."""

    async def add_checkpoint(self, held: HeldCheckpoint, old_size: int) -> None:
        """Compare-and-swap on the last size, written into the SQL. Raises `Conflict` when `old_size` is not the last."""

    async def take_whole(
        self, held: HeldCheckpoint, old_size: int, entries: Sequence[bytes], cosign: Callable[[], bytes]
    ) -> bytes:
        """A checkpoint that is not taken in yet, in one transaction: its last entries, itself as by `add_checkpoint`, its cosigned note.

        `cosign` is called off the loop when the entries are on disk, before the transaction; what it returns is given back
        after the commit. Whatever it or the transaction raises is raised, and then nothing has changed.
        """

    async def save_cosigned(self, origin: str, size: int, cosigned: bytes) -> None:
        """Keep the cosigned note; the first one stays."""

    async def save_receipt(self, origin: str, size: int, proof: LedgerProof, time_ms: int) -> None:
        """Keep the court ledger's receipt."""

    async def without_receipt(self, after: tuple[str, int] = ("", 0)) -> list[HeldCheckpoint]:
        """Cosigned checkpoints whose receipt is not yet read, ascending by (origin, size), those behind `after`.

        At most `WAITING_AT_ONCE`: while a court's ledger is off, any number may wait.
        """

    async def accepted(self, origin: str, indices: Sequence[int], upto: int = TREE_SIZE_MAX) -> list[HeldCheckpoint]:
        """Of the checkpoints of at most that size with cosignature and receipt: the first that covers each of these log indices, and
        the last; ascending.

        A log may have half a million a year: the others are not read.
        """

    async def receipted_size(self, origin: str) -> int:
        """The size of the last checkpoint with cosignature and receipt, 0 before there is one."""

    async def covering(self, origin: str, index: int) -> HeldCheckpoint | None:
        """The smallest checkpoint with cosignature that covers an entry, accepted or not; None before there is one."""

    async def find_tags(self, origin: str, tags: Sequence[bytes]) -> dict[bytes, list[int]]:
        """Log indices of each tag that is in the court's mirror."""

    async def append_custody(self, events: Sequence[bytes]) -> list[int]:
        """Append canonical custody events to the court's custody log; durable on return. Returns their log indices."""

    async def custody_log(self) -> MirrorLog:
        """The custody log itself, for checkpoints and proofs."""

    async def new_bundle(self, bundle_id: str) -> Path:
        """Where a bundle is written before it is complete."""

    async def save_bundle(
        self, bundle_id: str, origin: str, dossier: str, verdict: bytes, request_id: bytes = b""
    ) -> int:
        """The bundle is complete: sync it, put it in place and record it, under its caller's name too. Returns its size in bytes."""

    async def begin_named(self, request_id: bytes, command: bytes) -> NamedRetrieval:
        """Count one more attempt unless there is a bundle; durable before anybody is asked.

        Raises `Conflict` when the name was given to another command.
        """

    async def bundle_dossier(self, bundle_id: str) -> str:
        """Whose bundle it is. Raises `NotFound`."""

    async def bundles_with(self, origin: str, index: int) -> list[tuple[str, str, str]]:
        """(bundle id, dossier, case) of the newest bundle of each dossier and case with a record at that place of a log; a few at most."""

    async def open_bundle(self, bundle_id: str) -> BinaryIO:
        """A stored bundle. Raises `NotFound`."""

    async def keep_retrieval(self, kept: KeptRetrieval) -> None:
        """Store or replace what is known of a retrieval under way."""

    async def kept_retrievals(self, grant: bytes, dossier: str) -> list[KeptRetrieval]:
        """Retrievals under way, oldest first."""

    async def staging(self, request: bytes) -> Path:
        """The folder of a kept retrieval's content, there also after a restart."""

    async def drop_retrieval(self, request: bytes) -> None:
        """It is done, or never will be: forget its key and remove its folder."""

    async def drop_retrievals_before(self, begun_ms: int) -> None:
        """Forget those that were begun before."""

    async def first_disclosure(self, origin: str, dossier: str, size: int, at_s: int) -> tuple[int, int] | None:
        """(log size, time in s) of this court's first disclosure of a dossier; None when this is the first, which is stored then."""

    async def counts(self) -> CourtCounts:
        """How many bundles and retrievals."""


class RetrievalLink(Protocol):
    """The relay as the court gateway sees it."""

    def retrieve(self, custodian: str, request: bytes) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The sealed header, then chunks. Raises `Denied`, `Unavailable`; a broken stream never ends quietly."""
