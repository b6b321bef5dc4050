"""What a batch needs: its own memory, and the two desks that do a row's work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from relay.core.batch import BatchRow


class RowState(StrEnum):
    """How far a row has come. Written before the step it names, so that a crash leaves the intent."""

    GRANTING = "granting"
    GRANTED = "granted"
    RETRIEVING = "retrieving"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """One row as far as it is known. Empty or 0 means not (yet). `grant` is the token, `seconds` spent by all runs together."""

    number: int
    case: str
    dossier: str
    state: RowState
    grant: bytes = b""
    grant_digest: str = ""
    verdict: str = ""
    bundle: str = ""
    bundle_sha256: str = ""
    disclosures: int = 0
    """How often the court has begun it or gone on with it; more than 1 where it broke off in the middle."""
    field: str = ""
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchHead:
    """What a batch was begun with. `id` is random; `manifest` the SHA-256 of the file; `terms` what its options say of every row."""

    id: bytes
    manifest: bytes
    terms: str
    rows: int
    begun_s: int


class BatchState(Protocol):
    """The batch's durable memory. Every write returns only after its transaction is durable."""

    async def begin(self, head: BatchHead) -> BatchHead:
        """Store the head of a new batch, or return the stored one. Raises `Conflict` for another manifest or terms."""

    async def states(self) -> dict[int, RowState]:
        """State of every row that was begun."""

    async def outcome(self, number: int) -> RowOutcome | None:
        """One row."""

    async def save(self, outcome: RowOutcome) -> None:
        """Replace a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """A verdict, and the bundle in the batch's folder, durable there."""

    verdict: str
    bundle: str
    bundle_sha256: str
    disclosures: int


class LenderDesk(Protocol):
    """Where grants are issued. Raises every `RelayError`; `Unavailable` and `Uncertain` are asked again."""

    async def issue(self, row: BatchRow, request_id: bytes, begun_s: int) -> bytes:
        """The grant's token. The same request id again gives the same grant, whatever happened in between."""


class CourtDesk(Protocol):
    """Where dossiers are retrieved."""

    async def retrieve(self, row: BatchRow, grant: bytes, request_id: bytes) -> Retrieved:
        """Ask, verify, and put the bundle into the batch's folder. The same request id again finds a finished retrieval."""
