"""Signature malleability (the Wycheproof classes): S plus the group order, points in other encodings, keys of small order. Here
a message has the signatures its key's owner made, in one spelling each, and a re-spelled one is never a second id. ECDSA is
used inside TLS only.
"""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Iterator

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from relay.core.base64strict import b64url_decode, b64url_encode
from relay.core.checkpoint import Checkpoint, checkpoint_text, cosign, verify_cosignatures
from relay.core.errors import Unverified
from relay.core.grants import grant_digest, parse_grant, verify_grant
from relay.core.jose import parse_jws, sign_jws, verify_jws
from relay.core.note import Note, Signature, VerifierKey, check_ed25519, format_note, parse_note, sign_note, verify
from tests.core.evidence import LENDER_KEY, grant
from tests.regression.refusing import refusal

FIELD = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
EIGHTH = 2707385501144840649318225287225658788936804267575313519463743609750303402022
SIGN = 1 << 255
SEED = hashlib.sha256(b"signer").digest()
SIGNER = Ed25519PrivateKey.from_private_bytes(SEED)
PUBLIC = SIGNER.public_key().public_bytes_raw()


def point(y: int) -> bytes:
    return y.to_bytes(32, "little")


SMALL = [point(y | sign) for y in (0, 1, EIGHTH, FIELD - EIGHTH, FIELD - 1) for sign in (0, SIGN)]
"""Every point whose order divides 8, and the encodings of two of them with a sign that they do not have."""
NON_CANONICAL = [point(y | sign) for y in range(FIELD, 2**255) for sign in (0, SIGN)]
"""y beyond the field: decoded modulo the field, so a second encoding of a point."""


def raw(key: bytes, signature: bytes, message: bytes) -> bool:
    """The library alone: the control that shows which of the attacks below it would let through."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def respelled(signature: bytes) -> Iterator[bytes]:
    """What a lenient verifier might take for this signature, and every bit of it changed."""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    yield from (r + (s + n * ORDER).to_bytes(32, "little") for n in range(1, 16) if s + n * ORDER < 2**256)
    yield from (r + value.to_bytes(32, "little") for value in (0, 1, ORDER, ORDER - s, ORDER - 1, 2**256 - 1))
    y = int.from_bytes(r, "little")
    yield from (point(value) + signature[32:] for value in (y ^ SIGN, FIELD - (y & ~SIGN)))
    yield from (other + signature[32:] for other in (*SMALL, *NON_CANONICAL, r[::-1]))
    yield r + signature[:31:-1]
    for bit in range(512):
        yield (int.from_bytes(signature, "little") ^ 1 << bit).to_bytes(64, "little")


def other_lengths(signature: bytes) -> Iterator[bytes]:
    """Cut off, padded, doubled, and wrapped in DER as two integers."""
    yield from (signature[:n] for n in range(64))
    yield from (signature + bytes(n) for n in (1, 2, 32, 64))
    yield from (b"\x00" + signature, signature * 2, signature[32:] + signature)
    numbers = b"".join(b"\x02\x20" + part[::-1] for part in (signature[:32], signature[32:]))
    yield b"\x30" + bytes([len(numbers)]) + numbers


def test_signature_has_one_spelling() -> None:
    for number in range(8):
        message = b"message %d" % number
        good = SIGNER.sign(message)
        assert check_ed25519(PUBLIC, good, message)
        others = [*respelled(good), *other_lengths(good)]
        assert len(others) > 600
        assert [o for o in others if check_ed25519(PUBLIC, o, message)] == []
        assert not check_ed25519(PUBLIC, good, message + b"\x00")


def test_second_encoding_of_a_point_of_the_signature_is_refused() -> None:
    """Made by the key's own owner, who could otherwise show one signature in several forms: R is the neutral point."""
    secret = int.from_bytes(hashlib.sha512(SEED).digest()[:32], "little")
    secret = secret & (1 << 254) - 8 | 1 << 254
    accepted = []
    for r in (point(1), point(1 | SIGN), point(FIELD + 1), point(FIELD + 1 | SIGN)):
        digest = int.from_bytes(hashlib.sha512(r + PUBLIC + b"message").digest(), "little")
        signature = r + (digest * secret % ORDER).to_bytes(32, "little")
        if check_ed25519(PUBLIC, signature, b"message"):
            accepted.append(r)
    assert accepted in ([], [point(1)])


def test_key_of_small_order_or_in_another_encoding_signs_nothing() -> None:
    """Under such a key S = 0 and a small R hold for one message in eight, or for all: the zero key among them."""
    dice = random.Random(25)
    forged = 0
    for key in (*SMALL, *NON_CANONICAL):
        for message in (dice.randbytes(16) for _ in range(12)):
            for r in (bytes(32), point(1), point(FIELD - 1), point(EIGHTH), point(EIGHTH | SIGN)):
                signature = r + bytes(32)
                forged += raw(key, signature, message)
                assert not check_ed25519(key, signature, message), (key, r)
        jws = parse_jws(sign_jws("t", {"a": 1}, key, lambda _m: point(1) + bytes(32)), what="t", typ="t", bytes_max=999)
        with pytest.raises(Unverified):
            verify_jws(jws, key)
    assert forged > 100


def test_respelled_signature_on_a_token_is_no_second_grant() -> None:
    """Its digest, which the ledger registers and uses are counted by, would be another one: so it must not verify."""
    token = grant()
    head, _, last = token.rpartition(".")
    good = b64url_decode(last, what="", field="")
    digests = {grant_digest(token)}
    verify_grant(parse_grant(token), LENDER_KEY.public)
    for other in {*respelled(good), *other_lengths(good)} - {good}:
        changed = f"{head}.{b64url_encode(other)}"
        refusal(lambda t: verify_grant(parse_grant(t), LENDER_KEY.public), changed)
        digests.add(grant_digest(changed))
    for text in (
        last + "=",
        last + "==",
        last + "A",
        last[:-1] + chr(ord(last[-1]) + 1),
        last.replace("_", "/"),
        f" {last}",
    ):
        if text != last:
            refusal(parse_grant, f"{head}.{text}")
    assert len(digests) > 600


def test_respelled_signature_on_a_note_is_refused() -> None:
    """A log's signature, a witness's cosignature with its time, and base64 with other trailing bits."""
    text = checkpoint_text(Checkpoint(origin="a.example/log", size=3, root=bytes(range(32))))
    key, witness = VerifierKey.ed25519("a.example/log", PUBLIC), VerifierKey.cosigner("witness.example", PUBLIC)
    signed, cosigned = sign_note(text, key, SIGNER.sign), cosign(text, witness, SIGNER.sign, 1_800_000_000)
    assert verify(Note(text=text, signatures=(signed,)), [key]) == [key]
    assert verify_cosignatures(Note(text=text, signatures=(cosigned,)), [witness]) == [(witness, 1_800_000_000)]
    for other in {*respelled(signed.signature), *other_lengths(signed.signature)}:
        line = Signature(name=key.name, key_id=key.key_id, signature=other)
        refusal(verify, Note(text=text, signatures=(line,)), [key])
    stamp, good = cosigned.signature[:8], cosigned.signature[8:]
    for other in {*(stamp + o for o in respelled(good)), *(stamp + o for o in other_lengths(good)), bytes(8) + good}:
        line = Signature(name=witness.name, key_id=witness.key_id, signature=other)
        refusal(verify_cosignatures, Note(text=text, signatures=(line,)), [witness])
    note = format_note(Note(text=text, signatures=(signed,)))
    encoded = base64.b64encode(signed.key_id + signed.signature)
    for other in (
        encoded.rstrip(b"="),
        encoded + b"=",
        encoded.replace(b"+", b"-").replace(b"/", b"_"),
        encoded + b"AAAA",
    ):
        if other != encoded:
            refusal(lambda n: verify(parse_note(n), [key]), note.replace(encoded, other))
