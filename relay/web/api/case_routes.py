"""Cases, their grants, and retrievals under them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from relay.core.errors import Malformed
from relay.core.limits import CASE_CHARS_MAX, GRANT_DOSSIERS_MAX, RECORDS_PER_DOSSIER_MAX
from relay.core.shapes import to_shape
from relay.ports.cases import CASE_STATES, CaseQuery, CaseRow, DossierRow, GrantRow
from relay.services.court.calls import RepeatableCalls
from relay.services.court.case_jobs import JobState
from relay.services.court.cases import EXPORT_ROWS, PAGE_CASES, Cases
from relay.services.court.retrieval import Progress, Seen
from relay.web.api.answers import answer
from relay.web.api.cursors import make_cursor, read_cursor
from relay.web.api.forms import (
    CASE,
    CURSOR,
    DIGEST,
    DOSSIER_ID,
    FINDING,
    FREE,
    GRANT_TOKEN,
    OFFICER,
    PURPOSE,
    TIME_MS,
    TIME_S,
    Schema,
    hexadecimal,
    listed,
    members,
    one_of,
    ref,
    text,
    whole,
)
from relay.web.api.shapes import schema_of
from relay.web.api.table import Answer, Asked, Body, Param, Route
from relay.web.site import PersonRole

READERS: Final[tuple[PersonRole, ...]] = ("judge", "clerk", "auditor")
WORKERS: Final[tuple[PersonRole, ...]] = ("judge", "clerk")
JOB_ID: Final = hexadecimal(16, "A job's id.")
_LIST: Final = "listCases"
_GRANT: Final[Mapping[str, Schema]] = {
    "digest": DIGEST,
    "case": FREE,
    "issuer": FREE,
    "mode": FREE,
    "purpose": FREE,
    "dossiers": listed(DOSSIER_ID, GRANT_DOSSIERS_MAX),
    "not_before_s": TIME_S,
    "expires_s": TIME_S,
    "added_ms": TIME_MS,
    "added_by": FREE,
}
_JOB: Final[Mapping[str, Schema]] = {
    "job": JOB_ID,
    "kind": one_of("retrieve", "again"),
    "phase": one_of("begun", "done", "failed"),
    "waiting": {"type": "boolean", "description": "It has not got its turn yet."},
    "case": FREE,
    "dossier": DOSSIER_ID,
    "grant": FREE,
    "officer": FREE,
    "purpose": FREE,
    "by": FREE,
    "bundle": {"type": "string", "description": "Id of the stored bundle, empty before there is one."},
    "problem": {"type": "string", "description": "Why it failed, in words; empty unless it did."},
    "begun_ms": TIME_MS,
    "ended_ms": TIME_MS,
    "progress": {"anyOf": [schema_of(Progress), {"type": "null"}]},
    "seen": listed(schema_of(Seen), RECORDS_PER_DOSSIER_MAX, "Verdicts of records on arrival, while it runs."),
}
SCHEMAS: Final[Mapping[str, Schema]] = {
    "CaseRow": schema_of(CaseRow),
    "CasePage": members({"cases": listed(ref("CaseRow"), EXPORT_ROWS)}, {"next": CURSOR}),
    "Grant": members(_GRANT),
    "Grants": members({"grants": {"type": "array", "items": ref("Grant")}}),
    "GrantFacts": members(
        {"grant": ref("Grant"), "dossiers": {"type": "array", "items": schema_of(DossierRow)}},
        says="`bundle_id`: the dossier's newest bundle, empty before it was retrieved; `job`: what is under way.",
    ),
    "Case": members({"case": FREE, "grants": {"type": "array", "items": ref("GrantFacts")}}),
    "NewGrant": members({"grant": GRANT_TOKEN}),
    "NewRetrieval": members({"grant": DIGEST, "dossier": DOSSIER_ID, "officer": OFFICER, "purpose": PURPOSE}),
    "BegunJob": members({"job": JOB_ID}),
    "Job": members(_JOB),
}
KEY: Final = Param(
    name="Idempotency-Key",
    place="header",
    schema={"type": "string", "pattern": "^[A-Za-z0-9_-]{16,64}$"},
    says="The caller's own name for this call. Repeated with it, the call leads to the same job and to no second disclosure.",
    required=True,
)


class CaseHandlers:
    """The handlers."""

    def __init__(self, cases: Cases, calls: RepeatableCalls) -> None:
        self._cases = cases
        self._calls = calls

    async def find(self, asked: Asked) -> Response:
        """A page of cases."""
        query = asked.query
        after = read_cursor(_LIST, query, query["cursor"]) if "cursor" in query else ""
        if not isinstance(after, str):
            raise Malformed("cursor", "cursor", "is not one that was given out")
        wanted = CaseQuery(
            search=query.get("search", ""), verdict=query.get("verdict", ""), state=query.get("state", "")
        )
        found = await self._cases.cases(wanted, after, query.get("limit", PAGE_CASES))
        page: dict[str, Any] = {"cases": [to_shape(row) for row in found.rows]}
        if found.after:
            page["next"] = make_cursor(_LIST, query, found.after)
        return answer(page)

    async def case(self, asked: Asked) -> Response:
        """One case."""
        facts = await self._cases.case(asked.query["number"])
        grants = [
            {"grant": grant_json(one.grant), "dossiers": [to_shape(row) for row in one.dossiers]}
            for one in facts.grants
        ]
        return answer({"case": facts.case, "grants": grants})

    async def grants(self, asked: Asked) -> Response:
        """The grants of a case."""
        facts = await self._cases.case(asked.query["case"])
        return answer({"grants": [grant_json(one.grant) for one in facts.grants]})

    async def add_grant(self, asked: Asked) -> Response:
        """Take a grant in."""
        return answer(grant_json(await self._cases.add_grant(asked.body["grant"].encode("ascii"), asked.by)))

    async def retrieve(self, asked: Asked) -> Response:
        """Begin, or find what the key began."""
        body = asked.body
        job = await self._calls.retrieve(
            asked.headers[KEY.name], body["grant"], body["dossier"], body["officer"], body["purpose"], asked.by
        )
        return begun(job)

    async def job(self, asked: Asked) -> Response:
        """How far it is."""
        return answer(_job_json(await self._cases.job(asked.path["job"])))


def begun(job: str) -> Response:
    """202 with where to look."""
    return answer({"job": job}, 202, {"Location": f"/api/v1/jobs/{job}"})


def case_routes(cases: Cases, calls: RepeatableCalls) -> list[Route]:
    """Rows of the table."""
    at = CaseHandlers(cases, calls)
    return [*_reading(at), *_working(at)]


def _reading(at: CaseHandlers) -> list[Route]:
    return [
        Route(
            method="GET",
            path="/api/v1/cases",
            name=_LIST,
            tag="cases",
            says="Cases, those changed last first",
            roles=READERS,
            params=_FIND,
            answers=(Answer(status=200, says="A page of cases.", schema="CasePage"),),
            handle=at.find,
            problems=("unusable",),
        ),
        Route(
            method="GET",
            path="/api/v1/case",
            name="getCase",
            tag="cases",
            says="One case with its grants and their dossiers",
            roles=READERS,
            params=(Param(name="number", place="query", schema=CASE, says="Its number.", required=True),),
            answers=(Answer(status=200, says="The case.", schema="Case"),),
            handle=at.case,
            problems=("not-found",),
        ),
        Route(
            method="GET",
            path="/api/v1/grants",
            name="listGrants",
            tag="cases",
            says="The grants of a case, newest first",
            roles=READERS,
            params=(Param(name="case", place="query", schema=CASE, says="Its number.", required=True),),
            answers=(Answer(status=200, says="Grants.", schema="Grants"),),
            handle=at.grants,
            problems=("not-found",),
        ),
        Route(
            method="GET",
            path="/api/v1/jobs/{job}",
            name="getJob",
            tag="retrievals",
            says="How far a retrieval or another verification is, and what came of it",
            roles=WORKERS,
            params=(Param(name="job", place="path", schema=JOB_ID, says="Which one."),),
            answers=(Answer(status=200, says="The job.", schema="Job"),),
            handle=at.job,
        ),
    ]


def _working(at: CaseHandlers) -> list[Route]:
    return [
        Route(
            method="POST",
            path="/api/v1/grants",
            name="addGrant",
            tag="cases",
            says="Take in a lender's grant; the same one again changes nothing",
            roles=WORKERS,
            body=Body(schema="NewGrant"),
            answers=(Answer(status=200, says="The grant as it was taken in.", schema="Grant"),),
            handle=at.add_grant,
            problems=("unverified", "not-found"),
        ),
        Route(
            method="POST",
            path="/api/v1/retrievals",
            name="beginRetrieval",
            tag="retrievals",
            says="Begin to retrieve a dossier under a grant that was taken in",
            roles=WORKERS,
            params=(KEY,),
            body=Body(schema="NewRetrieval"),
            answers=(Answer(status=202, says="It has begun.", schema="BegunJob", headers=("Location",)),),
            handle=at.retrieve,
            problems=("not-found", "conflict"),
        ),
    ]


def grant_json(row: GrantRow) -> dict[str, Any]:
    """A grant without its token, which is secret enough to stay."""
    return {name: to_shape(getattr(row, name)) for name in _GRANT}


def _job_json(state: JobState) -> dict[str, Any]:
    row = state.row
    same = ("kind", "phase", "case", "dossier", "grant", "officer", "purpose", "by", "problem", "begun_ms", "ended_ms")
    return {
        "job": row.id,
        "waiting": state.waiting,
        "bundle": row.bundle_id,
        **{name: getattr(row, name) for name in same},
        "progress": to_shape(state.progress) if state.progress else None,
        "seen": [to_shape(one) for one in state.seen],
    }


_FIND: Final = (
    Param(
        name="search",
        place="query",
        schema=text(CASE_CHARS_MAX),
        says="Part of a case number, or the beginning of a dossier's id.",
    ),
    Param(name="verdict", place="query", schema=FINDING, says="Cases whose worst verdict this is."),
    Param(name="state", place="query", schema=one_of(*CASE_STATES), says="How much of the case was retrieved."),
    Param(name="limit", place="query", schema=whole(1, EXPORT_ROWS), says=f"Cases of a page; {PAGE_CASES} by default."),
    Param(name="cursor", place="query", schema=CURSOR, says="Where the page begins, from `next` of the page before."),
)
