"""A job's page: how far a retrieval or a verification is, each record's verdict as it comes, and how it ended."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relay.web.cases.parts import LOOKERS, READERS, Parts
from relay.web.site import need, page


class JobPages:
    """The handlers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[BaseRoute]:
        """The page, and verifying a bundle again, which is a job too."""
        return [
            Route("/jobs/{job}", self.show),
            Route("/dossiers/{bundle}/again", self.again, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """As it stands: without script the page comes again by itself, with script its middle is exchanged."""
        person = need(request, *LOOKERS)
        state = await self._parts.cases.job(request.path_params["job"])
        progress = state.progress
        values = {
            "state": state,
            "job": state.row,
            "under_way": state.row.phase == "begun",
            "rows": state.seen,
            "percent": progress.bytes * 100 // progress.bytes_total if progress and progress.bytes_total else 0,
            "may_read": bool(person.roles & set(READERS)),
        }
        return page(self._parts.site, request, "cases/job.html", values)

    async def again(self, request: Request) -> Response:
        """Verify a stored bundle again, now."""
        person = need(request, *READERS)
        job = await self._parts.cases.again(request.path_params["bundle"], person.name)
        return RedirectResponse(f"/jobs/{job}", 303)
