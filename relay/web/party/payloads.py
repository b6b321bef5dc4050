"""Payloads of a party's own dossier, shown as the court sees them: nothing in them is run."""

from __future__ import annotations

from typing import BinaryIO

from starlette.requests import Request

from relay.core.view import ViewPayload
from relay.services.court.party_view import PartyView
from relay.web.cases.parts import number_of
from relay.web.cases.payloads import PayloadPages
from relay.web.cases.pdf import PdfPages
from relay.web.site import Site, need


class PartyPayloads(PayloadPages):
    """The handlers. No id of a bundle is taken: it follows from the invitation."""

    at = "/party/payloads/{seq}/{name}"

    def __init__(self, site: Site, view: PartyView) -> None:
        self._site = site
        self._view = view
        self._pdf = PdfPages()

    def dossier(self, request: Request) -> str:
        """See PayloadPages."""
        return "/party"

    async def open_(self, request: Request) -> tuple[ViewPayload, BinaryIO]:
        """See PayloadPages."""
        person, path = need(request, "party"), request.path_params
        return await self._view.payload(person.name, number_of(path["seq"]), path["name"])
