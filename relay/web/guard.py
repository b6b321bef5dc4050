"""In front of every page: host, path, method, size and time of what comes; who is signed in; whether a form is one of ours.

A handler that sees a POST therefore has a form within its bounds whose token was right (`relay.web.site.form_of`).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay.core.errors import Busy, Denied, Malformed, Unavailable
from relay.ports.sessions import Session
from relay.telemetry.events import FILE_REFUSED, FORM_REFUSED, REQUEST_BROKE_OFF, log_event
from relay.web import security
from relay.web.answers import Refused, answer
from relay.web.forms import FORM_BYTES_MAX, read_form
from relay.web.lingering import linger
from relay.web.sessions import person_from, read_cookie, set_cookie
from relay.web.site import Site
from relay.words import Words

log = logging.getLogger(__name__)

HEAD_BYTES_MAX: Final = 16 * 1024
"""Of a request's target and headers together."""
HEADERS_MAX: Final = 100
API_BODY_BYTES_MAX: Final = 2**32
"""Beyond every operation's own bound (relay/web/api)."""
PIECE_WITHIN_S: Final = 20.0
"""A body whose next piece does not come in time is given up."""
BODY_BYTES_A_SECOND: Final = 16 * 1024
"""A body must on the whole come faster than this, after its first minute."""
BODY_GRACE_S: Final = 60.0
SEND_WITHIN_S: Final = 60.0
"""A reader that takes nothing for so long is given up."""
UPLOADS_AT_ONCE: Final = 4
BIG_BYTES: Final = 8 * 1024 * 1024
FORM_AROUND_BYTES: Final = 64 * 1024
"""What a form may add to its file."""


SPACE_KEPT_BYTES: Final = 1024**3
NO_SPACE: Final[Words] = "there is no room here for a file of this size now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`uploads`: path → bytes of the file that it takes; every other form is small. `spool`: where files lie until the answer is given."""

    spool: Path
    uploads: Mapping[str, int] = field(default_factory=dict)
    piece_within_s: float = PIECE_WITHIN_S


Whose = Callable[[str], Coroutine[Any, Any, Session | None]]


class Guard:
    """ASGI middleware around the pages."""

    def __init__(self, app: ASGIApp, site: Site, policy: Policy, whose: Whose, routes: list[BaseRoute]) -> None:
        self._app = app
        self._site = site
        self._policy = policy
        self._whose = whose
        self._routes = routes
        self._https = site.url.startswith("https://")
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            raise RuntimeError(f"pages are no {scope['type']}")
        started = False

        async def out(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                held = security.with_headers(message.get("headers", []), https=self._https)
                message = {**message, "headers": held + visitor_cookie(scope, self._site.url)}
            async with asyncio.timeout(SEND_WITHIN_S):
                await send(message)

        request = Request(scope, receive)
        try:
            await self._admitted(request, scope, receive, out)
        except (ClientDisconnect, TimeoutError) as error:
            log_event(log, REQUEST_BROKE_OFF, reason=type(error).__name__)
        except Exception as error:
            if started:
                raise
            await self._refuse(request, error, receive, out)

    async def _admitted(self, request: Request, scope: Scope, receive: Receive, out: Send) -> None:
        _check_head(scope)
        self._check_host(request)
        if scope["path"].startswith(security.API):
            # reads no cookie, needs no token, and checks paths, methods and sizes by a table of its own
            scope["person"] = None
            body = _pieces(receive, API_BODY_BYTES_MAX, self._policy.piece_within_s)
            safe = request.method in security.SAFE_METHODS
            await self._app(scope, receive if safe else _replayed(body), out)
            return
        security.check_path(scope["path"], scope["query_string"])
        if request.method not in security.PAGE_METHODS:
            raise Refused(405, headers={"Allow": ", ".join(sorted(security.PAGE_METHODS))})
        await self._who(request, scope)
        if request.method in security.SAFE_METHODS:
            await self._app(scope, receive, out)
        else:
            self._check_origin(request)
            await self._with_form(request, scope, receive, out)

    def _check_host(self, request: Request) -> None:
        try:
            security.check_host(request.headers.getlist("host"), self._site.url)
        except Malformed:
            raise Refused(421) from None

    def _check_origin(self, request: Request) -> None:
        try:
            security.check_origin(request.headers, self._site.url)
        except Denied as denied:
            log_event(log, FORM_REFUSED, reason=denied.reason)
            raise Refused(403) from None

    async def _who(self, request: Request, scope: Scope) -> None:
        """Sets `person`, and `csrf`: the token that belongs to the session's cookie, or to the visitor's while there is none."""
        secret = read_cookie(request, "session", self._site.url)
        session = await self._whose(secret) if secret else None
        scope["person"] = person_from(session) if session else None
        secret = secret or read_cookie(request, "visitor", self._site.url)
        if not secret:
            secret = scope["new_visitor"] = security.new_secret()
        scope["csrf"] = security.csrf_token(secret)

    async def _with_form(self, request: Request, scope: Scope, receive: Receive, out: Send) -> None:
        file_bytes = self._policy.uploads.get(scope["path"])
        most = FORM_BYTES_MAX if file_bytes is None else file_bytes + FORM_AROUND_BYTES
        body = self._body(request, receive, most)
        if most > BIG_BYTES and self._uploads.locked():
            raise Busy(f"{UPLOADS_AT_ONCE} big files are being read already", 10.0)
        if most > BIG_BYTES:
            await self._check_space(int(request.headers.get("content-length", most)))
        room = self._uploads if most > BIG_BYTES else _NoRoom()
        async with room:
            form = await read_form(
                request.headers.get("content-type", ""), body, self._policy.spool, lambda f: _token(f, scope["csrf"])
            )
            try:
                scope["form"] = form
                await self._app(scope, _replayed(_nothing()), out)
            finally:
                form.close()

    async def _check_space(self, wanted: int) -> None:
        """The disk is the gateway's too: what people send never fills it. Raises `Unavailable`."""
        usage = await asyncio.to_thread(shutil.disk_usage, self._policy.spool)
        if usage.free - wanted < SPACE_KEPT_BYTES:
            log_event(log, FILE_REFUSED, free=usage.free, folder=self._policy.spool)
            raise Unavailable(NO_SPACE)

    def _body(self, request: Request, receive: Receive, most: int) -> AsyncIterator[bytes]:
        """Refuses by what is declared before anything is read, and by what comes. Raises `Refused`."""
        declared = request.headers.get("content-length", "")
        if declared and int(declared) > most:  # h11 has checked that it is a number
            raise Refused(413, f"{int(declared)} bytes; at most {most}")
        return _pieces(receive, most, self._policy.piece_within_s)

    async def _refuse(self, request: Request, error: Exception, receive: Receive, out: Send) -> None:
        """Answer an error. What is still being sent is read for a moment and thrown away, for a browser that sends does not listen."""
        request.scope.setdefault("person", None)
        response = answer(self._site, request, error, self._routes)
        response.headers["connection"] = "close"
        await linger(response, request.scope, receive, out)


class _NoRoom:
    """Small forms need no place among the big ones."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None


def _check_head(scope: Scope) -> None:
    """h11 bounds a head that comes in pieces; one that comes whole is counted here. Raises `Refused`."""
    size = len(scope["raw_path"]) + len(scope["query_string"]) + sum(len(n) + len(v) for n, v in scope["headers"])
    if size > HEAD_BYTES_MAX or len(scope["headers"]) > HEADERS_MAX:
        raise Refused(431)


def visitor_cookie(scope: Scope, url: str) -> list[tuple[bytes, bytes]]:
    """The cookie that a new visitor's forms are bound to."""
    secret = scope.get("new_visitor")
    if not secret:
        return []
    carrier = Response()
    set_cookie(carrier, "visitor", secret, url)
    return [(name, value) for name, value in carrier.raw_headers if name == b"set-cookie"]


def _token(fields: Mapping[str, list[str]], token: str) -> None:
    try:
        security.check_csrf(fields, token)
    except Denied:
        raise Refused(403) from None


async def _pieces(receive: Receive, most: int, within_s: float) -> AsyncIterator[bytes]:
    """The body as it comes. Raises `Refused` when it is too much or too slow, ClientDisconnect when it ends early."""
    done, begun = 0, time.monotonic()
    while True:
        try:
            async with asyncio.timeout(within_s):
                message = await receive()
        except TimeoutError:
            raise Refused(408, "nothing came for too long") from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        done += len(piece)
        if done > most:
            raise Refused(413, f"more than {most} bytes")
        if time.monotonic() - begun > BODY_GRACE_S + done / BODY_BYTES_A_SECOND:
            raise Refused(408, "it came too slowly")
        if piece:
            yield piece
        if not message.get("more_body", False):
            return


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _replayed(body: AsyncIterator[bytes]) -> Receive:
    """A `receive` that gives a bounded body; the end, once it has come, again for ever."""

    async def receive() -> Message:
        piece = await anext(body, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    return receive
