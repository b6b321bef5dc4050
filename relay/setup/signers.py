"""Signing keys by reference: `keys/record.pem` or `file:keys/record.pem` is a file, `env:NAME` a variable, `pkcs11:…` a key in a token."""

from __future__ import annotations

from pathlib import Path

from relay.core.errors import Malformed
from relay.ports.common import Signer
from relay.private.references import SecretReference, parse_reference
from relay.setup.keys import load_signing_key
from relay.setup.pkcs11_uri import SCHEME, Pkcs11Uri, parse_pkcs11_uri
from relay.setup.token_keys import open_token_key

KeyReference = SecretReference | Pkcs11Uri
"""Where a signing key is."""


def parse_key_reference(text: str, folder: Path) -> KeyReference:
    """What a configuration says, relative to its folder. Raises `Malformed`."""
    if text.startswith(SCHEME):
        return parse_pkcs11_uri(text, folder)
    return parse_reference(text, folder)


def open_signer(reference: KeyReference) -> Signer:
    """The key, tried once. Raises `Malformed` (it is not what it must be) or `Unavailable` (its token is not there now)."""
    if not isinstance(reference, Pkcs11Uri):
        return load_signing_key(reference)
    try:
        return open_token_key(reference)
    except Malformed as error:
        raise Malformed(error.what, error.field, error.reason, concern=error.concern or "key") from None
