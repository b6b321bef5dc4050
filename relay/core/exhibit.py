"""An exhibit: two signed statements about one log that cannot both be true. Checked offline by anyone (docs/spec/exhibit.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.base64strict import b64decode, b64encode
from relay.core.bundle import parse_ledger_proof
from relay.core.canonical import dumps, loads
from relay.core.checkpoint import Checkpoint, parse_checkpoint
from relay.core.checks import Verifiers, check_ledger_fact, check_log_signature, same
from relay.core.errors import Unverified
from relay.core.fields import Fields
from relay.core.ledgerproof import ProvenFact
from relay.core.limits import PROOF_HASHES_MAX, TREE_SIZE_MAX
from relay.core.merkle import verify_consistency
from relay.core.trust import TrustRoots

CHECKPOINT: Final = "checkpoint"
ANCHOR: Final = "anchor"
FORK: Final = "fork"
FORK_BYTES_MAX: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """What the pieces show: one origin and size, the root its log signed, the root its ledger holds, and since when (ms).

    With a fork the size is the smaller of two, and of the roots one follows from the larger tree.
    """

    origin: str
    size: int
    signed_root: bytes
    anchored_root: bytes
    anchored_ms: int


def fork_piece(root: bytes, path: Sequence[bytes]) -> bytes:
    """The piece `fork`: the root that the larger tree has at the smaller size, and the consistency proof of that."""
    return dumps({"path": [b64encode(h) for h in path], "root": root.hex()})


def verify_exhibit(pieces: Mapping[str, bytes], trust: TrustRoots, verifiers: Verifiers) -> Contradiction:
    """The pieces `checkpoint` (a signed note) and `anchor` (a ledger proof file) contradict each other, at one size or by a `fork`.

    Raises `Malformed`, `Unverified` when they do not prove that, `Unpinned` when the trust roots do not say.
    """
    # 1. Both pieces are there.
    for name in (CHECKPOINT, ANCHOR):
        if name not in pieces:
            raise Unverified("exhibit", f"the piece {name} is missing: nothing can be proven by the other alone")
    # 2. The ledger pinned for the log holds an anchor of that origin.
    checkpoint, _ = parse_checkpoint(pieces[CHECKPOINT])
    proof = parse_ledger_proof(pieces[ANCHOR], what=ANCHOR)
    wanted = {"type": "anchor", "origin": checkpoint.origin}
    fact = check_ledger_fact("anchor", proof, trust.log(checkpoint.origin).ledger, wanted, trust, verifiers)
    anchored = _anchored(checkpoint.origin, fact)
    # 3. The log's own key signed the checkpoint.
    check_log_signature(pieces[CHECKPOINT], trust, fact.time_ms)
    # 4. Without a fork both are of one size. With one, the larger tree has the fork's root at the smaller size.
    size, signed_root, anchored_root = min(checkpoint.size, anchored.size), checkpoint.root, anchored.root
    if FORK not in pieces:
        same("anchor", "the ledger's size", anchored.size, checkpoint.size)
    elif anchored.size < checkpoint.size:
        signed_root = _forked(pieces[FORK], anchored.size, checkpoint)
    else:
        anchored_root = _forked(pieces[FORK], checkpoint.size, anchored)
    # 5. The roots differ.
    if anchored_root == signed_root:
        raise Unverified("exhibit", "both pieces have the same root: they do not contradict each other")
    return Contradiction(
        origin=checkpoint.origin,
        size=size,
        signed_root=signed_root,
        anchored_root=anchored_root,
        anchored_ms=fact.time_ms,
    )


def _anchored(origin: str, fact: ProvenFact) -> Checkpoint:
    fields = Fields(dict(fact.fact), what=ANCHOR)
    size, root = fields.integer("size", low=1, high=TREE_SIZE_MAX), bytes.fromhex(fields.digest("root"))
    return Checkpoint(origin=origin, size=size, root=root)


def _forked(piece: bytes, size: int, larger: Checkpoint) -> bytes:
    """The root that the larger tree has at that size."""
    fields = Fields(loads(piece, what=FORK, bytes_max=FORK_BYTES_MAX), what=FORK)
    root = bytes.fromhex(fields.digest("root"))
    texts = fields.array("path", count_max=PROOF_HASHES_MAX, empty=True)
    fields.done()
    if not all(isinstance(text, str) for text in texts):
        raise fields.refuse("path", "must hold base64 strings")
    path = [b64decode(str(text), what=FORK, field="path") for text in texts]
    verify_consistency(size, larger.size, path, root, larger.root)
    return root
