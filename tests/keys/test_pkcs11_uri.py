"""PKCS#11 URIs: what is understood, what is refused, and that nothing of the PIN or the module is in what is said of a key."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.errors import Malformed
from relay.setup.pkcs11_uri import EXAMPLE, parse_pkcs11_uri
from relay.setup.signers import parse_key_reference

HOME = Path("/etc/courtrelay")
QUERY = "?module-path=/m.so&pin-source=file:pin.txt"


def test_example_of_the_messages_is_one() -> None:
    uri = parse_pkcs11_uri(EXAMPLE, HOME)
    assert (uri.token, uri.object, uri.id, uri.serial) == ("lender", "record", b"", "")
    assert (uri.module, uri.pin) == (Path("/usr/lib/softhsm/libsofthsm2.so"), HOME / "pin.txt")
    assert str(uri) == "pkcs11:token=lender;object=record"


@given(st.text(min_size=1, max_size=20).filter(str.isprintable), st.binary(min_size=1, max_size=8))
def test_any_label_and_id_come_through(label: str, number: bytes) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in number)
    text = f"pkcs11:id={encoded};object={quote(label, safe='')};type=private;token={quote(label, safe='')}{QUERY}"
    uri = parse_pkcs11_uri(text, HOME)
    assert (uri.token, uri.object, uri.id) == (label, label, number)
    again = parse_pkcs11_uri(str(uri) + QUERY, HOME)
    assert again == uri


@given(st.text(max_size=80))
def test_any_text_is_a_uri_or_malformed(text: str) -> None:
    for start in ("", "pkcs11:", "pkcs11:token=t;object=o?"):
        try:
            parse_pkcs11_uri(start + text, HOME)
        except Malformed:
            continue


@pytest.mark.parametrize(
    ("uri", "place", "reason"),
    [
        ("pkcs11:object=o" + QUERY, "token", "is missing"),
        ("pkcs11:token=t" + QUERY, "object", "is missing"),
        ("pkcs11:token=t;object=o?module-path=/m.so", "pin-source", "is missing"),
        ("pkcs11:token=t;object=o?pin-source=file:p", "module-path", "is missing"),
        ("pkcs11:token=t;object=o?module-path=m.so&pin-source=file:p", "module-path", "absolute"),
        ("pkcs11:token=t;object=o?module-path=/m.so&pin-value=1234", "pin-value", "does not stand in a configuration"),
        ("pkcs11:token=t;object=o?module-path=/m.so&pin-source=1234", "pin-source", "file:PATH"),
        ("pkcs11:token=t;object=o?module-path=/m.so&pin-source=http://a", "pin-source", "file:PATH"),
        ("pkcs11:token=t;token=u;object=o" + QUERY, "token", "twice"),
        ("pkcs11:token=;object=o" + QUERY, "token", "empty"),
        ("pkcs11:token=t;object=o;type=public" + QUERY, "type", "private"),
        ("pkcs11:token=t;object=o;slot-id=3" + QUERY, "slot-id", "not understood"),
        ("pkcs11:token=t;object=a b" + QUERY, "object", "%XX"),
        ("pkcs11:token=t;object=%zz" + QUERY, "object", "%XX"),
        ("pkcs11:token=t;object=%ff" + QUERY, "object", "UTF-8"),
        ("pkcs11:token=t;object=%00" + QUERY, "object", "printed"),
        ("pkcs11:" + "x" * 5000, "", "at most"),
    ],
)
def test_uri_with_one_thing_wrong_is_told_by_name(uri: str, place: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as refusal:
        parse_pkcs11_uri(uri, HOME)
    assert refusal.value.field == place
    assert "1234" not in str(refusal.value)


def test_references_to_files_are_relative_to_the_configuration() -> None:
    for text in ("keys/a.pem", "file:keys/a.pem", "/etc/courtrelay/keys/a.pem"):
        assert parse_key_reference(text, HOME) == HOME / "keys/a.pem"
