"""Signing keys by reference: `keys/record.pem` or `file:keys/record.pem` is a file, `pkcs11:…` a key that stays in its token."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from relay.ports.common import Signer
from relay.setup.keys import load_signing_key
from relay.setup.pkcs11_uri import SCHEME, Pkcs11Uri, parse_pkcs11_uri
from relay.setup.token_keys import open_token_key
from relay.telemetry import metrics

FILE: Final = "file:"
KeyReference = Path | Pkcs11Uri
"""Where a signing key is."""


def parse_key_reference(text: str, folder: Path) -> KeyReference:
    """What a configuration says, relative to its folder. Raises `Malformed`."""
    if text.startswith(SCHEME):
        return parse_pkcs11_uri(text, folder)
    return (folder / text.removeprefix(FILE)).resolve()


Purpose = Literal["record", "log", "grant", "custody", "witness", "seal", "request", "report"]
"""What a role signs with a key."""


class CountedSigner:
    """A key whose signatures are counted: more of them than the role has reason for are somebody else's."""

    def __init__(self, signer: Signer, purpose: Purpose) -> None:
        self._signer = signer
        self._made = metrics.signatures.labels(purpose)

    @property
    def public_key(self) -> bytes:
        """32 raw bytes."""
        return self._signer.public_key

    def sign(self, message: bytes) -> bytes:
        """See relay.ports.common.Signer."""
        signature = self._signer.sign(message)
        self._made.inc()
        return signature


def open_signer(reference: KeyReference, purpose: Purpose | None = None) -> Signer:
    """The key, tried once; signatures for a role's `purpose` are counted, those of tools (None) are not.

    Raises `Malformed` (it is not what it must be) or `Unavailable` (its token is not there now).
    """
    signer = load_signing_key(reference) if isinstance(reference, Path) else open_token_key(reference)
    return signer if purpose is None else CountedSigner(signer, purpose)
