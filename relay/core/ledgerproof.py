"""LedgerProof: evidence, checkable offline, that a transaction stands in a final block.

The proof's bytes belong to one ledger family (docs/spec/ledger-quorum.md for `quorum`); the verifier, never the proof, chooses
which family a ledger belongs to, by the pinned trust roots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from relay.core.trust import LedgerRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerProof:
    """`kind` names the family's proof format, `ledger` the ledger, `body` the proof, verbatim."""

    kind: str
    ledger: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenFact:
    """What a valid ledger proof shows. Times are block times in milliseconds since 1970 UTC."""

    ledger: str
    height: int
    block_hash: bytes
    tx_id: bytes
    time_ms: int
    fact: Mapping[str, object]
    """The transaction's statement: `type` is `anchor`, `checkpoint`, `grant` or `custody`; see docs/spec/ledger-quorum.md."""


class LedgerProofVerifier(Protocol):
    """Pure function of one ledger family. Raises only `Unverified` (and `Malformed` for bytes it cannot parse)."""

    def __call__(self, proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
        """Check the proof against the pinned root of its ledger."""
