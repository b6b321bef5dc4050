"""Signing keys by reference: `keys/record.pem` or `file:keys/record.pem` is a file, `pkcs11:…` a key that stays in its token."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from relay.ports.common import Signer
from relay.setup.keys import load_signing_key
from relay.setup.pkcs11_uri import SCHEME, Pkcs11Uri, parse_pkcs11_uri
from relay.setup.token_keys import open_token_key

FILE: Final = "file:"
KeyReference = Path | Pkcs11Uri
"""Where a signing key is."""


def parse_key_reference(text: str, folder: Path) -> KeyReference:
    """What a configuration says, relative to its folder. Raises `Malformed`."""
    if text.startswith(SCHEME):
        return parse_pkcs11_uri(text, folder)
    return (folder / text.removeprefix(FILE)).resolve()


def open_signer(reference: KeyReference) -> Signer:
    """The key, tried once. Raises `Malformed` (it is not what it must be) or `Unavailable` (its token is not there now)."""
    if isinstance(reference, Path):
        return load_signing_key(reference)
    return open_token_key(reference)
