"""Inviting parties, and ending invitations: pages of the court's clerks."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay.core.errors import Conflict, Malformed, NotFound
from relay.core.limits import CASE_CHARS_MAX
from relay.ports.common import Clock
from relay.services.court.parties import DAYS_DEFAULT, DAYS_MAX, Parties
from relay.web.party.words import LIMITS, NOT_INVITED, STATES
from relay.web.site import Site, form_of, need, page

_NOTHING: Final = {"case": "", "dossier": "", "days": str(DAYS_DEFAULT)}


class InvitingPages:
    """The handlers."""

    def __init__(self, site: Site, parties: Parties, clock: Clock) -> None:
        self._site = site
        self._parties = parties
        self._clock = clock

    def routes(self) -> list[BaseRoute]:
        """Every page."""
        return [
            Route("/party/invitations", self.invitations, methods=["GET", "POST"]),
            Route("/party/invitations/revoke", self.revoke, methods=["POST"]),
        ]

    async def invitations(self, request: Request) -> Response:
        """The list and the form. After inviting, the link is shown, this once."""
        by = need(request, "clerk").name
        given = {name: request.query_params.get(name, "")[:CASE_CHARS_MAX] for name in ("case", "dossier")}
        if request.method != "POST":
            return await self._page(request, {**_NOTHING, **given})
        form = form_of(request)
        said = {name: form.text(name) for name in _NOTHING}
        try:
            _, secret = await self._parties.invite(
                said["case"], said["dossier"], form.text("name"), form.text("id_number"), _days(said["days"]), by
            )
        except NotFound:
            return await self._page(request, said, problem="dossier")
        except Conflict:
            return await self._page(request, said, problem="open")
        except Malformed as error:
            return await self._page(request, said, problem=error.field)
        return await self._page(request, {**_NOTHING, "case": said["case"]}, link=secret)

    async def revoke(self, request: Request) -> Response:
        """End one; the list again."""
        by = need(request, "clerk").name
        form = form_of(request)
        await self._parties.revoke(form.text("invitation"), by)
        return await self._page(request, {**_NOTHING, "case": form.text("case")})

    async def _page(self, request: Request, said: dict[str, str], *, problem: str = "", link: str = "") -> Response:
        found = await self._parties.invitations(said["case"])
        values = {
            "said": said,
            "problem": NOT_INVITED.get(problem, problem),
            "limits": LIMITS,
            "link": f"{self._site.url}/party/enter/{link}" if link else "",
            "found": found,
            "now_ms": self._clock.now_ms(),
            "states": STATES,
            "days_max": DAYS_MAX,
        }
        return page(self._site, request, "party/invitations.html", values, status=400 if problem else 200)


def _days(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 4:
        raise Malformed("invitation", "days", f"must be a number from 1 to {DAYS_MAX}")
    return int(text)
