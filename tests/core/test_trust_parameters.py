"""Parameters of pinned ledgers and validators' keys of two forms: read, written back, and every other form refused."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.errors import Malformed
from relay.core.trust import TrustRoots, parse_trust_roots
from tests.spec.access import trust

POINT = b"\x02" + bytes(range(32))
PARAMETERS = {"chain_id": "1337", "contract": "0x" + "ab" * 20}


def with_ledger(**change: Any) -> bytes:
    """The specification's trust roots with members of the first ledger changed; `None` takes one away."""
    document = json.loads(trust().to_json())
    ledger = {**document["ledgers"][0], **change}
    document["ledgers"][0] = {name: value for name, value in ledger.items() if value is not None}
    return json.dumps(document).encode()


def with_key(key: bytes) -> bytes:
    validators = json.loads(trust().to_json())["ledgers"][0]["validators"]
    validators[0]["public_key"] = base64.b64encode(key).decode()
    return with_ledger(validators=validators)


def refused(data: bytes) -> Malformed:
    with pytest.raises(Malformed) as refusal:
        parse_trust_roots(data)
    return refusal.value


def test_parameters_are_read_and_written_back() -> None:
    roots = parse_trust_roots(with_ledger(parameters=PARAMETERS))
    assert roots.ledgers[0].parameters == PARAMETERS
    assert roots.ledgers[1].parameters == {}
    assert parse_trust_roots(roots.to_json()) == roots
    assert roots.to_json().count(b'"parameters"') == 1
    swapped = dict(reversed(list(PARAMETERS.items())))
    assert parse_trust_roots(with_ledger(parameters=swapped)).to_json() == roots.to_json()
    assert hash(roots.ledgers[0]) == hash(replace(roots.ledgers[0], parameters={}))


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True),
        st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=128),
        min_size=1,
        max_size=16,
    )
)
def test_any_parameters_of_the_form_survive_the_file(parameters: dict[str, str]) -> None:
    roots = parse_trust_roots(with_ledger(parameters=parameters))
    assert roots.ledgers[0].parameters == parameters
    assert parse_trust_roots(roots.to_json()) == roots


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        [],
        "chain_id",
        5,
        {"chain_id": 1337},
        {"chain_id": None},
        {"chain_id": ["1"]},
        {"chain_id": {"a": "1"}},
        {"chain_id": ""},
        {"chain_id": "1" * 129},
        {"chain_id": "1\n"},
        {"chain_id": "ä"},
        {"chain_id": "\x7f"},
        {"Chain": "1"},
        {"1chain": "1"},
        {"_chain": "1"},
        {"chain-id": "1"},
        {"": "1"},
        {"a" * 33: "1"},
        {"ä": "1"},
        {f"p{n}": "1" for n in range(17)},
    ],
)
def test_parameters_of_another_form_are_malformed(parameters: Any) -> None:
    assert refused(with_ledger(parameters=parameters)).field.startswith("ledgers[0].parameters")


def test_absent_and_empty_are_not_two_spellings() -> None:
    assert parse_trust_roots(with_ledger(parameters=None)).ledgers[0].parameters == {}
    refused(with_ledger(parameters={}))
    data = with_ledger(parameters=None).replace(b'"kind": "quorum"', b'"kind": "quorum", "parameters": null', 1)
    refused(data)


def test_validator_keys_have_32_bytes_or_are_compressed_points() -> None:
    for key in (bytes(range(32)), POINT, b"\x03" + POINT[1:]):
        roots = parse_trust_roots(with_key(key))
        assert roots.ledgers[0].validators[0].public_key == key
        assert parse_trust_roots(roots.to_json()) == roots
    for key in (
        b"",
        bytes(31),
        b"\x04" + POINT[1:],
        b"\x00" + POINT[1:],
        POINT + b"\0",
        b"\x04" + bytes(64),
        bytes(65),
    ):
        assert "public_key" in refused(with_key(key)).field


def test_roots_made_in_memory_are_checked_alike() -> None:
    roots: TrustRoots = trust()
    ledger = roots.ledgers[0]
    for change in (
        {"parameters": {"Chain": "1"}},
        {"parameters": {"chain_id": ""}},
        {"parameters": {f"p{n}": "1" for n in range(17)}},
        {"validators": (replace(ledger.validators[0], public_key=b"\x05" + POINT[1:]), *ledger.validators[1:])},
        {"validators": (replace(ledger.validators[0], public_key=bytes(31)), *ledger.validators[1:])},
    ):
        with pytest.raises(Malformed):
            replace(roots, ledgers=(replace(ledger, **change), *roots.ledgers[1:]))


def test_other_keys_stay_ed25519() -> None:
    document = json.loads(trust().to_json())
    document["keys"][0]["public_key"] = base64.b64encode(POINT).decode()
    assert "public_key" in refused(json.dumps(document).encode()).field
