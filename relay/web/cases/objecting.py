"""Objections on the court's pages: entering one that was made to the court, and answering."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relay.core.errors import Malformed
from relay.core.limits import OBJECTION_CHARS_MAX
from relay.ports.cases import GROUNDS, OUTCOMES
from relay.web.cases.parts import READERS, Parts
from relay.web.site import form_of, need

SEQS_CHARS_MAX: Final = 1000


class ObjectionPages:
    """The handlers; what they lead to is on the dossier's page."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[BaseRoute]:
        """Both take forms alone."""
        return [
            Route("/dossiers/{bundle}/objections", self.enter, methods=["POST"]),
            Route("/dossiers/{bundle}/objections/{objection}", self.answer, methods=["POST"]),
        ]

    async def enter(self, request: Request) -> Response:
        """An objection made at a hearing or on paper."""
        person = need(request, *READERS)
        head = await self._parts.cases.head(request.path_params["bundle"])
        form = form_of(request)
        ground = next((one for one in GROUNDS if one == form.text("ground")), None)
        if ground is None:
            raise Malformed("objection", "ground", "choose one of the grounds")
        made = await self._parts.objections.raise_(
            head.dossier,
            head.case,
            _seqs(form.text("seqs", chars_max=SEQS_CHARS_MAX)),
            ground,
            form.text("text", chars_max=OBJECTION_CHARS_MAX),
            person.name,
        )
        return RedirectResponse(f"/dossiers/{head.bundle_id}#objection-{made}", 303)

    async def answer(self, request: Request) -> Response:
        """A judge's answer, once."""
        person = need(request, "judge")
        head = await self._parts.cases.head(request.path_params["bundle"])
        form = form_of(request)
        outcome = next((one for one in OUTCOMES if one == form.text("outcome")), None)
        if outcome is None:
            raise Malformed("objection", "outcome", "choose how it is decided")
        objection = await self._parts.objections.one(request.path_params["objection"])
        text = form.text("answer", chars_max=OBJECTION_CHARS_MAX)
        await self._parts.objections.answer(objection.id, text, outcome, person.name)
        return RedirectResponse(f"/dossiers/{head.bundle_id}#objection-{objection.id}", 303)


def _seqs(text: str) -> list[int]:
    """Numbers of records as people write them: `3, 7 9`. Raises `Malformed`."""
    words = text.replace(",", " ").replace("，", " ").replace("、", " ").split()
    if not all(word.isascii() and word.isdecimal() and len(word) <= 6 for word in words):
        raise Malformed("objection", "seqs", "write the records' numbers, such as 3, 7")
    return [int(word) for word in words]
