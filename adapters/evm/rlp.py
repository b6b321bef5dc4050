"""Recursive length prefix, in its one canonical spelling (Ethereum yellow paper, appendix B).

An item is a byte string or a list of items. What `decode` accepts, `encode` writes back to the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from relay.core.errors import Malformed

Item: TypeAlias = "bytes | list[Item]"
Encodable: TypeAlias = "bytes | Sequence[Encodable]"

DEPTH_MAX: Final = 16
"""Lists inside one another: a trie node with its embedded nodes, an access list, a receipt all stay far below."""
_STRING: Final = 0x80
_LIST: Final = 0xC0
_SHORT_MAX: Final = 55


def decode(data: bytes, *, what: str, bytes_max: int) -> Item:
    """Exactly one item. Raises `Malformed` for every spelling but the canonical one, and for what is deeper than DEPTH_MAX."""
    if not 0 < len(data) <= bytes_max:
        raise Malformed(what, "", f"{len(data)} bytes; must be 1 to {bytes_max}")
    item, end = _item(data, 0, len(data), what, 0)
    if end != len(data):
        raise Malformed(what, f"byte {end}", "more follows the RLP item")
    return item


def decode_list(data: bytes, *, what: str, bytes_max: int) -> list[Item]:
    """Exactly one list. Raises `Malformed`."""
    return as_list(decode(data, what=what, bytes_max=bytes_max), what, "")


def as_bytes(item: Item, what: str, field: str, *, size: int | None = None) -> bytes:
    """A byte string, of that many bytes when `size` is given. Raises `Malformed`."""
    if not isinstance(item, bytes):
        raise Malformed(what, field, "must be a byte string, not a list")
    if size is not None and len(item) != size:
        raise Malformed(what, field, f"{len(item)} bytes; must be {size}")
    return item


def as_list(item: Item, what: str, field: str) -> list[Item]:
    """A list. Raises `Malformed`."""
    if not isinstance(item, list):
        raise Malformed(what, field, "must be a list, not a byte string")
    return item


def as_scalar(item: Item, what: str, field: str, *, bytes_max: int) -> int:
    """An unsigned integer: big-endian without leading zeros, zero is empty. Raises `Malformed`."""
    data = as_bytes(item, what, field)
    if len(data) > bytes_max:
        raise Malformed(what, field, f"an integer of {len(data)} bytes; at most {bytes_max}")
    if data[:1] == b"\x00":
        raise Malformed(what, field, "is an integer with a leading zero")
    return int.from_bytes(data, "big")


def scalar(value: int) -> bytes:
    """The inverse of `as_scalar`: the byte string of a non-negative integer."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def encode(item: Encodable) -> bytes:
    """The canonical bytes of an item."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < _STRING:
            return item
        return _prefix(_STRING, len(item)) + item
    body = b"".join(map(encode, item))
    return _prefix(_LIST, len(body)) + body


def _prefix(base: int, size: int) -> bytes:
    if size <= _SHORT_MAX:
        return bytes([base + size])
    length = scalar(size)
    return bytes([base + _SHORT_MAX + len(length)]) + length


def _item(data: bytes, at: int, limit: int, what: str, depth: int) -> tuple[Item, int]:
    """The item that begins at `at` (below `limit`), and where it ends."""
    first = data[at]
    if first < _STRING:
        return data[at : at + 1], at + 1
    base = _STRING if first < _LIST else _LIST
    start, end = _span(data, at, limit, base, what)
    if base == _STRING:
        text = data[start:end]
        if len(text) == 1 and text[0] < _STRING:
            raise Malformed(what, f"byte {at}", "is not canonical RLP: a byte below 128 stands for itself")
        return text, end
    if depth == DEPTH_MAX:
        raise Malformed(what, f"byte {at}", f"holds more than {DEPTH_MAX} lists inside one another")
    items: list[Item] = []
    while start < end:
        item, start = _item(data, start, end, what, depth + 1)
        items.append(item)
    return items, end


def _span(data: bytes, at: int, limit: int, base: int, what: str) -> tuple[int, int]:
    """Where an item's content begins and ends."""
    start, size = at + 1, data[at] - base
    if size > _SHORT_MAX:
        length = data[start : min(start + size - _SHORT_MAX, limit)]
        start += size - _SHORT_MAX
        size = int.from_bytes(length, "big")
        if length[:1] == b"\x00" or size <= _SHORT_MAX:
            raise Malformed(what, f"byte {at}", "is not canonical RLP: a longer length than needed")
    if start > limit or size > limit - start:
        raise Malformed(what, f"byte {at}", "says that it is longer than what there is")
    return start, start + size
