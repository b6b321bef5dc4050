"""Events: our strict decoder against eth_abi, and every event that only looks like one of ours."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import decode as abi_decode
from eth_abi import encode as abi_encode
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.evm.events import SIGNATURES, TOPICS, decode
from adapters.evm.keccak import keccak256
from relay.core.errors import Malformed, Unverified
from relay.core.limits import TREE_SIZE_MAX
from tests.evm.making import (
    CONTRACT,
    LENDER,
    ORIGIN,
    SENDER,
    TIME_S,
    TREE_ROOT,
    anchored,
    checkpoint_accepted,
    facts_data,
    grant_recorded,
    statement,
    word,
)

ORIGINS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)
SIZES = st.integers(min_value=1, max_value=TREE_SIZE_MAX)
HASHES = st.binary(min_size=32, max_size=32)
FACTS = ["string", "uint64", "bytes32"]


def refused(log: Any) -> str:
    with pytest.raises((Malformed, Unverified)) as refusal:
        decode(*log)
    return str(refusal.value)


def test_keccak_is_ethereums() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"Transfer(address,address,uint256)").hex().startswith("ddf252ad1be2c89b69c2b068fc378daa")
    assert set(SIGNATURES) == set(TOPICS)


@given(ORIGINS, SIZES, HASHES)
@settings(max_examples=500, deadline=None)
def test_anchor_means_what_the_library_reads(origin: str, size: int, root: bytes) -> None:
    data = abi_encode(FACTS, [origin, size, root])
    topics = [TOPICS["Anchored"], keccak256(origin.encode()), word(SENDER)]
    fact = decode(CONTRACT, topics, data)
    assert (fact["origin"], fact["size"], bytes.fromhex(str(fact["root"]))) == abi_decode(FACTS, data, strict=True)
    assert (fact["type"], fact["sender"]) == ("anchor", f"0x{SENDER.hex()}")
    assert {**decode(CONTRACT, [TOPICS["CustodyHead"], *topics[1:]], data), "type": "anchor"} == fact


def test_facts_have_exactly_these_members() -> None:
    head = {"origin": ORIGIN, "size": 5, "root": TREE_ROOT.hex(), "sender": f"0x{SENDER.hex()}"}
    assert decode(*anchored()) == {"type": "anchor", **head}
    assert decode(*anchored(event="CustodyHead")) == {"type": "custody", **head}
    source = {"proof": "55" * 32}
    assert decode(*checkpoint_accepted()) == {
        "type": "checkpoint",
        **head,
        "old_size": 3,
        "attempt": 2,
        "source": source,
    }
    said = {"type": "grant", "grant": "07" * 32, "issuer": LENDER, "sender": f"0x{SENDER.hex()}"}
    register = {**said, "action": "register", "statement": statement(), "exp": TIME_S + 1000}
    assert decode(*grant_recorded()) == register
    assert decode(*grant_recorded("revoke")) == {**said, "action": "revoke", "statement": statement("revoke")}


@given(st.binary(max_size=700))
@settings(max_examples=1000, deadline=None)
def test_random_data_ends_in_a_refusal(data: bytes) -> None:
    for log in (anchored(), checkpoint_accepted(), grant_recorded()):
        refused([log[0], log[1], data])


def test_every_byte_of_data_counts() -> None:
    """One byte changed is refused or another fact: never the same fact in other bytes."""
    for log in (
        anchored(),
        checkpoint_accepted(),
        grant_recorded(),
        anchored(origin="x" * 32),
        anchored(origin="x" * 33),
    ):
        address, topics, data = log
        good = decode(*log)
        for at in range(len(data)):
            for value in (data[at] ^ 1, data[at] ^ 0x80, 0, 0xFF):
                if value == data[at]:
                    continue
                try:
                    assert decode(address, topics, data[:at] + bytes([value]) + data[at + 1 :]) != good
                except (Malformed, Unverified):
                    continue
        for other in (data[:-32], data + bytes(32), data[:-1], data + b"\0", b"", bytes(32) + data):
            refused([address, topics, other])


def relocated(offset: int) -> bytes:
    """The same values with the string elsewhere: an encoder in loose mode may do so, and eth_abi reads it."""
    data = facts_data(ORIGIN, 5, TREE_ROOT)
    return offset.to_bytes(32, "big") + data[32:96] + bytes(offset - 96) + data[96:]


def test_loose_encodings_that_a_library_reads_are_refused() -> None:
    log = anchored()
    assert relocated(96) == log[2]
    for offset in (128, 160):
        assert abi_decode(FACTS, relocated(offset))[0] == ORIGIN
        assert "where it must" in refused([log[0], log[1], relocated(offset)])


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_wrong_number_of_topics_is_refused(count: int) -> None:
    for log, right in ((anchored(), 3), (checkpoint_accepted(), 3), (grant_recorded(), 4)):
        topics = [*log[1], bytes(32)][:count]
        if count != right:
            refused([log[0], topics, log[2]])


def test_events_of_other_names_are_refused() -> None:
    address, topics, data = anchored()
    for name in (
        "Anchored(bytes32,address,string,uint256,bytes32)",
        "anchored(bytes32,address,string,uint64,bytes32)",
        "",
    ):
        assert "none of ours" in refused([address, [keccak256(name.encode()), *topics[1:]], data])
    assert "none of ours" in refused([address, [], data])
    refused([address, [TOPICS["CheckpointAccepted"], *topics[1:]], data])
    refused([address, [TOPICS["Anchored"], *topics[1:]], checkpoint_accepted()[2]])


def test_topics_that_say_otherwise_than_the_data_are_refused() -> None:
    address, topics, data = anchored()
    assert "hash of the origin" in refused([address, [topics[0], keccak256(b"other"), topics[2]], data])
    assert "not an address" in refused([address, [*topics[:2], b"\x01" + topics[2][1:]], data])
    address, topics, data = grant_recorded()
    assert "hash of the issuer" in refused([address, [topics[0], keccak256(b"other"), *topics[2:]], data])
    assert "another issuer, action or grant" in refused([address, [*topics[:2], b"\x08" * 32, topics[3]], data])


@pytest.mark.parametrize(
    ("origin", "size"),
    [("", 5), ("a b", 5), ("ä", 5), ("x\n", 5), ("x" * 256, 5), ("x", 0), ("x", TREE_SIZE_MAX + 1), ("x", 2**64 - 1)],
)
def test_origins_and_sizes_that_no_log_has_are_refused(origin: str, size: int) -> None:
    topics = [TOPICS["Anchored"], keccak256(origin.encode()), word(SENDER)]
    refused([CONTRACT, topics, facts_data(origin, size, TREE_ROOT)])


def test_numbers_beyond_their_type_are_refused() -> None:
    wide = abi_encode(["string", "uint256", "bytes32"], [ORIGIN, 2**64 + 5, TREE_ROOT])
    refused([*anchored()[:2], wide])
    address, topics, data = grant_recorded()
    assert data[63] == 0
    refused([address, topics, data[:63] + b"\x02" + data[64:]])


def test_statement_that_says_otherwise_than_its_event_is_refused() -> None:
    for log in (
        grant_recorded("revoke", said=statement("register")),
        grant_recorded("register", said=statement("revoke")),
        grant_recorded(said=statement(grant=b"\x08" * 32)),
    ):
        assert "another issuer, action or grant" in refused(log)
    for said in ("x", "a.b.c", statement()[:-1], statement() + "A", "x" * 8193):
        refused(grant_recorded(said=said))
