"""Proofs of one block in both kinds and both engines, and what tests do to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest

from adapters.evm.proof import ATTESTED, QBFT, verify_attested, verify_qbft
from relay.core.canonical import dumps
from relay.core.errors import Malformed, Unverified
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.trust import LedgerRoot
from tests.evm.making import (
    attested_proof,
    block,
    pinned,
    sealed_proof,
)

Verify = Callable[[LedgerProof, LedgerRoot], ProvenFact]
VERIFY: dict[str, Verify] = {ATTESTED: verify_attested, QBFT: verify_qbft}
MADE = block()


@lru_cache
def proofs() -> tuple[LedgerProof, ...]:
    """Both kinds and both engines."""
    return attested_proof(MADE), sealed_proof(MADE), sealed_proof(MADE, qbft=False, round_number=1)


def verify(proof: LedgerProof, **change: Any) -> ProvenFact:
    return VERIFY[proof.kind](proof, replace(pinned(proof.kind), **change))


def refused(proof: LedgerProof, **change: Any) -> str:
    with pytest.raises((Malformed, Unverified)) as refusal:
        verify(proof, **change)
    return str(refusal.value)


def altered(proof: LedgerProof, **change: Any) -> LedgerProof:
    """The proof with members of its body changed; `None` takes one away."""
    body = {**json.loads(proof.body), **change}
    return replace(proof, body=dumps({name: value for name, value in body.items() if value is not None}))


def member(proof: LedgerProof, name: str) -> Any:
    return json.loads(proof.body)[name]
