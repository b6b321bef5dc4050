"""Thousands of altered proofs that show nothing: no byte of a proof is free, and random ones end in a refusal."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.evm.header import encode_header, parse_header
from adapters.evm.proof import ATTESTED
from adapters.evm.receipts import chain_id, encode_receipt, encode_transaction, parse_receipt
from adapters.evm.seals import parse_extra
from relay.core.base64strict import b64decode, b64encode
from relay.core.canonical import dumps
from relay.core.errors import Malformed
from relay.core.ledgerproof import LedgerProof
from tests.evm.checking import VERIFY, altered, member, proofs, refused
from tests.evm.making import (
    LEDGER,
)


def flipped(data: bytes, at: int, mask: int) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def flips(proof: LedgerProof) -> Iterator[LedgerProof]:
    """Every byte of the header, of every node and of the attestation, one bit each."""
    chance = random.Random(5)
    header = b64decode(member(proof, "header"), what="", field="")
    for at in range(len(header)):
        yield altered(proof, header=b64encode(flipped(header, at, 1 << chance.randrange(8))))
    for name in ("receipt_path", "tx_path"):
        nodes = [b64decode(node, what="", field="") for node in member(proof, name)]
        for i, node in enumerate(nodes):
            for at in range(0, len(node), 1 if len(node) < 200 else 3):
                changed = [*nodes[:i], flipped(node, at, 1 << chance.randrange(8)), *nodes[i + 1 :]]
                yield altered(proof, **{name: [b64encode(one) for one in changed]})
    if proof.kind == ATTESTED:
        text = member(proof, "attestation")
        for at in range(len(text)):
            yield altered(proof, attestation=text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :])


@pytest.mark.parametrize("number", range(3))
def test_every_flipped_byte_of_every_part_is_refused(number: int) -> None:
    proof = proofs()[number]
    done = 0
    for other in flips(proof):
        refused(other)
        done += 1
    assert done > 1000


@pytest.mark.parametrize("number", range(3))
def test_every_changed_byte_of_the_body_is_refused(number: int) -> None:
    """As bytes, whatever they mean: base64, JSON, names."""
    proof, chance = proofs()[number], random.Random(number)
    for at in chance.sample(range(len(proof.body)), 700):
        refused(replace(proof, body=flipped(proof.body, at, 1 << chance.randrange(7))))
        refused(replace(proof, body=proof.body[:at]))
        refused(replace(proof, body=proof.body[:at] + proof.body[at + 1 :]))


def structural(proof: LedgerProof) -> Iterator[tuple[str, LedgerProof]]:
    """Nodes left out, doubled, swapped between the paths, cut short; other places; other forms."""
    for name in ("receipt_path", "tx_path"):
        nodes = member(proof, name)
        for i in range(len(nodes)):
            yield "left out", altered(proof, **{name: [*nodes[:i], *nodes[i + 1 :]]})
            yield "doubled", altered(proof, **{name: [*nodes[: i + 1], *nodes[i:]]})
            yield "cut", altered(proof, **{name: nodes[:i]})
            raw = b64decode(nodes[i], what="", field="")
            for data in (raw[:-1], raw[: len(raw) // 2], raw + b"\0", b"", raw[1:]):
                yield "truncated", altered(proof, **{name: [*nodes[:i], b64encode(data), *nodes[i + 1 :]]})
        yield "reversed", altered(proof, **{name: nodes[::-1]})
        yield "too many", altered(proof, **{name: nodes * 33})
        yield "no list", altered(proof, **{name: nodes[0]})
        yield "no strings", altered(proof, **{name: [1]})
    yield "crossed", altered(proof, receipt_path=member(proof, "tx_path"), tx_path=member(proof, "receipt_path"))
    for index in (0, 1, 129, 131, 199, 200, 2**24, -1, "130", None, True):
        yield "index", altered(proof, index=index)
    for log in (0, 2, 3, 2**24, -1, "1", None):
        yield "log", altered(proof, log=log)
    for name in ("format", "header", "receipt_path", "tx_path"):
        yield "missing", altered(proof, **{name: None})
    yield "unknown", altered(proof, more="1")
    yield "format", altered(proof, format="courtrelay-evm-proof/v2")
    attestation = member(proof, "attestation") if proof.kind == ATTESTED else "x\n"
    yield "attestation", altered(proof, attestation=None if proof.kind == ATTESTED else attestation)
    yield "space", replace(proof, body=proof.body + b"\n")
    yield "spelling", replace(proof, body=json.dumps(json.loads(proof.body)).encode())


@pytest.mark.parametrize("number", range(3))
def test_every_change_of_structure_is_refused(number: int) -> None:
    for _, other in structural(proofs()[number]):
        refused(other)


@given(st.binary(max_size=300))
@settings(max_examples=500, deadline=None)
def test_random_bodies_end_in_a_refusal(data: bytes) -> None:
    for kind in VERIFY:
        refused(LedgerProof(kind=kind, ledger=LEDGER, body=data))


MEMBERS = st.sampled_from(["format", "header", "index", "log", "receipt_path", "tx_path", "attestation"])
ENCODED = st.binary(max_size=90).map(b64encode)
VALUES = st.one_of(
    st.none(),
    st.integers(1 - 2**53, 2**53 - 1),
    st.text(max_size=40),
    ENCODED,
    st.lists(ENCODED | st.text(max_size=9), max_size=3),
)


ITEMS: st.SearchStrategy[Any] = st.recursive(st.binary(max_size=70), lambda i: st.lists(i, max_size=15), max_leaves=40)
ENCODED_ITEMS = ITEMS.map(rlp.encode)
HEX = st.sampled_from(["0x", "0x0", "0x1", "0x01", "0x" + "00" * 20, "0x" + "00" * 32, "0x" + "00" * 256, "x", ""])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | HEX,
    lambda i: st.lists(i, max_size=3) | st.dictionaries(HEX, i, max_size=3),
    max_leaves=6,
)
SHOWN = [
    "parentHash",
    "number",
    "logs",
    "status",
    "logsBloom",
    "type",
    "nonce",
    "to",
    "input",
    "v",
    "r",
    "s",
    "accessList",
    "chainId",
]


@given(st.dictionaries(MEMBERS, VALUES))
@settings(max_examples=400, deadline=None)
def test_random_members_end_in_a_refusal(change: dict[str, Any]) -> None:
    for proof in proofs():
        body = json.loads(proof.body)
        if any(body.get(name) != value for name, value in change.items()):
            refused(replace(proof, body=dumps({**body, **change})))


@given(st.binary(max_size=120) | ENCODED_ITEMS)
@settings(max_examples=600, deadline=None)
def test_random_parts_end_in_a_refusal_or_a_value(data: bytes) -> None:
    """Parsers of single parts: nothing but their own refusals leaves them."""
    for read in (parse_header, parse_receipt, chain_id, parse_extra):
        for whole in (data, b"\x02" + data):
            with suppress(Malformed):
                read(whole)


@given(st.dictionaries(st.sampled_from(SHOWN), JSON))
@settings(max_examples=400, deadline=None)
def test_random_json_of_an_endpoint_ends_in_a_refusal(shown: dict[str, Any]) -> None:
    for read in (encode_header, encode_receipt, encode_transaction):
        with pytest.raises(Malformed):
            read(shown)
