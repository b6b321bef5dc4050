"""The mqtt family: a lender's ledger whose gateway announces anchors on a broker.

An announcement is a hint to look at once. Everything is read and proven from the ledger that the table `inner` names, by its own
family: whoever speaks on the topic can at most make somebody look for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.mqtt.source import open_around
from relay.core.errors import Malformed
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.trust import LedgerRoot
from relay.ports.ledgers import AdapterFamily, AnchorSource, CourtRegistry


async def open_court(_config: Mapping[str, object]) -> CourtRegistry:
    """Hints are of anchors only. Raises `Malformed`."""
    reason = "mqtt announces a lender's anchors; a court's ledger is configured by its own family"
    raise Malformed("configuration", "court_ledger.family", reason)


async def open_source(_config: Mapping[str, object]) -> AnchorSource:
    """Never asked: `open_around` is. Raises `Malformed`."""
    raise Malformed("configuration", "ledger.inner", "is missing: the table of the ledger that is really read")


def verify_nothing(proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
    """Never asked: the family has no proofs of its own. Raises `Malformed`."""
    raise Malformed("ledger proof", "kind", f"{proof.kind!a} is none of this family, whose ledger is {root.ledger}")


ADAPTER = AdapterFamily(
    name="mqtt",
    proof_kind="",
    verify_proof=verify_nothing,
    open_source=open_source,
    open_court=open_court,
    open_around=open_around,
)
