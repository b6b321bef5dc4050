"""Compact JWS with Ed25519 and nothing else (RFC 7515, RFC 8037, RFC 9864), in one spelling.

The protected header is exactly `{"alg":"Ed25519","kid":…,"typ":…}` in JCS; the payload is a JCS object. The reader says
which `typ` it expects and which key to check with: a token chooses neither.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from relay.core.base64strict import b64url_decode, b64url_encode
from relay.core.canonical import Fields, dumps, loads
from relay.core.errors import Malformed, Unverified
from relay.core.note import check_ed25519

PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
HEADER_BYTES_MAX: Final = 512
_KEYS_REMEMBERED: Final = 64
"""One key signs all records of a lender, with one header: neither is worked out again for each. What is refused is not remembered."""
_KID: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Jws:
    """A parsed token whose signature is not yet checked. `what` names the document in errors."""

    what: str
    token: str
    typ: str
    kid: str
    payload: dict[str, object]
    signing_input: bytes
    signature: bytes

    def fields(self) -> Fields:
        """The payload, to be read member by member."""
        return Fields(self.payload, what=self.what)


def jwk(public_key: bytes) -> dict[str, str]:
    """An Ed25519 public key (32 raw bytes) as an OKP JWK (RFC 8037 section 2)."""
    return {"crv": "Ed25519", "kty": "OKP", "x": b64url_encode(public_key)}


@lru_cache(maxsize=_KEYS_REMEMBERED)
def thumbprint(public_key: bytes) -> str:
    """RFC 7638 SHA-256 thumbprint of the key's JWK, base64url: the key's id everywhere."""
    return b64url_encode(hashlib.sha256(dumps(jwk(public_key))).digest())


def sign_jws(typ: str, payload: Mapping[str, object], public_key: bytes, sign: Callable[[bytes], bytes]) -> str:
    """A compact JWS; `sign` returns the 64-byte Ed25519 signature of the key whose public half is given."""
    header = {"alg": "Ed25519", "kid": thumbprint(public_key), "typ": typ}
    signing_input = f"{b64url_encode(dumps(header))}.{b64url_encode(dumps(dict(payload)))}"
    signature = sign(signing_input.encode("ascii"))
    if len(signature) != SIGNATURE_BYTES:
        raise RuntimeError(f"the signer returned {len(signature)} bytes, an Ed25519 signature has {SIGNATURE_BYTES}")
    return f"{signing_input}.{b64url_encode(signature)}"


def parse_jws(token: str | bytes, *, what: str, typ: str, bytes_max: int) -> Jws:
    """Take a compact JWS of the expected type apart. Raises only `Malformed`; proves nothing."""
    if len(token) > bytes_max:
        raise Malformed(what, "", f"{len(token)} bytes; at most {bytes_max}")
    text = ascii_text(token, what)
    if text.count(".") != 2:  # counted, not split: a list of millions of parts is far bigger than the token
        raise Malformed(what, "", f"has {text.count('.') + 1} parts between dots; a compact JWS has 3")
    parts = text.split(".")
    header = b64url_decode(parts[0], what=what, field="header")
    payload = b64url_decode(parts[1], what=what, field="payload")
    signature = b64url_decode(parts[2], what=what, field="signature")
    kid = _read_header(header, what, typ)
    if len(signature) != SIGNATURE_BYTES:
        raise Malformed(what, "signature", f"{len(signature)} bytes; must be {SIGNATURE_BYTES}")
    return Jws(
        what=what,
        token=text,
        typ=typ,
        kid=kid,
        payload=loads(payload, what=what, bytes_max=bytes_max),
        signing_input=f"{parts[0]}.{parts[1]}".encode("ascii"),
        signature=signature,
    )


def verify_jws(jws: Jws, public_key: bytes) -> None:
    """Check the signature with a key the caller chose. Raises `Unverified`."""
    step = f"signature of the {jws.what}"
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise Unverified(step, f"the key has {len(public_key)} bytes; an Ed25519 key has {PUBLIC_KEY_BYTES}")
    if len(jws.signature) != SIGNATURE_BYTES:
        raise Unverified(step, f"the signature has {len(jws.signature)} bytes; must be {SIGNATURE_BYTES}")
    expected = thumbprint(public_key)
    if jws.kid != expected:
        raise Unverified(step, f"header.kid is {jws.kid}, but the key to check with is {expected}")
    if not check_ed25519(public_key, jws.signature, jws.signing_input):
        raise Unverified(step, f"does not match the key {expected}: the content was changed or another key signed it")


def ascii_text(token: str | bytes, what: str) -> str:
    """The token as text. Raises `Malformed` when it is not ASCII."""
    if isinstance(token, str):
        if not token.isascii():
            raise Malformed(what, "", "holds characters outside ASCII")
        return token
    try:
        return bytes(token).decode("ascii")
    except UnicodeDecodeError as error:
        raise Malformed(what, f"byte {error.start}", "is not ASCII") from None


@lru_cache(maxsize=_KEYS_REMEMBERED)
def _read_header(data: bytes, what: str, typ: str) -> str:
    try:
        header = loads(data, what=what, bytes_max=HEADER_BYTES_MAX)
    except Malformed as error:
        raise Malformed(what, "header", error.reason) from None
    fields = Fields(header, what=what, path="header")
    fields.literal("alg", "Ed25519")
    kid = fields.matching("kid", _KID, "a key thumbprint of 43 base64url characters")
    fields.literal("typ", typ)
    fields.done()
    b64url_decode(kid, what=what, field="header.kid")
    return kid
