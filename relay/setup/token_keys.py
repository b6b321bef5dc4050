"""Signing keys in PKCS#11 tokens: the token signs (CKM_EDDSA), the private key never leaves it."""

from __future__ import annotations

import secrets
from typing import Any, Final

from relay.core.errors import Malformed, Unavailable
from relay.core.note import PUBLIC_KEY_BYTES, check_ed25519
from relay.setup.pkcs11_uri import Pkcs11Uri
from relay.setup.tokens import Token, token_of

_DER_OCTETS: Final = bytes([0x04, PUBLIC_KEY_BYTES])
_TRIAL: Final = b"courtrelay/key-check/v1\x00"
"""No note and no JWS begins like this: what is signed to try a key says nothing."""


class TokenSigner:
    """Implements relay.ports.Signer with a key that stays in its token. Built by `open_token_key`."""

    def __init__(self, token: Token, uri: Pkcs11Uri, public_key: bytes) -> None:
        self._token = token
        self._uri = uri
        self._public = public_key
        self._held: tuple[Any, Any] = (None, None)

    @property
    def public_key(self) -> bytes:
        """32 raw bytes."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """RFC 8032, by the token. Raises `Unavailable` while it cannot."""
        try:
            return self._token.with_session(lambda session: self._sign(session, message))
        except Malformed as error:  # right when the role began; what changed since is for its operator to mend
            raise Unavailable(f"the token {self._token.label} cannot be used now: {error.reason}") from None

    def _sign(self, session: Any, message: bytes) -> bytes:
        from pkcs11 import Mechanism

        if self._held[0] is not session:
            self._held = (session, private_key(session, self._uri))
        signature = bytes(self._held[1].sign(message, mechanism=Mechanism.EDDSA))
        if not check_ed25519(self._public, signature, message):
            raise Unavailable(f"the token {self._token.label} gave a signature that does not hold")
        return signature


def open_token_key(uri: Pkcs11Uri) -> TokenSigner:
    """Find the key, and try it. Raises `Malformed` (wrong PIN, no such key, two of them, another kind), `Unavailable` (no token)."""
    try:
        import pkcs11  # noqa: F401  (an extra: keys in files need no driver)
    except ImportError as error:
        raise Malformed(str(uri), "", f"PKCS#11 keys need the extra courtrelay[pkcs11] ({error})") from None
    token = token_of(uri.module, uri.token, uri.serial, uri.pin)
    signer = TokenSigner(token, uri, token.with_session(lambda session: public_key(session, uri)))
    try:
        signer.sign(_TRIAL + secrets.token_bytes(32))
    except Unavailable as error:
        raise Malformed(str(uri), "", f"{error}; do the public and the private object there belong together?") from None
    return signer


def _objects(session: Any, uri: Pkcs11Uri, kind: Any) -> list[Any]:
    from pkcs11 import Attribute

    wanted: dict[Any, Any] = {Attribute.CLASS: kind}
    if uri.object:
        wanted[Attribute.LABEL] = uri.object
    if uri.id:
        wanted[Attribute.ID] = uri.id
    return list(session.get_objects(wanted))


def private_key(session: Any, uri: Pkcs11Uri) -> Any:
    """The one private key of the URI, Ed25519 and not readable. Raises `Malformed`."""
    from pkcs11 import Attribute, KeyType, ObjectClass

    found = _objects(session, uri, ObjectClass.PRIVATE_KEY)
    if not found:
        raise Malformed(
            str(uri), "", "the token has no such private key; `pkcs11-tool --login --list-objects` shows what it has"
        )
    if len(found) > 1:
        ids = ", ".join(found_id.hex() for found_id in sorted(bytes(one[Attribute.ID]) for one in found))
        raise Malformed(
            str(uri), "", f"{len(found)} private keys match (ids {ids}); add id=%… of the one that is meant"
        )
    key = found[0]
    if key[Attribute.KEY_TYPE] != KeyType.EC_EDWARDS:
        raise Malformed(
            str(uri), "", f"is a key of type {_kind(key[Attribute.KEY_TYPE])}; must be Ed25519 (EC_EDWARDS)"
        )
    if not key[Attribute.SENSITIVE]:
        raise Malformed(
            str(uri), "", "can be read out of the token (CKA_SENSITIVE is false); import or make it as sensitive"
        )
    return key


def _kind(value: Any) -> str:
    return str(getattr(value, "name", value))


def public_key(session: Any, uri: Pkcs11Uri) -> bytes:
    """32 raw bytes, from the public object beside the private key. Raises `Malformed`."""
    from pkcs11 import Attribute, ObjectClass

    private_key(session, uri)
    points = {bytes(one[Attribute.EC_POINT]) for one in _objects(session, uri, ObjectClass.PUBLIC_KEY)}
    if len(points) != 1:
        reason = f"{len(points)} public keys stand beside the private one under this label and id; exactly one must"
        raise Malformed(str(uri), "", reason)
    point = points.pop()
    raw = point.removeprefix(_DER_OCTETS) if len(point) == PUBLIC_KEY_BYTES + len(_DER_OCTETS) else point
    if len(raw) != PUBLIC_KEY_BYTES:
        raise Malformed(str(uri), "", f"its public key has {len(raw)} bytes; an Ed25519 key has {PUBLIC_KEY_BYTES}")
    return raw
