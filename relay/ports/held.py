"""A checkpoint as the court gateway holds it."""

from __future__ import annotations

from dataclasses import dataclass

from relay.core.ledgerproof import LedgerProof


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCheckpoint:
    """A checkpoint the court has taken in, and how far it has come."""

    origin: str
    size: int
    root: bytes
    note: bytes
    """As the log signed it."""
    anchor: LedgerProof
    anchored_ms: int
    """Block time of the anchor on the lender's ledger."""
    cosigned: bytes
    """With this court's cosignature; empty until all entries are held."""
    receipt: LedgerProof | None
    """The court ledger's acceptance, None until it is read there."""
    receipted_ms: int
