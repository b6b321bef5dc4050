"""Puts the pages together into one ASGI application."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles


def make_app(routes: Sequence[BaseRoute]) -> Starlette:
    """The application. Each route's handler checks who asks (`relay.web.site.need`) or is open to all on purpose."""
    return Starlette(routes=[*routes, Mount("/static", StaticFiles(packages=[("relay.web", "static")]), name="static")])
