"""What one row of the table of routes says. Everything that is checked, and everything in the OpenAPI document, follows from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Literal

from starlette.requests import Request
from starlette.responses import Response

from relay.web.site import Person, PersonRole

Schema = Mapping[str, Any]
JSON: Final = "application/json"
JSON_BYTES_MAX: Final = 256 * 1024
"""A grant is the largest thing that comes as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter. In a query or header each comes at most once; text is never empty."""

    name: str
    place: Literal["path", "query", "header"]
    schema: Schema
    says: str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What an operation takes: a JSON object of a named schema, or a file of any bytes."""

    schema: str = ""
    """Name of the schema; empty for a file."""
    media_types: tuple[str, ...] = (JSON,)
    bytes_max: int = JSON_BYTES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer that is no problem. `schema` is empty for a file."""

    status: int
    says: str
    schema: str = ""
    media_types: tuple[str, ...] = (JSON,)
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that has passed every check of its row. `person` is None only where everybody may ask."""

    request: Request
    person: Person | None
    path: Mapping[str, Any]
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    file: BinaryIO | None

    @property
    def by(self) -> str:
        """Who asks, for the custody log."""
        if self.person is None:
            raise RuntimeError("this operation is open to everybody; nobody asks")
        return self.person.name


Handler = Callable[[Asked], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation. Without `roles` it is open to everybody. `problems`: names beside those that follow from the rest."""

    method: Literal["GET", "POST"]
    path: str
    name: str
    says: str
    roles: tuple[PersonRole, ...]
    answers: tuple[Answer, ...]
    handle: Handler
    params: tuple[Param, ...] = ()
    body: Body | None = None
    problems: tuple[str, ...] = ()
    tag: str = ""
    links: Mapping[str, Any] = field(default_factory=dict)

    def every_problem(self) -> tuple[str, ...]:
        """All problems this operation may answer with."""
        names = {"malformed", "uri-too-long", "internal", "host", "headers-too-large", *self.problems}
        if self.roles:
            names |= {"unauthenticated", "role", "busy", "unavailable"}
        if any(one.place == "path" for one in self.params):
            names.add("not-found")
        if self.body is not None:
            names |= {"too-large", "media-type", "unusable", "timeout"}
        return tuple(sorted(names))
