"""Spoilt copies of a proof. All of them must be refused by the family's verifier, or a byte of the proof is free."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from relay.conformance.bench import Bench
from relay.conformance.check import Fault, NotRun, demand
from relay.core.errors import Malformed, RelayError, Unverified
from relay.core.ledgerproof import LedgerProof
from relay.core.trust import LedgerRoot

SAMPLE: Final = 160
"""Places tried in a proof, evenly spread; all of a shorter one."""
FLIPS: Final = (0x01, 0x80)
PROOF_BYTES_MAX: Final = 512 * 1024
_ED25519_BASE: Final = bytes([0x58]) + bytes([0x66]) * 31
_SECP256K1_BASE: Final = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
STRANGE_KEYS: Final = {32: _ED25519_BASE, 33: _SECP256K1_BASE}
"""Valid public keys that no validator has, by their length: the curves' base points."""


def _places(length: int) -> Iterator[int]:
    step = max(1, length // SAMPLE)
    return iter(range(0, length, step))


def flipped(proof: LedgerProof) -> Iterator[tuple[str, LedgerProof]]:
    """One bit changed at a sample of places."""
    for place in _places(len(proof.body)):
        for flip in FLIPS:
            body = bytearray(proof.body)
            body[place] ^= flip
            yield f"bit {flip:#04x} of byte {place} changed", replace(proof, body=bytes(body))


def resized(proof: LedgerProof) -> Iterator[tuple[str, LedgerProof]]:
    """Cut short at a sample of places, or with something behind or before it."""
    for place in _places(len(proof.body)):
        yield f"cut after {place} bytes", replace(proof, body=proof.body[:place])
    for more in (b"\x00", b" ", b"\n", proof.body):
        yield f"{len(more)} bytes appended", replace(proof, body=proof.body + more)
        yield f"{len(more)} bytes put before it", replace(proof, body=more + proof.body)


async def all_refused(bench: Bench, spoilt: Iterator[tuple[str, LedgerProof]], root: LedgerRoot) -> None:
    """Raises `Fault` for the first that is accepted, or whose refusal is neither `Unverified` nor `Malformed`."""
    for how, proof in spoilt:
        await one_refused(bench, how, proof, root)
        await asyncio.sleep(0)  # the check's deadline holds here too


async def one_refused(bench: Bench, how: str, proof: LedgerProof, root: LedgerRoot) -> None:
    """The same for one."""
    try:
        bench.verify(proof, root)
    except (Unverified, Malformed):
        return
    except Exception as error:
        raise Fault(f"{how}: the verifier raised {type(error).__name__}: {error}") from error
    raise Fault(f"{how}: the proof is accepted all the same")


async def strangers_refused(bench: Bench, proof: LedgerProof, root: LedgerRoot) -> None:
    """The proof under a root with the same names and other keys. Raises `Fault` when it is accepted."""
    keys = {len(v.public_key) for v in root.validators}
    if not keys <= set(STRANGE_KEYS):
        raise NotRun("the pinned validators have keys of a form that the kit does not know")
    others = tuple(replace(v, public_key=STRANGE_KEYS[len(v.public_key)]) for v in root.validators)
    await one_refused(bench, "other validators pinned", proof, replace(root, validators=others))


async def misnamed_refused(bench: Bench, proof: LedgerProof, root: LedgerRoot) -> None:
    """The proof under another ledger's or kind's name. Raises `Fault` when it is accepted."""
    ledger, kind = root.ledger + "-x", "kit-" + root.kind
    await one_refused(bench, "the proof names another ledger", replace(proof, ledger=ledger), root)
    await one_refused(bench, "another ledger is pinned", proof, replace(root, ledger=ledger))
    if "names" not in bench.owner.left_out:
        both = replace(proof, ledger=ledger)
        await one_refused(bench, "proof and root both name another ledger", both, replace(root, ledger=ledger))
    await one_refused(bench, "the proof names another kind", replace(proof, kind=kind), root)


def named_right(proof: LedgerProof, root: LedgerRoot) -> None:
    """The proof's own names, and its size. Raises `Fault`."""
    demand(proof.ledger == root.ledger, f"the proof names ledger {proof.ledger!r}, pinned is {root.ledger!r}")
    demand(proof.kind == root.kind, f"the proof is of kind {proof.kind!r}, pinned is {root.kind!r}")
    demand(0 < len(proof.body) <= PROOF_BYTES_MAX, f"{len(proof.body)} bytes; due are 1 to {PROOF_BYTES_MAX}")


def proven(bench: Bench, proof: LedgerProof, root: LedgerRoot) -> dict[str, object]:
    """What the proof shows: its fact's members, with the place as `height`, `block_hash`, `tx_id`, `time_ms`. Raises `Fault`."""
    try:
        fact = bench.verify(proof, root)
    except RelayError as error:
        raise Fault(f"the proof does not verify: {error}") from None
    place = {"height": fact.height, "block_hash": fact.block_hash, "tx_id": fact.tx_id, "time_ms": fact.time_ms}
    return {**fact.fact, **place}
