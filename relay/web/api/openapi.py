"""The OpenAPI 3.1 document, made of the table of routes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from relay.web.api.forms import FORMATS
from relay.web.api.problems import BASE, KINDS, MEDIA_TYPE
from relay.web.api.table import JSON, Answer, Body, Param, Route, Schema

VERSION: Final = "1.0.0"
DESCRIPTION: Final = """What a court gateway offers to court systems that do not speak gRPC.

Whoever calls shows a client certificate of an identity that the court has listed, or a bearer token of the court's OpenID provider.
Cookies are not read. Every access is in the custody log of the court before its first byte leaves. Times are milliseconds since 1970 UTC
unless a name ends in `_s` (seconds). A verdict says whether a record is consistent since it was anchored; it never says that a content
is true. Operations that list give a `cursor`; it is of use with the same question alone. Problems follow RFC 9457; `type` is stable.
What is not there and what the caller may not see are one answer.
"""
HEADERS: Final[Mapping[str, Schema]] = {
    "Location": {"type": "string", "description": "Where the new thing is."},
    "Content-Range": {"type": "string", "pattern": "^bytes ([0-9]+-[0-9]+|\\*)/[0-9]+$"},
    "Content-Disposition": {"type": "string"},
    "Accept-Ranges": {"type": "string", "const": "bytes"},
    "ETag": {"type": "string"},
    "Retry-After": {"type": "string", "pattern": "^[1-9][0-9]*$"},
    "WWW-Authenticate": {"type": "string"},
    "Allow": {"type": "string"},
}
_PROBLEM_HEADERS: Final = {401: ("WWW-Authenticate",), 416: ("Content-Range",), 429: ("Retry-After",)}
PROBLEM: Final[Schema] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "enum": [BASE + kind.name for kind in KINDS]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": "string", "description": "What was refused: a JSON pointer, or query.<name>, header.<name>."},
        "step": {"type": "string", "description": "Which check failed."},
        "log": {"type": "string", "description": "Where the gateway's log tells more."},
    },
}


def document(routes: Sequence[Route], schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """The whole document, as JSON."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "courtrelay court gateway", "version": VERSION, "description": _described()},
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM, **dict(sorted(schemas.items()))},
            "securitySchemes": {
                "certificate": {"type": "mutualTLS", "description": "A client certificate of a listed identity."},
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token of the court's OpenID provider.",
                },
            },
        },
        "tags": [{"name": tag} for tag in sorted({route.tag for route in routes})],
    }


def _described() -> str:
    formats = "\n".join(f"- `{name}`: {says}" for name, says in FORMATS.items())
    return f"{DESCRIPTION}\nFormats of this document:\n\n{formats}\n"


def _operation(route: Route) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.says,
        "tags": [route.tag],
        "security": [{"certificate": []}, {"token": []}] if route.roles else [],
        "responses": {str(a.status): _answer(route, a) for a in route.answers} | _problems(route),
    }
    if route.roles:
        made["x-roles"] = list(route.roles)
    if route.params:
        made["parameters"] = [_parameter(param) for param in route.params]
    if route.body is not None:
        body = route.body
        content = {media_type: {"schema": _sent(body, media_type)} for media_type in body.media_types}
        made["requestBody"] = {
            "required": True,
            "description": f"At most {body.bytes_max} bytes."
            if body.schema
            else "A file, as large as the court takes.",
            "content": content,
        }
    return made


_FILE: Final[Schema] = {"type": "string", "format": "binary"}


def _sent(body: Body, media_type: str) -> Schema:
    """A file of JSON is whatever JSON it is: judging it is what it is sent for."""
    if body.schema:
        return {"$ref": f"#/components/schemas/{body.schema}"}
    return {} if media_type == JSON else _FILE


def _parameter(param: Param) -> dict[str, Any]:
    made: dict[str, Any] = {"name": param.name, "in": param.place, "description": param.says, "schema": param.schema}
    return made | ({"required": True} if param.required or param.place == "path" else {})


def _answer(route: Route, answer: Answer) -> dict[str, Any]:
    made: dict[str, Any] = {"description": answer.says}
    if answer.schema:
        made["content"] = {JSON: {"schema": {"$ref": f"#/components/schemas/{answer.schema}"}}}
    elif answer.media_types:
        made["content"] = {media_type: {"schema": _FILE} for media_type in answer.media_types}
    if answer.headers:
        made["headers"] = {name: _header(name) for name in answer.headers}
    if route.links and answer.status < 300:
        made["links"] = dict(route.links)
    return made


def _header(name: str) -> dict[str, Any]:
    return {"required": True, "schema": HEADERS[name]}


def _problems(route: Route) -> dict[str, Any]:
    """One answer for each status, which names the types that come with it."""
    by_status: dict[int, list[str]] = {}
    for kind in KINDS:
        if kind.name in route.every_problem():
            by_status.setdefault(kind.status, []).append(f"`{kind.name}`: {kind.title}.")
    made: dict[str, Any] = {}
    for status, titles in by_status.items():
        made[str(status)] = {
            "description": " ".join(titles),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        if status in _PROBLEM_HEADERS:
            made[str(status)]["headers"] = {name: _header(name) for name in _PROBLEM_HEADERS[status]}
    return made
