"""Errors across the wire: domain error → status on the server, status → domain error at the client, by one table."""

from __future__ import annotations

import logging
import secrets
from typing import Final

import grpc

from relay.core.errors import (
    Busy,
    Conflict,
    Denied,
    Malformed,
    NotFound,
    RelayError,
    Unavailable,
    Uncertain,
    Unverified,
)
from relay.telemetry.events import CALL_DENIED, INTERNAL_ERROR, log_event

log = logging.getLogger(__name__)

KIND_KEY: Final = "courtrelay-error"
WHAT_KEY: Final = "courtrelay-what-bin"
FIELD_KEY: Final = "courtrelay-field-bin"
RETRY_KEY: Final = "grpc-retry-pushback-ms"
"""gRPC's own name for "not before so many milliseconds" (proposal A6)."""
RETRY_S_MAX: Final = 3600.0
DENIED_TEXT: Final = "not permitted"
DETAILS_CHARS_MAX: Final = 2000
DETAILS_BYTES_MAX: Final = 2000
"""gRPC escapes each byte beyond ASCII as three, and refuses a trailer of more than 8 KiB together with the error in it."""
PLACE_BYTES_MAX: Final = 512

CODES: Final[dict[type[RelayError], grpc.StatusCode]] = {
    Malformed: grpc.StatusCode.INVALID_ARGUMENT,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    Unverified: grpc.StatusCode.FAILED_PRECONDITION,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Conflict: grpc.StatusCode.ABORTED,
    Busy: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    Uncertain: grpc.StatusCode.UNKNOWN,
}
KINDS: Final = {kind.__name__: kind for kind in CODES}

Answer = tuple[grpc.StatusCode, str, tuple[tuple[str, str | bytes], ...]]


def to_status(error: BaseException, method: str) -> Answer:
    """Code, details and trailing metadata. What is not a domain error leaves only a log id."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    kind = next((k for k in CODES if isinstance(error, k)), None)
    if kind is None:
        number = secrets.token_hex(4)
        log_event(log, INTERNAL_ERROR, what=method, number=number, exc_info=error)
        return grpc.StatusCode.INTERNAL, f"internal error, log id {number}", ()
    trailer: list[tuple[str, str | bytes]] = [(KIND_KEY, kind.__name__)]
    if isinstance(error, Denied):
        log_event(log, CALL_DENIED, method=method, reason=error.reason)
        return CODES[kind], DENIED_TEXT, tuple(trailer)
    details = str(error)
    if isinstance(error, Malformed):
        details = error.reason
        trailer += [(WHAT_KEY, _cut(error.what, PLACE_BYTES_MAX)), (FIELD_KEY, _cut(error.field, PLACE_BYTES_MAX))]
    if isinstance(error, Busy):
        trailer.append((RETRY_KEY, str(max(1, round(min(error.retry_s, RETRY_S_MAX) * 1000)))))
    if isinstance(error, Unverified):
        details = error.reason
        trailer.append((WHAT_KEY, _cut(error.step, PLACE_BYTES_MAX)))
    return CODES[kind], _cut(details, DETAILS_BYTES_MAX).decode(), tuple(trailer)


def from_status(error: grpc.aio.AioRpcError, *, writing: bool = False) -> RelayError:
    """The domain error a peer reported, or what a broken call means: `Uncertain` when a write may have happened."""
    trailer = dict(error.trailing_metadata() or ())
    details = (error.details() or "")[:DETAILS_CHARS_MAX]
    kind = KINDS.get(str(trailer.get(KIND_KEY, "")))
    what = _text(trailer.get(WHAT_KEY, b""))
    if kind is Malformed:
        return Malformed(what, _text(trailer.get(FIELD_KEY, b"")), details)
    if kind is Unverified:
        return Unverified(what, details)
    if kind is Busy:
        return Busy(details, _retry_s(_text(trailer.get(RETRY_KEY, b""))))
    if kind is not None:
        return kind(details)
    if error.code() is grpc.StatusCode.PERMISSION_DENIED:
        return Denied(details)
    if writing and error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
        return Uncertain(f"no answer to a write: {error.code().name.lower()}")
    too_large = error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in details
    if too_large or error.code() is grpc.StatusCode.INVALID_ARGUMENT:
        return Malformed("call", "", details or error.code().name.lower())
    return Unavailable(f"{error.code().name.lower()}: {details}")


def _retry_s(text: str) -> float:
    """Seconds of a peer's hint; one where it gives none that is a number of milliseconds."""
    return min(int(text) / 1000, RETRY_S_MAX) if text.isascii() and text.isdigit() and len(text) < 9 else 1.0


def _cut(text: str, most: int) -> bytes:
    """At most so many bytes of UTF-8, whole characters; what has no UTF-8 becomes a question mark."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore").encode()


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
