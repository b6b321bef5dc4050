"""Puts the pages together into one ASGI application."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from relay.core.errors import RelayError
from relay.web.answers import answer
from relay.web.guard import Guard, Policy, Whose
from relay.web.site import Site


class _Static(StaticFiles):
    """Style, script and shapes: the same for everybody, kept for an hour."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See StaticFiles."""
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "public, max-age=3600"
        return response


def make_app(site: Site, routes: Sequence[BaseRoute], policy: Policy, whose: Whose) -> Guard:
    """The application behind its guard. Each route's handler checks who asks (`relay.web.site.need`) or is open to all on purpose.

    `whose` gives the session of a cookie's secret (`relay.services.court.signing_in.SignIn.whose`).
    """
    all_routes = [*routes, Mount("/static", _Static(packages=[("relay.web", "static")]), name="static")]

    async def on_error(request: Request, error: Exception) -> Response:
        return answer(site, request, error, all_routes)

    pages = Starlette(
        routes=all_routes, exception_handlers={RelayError: on_error, HTTPException: on_error, Exception: on_error}
    )
    pages.router.redirect_slashes = False
    return Guard(pages, site, policy, whose, all_routes)
