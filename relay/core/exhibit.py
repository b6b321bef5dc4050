"""An exhibit: two signed statements about one log that cannot both be true. Checked offline by anyone (docs/spec/exhibit.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from relay.core.bundle import parse_ledger_proof
from relay.core.checkpoint import parse_checkpoint
from relay.core.checks import Verifiers, check_ledger_fact, check_log_signature
from relay.core.errors import Unverified
from relay.core.trust import TrustRoots

CHECKPOINT = "checkpoint"
ANCHOR = "anchor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """What the pieces show: one origin and size, the root its log signed, the root its ledger holds, and since when (ms)."""

    origin: str
    size: int
    signed_root: bytes
    anchored_root: bytes
    anchored_ms: int


def verify_exhibit(pieces: Mapping[str, bytes], trust: TrustRoots, verifiers: Verifiers) -> Contradiction:
    """The pieces `checkpoint` (a signed note) and `anchor` (a ledger proof file) contradict each other.

    Raises `Malformed`, `Unverified` when they do not prove that, `Unpinned` when the trust roots do not say.
    """
    # 1. Both pieces are there.
    for name in (CHECKPOINT, ANCHOR):
        if name not in pieces:
            raise Unverified("exhibit", f"the piece {name} is missing: nothing can be proven by the other alone")
    # 2. The ledger pinned for the log holds an anchor of that origin and size.
    checkpoint, _ = parse_checkpoint(pieces[CHECKPOINT])
    proof = parse_ledger_proof(pieces[ANCHOR], what=ANCHOR)
    wanted = {"type": "anchor", "origin": checkpoint.origin, "size": checkpoint.size}
    fact = check_ledger_fact("anchor", proof, trust.log(checkpoint.origin).ledger, wanted, trust, verifiers)
    # 3. The log's own key signed the checkpoint.
    check_log_signature(pieces[CHECKPOINT], trust, fact.time_ms)
    # 4. The roots differ.
    anchored = str(fact.fact.get("root", ""))
    if anchored == checkpoint.root.hex():
        raise Unverified("exhibit", "both pieces have the same root: they do not contradict each other")
    return Contradiction(
        origin=checkpoint.origin,
        size=checkpoint.size,
        signed_root=checkpoint.root,
        anchored_root=bytes.fromhex(anchored),
        anchored_ms=fact.time_ms,
    )
