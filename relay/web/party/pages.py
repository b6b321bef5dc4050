"""What an invited party sees: the door, the own dossier, its proof, objections, who has seen it, how to check alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, get_args

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relay.core.errors import Denied, Malformed, NotFound
from relay.core.limits import JSON_INT_MAX, OBJECTION_CHARS_MAX, OBJECTION_SEQS_MAX
from relay.core.timeline import timeline
from relay.core.verdict import DOES_NOT_PROVE
from relay.ports.cases import Ground
from relay.ports.sessions import Session
from relay.services.court.parties import Admission, Parties
from relay.services.court.party_view import PartyView
from relay.services.court.signing_in import SignIn
from relay.transport.limits import Limits, Rate, Shares
from relay.web.api.files import send_file
from relay.web.cases.parts import GROUND_WORDS, OUTCOME_WORDS
from relay.web.cases.shown import Filter, Showing
from relay.web.party.words import NOT_TAKEN, seen_row
from relay.web.sessions import read_cookie, set_cookie
from relay.web.site import MenuEntry, Site, form_of, language_of, need, page
from relay.words import Words, speaker

TRIES: Final = Limits(default=Rate(0.2, 12), calls_open=4)
"""At the door, for each address: some at once, then one in five seconds."""
LINK_CHARS_MAX: Final = 300
SEQ_DIGITS_MAX: Final = 6
_DOSSIER: Final[Words] = "My dossier"
_OBJECTIONS: Final[Words] = "Objections"
_SEEN: Final[Words] = "Who has seen it"
_HELP: Final[Words] = "Check it yourself"
_INVITATIONS: Final[Words] = "Invitations"
MENU: Final = (
    MenuEntry(path="/party", text=_DOSSIER, roles=frozenset({"party"})),
    MenuEntry(path="/party/objections", text=_OBJECTIONS, roles=frozenset({"party"})),
    MenuEntry(path="/party/seen", text=_SEEN, roles=frozenset({"party"})),
    MenuEntry(path="/party/help", text=_HELP, roles=frozenset({"party"})),
    MenuEntry(path="/party/invitations", text=_INVITATIONS, roles=frozenset({"clerk"})),
)
EVERYTHING: Final = Filter(stage="", kind="", verdict="")


class PartyPages:
    """The handlers."""

    def __init__(self, site: Site, parties: Parties, view: PartyView, sign_in: SignIn) -> None:
        self._site = site
        self._parties = parties
        self._view = view
        self._sign_in = sign_in
        self.tries = Shares(TRIES)

    def routes(self) -> list[BaseRoute]:
        """Every page. None of them takes the id of a case, a dossier or a bundle."""
        return [
            Route("/party/enter", self.door, methods=["GET", "POST"]),
            Route("/party/enter/{link}", self.door),
            Route("/party", self.dossier),
            Route("/party/proof", self.proof),
            Route("/party/objections", self.objections, methods=["GET", "POST"]),
            Route("/party/seen", self.seen),
            Route("/party/help", self.help),
        ]

    async def door(self, request: Request) -> Response:
        """Whatever is wrong, there is one answer."""
        link = str(request.path_params.get("link", ""))[:LINK_CHARS_MAX]
        if request.method != "POST":
            return page(self._site, request, "party/enter.html", {"link": link, "refused": False})
        form = form_of(request)
        link = form.text("link", chars_max=LINK_CHARS_MAX).rpartition("/")[2]
        try:
            with self.tries.call(request.client.host if request.client else "", "invitation"):
                admission = await self._parties.enter(link, form.text("name"), form.text("id_number"))
        except Denied:
            return page(self._site, request, "party/enter.html", {"link": link, "refused": True}, status=403)
        secret = await self._sign_in.begin(_session(admission), read_cookie(request, "session", self._site.url))
        response = RedirectResponse("/party", 303)
        set_cookie(response, "session", secret, self._site.url)
        return response

    async def dossier(self, request: Request) -> Response:
        """The own dossier, read-only."""
        own = await self._view.dossier(need(request, "party").name)
        w, view = speaker(language_of(request)), own.view
        values = {
            "own": own.admission,
            "head": own.row,
            "view": view,
            "stages": [] if view is None else Showing(w, view, ()).stages(timeline(view), EVERYTHING),
            "payloads_at": "/party/payloads",
            "ground_words": GROUND_WORDS,
            "does_not_prove": [w.said(sentence) for sentence in DOES_NOT_PROVE],
        }
        return await asyncio.to_thread(page, self._site, request, "party/dossier.html", values)

    async def proof(self, request: Request) -> Response:
        """The bundle."""
        bundle, file = await self._view.proof(need(request, "party").name)
        return send_file(request, file, media_type="application/zip", name=f"proof-{bundle}.zip", tag=bundle)

    async def objections(self, request: Request) -> Response:
        """The form and the own objections; after sending, the same page again."""
        name = need(request, "party").name
        problem, said = "", {"ground": "", "text": "", "seqs": request.query_params.get("seq", "")[:SEQ_DIGITS_MAX]}
        if request.method == "POST":
            form = form_of(request)
            said = {key: form.text(key, chars_max=2 * OBJECTION_CHARS_MAX) for key in said}
            try:
                await self._view.object(
                    name, _seqs(form.texts("seq"), said["seqs"]), _ground(said["ground"]), said["text"]
                )
                return RedirectResponse("/party/objections#own", 303)
            except Malformed as error:
                problem = NOT_TAKEN.get(error.field, NOT_TAKEN["text"])
        values = {
            "own": await self._parties.admitted(name),
            "raised": await self._view.objections(name),
            "grounds": GROUND_WORDS,
            "outcomes": OUTCOME_WORDS,
            "problem": problem,
            "said": said,
        }
        return page(self._site, request, "party/objections.html", values, status=400 if problem else 200)

    async def seen(self, request: Request) -> Response:
        """Who did what with the own dossier."""
        name = need(request, "party").name
        start = request.query_params.get("from", "0")
        if not start.isascii() or not start.isdecimal() or len(start) > 16 or int(start) > JSON_INT_MAX:
            raise NotFound("no such page")
        found = await self._view.seen(name, int(start))
        values = {"rows": [seen_row(one) for one in found.events], "next": found.next}
        return page(self._site, request, "party/seen.html", values)

    async def help(self, request: Request) -> Response:
        """How to check alone. Open to everybody: nothing of a case is in it."""
        return page(self._site, request, "party/help.html", {})


def _session(admission: Admission) -> Session:
    return Session(
        name=admission.name,
        roles=frozenset({"party"}),
        case=admission.case,
        dossiers=frozenset({admission.dossier}),
        way="invitation",
        begun_ms=0,
        seen_ms=0,
    )


def _ground(text: str) -> Ground:
    known: Sequence[Ground] = get_args(Ground)
    for ground in known:
        if ground == text:
            return ground
    raise Malformed("objection", "ground", "choose one of the grounds")


def _seqs(boxes: Sequence[str], written: str) -> list[int]:
    """Numbers from boxes that were ticked, and from a field with commas between."""
    texts = [
        *boxes,
        *(part.strip() for part in written.replace("，", ",").replace("、", ",").split(",") if part.strip()),
    ]
    if len(texts) > OBJECTION_SEQS_MAX:
        raise Malformed("objection", "seqs", f"at most {OBJECTION_SEQS_MAX} records")
    return [_number(text) for text in texts]


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > SEQ_DIGITS_MAX:
        raise Malformed("objection", "seqs", "write the records' numbers with commas between, such as 3, 7")
    return int(text)
