"""What a mapping may say, and how one event is read: one encoding of each, and every mistake by table and key."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from adapters.evm.declaration import (
    DECLARATION_CHARS_MAX,
    FIELDS_MAX,
    EventDeclaration,
    Misdeclared,
    parse_declaration,
)
from adapters.evm.keccak import keccak256
from adapters.evm.mapping import MAPPINGS_MAX, EventMapping, read_mappings
from relay.core.errors import Malformed
from tests.projection.contract import EVENT, TOPIC, table

ADDRESS = bytes(range(20))
CHAIN = 31337
STATIC = ("bool", "address", "uint8", "uint64", "uint256", "int8", "int256", "bytes1", "bytes32")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "address": st.binary(min_size=20, max_size=20).map(lambda b: "0x" + b.hex()),
    "uint8": st.integers(0, 255),
    "uint64": st.integers(0, 2**64 - 1),
    "uint256": st.integers(0, 2**256 - 1),
    "int8": st.integers(-128, 127),
    "int256": st.integers(-(2**255), 2**255 - 1),
    "bytes1": st.binary(min_size=1, max_size=1),
    "bytes32": st.binary(min_size=32, max_size=32),
    "string": st.text(st.characters(codec="utf-8"), max_size=40),
    "bytes": st.binary(max_size=70),
    "uint64[]": st.lists(st.integers(0, 2**64 - 1), max_size=4),
    "string[2]": st.lists(st.text(st.characters(codec="utf-8"), max_size=5), min_size=2, max_size=2),
}


def mapping(**more: object) -> EventMapping:
    (read,) = read_mappings([table(ADDRESS, **more)], CHAIN)
    return read


def declared(text: str) -> EventDeclaration:
    return parse_declaration(text, "configuration", "event")


@pytest.mark.parametrize(
    ("text", "one", "signature"),
    [
        (EVENT, EVENT, "RecordStored(bytes32,bytes32,uint64)"),
        ("E( uint  indexed a ,int b)", "E(uint256 indexed a, int256 b)", "E(uint256,int256)"),
        ("E(bytes32,string indexed,uint8[] x,address[3])",) * 2 + ("E(bytes32,string,uint8[],address[3])",),
        ("_$9(bool b)", "_$9(bool b)", "_$9(bool)"),
    ],
)
def test_declaration_has_one_spelling_and_the_topic_of_its_types(text: str, one: str, signature: str) -> None:
    read = declared(text)
    assert read.text.replace(", ", ",") == one.replace(", ", ",")
    assert declared(read.text) == read
    assert read.topic == keccak256(signature.encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "E",
        "E()",
        "E(uint)x",
        "event E(uint a)",
        "E(uint a);",
        "E(uint7 a)",
        "E(uint264 a)",
        "E(bytes0 a)",
        "E(bytes33 a)",
        "E(uint08 a)",
        "E(bytes32 a, bytes32 a)",
        "E(bytes32 indexed)x(",
        "E((uint a) b)",
        "E(uint[][] a)",
        "E(uint[0] a)",
        "E(uint[01] a)",
        "E(uint[9999] a)",
        "E(mapping a)",
        "E(address payable a)",
        "E(bytes32 a b)",
        "E(bytes32 indexed indexed)",
        "E(bytes32 é)",
        "9E(uint a)",
        "E(uint indexed a, uint indexed b, uint indexed c, uint indexed d)",
        "E(" + ",".join(["uint"] * (FIELDS_MAX + 1)) + ")",
        "E(" + " " * DECLARATION_CHARS_MAX + "uint a)",
    ],
)
def test_what_is_no_declaration_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="configuration: event: "):
        declared(text)


@given(st.data())
def test_every_encoding_of_solidity_is_read_and_no_other(data: st.DataObject) -> None:
    types = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5))
    values = [data.draw(VALUES[kind]) for kind in types]
    event = declared("E(" + ", ".join(f"{kind} f{i}" for i, kind in enumerate(types)) + ")")
    encoded = encode(types, values)
    found = event.decode([event.topic], encoded)
    for i, (kind, value) in enumerate(zip(types, values, strict=True)):
        if kind in STATIC:
            assert found[f"f{i}"] == encode([kind], [value])
        elif kind in ("string", "bytes"):
            assert found[f"f{i}"] == keccak256(value.encode() if isinstance(value, str) else value)
        else:
            assert f"f{i}" not in found
    for wrong in (encoded[:-1], encoded + bytes(32), encoded[:-32]):
        with pytest.raises(Malformed):
            event.decode([event.topic], wrong)


@given(st.data())
def test_an_altered_byte_is_another_value_or_refused(data: st.DataObject) -> None:
    """Never the same event twice under two encodings."""
    event = declared("E(uint64 a, string b, bytes32 c)")
    encoded = encode(["uint64", "string", "bytes32"], [7, "text", bytes(32)])
    at = data.draw(st.integers(0, len(encoded) - 1))
    changed = bytearray(encoded)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        found = event.decode([event.topic], bytes(changed))
    except Malformed:
        return
    assert found != event.decode([event.topic], encoded)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    event = declared("E(uint64 a, string[] b, bytes c)")
    try:
        event.decode([event.topic], data)
    except Malformed:
        return


@pytest.mark.parametrize(("kind", "topic"), [("uint8", b"\x01" + bytes(31)), ("address", b"\xff" * 32)])
def test_topic_that_is_no_value_of_its_type_is_refused(kind: str, topic: bytes) -> None:
    event = declared(f"E({kind} indexed a)")
    with pytest.raises(Malformed, match="event: a: is no encoding"):
        event.decode([event.topic, topic], b"")


def test_indexed_text_is_its_hash_and_the_same_as_in_the_data() -> None:
    topic, other = declared("E(string indexed a)"), declared("E(string a)")
    hashed = keccak256("借据".encode())
    assert topic.decode([topic.topic, hashed], b"") == {"a": hashed}
    assert other.decode([other.topic], encode(["string"], ["借据"])) == {"a": hashed}


def test_other_number_of_indexed_fields_is_a_wrong_declaration() -> None:
    with pytest.raises(Misdeclared, match="2 indexed fields in the contract, 1 in the declaration"):
        declared(EVENT).decode([TOPIC, bytes(32), bytes(32)], bytes(32))


def test_mapping_reads_an_event() -> None:
    read = mapping().read(
        [TOPIC, b"l" * 32],
        b"d" * 32 + (5).to_bytes(32, "big"),
        height=3,
        block_hash=b"b" * 32,
        log=2,
        time_s=9,
    )
    assert (read.dossier, read.digest, read.time, read.place) == (b"l" * 32, b"d" * 32, 5, (3, 2))
    assert read.emitter == f"eip155:{CHAIN}:0x{ADDRESS.hex()}"


def test_mappings_text_says_all_of_it_in_one_spelling() -> None:
    spaced = mapping(event="RecordStored( bytes32  indexed loan,bytes32 digest,uint64 time )", from_block=1)
    assert spaced.source == mapping().source
    assert mapping(from_block=7).source.text != mapping().source.text
    assert mapping(from_block=7).source.start == 7


@pytest.mark.parametrize(
    ("change", "key", "told"),
    [
        ({"address": None}, "address", "must be given as a string"),
        ({"address": "0xAB"}, "address", "40 lower-case hex digits"),
        ({"event": 5}, "event", "must be given as a string"),
        ({"event": "RecordStored"}, "event", "as Solidity declares it"),
        ({"event": "E(uint7 x)"}, "event", "'uint7 x' is no field"),
        ({"digest": "hash"}, "digest", "'hash' is no field of RecordStored; named are loan, digest, time"),
        ({"digest": "time"}, "digest", "time is of type uint64; the field with the record's digest; of type bytes32"),
        ({"dossier": ""}, "dossier", "must be given as a string"),
        ({"time": "loan"}, "time", "loan is of type bytes32; the field with the time, an unsigned integer"),
        ({"from_block": -1}, "from_block", "a whole number from 0"),
        ({"from_block": True}, "from_block", "a whole number from 0"),
        ({"from_block": None}, "from_block", "a whole number from 0"),
        ({"chain": 1}, "chain", "is unknown; known are address, event, digest, dossier, time, from_block"),
    ],
)
def test_wrong_key_is_one_line_that_names_table_and_key(change: dict[str, object], key: str, told: str) -> None:
    good = table(ADDRESS, event="Good(bytes32 digest, bytes32 loan, uint64 time)")
    with pytest.raises(Malformed) as refusal:
        read_mappings([good, {k: v for k, v in {**table(ADDRESS), **change}.items() if v is not None}], CHAIN)
    assert str(refusal.value).startswith(f"configuration: projection[1].{key}: ")
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_one_event_of_one_contract_is_mapped_once() -> None:
    with pytest.raises(
        Malformed, match=r"projection\[1\]\.event: of that contract is mapped by projection\[0\] already"
    ):
        read_mappings([table(ADDRESS), table(ADDRESS, from_block=9)], CHAIN)


@pytest.mark.parametrize("count", [0, MAPPINGS_MAX + 1])
def test_tables_have_a_limit(count: int) -> None:
    tables = [table(bytes([i]) * 20) for i in range(count)]
    with pytest.raises(Malformed, match="must be 1 to 16"):
        read_mappings(tables, CHAIN)
