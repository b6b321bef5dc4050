"""The interface as one ASGI application below /api: finds the row, checks who asks, reads, calls, and answers every error as a problem."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from jsonschema.protocols import Validator
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Router
from starlette.routing import Route as Endpoint
from starlette.types import Receive, Scope, Send

from relay.core.errors import Busy, Denied
from relay.telemetry.events import API_DENIED, log_event
from relay.web.api.forms import Strict, checker
from relay.web.api.problems import NOTHING, Problem, problem_of
from relay.web.api.reading import Reader
from relay.web.api.table import Asked, Route, Schema
from relay.web.lingering import linger
from relay.web.site import Person

log = logging.getLogger(__name__)

UPLOADS_AT_ONCE: Final = 4
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="court"'}


class Callers(Protocol):
    """Who calls: by client certificate or bearer token, never by a session. Cookies are not looked at."""

    async def caller(self, request: Request) -> Person | None:
        """None without any credentials. Raises `Denied` for credentials that do not hold, `Unavailable` when they cannot be checked."""


class Operation:
    """One row of the table at work."""

    def __init__(
        self, route: Route, schemas: Mapping[str, Schema], callers: Callers, uploads: asyncio.Semaphore, spool: Path
    ) -> None:
        self.route = route
        self._callers = callers
        self._uploads = uploads
        self._reader = Reader(route, _validators(route, schemas), spool)

    async def run(self, request: Request) -> Response:
        """Raises `Problem` and the errors of the domain. Who asks is settled before anything of the request is looked at."""
        person = await self._person(request)
        reader = self._reader
        path, query, headers = reader.path(request), reader.query(request), reader.headers(request)
        body = await reader.json(request)
        asked = Asked(request=request, person=person, path=path, query=query, headers=headers, body=body, file=None)
        if not reader.takes_file:
            return await self.route.handle(asked)
        if self._uploads.locked():
            raise Busy(f"{UPLOADS_AT_ONCE} files are being read already", 10.0)
        async with self._uploads:
            with await reader.file(request) as file:
                return await self.route.handle(replace(asked, file=file))

    async def _person(self, request: Request) -> Person | None:
        if not self.route.roles:
            return None
        try:
            person = await self._callers.caller(request)
        except Denied as error:
            log_event(log, API_DENIED, operation=self.route.name, reason=error)
            person = None
        if person is None:
            reason = "Show a client certificate of a listed identity, or a bearer token of the court's OpenID provider."
            raise Problem(name="unauthenticated", detail=reason, headers=CHALLENGE)
        if not person.roles & set(self.route.roles):
            raise Problem(name="role", detail=f"This operation is for {' or '.join(self.route.roles)}.")
        return person


def api_routes(routes: Sequence[Route], schemas: Mapping[str, Schema], callers: Callers, spool: Path) -> list[Mount]:
    """What `relay.web.app.make_app` takes: everything below /api. Pages' sessions and forms stay outside.

    Files that are sent lie in `spool`, without a name, until the answer is given.
    """
    uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
    by_path: dict[str, dict[str, Operation]] = {}
    for route in routes:
        operation = Operation(route, schemas, callers, uploads, spool)
        by_path.setdefault(route.path.removeprefix("/api"), {})[route.method] = operation
    paths = [Endpoint(path, _Endpoint(operations)) for path, operations in by_path.items()]
    return [Mount("/api", app=Router(paths, default=_nothing, redirect_slashes=False))]


class _Endpoint:
    """One path: all methods come here, so that an unknown one is answered as a problem too."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        operation = self._operations.get(request.method)
        name = operation.route.name if operation else "method"
        try:
            if operation is None:
                allow = ", ".join(sorted(self._operations))
                raise Problem(name="method", detail=f"This path knows {allow}.", headers={"Allow": allow})
            response = await operation.run(request)
        except Exception as error:
            response = problem_of(error, name).response()
            if request.method not in ("GET", "HEAD") and not getattr(request.state, "body_read", False):
                response.headers["connection"] = "close"
                await linger(response, scope, receive, send)
                return
        await response(scope, receive, send)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await Problem(name="not-found", detail=NOTHING).response()(scope, receive, send)


def _validators(route: Route, schemas: Mapping[str, Schema]) -> dict[str, Validator]:
    made: dict[str, Validator] = {f"{p.place}.{p.name}": _validator(p.schema, schemas) for p in route.params}
    if route.body is not None and route.body.schema:
        made["body"] = _validator({"$ref": f"#/components/schemas/{route.body.schema}"}, schemas)
    return made


def _validator(schema: Schema, schemas: Mapping[str, Schema]) -> Validator:
    whole: dict[str, Any] = {**schema, "components": {"schemas": dict(schemas)}}
    validator: Validator = Strict(whole, format_checker=checker)
    return validator
