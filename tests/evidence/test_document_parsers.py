"""Every signed document of a bundle, with one thing wrong: the parser refuses it with one error, before any signature is looked at."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from relay.core.bundle import parse_bundle_manifest, parse_ledger_proof, parse_seal
from relay.core.completeness import parse_completeness
from relay.core.custody import parse_event
from relay.core.disclosure import parse_manifest
from relay.core.errors import Malformed, Unverified
from relay.core.grants import parse_grant, verify_grant
from relay.core.records import parse_sd_jwt, verify_record
from relay.core.requests import parse_request, verify_request
from relay.core.trust import parse_trust_roots
from tests.support.bundles import Made

TOKENS: dict[str, tuple[str, Callable[[bytes], Any]]] = {
    "grant": ("grant.jwt", parse_grant),
    "request": ("request.jwt", parse_request),
    "disclosure": ("disclosure.jwt", parse_manifest),
    "completeness": ("completeness.jwt", parse_completeness),
    "seal": ("seal.jwt", parse_seal),
    "record": ("records/000000/record.sd-jwt", parse_sd_jwt),
}
DOCUMENTS: dict[str, tuple[str, Callable[[bytes], Any]]] = {
    "manifest": ("manifest.json", parse_bundle_manifest),
    "registration": ("grant-registered.json", lambda data: parse_ledger_proof(data, what="proof")),
    "anchor": ("anchors/0000/anchor.json", lambda data: parse_ledger_proof(data, what="proof")),
}

both = pytest.mark.parametrize("name", TOKENS)
plain = pytest.mark.parametrize("name", DOCUMENTS)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def rebuilt(token: bytes, *, header: Any = None, payload: Any = None) -> bytes:
    """The token with another header or payload (bytes as they are, else canonical JSON)."""
    text, tilde, rest = token.decode().partition("~")
    parts = text.split(".")
    for i, value in enumerate((header, payload)):
        if value is not None:
            data = value if isinstance(value, bytes) else canonical(value)
            parts[i] = b64(data)
    return (".".join(parts) + tilde + rest).encode()


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def payload_of(token: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(unb64(token.split(b".")[1].decode()))
    return value


@both
def test_document_as_it_was_made_is_read(made: Made, name: str) -> None:
    part, parse = TOKENS[name]
    assert parse(made.parts()[part]) is not None


@both
def test_non_canonical_payload_is_malformed(made: Made, name: str) -> None:
    part, parse = TOKENS[name]
    token = made.parts()[part]
    spaced = json.dumps(payload_of(token)).encode()
    reordered = canonical(payload_of(token))[:-1] + b',"aaaa":1}'
    for data in (spaced, reordered, spaced + b"\n", canonical(payload_of(token)) + b" "):
        with pytest.raises(Malformed):
            parse(rebuilt(token, payload=data))


@both
def test_duplicate_member_is_malformed(made: Made, name: str) -> None:
    part, parse = TOKENS[name]
    token = made.parts()[part]
    data = canonical(payload_of(token))
    first = data[1 : data.index(b",")]
    with pytest.raises(Malformed):
        parse(rebuilt(token, payload=b"{" + first + b"," + data[1:]))


@both
def test_unknown_member_is_malformed(made: Made, name: str) -> None:
    part, parse = TOKENS[name]
    token = made.parts()[part]
    with pytest.raises(Malformed, match="zzz"):
        parse(rebuilt(token, payload={**payload_of(token), "zzz": 1}))


@both
def test_missing_member_is_malformed_by_name(made: Made, name: str) -> None:
    part, parse = TOKENS[name]
    token = made.parts()[part]
    for member in payload_of(token):
        left = {k: v for k, v in payload_of(token).items() if k != member}
        with pytest.raises(Malformed) as refusal:
            parse(rebuilt(token, payload=left))
        assert member in refusal.value.field or "missing" not in refusal.value.reason


@both
def test_member_of_another_type_is_malformed(made: Made, name: str) -> None:
    part, parse = TOKENS[name]
    token = made.parts()[part]
    for member in payload_of(token):
        for wrong in (None, True, -1, 2**53, "", [], {}, [[]], "\x00"):
            if wrong == payload_of(token)[member]:
                continue
            if member == "payloads" and wrong == []:
                continue
            with pytest.raises(Malformed):
                parse(rebuilt(token, payload={**payload_of(token), member: wrong}))


@both
def test_header_chooses_nothing(made: Made, name: str) -> None:
    """alg none, another algorithm, another type, a key of its own: RFC 8725's list."""
    part, parse = TOKENS[name]
    token = made.parts()[part]
    header = json.loads(unb64(token.split(b".")[0].decode()))
    for change in (
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "EdDSA"},
        {"typ": "JWT"},
        {"typ": "courtrelay-other+jwt"},
        {"crit": ["b64"]},
        {"jwk": {"kty": "OKP"}},
        {"jku": "x"},
        {"kid": "x"},
    ):
        with pytest.raises(Malformed):
            parse(rebuilt(token, header={**header, **change}))


@both
def test_oversized_document_is_malformed_before_it_is_read(made: Made, name: str) -> None:
    part, parse = TOKENS[name]
    token = made.parts()[part]
    with pytest.raises(Malformed):
        parse(token + b"A" * (64 * 1024 * 1024))


@both
@pytest.mark.parametrize("data", [b"", b".", b"..", b"a.b", b"a.b.c.d", b"\xff.\xff.\xff", b"~", b"a.b.c~", b" . . "])
def test_garbage_is_malformed(name: str, data: bytes) -> None:
    with pytest.raises(Malformed):
        TOKENS[name][1](data)


@both
def test_other_base64_spellings_are_malformed(made: Made, name: str) -> None:
    part, parse = TOKENS[name]
    token = made.parts()[part]
    head, tilde, rest = token.partition(b"~")
    for wrong in (head + b"=", head.replace(b".", b"=.", 1), head.replace(b"-", b"+").replace(b"_", b"/"), b" " + head):
        if wrong != head:
            with pytest.raises(Malformed):
                parse(wrong + tilde + rest)


@plain
def test_plain_documents_have_one_spelling(made: Made, name: str) -> None:
    part, parse = DOCUMENTS[name]
    data = made.parts()[part]
    assert parse(data) is not None
    value = json.loads(data)
    for wrong in (
        json.dumps(value).encode(),
        data + b"\n",
        data[:-1],
        canonical({**value, "zzz": 1}),
        b"\xef\xbb\xbf" + data,
        b"[" * 100_000,
        b"",
        b"null",
        canonical({k: v for k, v in value.items() if k != min(value)}),
    ):
        with pytest.raises(Malformed):
            parse(wrong)


def test_wrong_key_is_unverified_for_every_signature(made: Made) -> None:
    parts = made.parts()
    wrong = made.seal.public_key
    with pytest.raises(Unverified, match="kid"):
        verify_grant(parse_grant(parts["grant.jwt"]), wrong)
    with pytest.raises(Unverified, match="kid"):
        verify_request(parse_request(parts["request.jwt"]), wrong)
    with pytest.raises(Unverified, match="kid"):
        verify_record(parse_sd_jwt(parts["records/000000/record.sd-jwt"]), wrong)


def test_custody_event_has_one_spelling(made: Made) -> None:
    line = made.parts()["custody/events.jsonl"].split(b"\n")[0]
    assert parse_event(line).action == "request"
    value = json.loads(line)
    for change in (
        {"action": "nonsense"},
        {"at_ms": -1},
        {"actor": "me"},
        {"subject": {"X": "00"}},
        {"subject": {"a": "0"}},
    ):
        with pytest.raises(Malformed):
            parse_event(canonical({**value, **change}))
    for wrong in (json.dumps(value).encode(), line + b" ", b"", b"x" * 20_000):
        with pytest.raises(Malformed):
            parse_event(wrong)


def test_trust_roots_refuse_what_would_trust_too_much(made: Made) -> None:
    value = json.loads(made.trust.to_json())
    assert parse_trust_roots(made.trust.to_json()) == made.trust

    def refused(**change: Any) -> str:
        with pytest.raises(Malformed) as refusal:
            parse_trust_roots(json.dumps({**value, **change}).encode())
        return str(refusal.value)

    assert "keys" in refused(keys=[])
    assert "ledgers" in refused(ledgers=[])
    assert "quorum" in refused(witnesses={"quorum": 0})
    assert "quorum" in refused(witnesses={"quorum": 2})
    assert "twice" in refused(keys=[*value["keys"], value["keys"][0]])
    ledger = {**value["ledgers"][0], "threshold": 0}
    assert "threshold" in refused(ledgers=[ledger, value["ledgers"][1]])
    doubled = {**value["ledgers"][0], "validators": [value["ledgers"][0]["validators"][0]] * 2}
    assert "twice" in refused(ledgers=[doubled, value["ledgers"][1]])
