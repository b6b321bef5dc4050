"""Values as Ethereum's JSON-RPC writes them, read strictly (execution-apis, "Hex value encoding")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from relay.core.errors import Malformed

_DATA: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_QUANTITY: Final = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})")


def data(values: Mapping[str, object], name: str, what: str, *, size: int | None = None) -> bytes:
    """Bytes: two hex digits each. Raises `Malformed`."""
    return as_data(values.get(name), what, name, size=size)


def as_data(value: object, what: str, field: str, *, size: int | None = None) -> bytes:
    """One value as bytes. Raises `Malformed`."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise Malformed(what, field, "must be 0x and two hex digits for each byte")
    raw = bytes.fromhex(value[2:])
    if size is not None and len(raw) != size:
        raise Malformed(what, field, f"{len(raw)} bytes; must be {size}")
    return raw


def quantity(values: Mapping[str, object], name: str, what: str) -> int:
    """An unsigned integer of at most 32 bytes, without leading zeros. Raises `Malformed`."""
    value = values.get(name)
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise Malformed(what, name, "must be 0x and hex digits without leading zeros")
    return int(value, 16)


def array(values: Mapping[str, object], name: str, what: str) -> list[object]:
    """A JSON array of any values. Raises `Malformed`."""
    value = values.get(name)
    if not isinstance(value, list):
        raise Malformed(what, name, "must be an array")
    return value


def objects(values: Mapping[str, object], name: str, what: str) -> list[dict[str, object]]:
    """A JSON array of objects. Raises `Malformed`."""
    made: list[dict[str, object]] = []
    for value in array(values, name, what):
        if not isinstance(value, dict):
            raise Malformed(what, name, "must hold objects")
        made.append(value)
    return made
