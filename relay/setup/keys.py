"""Signing keys in files: Ed25519 as PKCS#8 PEM, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.core.errors import Conflict, Malformed


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


def load_signing_key(path: Path) -> FileSigner:
    """Read a key. Raises `Malformed` naming the file."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        raise Malformed(str(path), "", "is not an unencrypted PEM private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Malformed(str(path), "", "must be an Ed25519 key")
    return FileSigner(key)


def read_secret(path: Path, length: int) -> bytes:
    """Raw secret bytes of a fixed length. Raises `Malformed`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None
    if len(data) != length:
        raise Malformed(str(path), "", f"{len(data)} bytes; must be {length}")
    return data
