"""A prototype of our own accepted `D` for `d` in a hexadecimal signature, and readers of JSON disagree on double keys, numbers
and texts. Here every value has one spelling: what is read is written back to the same bytes, and every other spelling is
refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.base64strict import b64decode, b64encode, b64url_decode, b64url_encode
from relay.core.bundle import manifest_bytes, parse_bundle_manifest
from relay.core.canonical import dumps, loads, loads_canonical, loads_strict
from relay.core.completeness import parse_completeness
from relay.core.disclosure import parse_manifest
from relay.core.errors import Malformed
from relay.core.fields import Fields, check_plain
from relay.core.grants import parse_grant
from relay.core.requests import parse_request
from relay.core.tlogproof import format_tlog_proof, parse_tlog_proof
from tests.core.evidence import COURT_KEY, LENDER_KEY, grant, request, resigned
from tests.evidence.test_document_parsers import canonical, rebuilt
from tests.evidence.test_document_parsers import payload_of as claims_of
from tests.regression.refusing import refusal
from tests.support.bundles import Made

AMBIGUOUS = (
    b'{"a":1,"a":1}', b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"a":{"b":1,"b":1}}', b'[{"b":1,"b":2}]',
    b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":1.0}', b'{"a":1e2}', b'{"a":1E400}', b'{"a":0.1}', b'{"a":-0.0}',
    b'{"a":01}', b'{"a":-01}', b'{"a":+1}', b'{"a":0x1}', b'{"a":1_000}', b'{"a":.5}', b'{"a":9007199254740992}',
    b'{"a":-9007199254740992}', b'{"a":' + b"9" * 400 + b"}", b'{"a":"\\ud800"}', b'{"a":"\\udfff"}', b'{"\\udc00":1}',
    b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\x80"}', b'{"a":"\xff"}', b'\xef\xbb\xbf{"a":1}', '{"a":1}'.encode("utf-16"),
    b'{"a":1}\x00', b'{"a":1}{"a":1}', b'{"a":1} x', b'{"a":1}]', b'{"a":1', b'{"a":1,}', b'{"a":1}//c', b"{'a':1}", b'{a:1}',
    b'{"a":"\x01"}', b'{"a":"\n"}', b'{"a":True}', b'{"a":undefined}', b"",
)  # fmt: skip
OTHERWISE = (
    b'{"a": 1}', b' {"a":1}', b'{"a":1}\n', b'{"a":1}\r\n', b'{"b":1,"a":2}', b'{"a":-0}', b'{"a":"\\u0041"}', b'{"a":"\\/"}',
    b'{"a":"\\u000a"}', b'{"a":"\\u00e9"}', b'{"a":"\\uD834\\uDD1E"}', b'{"a":"\\u001F"}', b'{"\xef\xbf\xbd":1,"\xf0\x9d\x84\x9e":2}',
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def read(data: bytes) -> object:
    return loads_canonical(data, what="value", bytes_max=1 << 20)


def test_json_that_two_readers_understand_differently_is_refused_in_any_form() -> None:
    for data in AMBIGUOUS:
        refusal(lambda d: loads_strict(d, what="value", bytes_max=1 << 20), data)
        refusal(read, data)
    assert loads(b'{"a":9007199254740991}', what="value", bytes_max=99) == {"a": 2**53 - 1}


def test_other_spelling_of_signed_json_is_refused() -> None:
    for data in OTHERWISE:
        assert loads_strict(data, what="value", bytes_max=999) == json.loads(data)
        assert "canonical" in refusal(read, data)


@given(VALUES, st.data())
def test_what_is_read_is_written_back_to_the_same_bytes(value: Any, data: st.DataObject) -> None:
    """Also after any one byte was put in, left out or changed."""
    good = dumps(value)
    assert (read(good), dumps(read(good))) == (value, good)
    place = data.draw(st.integers(0, len(good)))
    byte = data.draw(st.binary(max_size=1))
    changed = good[:place] + byte + good[place + data.draw(st.integers(0, 1)) :]
    try:
        again = read(changed)
    except Malformed:
        return
    assert dumps(again) == changed


def strings(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Every string in a document and where it stands."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from strings(inner, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


TOKENS: dict[str, tuple[str, Callable[[bytes], Any]]] = {
    "grant": ("grant.jwt", parse_grant),
    "request": ("request.jwt", parse_request),
    "disclosure": ("disclosure.jwt", parse_manifest),
    "completeness": ("completeness.jwt", parse_completeness),
}


@pytest.mark.parametrize("name", TOKENS)
def test_hexadecimal_digits_and_base64_have_one_case_and_length(made: Made, name: str) -> None:
    """In every member: capital digits, a prefix, separators, padding, full-width digits, a digit more."""
    part, parse = TOKENS[name]
    token = made.parts()[part]
    claims = claims_of(token)
    tried = 0
    for path, text in strings(claims):
        digits = len(text) in (32, 64) and not set(text) - set("0123456789abcdef")
        coded = path[-1] in ("nonce", "jti", "dossier_key", "sealed", "public_key", "x")
        if not digits and not coded:
            continue
        others = [f" {text}", f"{text} ", f"{text}\n", f"{text}="]
        if digits:
            others += [
                text.upper(),
                "0x" + text,
                text[:2] + ":" + text[2:],
                "0" + text,
                chr(ord(text[0]) + 0xFEE0) + text[1:],
            ]
        for other in others:
            if other != text:
                refusal(parse, rebuilt(token, payload=put(claims, path, other)))
                tried += 1
    assert tried >= 8
    assert parse(rebuilt(token, payload=canonical(claims)))


def test_bundle_manifest_and_proof_are_read_back_to_the_same_bytes(made: Made) -> None:
    parts = made.parts()
    data = parts["manifest.json"]
    value = json.loads(data)
    assert manifest_bytes(parse_bundle_manifest(data)) == data
    for path, text in strings(value):
        if len(text) in (32, 64) and text.upper() != text:
            refusal(parse_bundle_manifest, canonical(put(value, path, text.upper())))
    for data in (parts["records/000001/entry.tlog-proof"], parts["custody/000000.tlog-proof"]):
        assert format_tlog_proof(parse_tlog_proof(data)) == data


def test_text_that_looks_the_same_in_two_encodings_is_refused() -> None:
    """Decomposed letters, invisible and reversing characters, other spaces: in a grant signed by the right key too."""
    for text in (
        "e\u0301", "\u1112\u1161\u11ab", "A\u030a", "\u212b", "A\u200bB", "A\u202eB", "\ufeffA", "A\u00a0B", "A ", " A", "A\u0000",
        "A\u2028B", "A\u00adB", "A\ue000",
    ):  # fmt: skip
        refusal(lambda t: check_plain(t, "text", "case"), text)
        refusal(parse_grant, resigned(grant(), LENDER_KEY, case=text))
    assert check_plain("é 张三 A", "text", "case") == "é 张三 A"


def test_number_and_base64_of_another_form_are_refused() -> None:
    for wrong in (True, "1", 1.0, -1, None, [1], 2**53):
        refusal(lambda w: Fields({"n": w}, what="value").integer("n"), wrong)
    for name, wrong in (("iat", "1763900000"), ("exp", True), ("uses", "2")):
        refusal(parse_grant, resigned(grant(), LENDER_KEY, **{name: wrong}))
    for name, wrong in (("iat", "1763900000"), ("exp", True)):
        refusal(parse_request, resigned(request(), COURT_KEY, **{name: wrong}))
    for length in range(1, 40):
        data = bytes(range(length))
        for encode, decode in ((b64encode, b64decode), (b64url_encode, b64url_decode)):
            text = encode(data)
            assert decode(text, what="", field="") == data
            for other in (
                text + "=",
                text + "\n",
                " " + text,
                text[:-1] + "=",
                text[:4] + "\r\n" + text[4:],
                text + "A",
            ):
                if other != text:
                    refusal(lambda t, d=decode: encode_again(t, d), other)


def encode_again(text: str, decode: Callable[..., bytes]) -> None:
    """Malformed, unless the text is the one spelling of other bytes."""
    data = decode(text, what="", field="")
    if text in (b64encode(data), b64url_encode(data)):
        raise Malformed("base64", "", "is another value")
