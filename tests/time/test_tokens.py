"""Tokens: what openssl makes is taken, what a forger, a mistaken authority or a bad line makes is refused by name."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core import cms
from relay.core.authorities import AuthorityRoot
from relay.core.errors import Malformed, Unverified
from relay.core.timestamp import (
    IMPRINT_HASHES,
    ImprintHash,
    Stamp,
    find_authority,
    parse_token,
    request_bytes,
    response_of,
    token_of,
    verify_token,
)
from tests.time.authority import SHA256, SHA512, Authority, forge, make_authority, sign

NOTE = b"a cosigned note\n"
NOW_MS = int(time.time()) * 1000


def verified(token: bytes, *roots: AuthorityRoot, note: bytes = NOTE, nonce: int | None = None) -> Stamp:
    """The whole way of a verifier."""
    parsed = parse_token(token)
    found = find_authority(parsed, roots)
    assert found is not None, "no pinned authority"
    return verify_token(parsed, note, *found, nonce)


@pytest.mark.parametrize("hash_name", IMPRINT_HASHES)
@pytest.mark.parametrize("which", ["one", "two"])
def test_what_openssl_stamps_holds_here_and_there(
    which: str, hash_name: ImprintHash, request: pytest.FixtureRequest
) -> None:
    authority: Authority = request.getfixturevalue(which)
    response = authority.reply(request_bytes(NOTE, hash_name, 2**64 - 1))
    token = token_of(response)
    assert response_of(token) == response
    stamp = verified(token, authority.root, nonce=2**64 - 1)
    assert stamp.authority == which
    assert abs(stamp.time_ms - time.time() * 1000) < 60_000
    assert authority.openssl_accepts(token, NOTE)
    assert not authority.openssl_accepts(token, NOTE + b"x")


def test_forger_of_these_tests_makes_what_openssl_takes(one: Authority, two: Authority) -> None:
    """The control of all tests below: what they change is the only thing that is wrong."""
    for authority in (one, two):
        token = forge(authority, NOTE, NOW_MS)
        assert verified(token, authority.root) == Stamp(authority=authority.root.name, time_ms=NOW_MS, serial="7")
        assert authority.openssl_accepts(token, NOTE)
        assert verified(forge(authority, NOTE, NOW_MS, digest=SHA512), authority.root).time_ms == NOW_MS
        assert verified(forge(authority, NOTE, NOW_MS, accuracy_s=None), authority.root).time_ms == NOW_MS


def refused(token: bytes, *roots: AuthorityRoot, note: bytes = NOTE, nonce: int | None = None) -> str:
    with pytest.raises((Unverified, Malformed)) as caught:
        verified(token, *roots, note=note, nonce=nonce)
    return str(caught.value)


def test_other_imprint(one: Authority) -> None:
    assert "Mismatch between messages" in refused(forge(one, b"another note", NOW_MS), one.root)


def test_other_nonce(one: Authority) -> None:
    token = token_of(one.reply(request_bytes(NOTE, "sha256", 5)))
    assert "Nonce mismatch" in refused(token, one.root, nonce=6)


def test_token_without_a_nonce_answers_no_question(one: Authority) -> None:
    assert "Nonce mismatch" in refused(forge(one, NOTE, NOW_MS), one.root, nonce=6)


def test_other_policy(one: Authority) -> None:
    assert "policy 1.2.3 is not one that is pinned" in refused(forge(one, NOTE, NOW_MS, policy="1.2.3"), one.root)


def test_less_exact_than_pinned(one: Authority) -> None:
    assert "exact to 2000 ms only, 1000 ms" in refused(forge(one, NOTE, NOW_MS, accuracy_s=2), one.root)


def test_outside_the_period_in_which_the_authority_is_pinned(one: Authority) -> None:
    early = replace(one.root, valid_to_ms=NOW_MS)
    assert "the authority is pinned from" in refused(forge(one, NOTE, NOW_MS), early)
    assert verified(forge(one, NOTE, NOW_MS - 1000), early)


@pytest.mark.parametrize("days", [-3, 3])
def test_dated_outside_its_certificate(one: Authority, days: int) -> None:
    """Judged at the time that the token states: a certificate that has expired since is no fault."""
    reason = refused(forge(one, NOTE, NOW_MS + days * 86_400_000), one.root)
    assert "certificate has expired" in reason or "certificate is not yet valid" in reason


@pytest.mark.parametrize(
    ("usage", "critical"),
    [(ExtendedKeyUsageOID.CODE_SIGNING, True), (ExtendedKeyUsageOID.TIME_STAMPING, False)],
)
def test_certificate_for_another_purpose(tmp_path: Path, usage: object, critical: bool) -> None:
    """RFC 3161 section 2.3: time stamping alone, and critical."""
    authority = make_authority(tmp_path / "other", "other", kind="ec", usage=usage, critical=critical)
    assert "unsuitable certificate purpose" in refused(forge(authority, NOTE, NOW_MS), authority.root)


def test_signed_by_another_key_under_this_name(two: Authority) -> None:
    impostor = replace(two, key=ec.generate_private_key(ec.SECP256R1()))
    assert "signature failure" in refused(forge(impostor, NOTE, NOW_MS), two.root)


def test_chain_that_ends_nowhere(one: Authority) -> None:
    lonely = replace(one.root, certificates=one.root.certificates[:1])
    assert "unable to get local issuer certificate" in refused(forge(one, NOTE, NOW_MS), lonely)


def test_signature_that_names_another_certificate_or_none(one: Authority, two: Authority) -> None:
    token = forge(one, NOTE, NOW_MS, named=two.certificate)
    assert "another certificate signed it" in refused(token, one.root)
    info = parse_token(token).shape.content.content.content
    assert "does not say which certificate" in refused(sign(one, info, None), one.root)


def test_signer_that_is_not_pinned_is_nobody(one: Authority, two: Authority) -> None:
    assert find_authority(parse_token(forge(two, NOTE, NOW_MS)), [one.root]) is None


def test_issuer_of_signers_signs_no_tokens(one: Authority) -> None:
    assert one.root.signer(one.issuer.issuer.public_bytes(), one.issuer.serial_number) is None


def test_digest_that_is_listed_otherwise_than_it_is_used(one: Authority) -> None:
    """The list is not signed: it has the one spelling of what is."""
    token = parse_token(forge(one, NOTE, NOW_MS)).shape
    bare = cms.Algorithm(algorithm=SHA256.algorithm, parameters=None)
    for listed in ([bare], [SHA512], [SHA256, SHA512], []):
        token.content.digests = asn1.SetOf(listed)
        assert "digest algorithm" in refused(cms.encode(token), one.root)


def test_certificates_that_come_along_are_refused(one: Authority) -> None:
    """They are not covered by the signature, so there is a token without them only."""
    query = request_bytes(NOTE, "sha256", 5)
    asking = cms.decode(cms.Request, query, "request", "")
    wish = cms.encode(asking)[2:] + b"\x01\x01\xff"
    response = one.reply(b"\x30" + bytes([len(wish)]) + wish)
    with pytest.raises(Malformed, match="token: is not the DER of a Token"):
        parse_token(token_of(response))


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x00" * 100, b"\xff" * 100, b"\x30\x80" + bytes(50), b"x" * 16_385])
def test_garbage_is_malformed(data: bytes) -> None:
    for read in (token_of, parse_token):
        with pytest.raises(Malformed):
            read(data)


def test_truncated_and_lengthened(one: Authority) -> None:
    token = forge(one, NOTE, NOW_MS)
    for cut in range(0, len(token), 7):
        with pytest.raises(Malformed):
            parse_token(token[:cut])
    with pytest.raises(Malformed):
        parse_token(token + b"\x00")


def test_refusal_of_an_authority_is_told_in_its_words(one: Authority) -> None:
    response = one.reply(b"\x30\x03\x02\x01\x01")
    with pytest.raises(Unverified, match=r"refuses with status 2: .*Bad request format"):
        token_of(response)


def test_no_bit_of_a_token_is_free(two: Authority) -> None:
    token = forge(two, NOTE, NOW_MS)
    free = []
    for offset in range(len(token)):
        for bit in range(8):
            changed = bytearray(token)
            changed[offset] ^= 1 << bit
            try:
                parsed = parse_token(bytes(changed))
                found = find_authority(parsed, [two.root])
                if found is not None:
                    verify_token(parsed, NOTE, *found)
                    free.append((offset, bit))
            except (Malformed, Unverified):
                continue
    assert free == []


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_whatever_the_signed_content_is_nothing_but_our_errors_come_out(one: Authority, data: st.DataObject) -> None:
    """Signed by the pinned key itself: a broken authority must not break a reader."""
    info = bytearray(parse_token(forge(one, NOTE, NOW_MS)).shape.content.content.content)
    for _ in range(data.draw(st.integers(1, 3))):
        info[data.draw(st.integers(0, len(info) - 1))] = data.draw(st.integers(0, 255))
    token = sign(one, bytes(info), one.certificate.fingerprint(hashes.SHA256()))
    try:
        verified(token, one.root)
    except (Malformed, Unverified):
        return


def test_time_before_1970_and_negative_serial_numbers_are_refused(one: Authority) -> None:
    assert "of this era" in refused(forge(one, NOTE, -86_400_000), one.root)
    assert refused(forge(one, NOTE, NOW_MS, serial=-1), one.root)
    assert refused(forge(one, NOTE, NOW_MS, serial=1 << 160), one.root)
