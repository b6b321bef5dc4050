"""docs/spec/retrieval.md, "Sealing": HPKE written again from RFC 9180 opens what the code seals, for both KEMs."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.core.sealing import Kem, SealingPrivateKey, hpke_seal

SECRET = bytes(range(32))
X25519_ID = 0x0020
X_WING_ID = 0x647A


def extract(suite: bytes, salt: bytes, label: bytes, key: bytes) -> bytes:
    """LabeledExtract (RFC 9180 section 4)."""
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + key, "sha256")


def expand(suite: bytes, secret: bytes, label: bytes, info: bytes, size: int) -> bytes:
    """LabeledExpand for at most one hash of output."""
    labeled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(secret, labeled + b"\x01", "sha256")[:size]


def open_base(kem_id: int, shared: bytes, info: bytes, ciphertext: bytes) -> bytes:
    """Key schedule and opening in base mode, HKDF-SHA256 (1) and AES-256-GCM (2)."""
    suite = b"HPKE" + kem_id.to_bytes(2, "big") + b"\x00\x01" + b"\x00\x02"
    context = b"\x00" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    secret = extract(suite, shared, b"secret", b"")
    key = expand(suite, secret, b"key", context, 32)
    nonce = expand(suite, secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, ciphertext, b"")


def shared_x25519(encapsulated: bytes) -> bytes:
    """DHKEM(X25519, HKDF-SHA256) decapsulation."""
    private = X25519PrivateKey.from_private_bytes(SECRET)
    suite = b"KEM" + X25519_ID.to_bytes(2, "big")
    agreed = private.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    both = encapsulated + private.public_key().public_bytes_raw()
    return expand(suite, extract(suite, b"", b"eae_prk", agreed), b"shared_secret", both, 32)


def shared_x_wing(encapsulated: bytes) -> bytes:
    """X-Wing decapsulation with the private key expanded as the document says."""
    expanded = hashlib.shake_256(SECRET).digest(96)
    mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
    public = x25519.public_key().public_bytes_raw()
    first = mlkem.decapsulate(encapsulated[:1088])
    second = x25519.exchange(X25519PublicKey.from_public_bytes(encapsulated[1088:]))
    label = bytes.fromhex("5c2e2f2f5e5c")
    return hashlib.sha3_256(first + second + encapsulated[1088:] + public + label).digest()


def open_by_hand(kem: Kem, sealed: bytes, info: bytes) -> bytes:
    """What docs/spec/retrieval.md tells a stranger to do."""
    encapsulated, ciphertext = sealed[: kem.enc_bytes], sealed[kem.enc_bytes :]
    if kem is Kem.X25519:
        return open_base(X25519_ID, shared_x25519(encapsulated), info, ciphertext)
    return open_base(X_WING_ID, shared_x_wing(encapsulated), info, ciphertext)


@pytest.mark.parametrize("kem", list(Kem))
def test_a_second_hpke_opens_what_the_code_seals(kem: Kem) -> None:
    recipient = SealingPrivateKey(kem=kem, raw=SECRET).public_key
    sealed = hpke_seal(recipient, b"what is asked for", b"courtrelay/request-details/v1")
    assert len(recipient.raw) == {Kem.X25519: 32, Kem.MLKEM768_X25519: 1216}[kem]
    assert open_by_hand(kem, sealed, b"courtrelay/request-details/v1") == b"what is asked for"


@pytest.mark.parametrize("kem", list(Kem))
def test_what_was_sealed_for_another_purpose_does_not_open(kem: Kem) -> None:
    recipient = SealingPrivateKey(kem=kem, raw=SECRET).public_key
    sealed = hpke_seal(recipient, b"what is asked for", b"courtrelay/request-details/v1")
    with pytest.raises(InvalidTag):
        open_by_hand(kem, sealed, b"courtrelay/disclosure/v1")
