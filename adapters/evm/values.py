"""Values in a node's JSON answers: one spelling each, bounded, refused as the node's fault (`Unavailable`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from relay.core.errors import Unavailable

HASH_BYTES: Final = 32
ADDRESS_BYTES: Final = 20
_QUANTITY: Final = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})")
_OCTETS: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


def quantity(value: object, what: str) -> int:
    """A number such as 0x1f, below 2^256. Raises `Unavailable`, as all readers here."""
    if not isinstance(value, str) or _QUANTITY.fullmatch(value) is None:
        raise Unavailable(f"the node's answer is unusable: {what} is no quantity")
    return int(value, 16)


def octets(value: object, what: str, size: int | None = None) -> bytes:
    """Bytes as 0x and pairs of hex digits; exactly `size` of them where it is given."""
    if not isinstance(value, str) or _OCTETS.fullmatch(value) is None:
        raise Unavailable(f"the node's answer is unusable: {what} is no byte string")
    data = bytes.fromhex(value[2:])
    if size is not None and len(data) != size:
        raise Unavailable(f"the node's answer is unusable: {what} has {len(data)} bytes, not {size}")
    return data


def hash32(value: object, what: str) -> bytes:
    """32 bytes."""
    return octets(value, what, HASH_BYTES)


def mapping(value: object, what: str) -> Mapping[str, object]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise Unavailable(f"the node's answer is unusable: {what} is no object")
    return value


def array(value: object, what: str) -> list[object]:
    """A JSON array."""
    if not isinstance(value, list):
        raise Unavailable(f"the node's answer is unusable: {what} is no array")
    return value


def hexed(data: bytes) -> str:
    """Bytes as the node reads them."""
    return "0x" + data.hex()
