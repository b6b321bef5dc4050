"""The remote family: any ledger behind an adapter in a process of its own, spoken to by proto/adapters/remote/v1/adapter.proto.

It brings no proof format: proofs are verified by the family whose kind they are of, under the pinned trust roots.
"""

from __future__ import annotations

from adapters.remote.client import open_court, open_source, verify_nothing
from relay.ports.ledgers import AdapterFamily

ADAPTER = AdapterFamily(
    name="remote", proof_kind="", verify_proof=verify_nothing, open_source=open_source, open_court=open_court
)
