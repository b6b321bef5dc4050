"""The list of cases with search, filters, pages and exports; taking a grant in; one case with its grants and dossiers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from relay.core.errors import Malformed, NotFound, Unverified
from relay.core.limits import CASE_CHARS_MAX, GRANT_BYTES_MAX, PURPOSE_CHARS_MAX
from relay.core.verdict import Finding
from relay.ports.cases import DossierRow, GrantFacts
from relay.web.cases.parts import LOOKERS, READERS, STATE_WORDS, Parts, query_of
from relay.web.site import form_of, need, page

DOSSIERS_SHOWN: Final = 200
"""Rows of a grant's dossiers on one page."""
_COLUMNS: Final = (
    "case", "dossier", "grant", "bundle_id", "verdict", "trust_version", "made_at_s", "checked_ms",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_VERDICTS: Final = tuple(finding.value for finding in Finding if finding is not Finding.SUPERSEDED)


class ListPages:
    """The handlers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._site = parts.site
        self._cases = parts.cases

    def routes(self) -> list[BaseRoute]:
        """All under `/cases`."""
        return [
            Route("/cases", self.show),
            Route("/cases/export.csv", self.export),
            Route("/cases/export.jsonl", self.export),
            Route("/cases/grant", self.grant, methods=["GET", "POST"]),
            Route("/cases/of", self.case),
            Route("/cases/retrieve", self.retrieve, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """A page of cases."""
        need(request, *LOOKERS)
        query = query_of(request)
        found = await self._cases.cases(query, request.query_params.get("after", ""))
        chosen = {"search": query.search, "verdict": query.verdict, "state": query.state}
        kept = urlencode({name: value for name, value in chosen.items() if value})
        values = {
            "query": query,
            "found": found,
            "verdicts": _VERDICTS,
            "states": STATE_WORDS,
            "kept": kept,
            "next_page": urlencode({**chosen, "after": found.after}) if found.after else "",
            "first": not request.query_params.get("after"),
        }
        return page(self._site, request, "cases/list.html", values)

    async def export(self, request: Request) -> Response:
        """The dossiers of the cases found, as CSV (RFC 4180) or JSON Lines, written while they are read."""
        need(request, *LOOKERS)
        rows = self._cases.export(query_of(request))
        if request.url.path.endswith(".csv"):
            body, kind, name = _csv(rows), "text/csv; charset=utf-8", "cases.csv"
        else:
            body, kind, name = _json_lines(rows), "application/jsonl; charset=utf-8", "cases.jsonl"
        return StreamingResponse(
            body, headers={"Content-Type": kind, "Content-Disposition": f'attachment; filename="{name}"'}
        )

    async def grant(self, request: Request) -> Response:
        """The form for a grant, and taking one in: a file or pasted text."""
        person = need(request, *READERS)
        if request.method != "POST":
            return self._grant_page(request, "")
        form = form_of(request)
        upload = form.file("file")
        token = (
            upload.file.read(GRANT_BYTES_MAX + 1) if upload else form.text("token", chars_max=GRANT_BYTES_MAX).encode()
        )
        try:
            if not token:
                raise Malformed("grant", "", "choose a file or paste the grant's text")
            row = await self._cases.add_grant(token, person.name)
        except (Malformed, Unverified) as error:
            return self._grant_page(request, str(error), 422)
        return RedirectResponse(f"/cases/of?{urlencode({'case': row.case})}", 303)

    def _grant_page(self, request: Request, problem: str, status: int = 200) -> Response:
        return page(self._site, request, "cases/grant.html", {"problem": problem}, status=status)

    async def case(self, request: Request) -> Response:
        """One case."""
        person = need(request, *LOOKERS)
        case = request.query_params.get("case", "")
        facts = await self._cases.case(case)
        verdict, start = request.query_params.get("verdict", ""), request.query_params.get("from", "")
        grants = [_shown(grant, verdict, start) for grant in facts.grants]
        values = {
            "case": facts.case,
            "grants": grants,
            "verdict": verdict,
            "verdicts": _VERDICTS,
            "may_read": bool(person.roles & set(READERS)),
            "purpose_max": PURPOSE_CHARS_MAX,
        }
        return page(self._site, request, "cases/case.html", values)

    async def retrieve(self, request: Request) -> Response:
        """Begin a retrieval; the officer is whoever is signed in."""
        person = need(request, *READERS)
        form = form_of(request)
        if len(form.text("case", chars_max=CASE_CHARS_MAX)) == 0:
            raise NotFound("no such case")
        job = await self._cases.begin(
            form.text("grant"),
            form.text("dossier"),
            person.name,
            form.text("purpose", chars_max=PURPOSE_CHARS_MAX),
            person.name,
        )
        return RedirectResponse(f"/jobs/{job}", 303)


def _shown(facts: GrantFacts, verdict: str, start: str) -> dict[str, object]:
    """A grant with a page of its dossiers, by id."""
    rows = [row for row in facts.dossiers if (not verdict or row.verdict == verdict) and row.dossier >= start]
    more = rows[DOSSIERS_SHOWN].dossier if len(rows) > DOSSIERS_SHOWN else ""
    return {"grant": facts.grant, "rows": rows[:DOSSIERS_SHOWN], "total": len(facts.dossiers), "more": more}


async def _csv(rows: AsyncIterator[DossierRow]) -> AsyncIterator[str]:
    """A byte order mark first: spreadsheets take UTF-8 for something else without it."""
    yield "\ufeff" + _line(_COLUMNS)
    async for row in rows:
        yield _line([str(getattr(row, name)) for name in _COLUMNS])


def _line(values: tuple[str, ...] | list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([_harmless(value) for value in values])
    return out.getvalue()


def _harmless(value: str) -> str:
    """A case number that a lender chose must not become a formula in a clerk's spreadsheet."""
    return f"'{value}" if value.startswith(_FORMULA) else value


async def _json_lines(rows: AsyncIterator[DossierRow]) -> AsyncIterator[str]:
    async for row in rows:
        yield json.dumps({name: getattr(row, name) for name in _COLUMNS}, ensure_ascii=False) + "\n"
