"""`/`: the three ways to check."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay.web.site import Site, page


class CheckingPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Open to all."""
        return [Route("/", self.show)]

    async def show(self, request: Request) -> Response:
        """The first page."""
        return page(self._site, request, "checking/check.html", {})
