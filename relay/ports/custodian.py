"""What the custodian needs from its store, its vault and the relay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from relay.core.ledgerproof import LedgerProof
from relay.core.package import Package
from relay.ports.common import LogFiles
from relay.ports.erasure import HeldTombstone
from relay.ports.ledgers import Anchor


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultPayload:
    """A payload in the vault; `sha256` in hex."""

    blob: str
    size: int
    sha256: str
    key: bytes


class PayloadWriter(Protocol):
    """One payload being written; synchronous, call off the loop."""

    size: int

    def write(self, data: bytes) -> None:
        """Append plaintext."""

    def finish(self) -> VaultPayload:
        """The content is durable on return."""

    def abort(self) -> None:
        """Forget it."""


class PayloadVault(Protocol):
    """Encrypted payloads; synchronous, call off the loop. Lost raises `NotFound`, altered raises `Unverified`."""

    def begin(self) -> PayloadWriter:
        """Start a payload."""

    def sync(self) -> None:
        """Make finished payloads' names durable."""

    def check(self, payload: VaultPayload) -> None:
        """Presence and length."""

    def audit(self, payload: VaultPayload) -> None:
        """The whole content is there and unchanged."""

    def read(self, payload: VaultPayload, start: int = 0) -> Iterator[bytes | memoryview]:
        """Plaintext in pieces, from byte `start` on."""

    def discard(self, payload: VaultPayload) -> None:
        """Remove one that no record refers to."""

    def forget(self, blob: str) -> None:
        """Remove a file by its name, if it is there; durable after `sync`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierState:
    """A dossier's identity and how far it goes. Record input digests by seq."""

    id: str
    key: bytes
    digests: tuple[bytes, ...]
    """Empty bytes for a record that was erased."""
    erasures: int = 0
    """How many erasures of its records had begun when this was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """A signed record about to be stored."""

    seq: int
    kind: str
    event_time_s: int
    confidentiality: str
    text: str
    entry: bytes
    input_digest: bytes
    payloads: tuple[tuple[str, VaultPayload], ...]
    """(payload name, where it is)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A record as stored."""

    seq: int
    index: int
    kind: str
    event_time_s: int
    confidentiality: str
    text: str
    payloads: tuple[tuple[str, VaultPayload], ...]
    erased_s: int = 0
    """When it was erased, 0 while it is there; then it has neither text nor payloads."""
    basis: str = ""
    """Under what it was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCheckpoint:
    """A signed checkpoint of the evidence log and how far it has come."""

    size: int
    root: bytes
    note: bytes
    anchored_height: int
    """0 until the lender's ledger holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRecord:
    """A grant as kept by the lender. Times in ms, 0 when not (yet)."""

    digest: bytes
    token: str
    uses_spent: int
    registered_ms: int
    revoked_ms: int
    command: bytes | None = None
    """Digest of what was asked for, where the asker named the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRequest:
    """The asker's own name for one issue (32 bytes), and the digest of what it asked for."""

    id: bytes
    command: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDisclosure:
    """What a disclosure needs to be taken up again. `request`, `grant`, `plan`: digests; secret as the dossier itself."""

    request: bytes
    grant: bytes
    dossier: str
    case: str
    begun_ms: int
    manifest: str
    plan: bytes
    header: bytes
    content_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingStatement:
    """A grant statement the court ledger does not hold yet."""

    grant: bytes
    action: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodianCounts:
    """For `status`."""

    dossiers: int
    anchored_size: int
    confirmed_size: int


class CustodianStore(Protocol):
    """The custodian's durable memory. Every write returns only after its transaction is durable."""

    @property
    def size(self) -> int:
        """Committed entries of the evidence log."""

    @property
    def files(self) -> LogFiles:
        """The evidence log."""

    @property
    def custody_size(self) -> int:
        """Committed entries of the custody log."""

    @property
    def custody_files(self) -> LogFiles:
        """The custody log."""

    async def find_dossier(self, reference: str) -> DossierState | None:
        """By the lender's own reference."""

    async def append_records(
        self, reference: str, dossier: DossierState, records: Sequence[NewRecord], custody: bytes
    ) -> list[int]:
        """Entries, records, payload references and custody event in one step: all or nothing. Returns log indices."""

    async def indices(self, dossier: str) -> list[int]:
        """Log index of every record of a dossier, by seq."""

    async def dossier(self, dossier: str) -> DossierState | None:
        """By id."""

    async def tombstones(self, name: str) -> list[HeldTombstone]:
        """Of a dossier id, or of the reference of a dossier erased as a whole; oldest first."""

    async def records(self, dossier: str) -> list[StoredRecord]:
        """Every record of a dossier, by seq."""

    async def append_custody(self, event: bytes) -> int:
        """Append one canonical event to the custody log; returns its index."""

    async def save_checkpoint(self, size: int, root: bytes, note: bytes) -> None:
        """Store before it is shown to anybody; until its receipt is there, again with more signatures.

        Raises `Conflict` for another root at a stored size.
        """

    async def last_checkpoint(self) -> LogCheckpoint | None:
        """The largest."""

    async def save_anchored(self, size: int, anchor: Anchor) -> None:
        """The lender's ledger holds it."""

    async def unconfirmed(self) -> list[LogCheckpoint]:
        """Anchored checkpoints larger than the largest with a receipt, which covers all before it; ascending."""

    async def save_receipt(self, size: int, proof: LedgerProof, cosigned: bytes) -> None:
        """The court ledger's checked receipt."""

    async def counts(self) -> CustodianCounts:
        """Sizes and numbers."""

    async def save_grant(
        self, digest: bytes, token: str, statement: str, custody: bytes, request: IssueRequest | None = None
    ) -> None:
        """The grant, its pending registration, the custody event and the asker's request id in one step.

        One grant a request id: the caller looks with `issued` first and lets no two of the same id run at once.
        """

    async def issued(self, request_id: bytes) -> GrantRecord | None:
        """The grant that was issued under an asker's request id."""

    async def grant(self, digest: bytes) -> GrantRecord | None:
        """One grant."""

    async def grants(self) -> list[GrantRecord]:
        """All grants, newest first."""

    async def active_grants(self, now_s: int) -> int:
        """How many grants would permit a request now: registered, in force, not revoked, uses left. Cheap however many there were."""

    async def revoke_grant(self, digest: bytes, at_ms: int, statement: str, custody: bytes) -> int:
        """Refused from now on; the statement waits. Returns the time of the first revocation. Raises `NotFound`."""

    async def pending_statements(self) -> list[PendingStatement]:
        """Statements to send, oldest first."""

    async def statement_recorded(self, grant: bytes, action: str, at_ms: int) -> None:
        """The court ledger holds it."""

    async def begin_disclosure(
        self,
        grant: bytes,
        uses: int,
        nonce: str,
        custody: bytes,
        dossier: DossierState,
        kept: KeptDisclosure | None = None,
        forget_before_ms: int = 0,
    ) -> int:
        """Nonce, use count, custody event and the kept stream in ONE transaction; returns the custody index.

        What is not kept cannot be taken up again; streams begun before `forget_before_ms` are forgotten. Raises `Denied` when the nonce was
        used, all uses are spent, the grant is revoked meanwhile, or an erasure of records of the dossier has begun since its state was
        read; `NotFound` when the dossier is gone.
        """

    async def disclosure(self, request: bytes) -> KeptDisclosure | None:
        """A disclosure that can be taken up again, by request digest."""

    async def resume_disclosure(self, grant: bytes, nonce: str, custody: bytes, request: bytes) -> int:
        """Nonce and custody event in ONE transaction; no use.

        Raises `Denied` when the nonce was used, the grant is revoked, or the disclosure of that request is no longer kept: an erasure of
        records of its dossier has begun since, or it was begun too long ago.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptOffer:
    """A receipt as the relay hands it over, not yet checked."""

    size: int
    root: bytes
    proof: LedgerProof
    cosigned: bytes


class RelayLink(Protocol):
    """The relay as the custodian sees it: always called, never calling."""

    def push(self, checkpoint: bytes, packages: PackageMaker, expected: int | None = None) -> AsyncIterator[int]:
        """Offer a checkpoint, send the packages from the index the relay wants on; yields durable next indices.

        With `expected`, send them from there on without waiting for the relay's word: what it holds already it passes over,
        and where it holds less it refuses them.
        """

    async def receipts(self, origin: str, above_size: int) -> list[ReceiptOffer]:
        """Confirmed checkpoints above a size."""

    async def record_grant(self, statement: str) -> LedgerProof:
        """Hand over a grant statement; returns the court ledger's proof of it."""

    def requests(self, origin: str) -> AbstractAsyncContextManager[AsyncIterator[tuple[bytes, bytes]]]:
        """The open stream of (request id, request); the first pair is empty and says that the relay is listening."""

    async def answer(self, request_id: bytes, header: bytes, chunks: AsyncIterator[bytes]) -> None:
        """Upload a sealed answer. When `chunks` raises `Denied`, the court is refused in the middle and this raises `Denied`."""

    async def refuse(self, request_id: bytes) -> None:
        """Say that there will be no answer."""


class PackageMaker(Protocol):
    """Makes the packages of a push once the relay has said where to start."""

    def __call__(self, next_index: int) -> AsyncIterator[Package]:
        """Packages from `next_index` to the checkpoint's size."""
