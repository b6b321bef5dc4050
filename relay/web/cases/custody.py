"""The court's custody log as its people read it: who did what with which dossier, oldest first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay.core.custody import CustodyEvent, parse_event
from relay.core.errors import NotFound
from relay.core.fields import DOSSIER
from relay.ports.custody import CustodyFilter
from relay.services.custody_reading import ReadRow
from relay.web.cases.parts import LOOKERS
from relay.web.site import Site, need, page

EVENTS_SHOWN: Final = 100
FindEvents = Callable[[CustodyFilter, int, int], Awaitable[tuple[list[ReadRow], int]]]
"""See relay.services.custody_reading.CustodyReading.find."""


class CustodyPages:
    """The handler."""

    def __init__(self, site: Site, find: FindEvents) -> None:
        self._site = site
        self._find = find

    def routes(self) -> list[BaseRoute]:
        """For judges, clerks and auditors."""
        return [Route("/custody", self.show)]

    async def show(self, request: Request) -> Response:
        """A page of events, of one dossier when one is named."""
        need(request, *LOOKERS)
        dossier = request.query_params.get("dossier", "").strip()
        start = request.query_params.get("from", "0")
        if (
            (dossier and not DOSSIER.fullmatch(dossier))
            or not start.isascii()
            or not start.isdecimal()
            or len(start) > 15
        ):
            raise NotFound("no such page of the log")
        rows, more = await self._find(CustodyFilter(dossier=dossier), int(start), EVENTS_SHOWN)
        events: list[tuple[int, CustodyEvent]] = [(row.index, parse_event(row.event)) for row in rows if row.event]
        values = {"dossier": dossier, "events": events, "more": more, "first": start == "0"}
        return page(self._site, request, "cases/custody.html", values)
