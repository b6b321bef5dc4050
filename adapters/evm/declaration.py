"""A lender's own event: its declaration as Solidity writes it, and one log of it read strictly: one encoding, no byte free.

Source: Solidity's contract ABI specification, "Events", "Encoding of Indexed Event Parameters" and "Strict Encoding Mode".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from adapters.evm.events import DATA_BYTES_MAX
from adapters.evm.keccak import keccak256
from relay.core.errors import Malformed

DECLARATION_CHARS_MAX: Final = 512
FIELDS_MAX: Final = 16
INDEXED_MAX: Final = 3
ARRAY_MAX: Final = 512
"""Elements of an array of a fixed length; it has to fit into an event's data."""
WORD: Final = 32
_WHAT: Final = "event"
_NAME: Final = r"[A-Za-z_$][A-Za-z0-9_$]{0,63}"
_DECLARATION: Final = re.compile(rf"({_NAME})\((.*)\)", re.DOTALL)
_FIELD: Final = re.compile(rf"([a-z]+[0-9]*)(\[[0-9]*\])?( indexed)?( {_NAME})?")
_NUMBER: Final = re.compile(r"(u?int)([1-9][0-9]*)")
_BYTES: Final = re.compile(r"bytes([1-9][0-9]?)")
_ALIASES: Final = {"uint": "uint256", "int": "int256"}
_DYNAMIC: Final = ("string", "bytes")


class Misdeclared(Malformed):
    """The contract's event is not as declared: nothing of it can be read before the declaration is corrected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One argument; `name` may be empty. `type` is the ABI's own spelling."""

    name: str
    type: str
    indexed: bool

    @property
    def static(self) -> bool:
        """One word, in data or as a topic."""
        return self.type not in _DYNAMIC and not self.type.endswith("]")

    @property
    def hashed(self) -> bool:
        """As a topic it is a hash."""
        return self.indexed and not self.static

    def words(self) -> str:
        """As it stands in a declaration."""
        return self.type + (" indexed" if self.indexed else "") + (f" {self.name}" if self.name else "")


@dataclass(frozen=True, kw_only=True)
class EventDeclaration:
    """An event's name and fields."""

    name: str
    fields: tuple[Field, ...]

    @cached_property
    def topic(self) -> bytes:
        """Topic 0."""
        return keccak256(f"{self.name}({','.join(field.type for field in self.fields)})".encode())

    @property
    def text(self) -> str:
        """The one spelling."""
        return f"{self.name}({', '.join(field.words() for field in self.fields)})"

    def field(self, name: str) -> Field | None:
        """By its name."""
        return next((one for one in self.fields if one.name and one.name == name), None)

    def decode(self, topics: Sequence[bytes], data: bytes) -> dict[str, bytes]:
        """Named field → its word: the value as the ABI has it in 32 bytes; of text, bytes and arrays the Keccak-256 of an indexed
        one, or of the content of text and bytes. Unnamed fields and arrays in the data are checked and left out.

        Raises `Misdeclared` when the declaration has other indexed fields, `Malformed` for an encoding that is not the canonical one.
        """
        indexed = [one for one in self.fields if one.indexed]
        plain = [one for one in self.fields if not one.indexed]
        if len(topics) != 1 + len(indexed):
            reason = (
                f"{self.name} has {len(topics) - 1} indexed fields in the contract, {len(indexed)} in the declaration"
            )
            raise Misdeclared("configuration", "event", reason)
        found: dict[str, bytes] = {}
        for one, topic in zip(indexed, topics[1:], strict=True):
            if not one.hashed:
                _values([one.type], topic, one.name or one.type)
            found[one.name] = topic
        for one, value in zip(plain, _values([one.type for one in plain], data, "data"), strict=True):
            if one.type in _DYNAMIC:
                found[one.name] = keccak256(value.encode() if isinstance(value, str) else value)
            elif one.static:
                found[one.name] = _encoded([one.type], [value])
        found.pop("", None)
        return found


def _values(types: Sequence[str], data: bytes, field: str) -> tuple[Any, ...]:
    """Decoded values of the canonical encoding. Raises `Malformed`."""
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    if len(data) > DATA_BYTES_MAX:
        raise Malformed(_WHAT, field, f"{len(data)} bytes; at most {DATA_BYTES_MAX}")
    try:
        values = tuple(decode(types, data))
    except (DecodingError, OverflowError, ValueError):
        raise Malformed(_WHAT, field, f"is no encoding of ({','.join(types)})") from None
    if _encoded(types, values) != data:
        raise Malformed(_WHAT, field, f"is not the canonical encoding of ({','.join(types)})")
    return values


def _encoded(types: Sequence[str], values: Sequence[object]) -> bytes:
    from eth_abi.abi import encode

    return encode(types, values)


def parse_declaration(text: str, what: str, field: str) -> EventDeclaration:
    """Read `Name(type indexed name, …)`, spaces as wanted. Raises `Malformed` at (what, field)."""

    def refuse(reason: str) -> Malformed:
        return Malformed(what, field, reason)

    if not text.isascii() or len(text) > DECLARATION_CHARS_MAX:
        raise refuse(f"must be at most {DECLARATION_CHARS_MAX} ASCII characters")
    match = _DECLARATION.fullmatch(text)
    if match is None:
        raise refuse(
            "must be an event as Solidity declares it, such as RecordStored(bytes32 indexed loan, bytes32 digest)"
        )
    parts = [" ".join(part.split()) for part in match[2].split(",")]
    if len(parts) > FIELDS_MAX:
        raise refuse(f"{len(parts)} fields; at most {FIELDS_MAX}")
    fields = []
    for part in parts:
        read = _FIELD.fullmatch(part)
        kind = None if read is None else _type(read[1], read[2])
        if read is None or kind is None:
            raise refuse(f"{part[:60]!a} is no field of an elementary type or of an array of one")
        fields.append(Field(name=(read[4] or "").strip(), type=kind, indexed=bool(read[3])))
    if sum(one.indexed for one in fields) > INDEXED_MAX:
        raise refuse(f"an event has at most {INDEXED_MAX} indexed fields")
    names = [one.name for one in fields if one.name]
    if len(set(names)) != len(names) or "indexed" in names:
        raise refuse("every field must have a name of its own")
    return EventDeclaration(name=match[1], fields=tuple(fields))


def _type(name: str, array: str | None) -> str | None:
    """The ABI's spelling; None for what is no type here."""
    name = _ALIASES.get(name, name)
    number, octets = _NUMBER.fullmatch(name), _BYTES.fullmatch(name)
    known = name in ("address", "bool", *_DYNAMIC)
    known = known or (number is not None and int(number[2]) <= 256 and int(number[2]) % 8 == 0)
    known = known or (octets is not None and int(octets[1]) <= WORD)
    if not known:
        return None
    size = (array or "[]")[1:-1]
    if size and (size.startswith("0") or int(size) > ARRAY_MAX):
        return None
    return name + (array or "")
