"""Errors as people see them: what was wrong and what to do next, in their language, never a traceback."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match

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
from relay.telemetry.events import INTERNAL_ERROR, PAGE_DENIED, log_event
from relay.web.api.problems import problem_of
from relay.web.security import API, safe_next
from relay.web.site import Site, page, person_of
from relay.words import Words

log = logging.getLogger(__name__)

STATUS: Final[Mapping[type[RelayError], int]] = {
    Malformed: 400,
    Denied: 404,
    Unverified: 422,
    NotFound: 404,
    Conflict: 409,
    Busy: 429,
    Unavailable: 503,
    Uncertain: 503,
}
TITLES: Final[Mapping[int, tuple[Words, Words]]] = {
    400: ("This request cannot be understood", "Go back, correct what is named here, and try again."),
    403: ("This form is no longer valid", "Open the page again and send the form from there."),
    404: (
        "There is no such page for you",
        "It does not exist, or it is not open to you. Check the address, or sign in.",
    ),
    405: ("This page does not answer to that", "Use the links and buttons of the pages."),
    408: ("The request took too long", "Check the connection and try again."),
    409: ("Something has changed meanwhile", "Open the page again to see its present state."),
    413: ("The file is too big", "Send a smaller file, or ask the court's IT for the offline program."),
    421: ("This address is not that of these pages", "Use the address that the court gave you."),
    422: ("A check did not hold", "What was sent contradicts what is recorded; nothing of it was taken."),
    429: ("Too many requests", "Wait a moment and try again."),
    431: ("The request's headers are too big", "Delete the cookies of these pages and try again."),
    500: ("Something went wrong here", "Tell the court's IT the number below; they find the cause by it."),
    503: ("This is not available now", "Try again in a few minutes. Nothing was lost."),
}


class Refused(HTTPException):
    """A refusal of the guard's own: an HTTP status and what was wrong."""


def answer(site: Site, request: Request, error: Exception, routes: list[BaseRoute]) -> Response:
    """The answer to an error. A signed-out person who needs to be somebody is led to the sign-in page, and back from there."""
    if request.url.path.startswith(API):
        return problem_of(error, f"{request.method} {API}").response()
    if isinstance(error, Denied):
        log_event(log, PAGE_DENIED, method=request.method, path=_shown_path(request), reason=error.reason)
        if person_of(request) is None:
            back = page_to_return_to(request, routes)
            return RedirectResponse(f"/sign-in?next={quote(back, safe='/')}", 303)
    status, detail = _status(request, error)
    headers = dict(getattr(error, "headers", None) or {})
    if isinstance(error, Busy):
        headers["retry-after"] = str(max(1, round(error.retry_s)))
    title, advice = TITLES.get(status, TITLES[400 if status < 500 else 500])
    shown = page(
        site,
        request,
        "error.html",
        {"status": status, "title": title, "advice": advice, "detail": detail},
        status=status,
    )
    shown.headers.update(headers)
    return shown


def page_to_return_to(request: Request, routes: list[BaseRoute]) -> str:
    """Where a person goes on after signing in: this page, or the nearest above it that can be read."""
    path = request.url.path
    if request.method in ("GET", "HEAD"):
        query = f"?{request.url.query}" if request.url.query else ""
        return safe_next(path + query)
    while path not in ("", "/"):
        scope = {**request.scope, "method": "GET", "path": path, "root_path": ""}
        if any(route.matches(scope)[0] is Match.FULL for route in routes):
            return safe_next(path)
        path = path.rstrip("/").rpartition("/")[0]
    return "/"


def _status(request: Request, error: Exception) -> tuple[int, str]:
    """Status and what is said of the cause."""
    if isinstance(error, HTTPException):
        return error.status_code, error.detail if isinstance(error, Refused) else ""
    kind = next((kind for kind in STATUS if isinstance(error, kind)), None)
    if isinstance(error, Busy):
        return 429, ""
    if kind is None:
        number = secrets.token_hex(4)
        log_event(log, INTERNAL_ERROR, what=f"{request.method} {_shown_path(request)}", number=number, exc_info=error)
        return 500, f"log id {number}"
    return STATUS[kind], "" if isinstance(error, Denied | NotFound) else str(error)


def _shown_path(request: Request) -> str:
    """Without the secrets that some paths hold."""
    path = request.url.path
    return path[: path.find("/", 1) + 1] + "…" if path.count("/") > 1 else path
