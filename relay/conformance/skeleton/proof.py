"""The offline verifier: a pure function of a proof and the pinned ledger, and what makes the proofs."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from relay.core.base64strict import b64decode, b64encode
from relay.core.canonical import dumps, loads
from relay.core.errors import Malformed, Unverified
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.note import check_ed25519
from relay.core.trust import LedgerRoot

FAMILY: Final = "skeleton"
PROOF_BYTES_MAX: Final = 128 * 1024


def build_proof(ledger: str, block: bytes, signature: bytes) -> LedgerProof:
    """A block and its signature: the transaction stands in the block itself."""
    body = dumps({"block": block.decode(), "signature": b64encode(signature)})
    return LedgerProof(kind=FAMILY, ledger=ledger, body=body)


def verify_proof(proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
    """Raises only `Malformed` and `Unverified`. Every byte of the proof must count."""
    if (proof.ledger, proof.kind, root.kind) != (root.ledger, FAMILY, FAMILY):
        raise Unverified("ledger", f"the proof is of {proof.ledger} ({proof.kind}), pinned is {root.ledger}")
    body = loads(proof.body, what="proof", bytes_max=PROOF_BYTES_MAX)
    if set(body) != {"block", "signature"} or not all(isinstance(value, str) for value in body.values()):
        raise Malformed("proof", "", "must have exactly block and signature, both text")
    data = str(body["block"]).encode()
    signature = b64decode(str(body["signature"]), what="proof", field="signature")
    if not check_ed25519(root.validators[0].public_key, signature, data):
        raise Unverified("signature", "the validator's signature does not hold")
    block: Any = loads(data, what="block", bytes_max=PROOF_BYTES_MAX)
    if block["ledger"] != root.ledger:
        raise Unverified("ledger", "the block is of another ledger")
    digest = hashlib.sha256(data).digest()
    place = {"height": block["height"], "time_ms": block["time"], "block_hash": digest, "tx_id": digest}
    return ProvenFact(ledger=root.ledger, fact=block["fact"], **place)
