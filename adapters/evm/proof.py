"""Ledger proofs of kinds `evm-attested` and `evm-qbft`: built from a block, verified by anyone (docs/spec/ledger-evm.md). Pure.

The two kinds differ in what makes a header final: a quorum of attesters, or the chain's own committed seals.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.evm.attestation import attestation_text, check_attestation
from adapters.evm.events import decode
from adapters.evm.header import HEADER_BYTES_MAX, Header, parse_header
from adapters.evm.keccak import keccak256
from adapters.evm.receipts import Log, chain_id, parse_receipt
from adapters.evm.seals import PUBLIC_KEY_BYTES as SEAL_KEY_BYTES
from adapters.evm.seals import check_seals
from adapters.evm.trie import NODES_MAX, Trie, index_key, verify_inclusion
from relay.core.base64strict import b64decode, b64encode
from relay.core.canonical import dumps, loads
from relay.core.errors import Malformed, Unverified
from relay.core.fields import Fields
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.limits import NOTE_BYTES_MAX
from relay.core.note import PUBLIC_KEY_BYTES as NOTE_KEY_BYTES
from relay.core.trust import LedgerRoot

ATTESTED: Final = "evm-attested"
QBFT: Final = "evm-qbft"
FORMAT: Final = "courtrelay-evm-proof/v1"
PROOF_BYTES_MAX: Final = 512 * 1024
INDEX_MAX: Final = 2**24 - 1
CHAIN_ID_MAX: Final = 2**63 - 1
_WHAT: Final = "EVM proof"
_RECEIPT_PATH: Final = "receipt proof"
_TX_PATH: Final = "transaction proof"
_CHAIN_ID: Final = re.compile(r"[1-9][0-9]{0,18}")
_CONTRACT: Final = re.compile(r"0x[0-9a-f]{40}")
_PARAMETERS: Final = frozenset({"chain_id", "contract"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """What a ledger's root pins for this family: the chain, and the contract (20 bytes) whose events count."""

    chain_id: int
    contract: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    header: bytes
    index: int
    log: int
    receipt_path: list[bytes]
    tx_path: list[bytes]
    attestation: str


def build_proof(
    *,
    header: bytes,
    index: int,
    log: int,
    receipts: Sequence[bytes],
    transactions: Sequence[bytes],
    attestation: str = "",
) -> bytes:
    """A proof's body, of one log of one transaction.

    `header` is RLP (with `attestation`: the one whose Keccak-256 is attested), `index` the transaction's place in the block, `log` the
    log's place in its receipt; `receipts` and `transactions` are all those of the block as its tries hold them. Raises `Unverified` when
    they are not those of the header, `Malformed` when the proof is too long.
    """
    parsed = parse_header(header)
    receipt_trie, tx_trie = Trie.of_list(receipts), Trie.of_list(transactions)
    if receipt_trie.root != parsed.receipts_root:
        raise Unverified(_RECEIPT_PATH, "the receipts are not those of the header")
    if tx_trie.root != parsed.transactions_root:
        raise Unverified(_TX_PATH, "the transactions are not those of the header")
    key = index_key(index)
    body: dict[str, object] = {
        "format": FORMAT,
        "header": b64encode(header),
        "index": index,
        "log": log,
        "receipt_path": [b64encode(node) for node in receipt_trie.path(key)],
        "tx_path": [b64encode(node) for node in tx_trie.path(key)],
    }
    if attestation:
        body["attestation"] = attestation
    data = dumps(body)
    if len(data) > PROOF_BYTES_MAX:
        raise Malformed(_WHAT, "", f"{len(data)} bytes; at most {PROOF_BYTES_MAX}")
    return data


def verify_attested(proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
    """Check a proof whose header attesters vouch for. Raises `Malformed`, `Unverified`."""
    pinned = _pinned(proof, root, ATTESTED, NOTE_KEY_BYTES)
    body = _read_body(proof.body, attested=True)
    # 4. The header is canonical RLP of a block above the first; its height and time are those of the fact.
    header = parse_header(body.header)
    # 5. Exactly the threshold of pinned attesters signed this header's chain, height, time and hash.
    expected = attestation_text(root.ledger, pinned.chain_id, header.height, header.time_ms, header.hash)
    check_attestation(body.attestation, expected, header.time_ms, root)
    return _proven(body, header, header.hash, pinned, root)


def verify_qbft(proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
    """Check a proof whose header carries the seals of a QBFT or IBFT 2.0 chain. Raises `Malformed`, `Unverified`."""
    pinned = _pinned(proof, root, QBFT, SEAL_KEY_BYTES)
    body = _read_body(proof.body, attested=False)
    # 4. The header is canonical RLP of a block above the first; its height and time are those of the fact.
    header = parse_header(body.header)
    # 5. At least the threshold of pinned validators sealed this header, and nobody else did.
    block_hash = check_seals(header, root)
    return _proven(body, header, block_hash, pinned, root)


def _pinned(proof: LedgerProof, root: LedgerRoot, kind: str, key_bytes: int) -> Pinned:
    # 1. The proof is of this ledger and of this kind.
    if proof.ledger != root.ledger or proof.kind != kind or root.kind != kind:
        raise Unverified(
            "ledger",
            f"the proof is of {proof.ledger} ({proof.kind}), pinned is {root.ledger} ({root.kind}), not {kind}",
        )
    # 2. The pinned root names the chain and the contract, and keys of the kind's form.
    if any(len(validator.public_key) != key_bytes for validator in root.validators):
        raise Unverified("pinned ledger", f"every validator of a ledger of kind {kind} has a key of {key_bytes} bytes")
    return read_parameters(root)


def read_parameters(root: LedgerRoot) -> Pinned:
    """The chain and contract that a root pins. Raises `Unverified` when it does not pin exactly these."""
    step = "pinned ledger"
    if set(root.parameters) != _PARAMETERS:
        raise Unverified(step, f"the parameters of {root.ledger} must be chain_id and contract")
    chain, contract = root.parameters["chain_id"], root.parameters["contract"]
    if not _CHAIN_ID.fullmatch(chain) or int(chain) > CHAIN_ID_MAX:
        raise Unverified(step, f"chain_id must be a decimal number from 1 to {CHAIN_ID_MAX}")
    if not _CONTRACT.fullmatch(contract):
        raise Unverified(step, "contract must be 0x and 40 lower-case hex digits")
    return Pinned(chain_id=int(chain), contract=bytes.fromhex(contract[2:]))


def _read_body(data: bytes, *, attested: bool) -> _Body:
    # 3. The body is canonical JSON with exactly the known members.
    fields = Fields(loads(data, what=_WHAT, bytes_max=PROOF_BYTES_MAX), what=_WHAT)
    fields.literal("format", FORMAT)
    body = _Body(
        header=fields.b64("header", bytes_max=HEADER_BYTES_MAX),
        index=fields.integer("index", high=INDEX_MAX),
        log=fields.integer("log", high=INDEX_MAX),
        receipt_path=_path(fields, "receipt_path"),
        tx_path=_path(fields, "tx_path"),
        attestation=fields.string("attestation", chars_max=NOTE_BYTES_MAX) if attested else "",
    )
    fields.done()
    return body


def _path(fields: Fields, name: str) -> list[bytes]:
    nodes = []
    for text in fields.array(name, count_max=NODES_MAX):
        if not isinstance(text, str):
            raise fields.refuse(name, "must hold base64 strings")
        nodes.append(b64decode(text, what=_WHAT, field=name))
    return nodes


def _proven(body: _Body, header: Header, block_hash: bytes, pinned: Pinned, root: LedgerRoot) -> ProvenFact:
    key = index_key(body.index)
    # 6. The receipt is the one at `index` of the block.
    receipt = parse_receipt(verify_inclusion(header.receipts_root, key, body.receipt_path, what=_RECEIPT_PATH))
    # 7. Its transaction succeeded.
    if not receipt.succeeded:
        raise Unverified("receipt", "the transaction failed")
    # 8. The log at `log` of the receipt was emitted by the pinned contract.
    log = _own_log(receipt.logs, body.log, pinned)
    # 9. The log is one of our events in its one encoding; what it says is the fact.
    fact = decode(log.address, log.topics, log.data)
    # 10. The transaction is the one at the same index.
    transaction = verify_inclusion(header.transactions_root, key, body.tx_path, what=_TX_PATH)
    # 11. It was signed for the pinned chain.
    if chain_id(transaction) != pinned.chain_id:
        raise Unverified("transaction", f"is of chain {chain_id(transaction)}, pinned is {pinned.chain_id}")
    return ProvenFact(
        ledger=root.ledger,
        height=header.height,
        block_hash=block_hash,
        tx_id=keccak256(transaction),
        time_ms=header.time_ms,
        fact=fact,
    )


def _own_log(logs: Sequence[Log], place: int, pinned: Pinned) -> Log:
    if place >= len(logs):
        raise Unverified("log", f"the receipt has {len(logs)} logs, none at {place}")
    if logs[place].address != pinned.contract:
        raise Unverified("log", f"was emitted by 0x{logs[place].address.hex()}, pinned is 0x{pinned.contract.hex()}")
    return logs[place]


def check_body(proof: LedgerProof) -> None:
    """Bounds only, for a node that stores what it is given. Raises `Malformed`."""
    if not 0 < len(proof.body) <= PROOF_BYTES_MAX:
        raise Malformed(_WHAT, "", f"{len(proof.body)} bytes; must be 1 to {PROOF_BYTES_MAX}")
