"""Objections to a dossier's records, by ground, and the court's answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from relay.core.limits import OBJECTION_CHARS_MAX, OBJECTION_SEQS_MAX, RECORDS_PER_DOSSIER_MAX
from relay.core.shapes import to_shape
from relay.ports.cases import GROUNDS, OUTCOMES, Objection
from relay.ports.parties import CaseFiles
from relay.services.court.objections import PER_DOSSIER_MAX, Objections
from relay.web.api.answers import answer
from relay.web.api.case_routes import READERS
from relay.web.api.forms import CASE, DOSSIER_ID, Schema, hexadecimal, lines, listed, members, one_of, ref, whole
from relay.web.api.shapes import schema_of
from relay.web.api.table import Answer, Asked, Body, Param, Route

OBJECTION_ID: Final = hexadecimal(16, "An objection's id.")
GROUND: Final[Schema] = {
    **one_of(*GROUNDS),
    "description": "`platform`: Online Litigation Rules art. 17; `before_anchoring`: art. 18; or another.",
}
SCHEMAS: Final[Mapping[str, Schema]] = {
    "NewObjection": members(
        {
            "case": CASE,
            "dossier": DOSSIER_ID,
            "ground": GROUND,
            "text": lines(OBJECTION_CHARS_MAX, "The reasons."),
        },
        {
            "seqs": listed(
                whole(0, RECORDS_PER_DOSSIER_MAX - 1), OBJECTION_SEQS_MAX, "To which records; without: the dossier."
            )
        },
        says="An objection that came on paper; parties raise theirs on the court's pages.",
    ),
    "MadeObjection": members({"objection": OBJECTION_ID}),
    "NewAnswer": members({"outcome": one_of(*OUTCOMES), "text": lines(OBJECTION_CHARS_MAX, "The court's reasons.")}),
    "Objection": schema_of(Objection),
    "Objections": members({"objections": listed(ref("Objection"), PER_DOSSIER_MAX)}),
}


class ObjectionHandlers:
    """The handlers."""

    def __init__(self, objections: Objections, files: CaseFiles) -> None:
        self._objections = objections
        self._files = files

    async def of(self, asked: Asked) -> Response:
        """All to a dossier in a case."""
        case, dossier = asked.query["case"], asked.query["dossier"]
        await self._files.traces(case, dossier)
        return answer({"objections": [to_shape(one) for one in await self._objections.of(case, dossier)]})

    async def add(self, asked: Asked) -> Response:
        """Keep one that came on paper."""
        body = asked.body
        await self._files.traces(body["case"], body["dossier"])
        made = await self._objections.raise_(
            body["dossier"], body["case"], body.get("seqs", []), body["ground"], body["text"], asked.by
        )
        return answer({"objection": made}, 201)

    async def settle(self, asked: Asked) -> Response:
        """The court's answer, once."""
        done = await self._objections.answer(
            asked.path["objection"], asked.body["text"], asked.body["outcome"], asked.by
        )
        return answer({"objection": done.id})


def objection_routes(objections: Objections, files: CaseFiles) -> list[Route]:
    """Rows of the table."""
    at = ObjectionHandlers(objections, files)
    return [
        Route(
            method="GET",
            path="/api/v1/objections",
            name="listObjections",
            tag="objections",
            says="Objections to a dossier, oldest first, with the court's answers",
            roles=READERS,
            params=(
                Param(name="case", place="query", schema=CASE, says="In this case.", required=True),
                Param(name="dossier", place="query", schema=DOSSIER_ID, says="To this dossier.", required=True),
            ),
            answers=(Answer(status=200, says="All there are.", schema="Objections"),),
            handle=at.of,
            problems=("not-found",),
        ),
        Route(
            method="POST",
            path="/api/v1/objections",
            name="addObjection",
            tag="objections",
            says="Keep an objection that came on paper",
            roles=("clerk",),
            body=Body(schema="NewObjection"),
            answers=(Answer(status=201, says="It is kept.", schema="MadeObjection"),),
            handle=at.add,
            problems=("not-found",),
        ),
        Route(
            method="POST",
            path="/api/v1/objections/{objection}/answer",
            name="answerObjection",
            tag="objections",
            says="Answer an objection, once",
            roles=("judge",),
            params=(Param(name="objection", place="path", schema=OBJECTION_ID, says="Which one."),),
            body=Body(schema="NewAnswer"),
            answers=(Answer(status=200, says="It is answered.", schema="MadeObjection"),),
            handle=at.settle,
            problems=("conflict",),
        ),
    ]
