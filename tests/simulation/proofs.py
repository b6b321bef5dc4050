"""Ledger proofs of the simulated ledgers: the facts and a code that only the ledger can make."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from relay.core.errors import Unverified
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.trust import LedgerRoot

KIND = "sim"


def _code(ledger: str, text: str) -> str:
    return hashlib.sha256(f"secret of {ledger}\n{text}".encode()).hexdigest()


def make_proof(ledger: str, height: int, tx_id: bytes, time_ms: int, fact: Mapping[str, object]) -> LedgerProof:
    """A proof as the ledger's node hands it out."""
    text = json.dumps({"height": height, "tx": tx_id.hex(), "time": time_ms, "fact": fact}, sort_keys=True)
    return LedgerProof(kind=KIND, ledger=ledger, body=f"{_code(ledger, text)} {text}".encode())


def verify_proof(proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
    """relay.core.ledgerproof.LedgerProofVerifier."""
    code, _, text = proof.body.decode("utf-8", "replace").partition(" ")
    if code != _code(root.ledger, text):
        raise Unverified("ledger proof", "was not made by this ledger")
    claims = json.loads(text)
    return ProvenFact(
        ledger=root.ledger, height=claims["height"], block_hash=bytes(32), tx_id=bytes.fromhex(claims["tx"]),
        time_ms=claims["time"], fact=claims["fact"],
    )  # fmt: skip
