"""Problem details (RFC 9457): one stable `type` for each kind of error, never a traceback.

What is not there and what this caller may not see are one answer. The table's names are part of the interface.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

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
from relay.telemetry.events import API_DENIED, INTERNAL_ERROR, log_event

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
BASE: Final = "https://courtrelay.example/problems/"
DETAIL_CHARS_MAX: Final = 1000
HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of problem."""

    name: str
    status: int
    title: str


KINDS: Final = (
    Kind(name="malformed", status=400, title="The request is not in the form that the OpenAPI document describes"),
    Kind(name="unauthenticated", status=401, title="No valid client certificate or bearer token came with the request"),
    Kind(name="role", status=403, title="None of the caller's roles may use this operation"),
    Kind(name="not-found", status=404, title="There is nothing here for this caller"),
    Kind(name="method", status=405, title="This path does not know the method"),
    Kind(name="timeout", status=408, title="The body came too slowly, or not to its end"),
    Kind(name="conflict", status=409, title="The request contradicts what is stored"),
    Kind(name="too-large", status=413, title="The body is larger than this operation takes"),
    Kind(name="uri-too-long", status=414, title="The query is longer than any operation takes"),
    Kind(name="media-type", status=415, title="The body is not of a media type that this operation takes"),
    Kind(name="range", status=416, title="No byte of the content is in the range"),
    Kind(name="host", status=421, title="The request names another host than this gateway"),
    Kind(name="unusable", status=422, title="The request has the right form, but its content cannot be used"),
    Kind(name="unverified", status=422, title="A signature or proof in the request does not hold"),
    Kind(name="busy", status=429, title="Too much was asked for at once; nothing was done"),
    Kind(name="headers-too-large", status=431, title="Address and headers are larger than any operation takes"),
    Kind(name="internal", status=500, title="Something failed inside the gateway"),
    Kind(name="unavailable", status=503, title="Something that this needs cannot be reached now"),
    Kind(name="uncertain", status=503, title="It may or may not have happened: look before asking again"),
)
_BY_NAME: Final = {kind.name: kind for kind in KINDS}
_OF_ERROR: Final[dict[type[RelayError], str]] = {
    Malformed: "unusable",
    Denied: "not-found",
    Unverified: "unverified",
    NotFound: "not-found",
    Conflict: "conflict",
    Busy: "busy",
    Unavailable: "unavailable",
    Uncertain: "uncertain",
}
NOTHING: Final = "Nothing is there, or nothing that this caller may see."


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Exception):
    """A refusal on its way out. `more` are members beside those of the RFC."""

    name: str
    detail: str
    more: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Its row of the table."""
        return _BY_NAME[self.name]

    def response(self) -> Response:
        """As it is sent."""
        body = {
            "type": BASE + self.name,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": _sayable(self.detail),
            **{name: _sayable(value) for name, value in self.more.items()},
        }
        return Response(
            json.dumps(body, ensure_ascii=False).encode(),
            self.kind.status,
            {**HEADERS, **self.headers},
            media_type=MEDIA_TYPE,
        )


def malformed(where: str, reason: str) -> Problem:
    """What the schema refuses. `where` is a JSON pointer, or `query.<name>`, `header.<name>`."""
    return Problem(name="malformed", detail=f"{where or 'body'}: {reason}", more={"field": where})


def problem_of(error: BaseException, operation: str) -> Problem:
    """The problem that an error is; what is no error of the domain leaves only a log id."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        name = next((kind.name for kind in KINDS if kind.status == error.status_code), "malformed")
        return Problem(name=name, detail=_BY_NAME[name].title, headers=error.headers or {})
    kind = next((k for k in _OF_ERROR if isinstance(error, k)), None)
    if kind is None:
        number = secrets.token_hex(4)
        log_event(log, INTERNAL_ERROR, what=operation, number=number, exc_info=error)
        return Problem(name="internal", detail=f"The gateway's log tells more under {number}.", more={"log": number})
    if isinstance(error, Denied | NotFound):
        log_event(log, API_DENIED, operation=operation, reason=error)
        return Problem(name="not-found", detail=NOTHING)
    if isinstance(error, Malformed):
        return Problem(name="unusable", detail=str(error), more={"field": error.field})
    if isinstance(error, Unverified):
        return Problem(name="unverified", detail=str(error), more={"step": error.step})
    if isinstance(error, Busy):
        wait = {"Retry-After": str(max(1, round(error.retry_s)))}
        return Problem(name="busy", detail=str(error), headers=wait)
    return Problem(name=_OF_ERROR[kind], detail=str(error))


def _sayable(text: str) -> str:
    """What has no UTF-8, such as half a surrogate pair of a stranger's, becomes a question mark."""
    return text[:DETAIL_CHARS_MAX].encode("utf-8", "replace").decode()
