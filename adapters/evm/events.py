"""The events of our two contracts, and the facts they state. Read strictly: one encoding of every event, no byte free.

Source: Solidity's contract ABI specification, "Events" and "Strict Encoding Mode".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final

from adapters.evm.keccak import keccak256
from relay.core.errors import Malformed, Unverified
from relay.core.fields import IDENTIFIER
from relay.core.grants import parse_grant_statement
from relay.core.limits import TREE_SIZE_MAX

SIGNATURES: Final = MappingProxyType(
    {
        "Anchored": "Anchored(bytes32,address,string,uint64,bytes32)",
        "CheckpointAccepted": "CheckpointAccepted(bytes32,address,string,uint64,bytes32,uint64,uint64,bytes32)",
        "CustodyHead": "CustodyHead(bytes32,address,string,uint64,bytes32)",
        "GrantRecorded": "GrantRecorded(bytes32,bytes32,address,string,bool,bytes)",
    }
)
TOPICS: Final = MappingProxyType({name: keccak256(text.encode()) for name, text in SIGNATURES.items()})
"""Event name → its topic 0."""
STATEMENT_BYTES_MAX: Final = 8192
DATA_BYTES_MAX: Final = 16 * 1024
_WHAT: Final = "event"
_WORD: Final = 32
_NAMES: Final = {topic: name for name, topic in TOPICS.items()}


class _Data:
    """ABI-encoded values, read in their order in strict mode: every tail follows the one before, padding is zero."""

    def __init__(self, data: bytes, words: int) -> None:
        """`words`: how many values there are, each with one word in the head."""
        if len(data) % _WORD or not words * _WORD <= len(data) <= DATA_BYTES_MAX:
            raise Malformed(_WHAT, "data", f"{len(data)} bytes; must be whole words, {words} at least")
        self._data = data
        self._next = 0
        self._tail = words * _WORD

    def word(self) -> bytes:
        """bytes32."""
        self._next += _WORD
        return self._data[self._next - _WORD : self._next]

    def integer(self, field: str, *, low: int = 0, high: int = TREE_SIZE_MAX) -> int:
        """uint64 or bool within [low, high]."""
        value = int.from_bytes(self.word(), "big")
        if not low <= value <= high:
            raise Malformed(_WHAT, field, f"is outside {low} to {high}")
        return value

    def string(self, field: str, *, bytes_max: int) -> bytes:
        """String or bytes, of 1 to `bytes_max` bytes."""
        if int.from_bytes(self.word(), "big") != self._tail:
            raise Malformed(_WHAT, field, "does not stand where it must stand")
        size = int.from_bytes(self._data[self._tail : self._tail + _WORD], "big")
        start = self._tail + _WORD
        if not 1 <= size <= bytes_max or size > len(self._data) - start:
            raise Malformed(_WHAT, field, f"must have 1 to {bytes_max} bytes, and all of them")
        self._tail = start + -(-size // _WORD) * _WORD
        if any(self._data[start + size : self._tail]):
            raise Malformed(_WHAT, field, "is not padded with zeros")
        return self._data[start : start + size]

    def name(self, field: str, topic: bytes) -> str:
        """An origin or issuer: a string whose hash is the topic, visible ASCII without spaces."""
        raw = self.string(field, bytes_max=255)
        if keccak256(raw) != topic:
            raise Unverified(_WHAT, f"the topic is not the hash of the {field}")
        text = raw.decode("latin-1")
        if not IDENTIFIER.fullmatch(text):
            raise Malformed(_WHAT, field, "must be 1 to 255 visible ASCII characters")
        return text

    def done(self) -> None:
        """Nothing may follow."""
        if self._tail != len(self._data):
            raise Malformed(_WHAT, "data", "more follows the values")


def decode(address: bytes, topics: Sequence[bytes], data: bytes) -> dict[str, object]:
    """The fact that an event of our contracts states (docs/spec/ledger-evm.md). Raises `Malformed`, `Unverified`.

    `address` is the emitter's, 20 bytes, for the refusal's words: the caller has compared it with the pinned contract.
    """
    name = _NAMES.get(topics[0]) if topics else None
    if name is None:
        raise Unverified(_WHAT, f"0x{address.hex()} emitted an event that is none of ours")
    count, read = _READERS[name]
    if len(topics) != count:
        raise Malformed(_WHAT, "topics", f"{len(topics)} of them; {name} has {count}")
    return read(topics, data)


def _sender(topic: bytes) -> str:
    if any(topic[:12]):
        raise Malformed(_WHAT, "sender", "is not an address")
    return f"0x{topic[12:].hex()}"


def _facts(kind: str, values: _Data, topics: Sequence[bytes]) -> dict[str, object]:
    """The members that anchors, checkpoints and custody heads begin with."""
    return {
        "type": kind,
        "origin": values.name("origin", topics[1]),
        "size": values.integer("size", low=1),
        "root": values.word().hex(),
        "sender": _sender(topics[2]),
    }


def _anchored(topics: Sequence[bytes], data: bytes) -> dict[str, object]:
    values = _Data(data, 3)
    fact = _facts("anchor", values, topics)
    values.done()
    return fact


def _custody(topics: Sequence[bytes], data: bytes) -> dict[str, object]:
    values = _Data(data, 3)
    fact = _facts("custody", values, topics)
    values.done()
    return fact


def _checkpoint(topics: Sequence[bytes], data: bytes) -> dict[str, object]:
    values = _Data(data, 6)
    fact = _facts("checkpoint", values, topics)
    fact["old_size"] = values.integer("old_size")
    fact["attempt"] = values.integer("attempt")
    fact["source"] = {"proof": values.word().hex()}
    values.done()
    return fact


def _grant(topics: Sequence[bytes], data: bytes) -> dict[str, object]:
    """The statement is the lender's own word; an event that says otherwise than it is refused. Its signature is the caller's to check."""
    values = _Data(data, 3)
    issuer = values.name("issuer", topics[1])
    action = "revoke" if values.integer("revoke", high=1) else "register"
    raw = values.string("statement", bytes_max=STATEMENT_BYTES_MAX)
    values.done()
    statement = parse_grant_statement(raw)
    if (statement.iss, statement.action, statement.grant) != (issuer, action, topics[2].hex()):
        raise Unverified(_WHAT, "the statement is of another issuer, action or grant than the event")
    fact: dict[str, object] = {
        "type": "grant",
        "action": action,
        "grant": statement.grant,
        "issuer": issuer,
        "statement": statement.jws.token,
        "sender": _sender(topics[3]),
    }
    if statement.exp is not None:
        fact["exp"] = statement.exp
    return fact


_READERS: Final[dict[str, tuple[int, Callable[[Sequence[bytes], bytes], dict[str, object]]]]] = {
    # event → number of its topics, and its reader
    "Anchored": (3, _anchored),
    "CheckpointAccepted": (3, _checkpoint),
    "CustodyHead": (3, _custody),
    "GrantRecorded": (4, _grant),
}
