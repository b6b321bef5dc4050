"""The tlog family: any C2SP tiled log as a source of anchors. Its own checkpoints, cosigned by a quorum of witnesses, are the anchors."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.tlog.proof import KIND, verify_tlog
from adapters.tlog.source import open_source
from relay.core.errors import Malformed
from relay.ports.ledgers import AdapterFamily, CourtRegistry


async def open_court(_config: Mapping[str, object]) -> CourtRegistry:
    """A log holds anchors only. Raises `Malformed`."""
    raise Malformed(
        "configuration", "court_ledger.family", "a tlog cannot be a court's ledger: nobody but its owner writes to it"
    )


ADAPTER = AdapterFamily(
    name="tlog", proof_kind=KIND, verify_proof=verify_tlog, open_source=open_source, open_court=open_court
)
