"""The embedded family: a small permissioned ledger with quorum-signed blocks, its node, adapter and proofs."""

from __future__ import annotations

from adapters.embedded.adapter import open_court, open_source
from adapters.embedded.proof import KIND, verify_quorum
from relay.ports.ledgers import AdapterFamily

ADAPTER = AdapterFamily(
    name="embedded", proof_kind=KIND, verify_proof=verify_quorum, open_source=open_source, open_court=open_court
)
