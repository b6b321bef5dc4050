"""Receipts and transactions as a block's tries hold them: legacy and typed 1 to 4, from RLP and from JSON-RPC.

Sources: EIP-2718 (envelope), 658 (status), 155 (chain id of legacy ones), 2930, 1559, 4844, 7702.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from adapters.evm import hexvalues
from adapters.evm.rlp import Encodable, Item, as_bytes, as_list, as_scalar, decode_list, encode, scalar
from adapters.evm.trie import TRIE_BYTES_MAX
from relay.core.errors import Malformed

TYPES: Final = range(1, 5)
ADDRESS_BYTES: Final = 20
TOPIC_BYTES: Final = 32
TOPICS_MAX: Final = 4
BLOOM_BYTES: Final = 256
_RECEIPT: Final = "receipt"
_TRANSACTION: Final = "transaction"
_LEGACY: Final = 0xC0
_COUNTS: Final = {0: 9, 1: 11, 2: 12, 3: 14, 4: 13}
"""Items of a transaction, by type."""
_PROTECTED_FROM: Final = 35
"""EIP-155: v is 35 or 36 and twice the chain id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One event: the contract that emitted it (20 bytes), at most four topics of 32 bytes, and data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a transaction did. A failed one has no logs that count."""

    succeeded: bool
    logs: tuple[Log, ...]


def _payload(data: bytes, what: str) -> tuple[int, list[Item]]:
    """Type (0 for legacy) and items."""
    if not data or (data[0] < _LEGACY and data[0] not in TYPES):
        raise Malformed(what, "type", "must be legacy or of type 1 to 4")
    kind, body = (0, data) if data[0] >= _LEGACY else (data[0], data[1:])
    return kind, decode_list(body, what=what, bytes_max=TRIE_BYTES_MAX)


def parse_receipt(data: bytes) -> Receipt:
    """The value of a receipts trie. Raises `Malformed`, also for one with a state root in place of the status (before Byzantium)."""
    _, items = _payload(data, _RECEIPT)
    if len(items) != 4:
        raise Malformed(_RECEIPT, "", f"{len(items)} items; must be 4")
    status = as_bytes(items[0], _RECEIPT, "status")
    if status not in (b"", b"\x01"):
        raise Malformed(_RECEIPT, "status", "must be 0 or 1")
    as_scalar(items[1], _RECEIPT, "cumulativeGasUsed", bytes_max=8)
    as_bytes(items[2], _RECEIPT, "logsBloom", size=BLOOM_BYTES)
    logs = as_list(items[3], _RECEIPT, "logs")
    return Receipt(succeeded=bool(status), logs=tuple(_log(item) for item in logs))


def _log(item: Item) -> Log:
    parts = as_list(item, _RECEIPT, "log")
    if len(parts) != 3:
        raise Malformed(_RECEIPT, "log", f"{len(parts)} items; must be 3")
    topics = as_list(parts[1], _RECEIPT, "topics")
    if len(topics) > TOPICS_MAX:
        raise Malformed(_RECEIPT, "topics", f"{len(topics)} of them; at most {TOPICS_MAX}")
    return Log(
        address=as_bytes(parts[0], _RECEIPT, "address", size=ADDRESS_BYTES),
        topics=tuple(as_bytes(topic, _RECEIPT, "topic", size=TOPIC_BYTES) for topic in topics),
        data=as_bytes(parts[2], _RECEIPT, "data"),
    )


def chain_id(data: bytes) -> int:
    """The chain that a transaction was signed for (the value of a transactions trie). Raises `Malformed` when it names none."""
    kind, items = _payload(data, _TRANSACTION)
    if len(items) != _COUNTS[kind]:
        raise Malformed(_TRANSACTION, "", f"{len(items)} items; type {kind} has {_COUNTS[kind]}")
    if kind:
        return as_scalar(items[0], _TRANSACTION, "chainId", bytes_max=32)
    v = as_scalar(items[6], _TRANSACTION, "v", bytes_max=33)
    if v < _PROTECTED_FROM:
        raise Malformed(_TRANSACTION, "v", "is signed for no chain in particular (EIP-155 is needed)")
    return (v - _PROTECTED_FROM) // 2


def encode_receipt(rpc_receipt: Mapping[str, object]) -> bytes:
    """The bytes in the receipts trie of a receipt as JSON-RPC shows it. Raises `Malformed`."""
    logs: list[Encodable] = []
    for log in hexvalues.objects(rpc_receipt, "logs", _RECEIPT):
        topics = [
            hexvalues.as_data(topic, _RECEIPT, "topics", size=TOPIC_BYTES)
            for topic in hexvalues.array(log, "topics", _RECEIPT)
        ]
        address = hexvalues.data(log, "address", _RECEIPT, size=ADDRESS_BYTES)
        logs.append([address, topics, hexvalues.data(log, "data", _RECEIPT)])
    body = encode(
        [
            scalar(hexvalues.quantity(rpc_receipt, "status", _RECEIPT)),
            scalar(hexvalues.quantity(rpc_receipt, "cumulativeGasUsed", _RECEIPT)),
            hexvalues.data(rpc_receipt, "logsBloom", _RECEIPT, size=BLOOM_BYTES),
            logs,
        ]
    )
    return _envelope(_type(rpc_receipt, _RECEIPT), body)


def _type(values: Mapping[str, object], what: str) -> int:
    kind = 0 if values.get("type") is None else hexvalues.quantity(values, "type", what)
    if kind not in _COUNTS:
        raise Malformed(what, "type", f"{kind} is not legacy (0) or 1 to 4")
    return kind


def _envelope(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + body if kind else body


def encode_transaction(rpc_tx: Mapping[str, object]) -> bytes:
    """The bytes in the transactions trie of a transaction as JSON-RPC shows it; the caller compares its hash. Raises `Malformed`."""
    kind = _type(rpc_tx, _TRANSACTION)
    items: list[Encodable] = [_MEMBERS.get(name, _integer)(rpc_tx, name) for name in _FORMS[kind]]
    return _envelope(kind, encode(items))


def _integer(tx: Mapping[str, object], name: str) -> Encodable:
    return scalar(hexvalues.quantity(tx, name, _TRANSACTION))


def _to(tx: Mapping[str, object], name: str) -> Encodable:
    return b"" if tx.get(name) is None else hexvalues.data(tx, name, _TRANSACTION, size=ADDRESS_BYTES)


def _input(tx: Mapping[str, object], name: str) -> Encodable:
    return hexvalues.data(tx, name, _TRANSACTION)


def _parity(tx: Mapping[str, object], name: str) -> Encodable:
    return _integer(tx, name if tx.get(name) is not None else "v")


def _access_list(tx: Mapping[str, object], name: str) -> Encodable:
    made: list[Encodable] = []
    for entry in hexvalues.objects(tx, name, _TRANSACTION):
        keys = [
            hexvalues.as_data(key, _TRANSACTION, "storageKeys", size=32)
            for key in hexvalues.array(entry, "storageKeys", _TRANSACTION)
        ]
        made.append([hexvalues.data(entry, "address", _TRANSACTION, size=ADDRESS_BYTES), keys])
    return made


def _blob_hashes(tx: Mapping[str, object], name: str) -> Encodable:
    return [hexvalues.as_data(one, _TRANSACTION, name, size=32) for one in hexvalues.array(tx, name, _TRANSACTION)]


def _authorizations(tx: Mapping[str, object], name: str) -> Encodable:
    made: list[Encodable] = []
    for entry in hexvalues.objects(tx, name, _TRANSACTION):
        address = hexvalues.data(entry, "address", _TRANSACTION, size=ADDRESS_BYTES)
        signature = [_parity(entry, "yParity"), _integer(entry, "r"), _integer(entry, "s")]
        made.append([_integer(entry, "chainId"), address, _integer(entry, "nonce"), *signature])
    return made


_MEMBERS: Final[dict[str, Callable[[Mapping[str, object], str], Encodable]]] = {
    "to": _to,
    "input": _input,
    "yParity": _parity,
    "accessList": _access_list,
    "blobVersionedHashes": _blob_hashes,
    "authorizationList": _authorizations,
}
_CALL: Final = ("gas", "to", "value", "input")
_SIGNED: Final = ("yParity", "r", "s")
_FEES: Final = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas")
_FORMS: Final[dict[int, tuple[str, ...]]] = {
    0: ("nonce", "gasPrice", *_CALL, "v", "r", "s"),
    1: ("chainId", "nonce", "gasPrice", *_CALL, "accessList", *_SIGNED),
    2: (*_FEES, *_CALL, "accessList", *_SIGNED),
    3: (*_FEES, *_CALL, "accessList", "maxFeePerBlobGas", "blobVersionedHashes", *_SIGNED),
    4: (*_FEES, *_CALL, "accessList", "authorizationList", *_SIGNED),
}
