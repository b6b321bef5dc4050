"""What every answer and every request of the pages must keep to: headers, who may send forms, host names, paths to go on to."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from relay.core.base64strict import b64url_encode
from relay.core.errors import Denied, Malformed

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
"""Of every answer that does not say otherwise itself. `cache-control`: nothing personal is left in a shared machine's cache."""
STRICT_TRANSPORT: Final = ("strict-transport-security", "max-age=31536000")
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
PAGE_METHODS: Final = SAFE_METHODS | {"POST"}
API: Final = "/api/"
NEXT_CHARS_MAX: Final = 512
QUERY_BYTES_MAX: Final = 4096
SECRET_BYTES: Final = 32
_CSRF: Final = b"courtrelay/csrf/v1"


def with_headers(held: Sequence[tuple[bytes, bytes]], *, https: bool) -> list[tuple[bytes, bytes]]:
    """An answer's headers, and of ours those that it does not have."""
    names = {name.lower() for name, _ in held}
    ours = [*HEADERS.items(), *([STRICT_TRANSPORT] if https else [])]
    return [*held, *((n.encode(), v.encode()) for n, v in ours if n.encode() not in names)]


def new_secret() -> str:
    """256 random bits in base64url."""
    return b64url_encode(secrets.token_bytes(SECRET_BYTES))


def csrf_token(secret: str) -> str:
    """The token that belongs to a cookie's secret; it does not give the secret away."""
    return b64url_encode(hmac.digest(secret.encode(), _CSRF, hashlib.sha256))


def check_csrf(fields: Mapping[str, Sequence[str]], token: str) -> None:
    """Raises `Denied` when a form does not carry exactly this token."""
    given = fields.get("csrf", [])
    if len(given) != 1 or not token or not hmac.compare_digest(given[0].encode(), token.encode()):
        raise Denied("the form does not carry the token that was given out with it")


def check_origin(headers: Mapping[str, str], url: str) -> None:
    """What a browser says of where a form came from. Raises `Denied` for another site.

    Under `Referrer-Policy: no-referrer` a browser sends `Origin: null` from our own pages too: then Sec-Fetch-Site, which no page can
    set, decides, and the token in any case.
    """
    site = headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none"):
        raise Denied(f"the request came from another site ({site[:20]})")
    origin = headers.get("origin", "null")
    if origin not in ("null", url):
        raise Denied("the request came from another origin")


def check_host(given: Iterable[str], url: str) -> None:
    """Exactly one Host, the one of `url`. Raises `Malformed`: a link made from another name could lead anywhere."""
    hosts = [host.lower() for host in given]
    parts = urlsplit(url)
    default = ":443" if parts.scheme == "https" else ":80"
    if len(hosts) != 1 or hosts[0].removesuffix(default) != parts.netloc.lower().removesuffix(default):
        raise Malformed("request", "Host", "is not the name of these pages")


def check_path(path: str, query: bytes) -> None:
    """A path in one spelling. Raises `Malformed`."""
    pieces = path.split("/")
    odd = "\\" in path or "�" in path or not path.isprintable()
    if not path.startswith("/") or odd or "." in pieces or ".." in pieces or "" in pieces[1:-1]:
        raise Malformed("request", "path", "is not in the spelling of these pages")
    if len(query) > QUERY_BYTES_MAX:
        raise Malformed("request", "query", f"{len(query)} bytes; at most {QUERY_BYTES_MAX}")


def safe_next(text: str) -> str:
    """A path of these pages to go on to after something; `/` for whatever could lead elsewhere."""
    plain = text.isascii() and text.isprintable() and len(text) <= NEXT_CHARS_MAX and "\\" not in text
    if not plain or not text.startswith("/") or text.startswith("//"):
        return "/"
    parts = urlsplit(text)
    return "/" if parts.scheme or parts.netloc else text
