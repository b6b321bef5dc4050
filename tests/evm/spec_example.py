"""The worked example of docs/spec/ledger-evm.md: one block with two transactions, proven in both kinds."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

import coincurve

from adapters.evm.attestation import attestation_text, attester_key, join_attestation
from adapters.evm.header import parse_header
from adapters.evm.keccak import keccak256
from adapters.evm.proof import ATTESTED, QBFT
from adapters.evm.seals import chain_hash
from relay.core.base64strict import b64encode
from relay.core.ledgerproof import LedgerProof
from relay.core.note import sign_note
from relay.core.trust import LedgerRoot, Validator
from tests.evm.making import CHAIN, CONTRACT, LEDGER, Block, anchored, block, extra_data
from tests.spec.actors import KEYS

SEALERS: Final = ("q1", "q2", "q3")
ATTESTERS: Final = ("v1", "v2", "v3")
_ALWAYS_MS: Final = 253_402_300_799_000


def sealer(name: str) -> coincurve.PrivateKey:
    """secp256k1, private key = SHA-256("courtrelay spec example " ‖ name)."""
    return coincurve.PrivateKey(hashlib.sha256(b"courtrelay spec example " + name.encode()).digest())


def root(kind: str) -> LedgerRoot:
    """Two of three."""
    keys = (
        [(name, KEYS[name].public) for name in ATTESTERS]
        if kind == ATTESTED
        else [(name, sealer(name).public_key.format()) for name in SEALERS]
    )
    validators = tuple(
        Validator(name=name, public_key=key, valid_from_ms=0, valid_to_ms=_ALWAYS_MS) for name, key in keys
    )
    parameters = {"chain_id": str(CHAIN), "contract": f"0x{CONTRACT.hex()}"}
    return LedgerRoot(ledger=LEDGER, kind=kind, threshold=2, validators=validators, parameters=parameters)


def _plain() -> Block:
    return replace(block(count=2, index=1, logs=[anchored()]), fork=16)


def _digest() -> bytes:
    """What the validators sign: QBFT's extraData with an empty list of seals."""
    return keccak256(replace(_plain(), extra=extra_data([], round_number=1, addresses=_addresses())).header)


def _sealed() -> Block:
    digest = _digest()
    seals = [sealer(name).sign_recoverable(digest, hasher=None) for name in SEALERS[:2]]
    return replace(_plain(), extra=extra_data(seals, round_number=1, addresses=_addresses()))


def _addresses() -> list[bytes]:
    return [keccak256(sealer(name).public_key.format(compressed=False)[1:])[12:] for name in SEALERS]


def attestation() -> str:
    """The note of v1 and v2."""
    header = parse_header(_plain().header)
    text = attestation_text(LEDGER, CHAIN, header.height, header.time_ms, header.hash)
    keys = [(attester_key(LEDGER, name, KEYS[name].public), KEYS[name]) for name in ATTESTERS[:2]]
    return join_attestation(text, [sign_note(text, verifier, key.sign) for verifier, key in keys])


def proofs() -> list[LedgerProof]:
    """One of each kind."""
    return [
        LedgerProof(kind=ATTESTED, ledger=LEDGER, body=_plain().body(1, 1, attestation())),
        LedgerProof(kind=QBFT, ledger=LEDGER, body=_sealed().body(1, 1)),
    ]


def examples() -> dict[str, str]:
    """Name → text, as the document shows it."""
    attested, qbft = proofs()
    made = _plain()
    sealers = [f"{name}  {b64encode(sealer(name).public_key.format())}" for name in SEALERS]
    return {
        "evm-attestation": attestation(),
        "evm-attested-proof": attested.body.decode(),
        "evm-qbft-proof": qbft.body.decode(),
        "evm-sealers": "\n".join(sealers),
        "evm-hashes": "\n".join(
            [
                f"transaction id           {keccak256(made.transactions[1]).hex()}",
                f"block hash, attested     {parse_header(made.header).hash.hex()}",
                f"block hash, evm-qbft     {chain_hash(parse_header(_sealed().header)).hex()}",
                f"sealed digest, evm-qbft  {_digest().hex()}",
            ]
        ),
    }
