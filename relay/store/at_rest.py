"""Encryption at rest: AES-256-GCM with a random nonce, context as associated data; a dossier's keys wrapped by the master key."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.core.errors import Malformed

NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierKeys:
    """`dossier` derives tags and is given to courts; `data` encrypts what is kept here and never leaves."""

    dossier: bytes
    data: bytes


def seal(cipher: AESGCM, plaintext: bytes, context: bytes) -> bytes:
    """Nonce ‖ ciphertext ‖ tag."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plaintext, context)


def unseal(cipher: AESGCM, sealed: object, context: bytes) -> bytes:
    """The plaintext. Raises `Malformed` when it was altered, moved, or sealed under another key."""
    data = bytes(sealed)  # type: ignore[call-overload]
    try:
        opened: bytes = cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], context)
    except InvalidTag:
        raise Malformed("custodian store", "", "cannot be decrypted: is this the right master key?") from None
    return opened


class MasterKey:
    """Wraps dossier keys and blinds the lender's references, so that the database names no loan in clear."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._blind = hashlib.sha256(b"courtrelay/reference/v1" + key).digest()

    def blinded(self, reference: str) -> bytes:
        """32 bytes that find a reference again."""
        return hashlib.sha256(self._blind + reference.encode()).digest()

    def wrap(self, dossier: str, keys: DossierKeys) -> bytes:
        """Keys as they are stored."""
        return seal(self._cipher, keys.dossier + keys.data, dossier.encode())

    def unwrap(self, dossier: str, sealed: bytes) -> DossierKeys:
        """The inverse. Raises `Malformed`."""
        keys = unseal(self._cipher, sealed, dossier.encode())
        return DossierKeys(dossier=keys[:KEY_BYTES], data=keys[KEY_BYTES:])

    def seal_reference(self, dossier: str, reference: str) -> bytes:
        """A reference as it is stored."""
        return seal(self._cipher, reference.encode(), dossier.encode())

    def open_reference(self, dossier: str, sealed: bytes) -> str:
        """The inverse. Raises `Malformed`."""
        return unseal(self._cipher, sealed, dossier.encode()).decode()
