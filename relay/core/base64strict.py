"""Base64 with one spelling per value: decode, encode again, compare (RFC 4648 sections 4 and 5, section 3.5)."""

from __future__ import annotations

import base64
import binascii

from relay.core.errors import Malformed


def b64encode(data: bytes) -> str:
    """RFC 4648 section 4, padded."""
    return base64.b64encode(data).decode("ascii")


def b64decode(text: str | bytes, *, what: str, field: str) -> bytes:
    """The inverse of `b64encode`, and of nothing else. Raises `Malformed`."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        data = base64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(what, field, "is not base64") from None
    if base64.b64encode(data) != raw:
        raise Malformed(what, field, "is not base64 in its one spelling")
    return data


def b64url_encode(data: bytes) -> str:
    """RFC 4648 section 5 without padding, as JOSE writes it (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str | bytes, *, what: str, field: str) -> bytes:
    """The inverse of `b64url_encode`, and of nothing else. Raises `Malformed`."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if b"=" in raw or b"+" in raw or b"/" in raw or len(raw) % 4 == 1:
        raise Malformed(what, field, "is not unpadded base64url")
    try:
        data = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(what, field, "is not unpadded base64url") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=") != raw:
        raise Malformed(what, field, "is not base64url in its one spelling")
    return data
