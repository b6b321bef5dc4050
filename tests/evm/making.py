"""Blocks, seals, attestations and proofs made from nothing, with independent libraries where there are any (rlp, eth_abi)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import coincurve
import rlp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_abi import encode as abi_encode

from adapters.evm.attestation import attestation_text, attester_key, join_attestation
from adapters.evm.events import TOPICS
from adapters.evm.header import parse_header
from adapters.evm.keccak import keccak256
from adapters.evm.proof import ATTESTED, QBFT, build_proof
from adapters.evm.trie import Trie
from relay.core.grants import make_grant_statement
from relay.core.ledgerproof import LedgerProof
from relay.core.note import sign_note
from relay.core.trust import LedgerRoot, Validator

LEDGER = "evm:lender-1"
CHAIN = 1337
CONTRACT = bytes.fromhex("c0ffee") + bytes(16) + b"\x01"
SENDER = bytes(range(20))
ORIGIN = "bank.example/evidence"
LENDER = "spiffe://bank.example/custodian/harbour"
TREE_ROOT = hashlib.sha256(b"tree").digest()
TIME_S = 1_762_160_400
DAY_MS = 86_400_000
NAMES = ("alpha", "beta", "gamma", "delta")

Raw = Sequence[Any]


@lru_cache
def ed_key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"evm test " + name.encode()).digest())


def ed_public(name: str) -> bytes:
    return ed_key(name).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


@lru_cache
def ec_key(name: str) -> coincurve.PrivateKey:
    return coincurve.PrivateKey(hashlib.sha256(b"evm test " + name.encode()).digest())


def pinned(kind: str, *, threshold: int = 3, names: Sequence[str] = NAMES) -> LedgerRoot:
    """Four validators, three needed; keys valid a day around the block's time."""
    validators = tuple(
        Validator(
            name=name,
            public_key=ed_public(name) if kind == ATTESTED else ec_key(name).public_key.format(compressed=True),
            valid_from_ms=TIME_S * 1000 - DAY_MS,
            valid_to_ms=TIME_S * 1000 + DAY_MS,
        )
        for name in names
    )
    parameters = {"chain_id": str(CHAIN), "contract": f"0x{CONTRACT.hex()}"}
    return LedgerRoot(ledger=LEDGER, kind=kind, threshold=threshold, validators=validators, parameters=parameters)


def word(value: bytes) -> bytes:
    return value.rjust(32, b"\x00")


def facts_data(origin: str, size: int, root: bytes) -> bytes:
    return abi_encode(["string", "uint64", "bytes32"], [origin, size, root])


def anchored(size: int = 5, *, origin: str = ORIGIN, address: bytes = CONTRACT, event: str = "Anchored") -> list[Any]:
    topics = [TOPICS[event], keccak256(origin.encode()), word(SENDER)]
    return [address, topics, facts_data(origin, size, TREE_ROOT)]


def checkpoint_accepted(size: int = 5) -> list[Any]:
    topics = [TOPICS["CheckpointAccepted"], keccak256(ORIGIN.encode()), word(SENDER)]
    types = ["string", "uint64", "bytes32", "uint64", "uint64", "bytes32"]
    return [CONTRACT, topics, abi_encode(types, [ORIGIN, size, TREE_ROOT, 3, 2, b"\x55" * 32])]


def statement(action: Any = "register", grant: bytes = b"\x07" * 32) -> str:
    exp = TIME_S + 1000 if action == "register" else None
    return make_grant_statement(
        iss=LENDER,
        action=action,
        grant=grant,
        exp=exp,
        iat=TIME_S,
        public_key=ed_public("grant"),
        sign=ed_key("grant").sign,
    )


def grant_recorded(action: str = "register", *, said: str = "", grant: bytes = b"\x07" * 32) -> list[Any]:
    topics = [TOPICS["GrantRecorded"], keccak256(LENDER.encode()), grant, word(SENDER)]
    text = said or statement(action, grant)
    return [CONTRACT, topics, abi_encode(["string", "bool", "bytes"], [LENDER, action == "revoke", text.encode()])]


def receipt(logs: Raw, *, status: bytes = b"\x01", kind: int = 2) -> bytes:
    body = rlp.encode([status, b"\x52\x08", bytes(256), logs])
    return (bytes([kind]) if kind else b"") + body


def transaction(nonce: int, *, kind: int = 2, chain: int = CHAIN) -> bytes:
    number, gas = nonce + 1, [b"\x52\x08", CONTRACT, b"", b"\xab" * 40]
    signature = [b"\x01", b"\x11" * 32, b"\x22" * 32]
    head: list[Any] = [chain, number, 7, 9]
    if kind == 0:
        return rlp.encode([number, 7, *gas, 2 * chain + 35, *signature[1:]])
    bodies: Mapping[int, list[Any]] = {
        1: [chain, number, 7, *gas, [], *signature],
        2: [*head, *gas, [], *signature],
        3: [*head, *gas, [[SENDER, [bytes(32)]]], 7, [b"\x01" * 32], *signature],
        4: [*head, *gas, [], [[chain, SENDER, 0, *signature]], *signature],
    }
    return bytes([kind]) + rlp.encode(bodies[kind])


def header_items(
    receipts: Sequence[bytes], transactions: Sequence[bytes], *, extra: bytes = b"", fork: int = 21
) -> list[Any]:
    """Header fields as rlp takes them; `fork` is their number."""
    items: list[Any] = [bytes([9]) * 32, bytes([8]) * 32, SENDER, bytes([7]) * 32]
    items += [
        Trie.of_list(transactions).root,
        Trie.of_list(receipts).root,
        bytes(256),
        1,
        77,
        30_000_000,
        21_000,
        TIME_S,
    ]
    items += [extra, bytes([6]) * 32, bytes(8), 7, bytes([5]) * 32, 131_072, 0, bytes([4]) * 32, bytes([3]) * 32]
    return items[:fork]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block whose transaction `index` is ours."""

    receipts: list[bytes]
    transactions: list[bytes]
    fork: int = 21
    extra: bytes = b""

    @property
    def header(self) -> bytes:
        return rlp.encode(header_items(self.receipts, self.transactions, extra=self.extra, fork=self.fork))

    def body(self, index: int, log: int, attestation: str = "") -> bytes:
        return build_proof(
            header=self.header,
            index=index,
            log=log,
            receipts=self.receipts,
            transactions=self.transactions,
            attestation=attestation,
        )


def block(count: int = 200, index: int = 130, *, logs: Raw | None = None, kind: int = 2, **receipt_of: Any) -> Block:
    """`count` transactions of all types; ours has a foreign log before its own."""
    ours = [[SENDER, [], b"x"], *([anchored()] if logs is None else logs)]
    receipts = [receipt([], kind=number % 5) for number in range(count)]
    transactions = [transaction(number, kind=number % 5) for number in range(count)]
    receipts[index] = receipt(ours, kind=kind, **receipt_of)
    transactions[index] = transaction(index, kind=kind)
    return Block(receipts=receipts, transactions=transactions)


def attestation(
    header: bytes, signers: Sequence[str] = NAMES[:3], *, ledger: str = LEDGER, chain: int = CHAIN, **other: Any
) -> str:
    parsed = parse_header(header)
    facts = {"height": parsed.height, "time_ms": parsed.time_ms, "block_hash": parsed.hash, **other}
    text = attestation_text(ledger, chain, **facts)
    keys = [(attester_key(ledger, name, ed_public(name)), ed_key(name)) for name in signers]
    return join_attestation(text, [sign_note(text, verifier, signer.sign) for verifier, signer in keys])


def extra_data(
    seals: Sequence[bytes],
    *,
    qbft: bool = True,
    round_number: int = 0,
    vote: Any = None,
    addresses: Sequence[bytes] | None = None,
) -> bytes:
    """As Besu writes it."""
    own = [keccak256(ec_key(name).public_key.format(compressed=False)[1:])[12:] for name in NAMES]
    validators = own if addresses is None else list(addresses)
    none: Any = [] if qbft else b""
    number: Any = round_number if qbft else round_number.to_bytes(4, "big")
    return rlp.encode([b"\x2a" * 32, validators, none if vote is None else vote, number, list(seals)])


def sealed(
    made: Block, signers: Sequence[str] = NAMES[:3], *, qbft: bool = True, round_number: int = 0, vote: Any = None
) -> Block:
    """The block with committed seals over the header whose extraData lacks them."""
    whole = rlp.decode(extra_data([], qbft=qbft, round_number=round_number, vote=vote))
    unsealed = rlp.encode(list(whole) if qbft else list(whole)[:4])
    digest = keccak256(replace(made, extra=unsealed).header)
    seals = [ec_key(name).sign_recoverable(digest, hasher=None) for name in signers]
    return replace(made, extra=extra_data(seals, qbft=qbft, round_number=round_number, vote=vote))


def attested_proof(made: Block, index: int = 130, log: int = 1, **attesting: Any) -> LedgerProof:
    return LedgerProof(kind=ATTESTED, ledger=LEDGER, body=made.body(index, log, attestation(made.header, **attesting)))


def sealed_proof(made: Block, index: int = 130, log: int = 1, **sealing: Any) -> LedgerProof:
    return LedgerProof(kind=QBFT, ledger=LEDGER, body=sealed(made, **sealing).body(index, log))
