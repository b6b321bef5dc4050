"""Tokens: one algorithm, one spelling, and never a choice by the token."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from joserfc.jwk import OKPKey

from relay.core.base64strict import b64url_decode, b64url_encode
from relay.core.canonical import dumps
from relay.core.errors import Malformed, Unverified
from relay.core.jose import Jws, jwk, parse_jws, sign_jws, thumbprint, verify_jws
from tests.core.evidence import LENDER_KEY, STRANGER

TYP = "courtrelay-thing+jwt"


def parse(token: str | bytes) -> Jws:
    return parse_jws(token, what="thing", typ=TYP, bytes_max=4096)


def token(payload: dict[str, object] | None = None) -> str:
    return sign_jws(TYP, payload or {"a": 1}, LENDER_KEY.public, LENDER_KEY.sign)


def with_header(header: dict[str, object] | bytes) -> str:
    data = header if isinstance(header, bytes) else dumps(header)
    signing_input = f"{b64url_encode(data)}.{b64url_encode(dumps({'a': 1}))}"
    return f"{signing_input}.{b64url_encode(LENDER_KEY.sign(signing_input.encode()))}"


def header(**changes: object) -> dict[str, object]:
    return {"alg": "Ed25519", "kid": thumbprint(LENDER_KEY.public), "typ": TYP} | changes


def test_the_thumbprint_is_that_of_rfc_8037_appendix_a3() -> None:
    key = b64url_decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", what="key", field="x")

    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_signed_token_is_read_and_verified() -> None:
    read = parse(token({"b": "é", "a": 2}))
    verify_jws(read, LENDER_KEY.public)

    assert read.payload == {"a": 2, "b": "é"}
    assert parse(token().encode()) == parse(token())


def test_another_library_verifies_our_token() -> None:
    key = OKPKey.import_key(jwk(LENDER_KEY.public))
    found = joserfc_jws.deserialize_compact(token({"a": 7}), key, algorithms=["Ed25519"])

    assert json.loads(found.payload) == {"a": 7}
    assert found.protected["kid"] == key.thumbprint()


@given(st.data())
def test_one_changed_character_never_verifies(data: st.DataObject) -> None:
    good = token()
    place = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda c: c != good[place]))

    with pytest.raises((Malformed, Unverified)):
        verify_jws(parse(good[:place] + other + good[place + 1 :]), LENDER_KEY.public)


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_token_is_read_or_malformed(text: str | bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse(text)
    assert caught.value.what == "thing"


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "EdDSA", "ES256", ""])
def test_no_other_algorithm_is_accepted(alg: str) -> None:
    with pytest.raises(Malformed, match=r"thing: header\.alg: must be Ed25519"):
        parse(with_header(header(alg=alg)))


def test_alg_none_without_a_signature_is_refused() -> None:
    unsigned = f"{b64url_encode(dumps(header(alg='none')))}.{b64url_encode(dumps({'a': 1}))}."

    with pytest.raises(Malformed, match=r"header\.alg"):
        parse(unsigned)


def test_a_token_of_another_type_is_refused() -> None:
    with pytest.raises(Malformed, match=r"thing: header\.typ: must be courtrelay-thing\+jwt"):
        parse(with_header(header(typ="courtrelay-grant+jwt")))


@pytest.mark.parametrize(
    "bad",
    [
        header(jwk=jwk(LENDER_KEY.public)),
        header(crit=["b64"], b64=False),
        {"alg": "Ed25519", "typ": TYP},
        header(kid="short"),
        header(kid="A" * 42 + "B"),
        header(kid=5),
        json.dumps(header()).encode(),
        b'{"alg":"Ed25519","alg":"Ed25519"}',
        b"[]",
    ],
)
def test_a_header_with_anything_else_in_it_is_refused(bad: dict[str, object] | bytes) -> None:
    with pytest.raises(Malformed, match="thing: header"):
        parse(with_header(bad))


def test_a_payload_that_is_not_canonical_is_refused() -> None:
    head = token().split(".")[0]
    signing_input = head + "." + b64url_encode(b'{ "a": 1 }')

    with pytest.raises(Malformed, match="thing: is not in canonical form"):
        parse(f"{signing_input}.{b64url_encode(LENDER_KEY.sign(signing_input.encode()))}")


@pytest.mark.parametrize("ending", ["=", "A", " ", "\n"])
def test_base64_in_another_spelling_is_refused(ending: str) -> None:
    with pytest.raises(Malformed, match="thing: signature"):
        parse(token() + ending)


def test_a_short_signature_is_refused() -> None:
    head, payload, signature = token().split(".")
    short = b64url_encode(b64url_decode(signature, what="", field="")[:63])

    with pytest.raises(Malformed, match="thing: signature: 63 bytes; must be 64"):
        parse(f"{head}.{payload}.{short}")


def test_the_wrong_key_is_refused() -> None:
    with pytest.raises(Unverified, match=r"signature of the thing: header\.kid"):
        verify_jws(parse(token()), STRANGER.public)


def test_a_swapped_kid_does_not_make_another_key_right() -> None:
    forged = sign_jws(TYP, {"a": 1}, LENDER_KEY.public, STRANGER.sign)

    with pytest.raises(Unverified, match="does not match the key"):
        verify_jws(parse(forged), LENDER_KEY.public)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(Unverified, match=f"the key has {size} bytes"):
        verify_jws(parse(token()), bytes(size))


def test_a_token_beyond_its_bound_is_refused_unread() -> None:
    with pytest.raises(Malformed, match="thing: 4097 bytes; at most 4096"):
        parse("\xff" * 4097)


def test_a_signer_that_returns_no_signature_is_our_own_fault() -> None:
    with pytest.raises(RuntimeError, match="returned 3 bytes"):
        sign_jws(TYP, {"a": 1}, LENDER_KEY.public, lambda message: b"bad")
