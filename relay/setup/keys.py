"""Signing keys in files: Ed25519 as PKCS#8 PEM, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.core.errors import Conflict, Malformed
from relay.private.references import SecretReference, read_reference


class FileSigner:
    """Implements relay.ports.Signer with a key held in memory."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes_raw()

    @property
    def public_key(self) -> bytes:
        """32 raw bytes."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """RFC 8032."""
        return self._key.sign(message)


def write_secret(path: Path, data: bytes) -> None:
    """Create a file that only its owner can read. Raises `Conflict` when it exists."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Conflict(f"{path} exists; it is never overwritten") from None
    with os.fdopen(handle, "wb") as f:
        f.write(data)


def make_signing_key(path: Path) -> FileSigner:
    """A new Ed25519 key in a new file."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_secret(path, pem)
    return FileSigner(key)


def load_signing_key(reference: SecretReference) -> FileSigner:
    """Read a key in PEM. Raises `Malformed` naming the file or the variable."""
    data, what = read_reference(reference), str(reference)
    try:
        key = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError):
        raise Malformed(what, "", "is not an unencrypted PEM private key", concern="key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Malformed(what, "", "must be an Ed25519 key; `courtrelay key new` makes one", concern="key")
    return FileSigner(key)
