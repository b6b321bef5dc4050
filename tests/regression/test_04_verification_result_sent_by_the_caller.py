"""Wormhole (2 February 2022): the verifier believed an account, named by the caller, that said "already verified". Here a
verifier takes bytes and the verifier's own trust roots: what a caller says about results, keys or roots is refused or has no
effect.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor

from adapters.embedded.v1 import ledger_pb2
from relay.core import checks, jose, verify
from relay.core.base64strict import b64url_decode, b64url_encode
from relay.core.canonical import dumps, loads
from relay.core.errors import Unverified
from relay.core.grants import parse_grant
from relay.core.jose import jwk
from relay.core.requests import parse_request
from relay.core.verdict import Finding
from relay.transport.channels import CALL_DEADLINE_S, call
from relay.wire.v1 import court_pb2, custodian_pb2, log_pb2, relay_pb2
from tests.core.evidence import COURT_KEY, LENDER_KEY, STRANGER, Key, grant, request, resigned
from tests.ledgers.bench import Bench
from tests.ledgers.test_embedded_attacks import forged
from tests.regression.refusing import refusal
from tests.support.bundles import Made

WIRE = (relay_pb2, court_pb2, custodian_pb2, log_pb2, ledger_pb2)
TOLD = re.compile(r"verif|valid|trust|proven|verdict|checked|authentic|_key|jwk|certificate|skip|unsafe|result")
SWITCHES = {"last", "from_start", "due", "despite_grants"}
"""What an operator or a stream may say in one bit; none of it is about evidence."""
CLAIMS: tuple[dict[str, Any], ...] = (
    {"verified": True},
    {"signature_valid": True},
    {"verdict": "CONSISTENT"},
    {"trust": {"keys": []}},
    {"root": "00" * 32},
    {"jwk": jwk(STRANGER.public)},
)


def asked(message: Descriptor, seen: set[str]) -> Iterator[Any]:
    """Every field that a caller can set, also inside other messages."""
    if message.full_name not in seen:
        seen.add(message.full_name)
        for field in message.fields:
            yield field
            if field.message_type is not None:
                yield from asked(field.message_type, seen)


@pytest.mark.parametrize("module", WIRE, ids=lambda m: m.__name__.rpartition(".")[2])
def test_no_request_has_a_field_for_a_result_or_a_key(module: ModuleType) -> None:
    fields = [
        field
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        for field in asked(method.input_type, set())
    ]
    assert fields or not module.DESCRIPTOR.services_by_name
    assert [f.full_name for f in fields if TOLD.search(f.name)] == []
    assert {f.name for f in fields if f.type == f.TYPE_BOOL} <= SWITCHES


def test_verifiers_take_bytes_and_the_verifiers_own_trust() -> None:
    """Trust and keys are arguments of the caller's own code, never optional, never made of what is judged."""
    assert list(inspect.signature(verify.verify_bundle).parameters) == ["source", "trust", "verifiers", "progress"]
    for module in (checks, jose):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith(("check_", "verify_")) and function.__module__ == module.__name__:
                given = inspect.signature(function).parameters.values()
                assert all(p.default is p.empty for p in given), name
                assert all(p.annotation not in ("bool", "bool | None", bool) for p in given), name


def with_header(token: str, key: Key, claim: dict[str, Any]) -> str:
    """The same token with more in its header, signed again by the same key."""
    header, payload, _ = token.split(".")
    read = loads(b64url_decode(header, what="", field=""), what="", bytes_max=10**6)
    signing_input = f"{b64url_encode(dumps(read | claim))}.{payload}"
    return f"{signing_input}.{b64url_encode(key.sign(signing_input.encode()))}"


@pytest.mark.parametrize(
    ("make", "parse", "key"), [(grant, parse_grant, LENDER_KEY), (request, parse_request, COURT_KEY)]
)
def test_claim_about_itself_makes_a_token_malformed(
    make: Callable[[], str], parse: Callable[..., Any], key: Key
) -> None:
    """The right key signed it: what it says about its own verification is refused all the same."""
    token = make()
    assert parse(resigned(token, key))
    for claim in CLAIMS:
        assert "not a member" in refusal(parse, resigned(token, key, **claim))
        assert "not a member" in refusal(parse, with_header(token, key, claim))


async def test_unknown_fields_on_the_wire_change_no_answer(bench: Bench) -> None:
    """A forged anchor under a message that also says, in fields nobody defined, that it was verified."""
    good = await bench.submission(3)
    fake = forged(bench, bench.checkpoint(3))
    told = ledger_pb2.SubmitCheckpointRequest(
        checkpoint=good.checkpoint, source_ledger=fake.ledger, source_kind=fake.kind, source_proof=fake.body, attempt=1
    )
    for number in (8, 15, 100, 18_000):
        yes = bytes(b | 0x80 for b in (number << 3 & 0x7F, number >> 4 & 0x7F, number >> 11 & 0x7F)) + b"\x00\x01"
        more = ledger_pb2.SubmitCheckpointRequest.FromString(told.SerializeToString() + yes)
        assert more.SerializeToString() != told.SerializeToString()
        with pytest.raises(Unverified, match="does not hold"):
            await call(bench.court._node.stub.SubmitCheckpoint(more, timeout=CALL_DEADLINE_S), writing=True)
    assert await bench.court.latest(bench.origin) is None


def test_verdict_and_keys_inside_a_bundle_have_no_effect(made: Made) -> None:
    """A forged record, and beside it files that say whom to trust and what the verdict is; sealed by the court's own key."""
    parts = made.parts()
    payload = "records/000001/payloads/receipt.txt"
    forged_parts = {**parts, payload: b"x" + parts[payload][1:]}
    told = {"trust.json": made.trust.to_json(), "verdict.json": b'{"verdict":"CONSISTENT"}', "verified": b"1"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing deprecated takes part in a verdict
        assert made.verify(made.data).verdict is Finding.CONSISTENT
        plain = made.verify(made.sealed_again(forged_parts))
        extra = made.verify(made.sealed_again({**forged_parts, **told}))
    assert plain.verdict is extra.verdict is Finding.INCONSISTENT
    assert plain.records == extra.records
