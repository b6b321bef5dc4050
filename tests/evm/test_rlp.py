"""RLP: one spelling for every item, agreed with the `rlp` library, and no bytes that end in anything but a refusal."""

from __future__ import annotations

import random
from typing import Any

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.evm.rlp import DEPTH_MAX, as_scalar, decode, decode_list, encode, scalar
from relay.core.errors import Malformed

ITEMS: st.SearchStrategy[Any] = st.recursive(
    st.binary(max_size=80), lambda inner: st.lists(inner, max_size=5), max_leaves=20
)


def ours(data: bytes) -> Any:
    """None for what is refused."""
    try:
        return decode(data, what="item", bytes_max=10_000)
    except Malformed:
        return None


def theirs(data: bytes) -> Any:
    try:
        return rlp.decode(data, strict=True)
    except (rlp.exceptions.DecodingError, IndexError):
        return None


@given(ITEMS)
@settings(max_examples=400, deadline=None)
def test_every_item_is_written_as_the_library_writes_it_and_read_back(item: Any) -> None:
    data = encode(item)
    assert data == rlp.encode(item)
    assert ours(data) == item


@given(st.binary(min_size=1, max_size=64))
@settings(max_examples=2000, deadline=None)
def test_random_bytes_are_refused_or_mean_the_same_to_the_library(data: bytes) -> None:
    item = ours(data)
    assert item == theirs(data)
    if item is not None:
        assert encode(item) == data


def test_every_flip_of_a_nested_item_agrees_with_the_library() -> None:
    data = rlp.encode([b"\x01", b"cat", [b"", [b"\x80", b"x" * 60]], b"y" * 300])
    chance = random.Random(1)
    for at in range(len(data)):
        for value in {0, 0x7F, 0x80, 0x81, 0xB7, 0xB8, 0xC0, 0xF7, 0xF8, 0xFF, chance.randrange(256)}:
            changed = data[:at] + bytes([value]) + data[at + 1 :]
            assert ours(changed) == theirs(changed)


@pytest.mark.parametrize(
    "data",
    ["", "8101", "817f", "b80161", "b90038" + "61" * 56, "b837" + "61" * 55, "f800", "f7", "83646f", "c28361", "c18161", "b8",
     "bfffffffffffffffff", "ffffffffffffffffff", "6161", "c0c0", "c281"],
)  # fmt: skip
def test_other_spellings_and_lengths_that_lie_are_refused(data: str) -> None:
    with pytest.raises(Malformed):
        decode(bytes.fromhex(data), what="item", bytes_max=10_000)


def test_lists_deeper_than_the_limit_are_refused_without_a_deep_stack() -> None:
    deep: Any = b""
    for _ in range(DEPTH_MAX):
        deep = [deep]
    assert ours(encode(deep)) == deep
    assert ours(encode([deep])) is None
    assert ours(b"\xc1" * 5000 + b"\xc0") is None
    nested = b"\xc0"
    for _ in range(3000):
        nested = rlp_prefix(len(nested)) + nested
    assert ours(nested) is None


def rlp_prefix(size: int) -> bytes:
    if size <= 55:
        return bytes([0xC0 + size])
    length = scalar(size)
    return bytes([0xF7 + len(length)]) + length


def test_bounds_come_before_content() -> None:
    with pytest.raises(Malformed, match="1 to 10"):
        decode(b"\x8a" + bytes(10), what="item", bytes_max=10)
    with pytest.raises(Malformed, match="must be a list"):
        decode_list(b"\x83cat", what="item", bytes_max=10)


@given(st.integers(min_value=0, max_value=2**256 - 1))
def test_integers_have_one_spelling(value: int) -> None:
    assert rlp.encode(value) == encode(scalar(value))
    assert as_scalar(scalar(value), "n", "n", bytes_max=32) == value
    for other in (b"\x00" + scalar(value), b"\x01" + bytes(32), [scalar(value)]):
        with pytest.raises(Malformed):
            as_scalar(other, "n", "n", bytes_max=32)
