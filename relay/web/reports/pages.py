"""Deposit reports for the court's people, and `/r/<code>` for whoever holds one.

What `/r/<code>` shows is on the report itself: its number, issuer and case, the verdict with its steps, the four times, the counts, and
the files. Records, names and payloads stay in the files. Whoever has the code has the report.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relay.core.errors import NotFound
from relay.core.verdict import Finding
from relay.ports.reports import ReportFiles, ReportRow
from relay.services.court.reports import PAGE_REPORTS, Reports
from relay.transport.limits import Limits, Rate, Shares
from relay.web.site import PersonRole, Site, form_of, need, page

READERS: Final[tuple[PersonRole, ...]] = ("judge", "clerk", "auditor")
ISSUERS: Final[tuple[PersonRole, ...]] = ("judge", "clerk")
ASKED: Final = Limits(default=Rate(1.0, 30), calls_open=4)
"""By code, for each address: some at once, then one a second. A code has 128 bits; nobody finds one by trying."""
SPANS: Final = (
    ("event", "Events, as the lender states them"),
    ("timestamp", "Timestamp authorities"),
    ("lender_ledger", "Lender's ledger: anchored"),
    ("court_ledger", "Court's ledger: accepted"),
)
LANGUAGE_NAMES: Final = {"zh-CN": "中文", "en": "English"}


class ReportPages:
    """The handlers."""

    def __init__(self, site: Site, reports: Reports) -> None:
        self._site = site
        self._reports = reports
        self._asked = Shares(ASKED)

    def routes(self) -> list[BaseRoute]:
        """`/r/…` is open to all; the rest is the court's."""
        return [
            Route("/dossiers/{bundle}/reports", self.of_bundle),
            Route("/dossiers/{bundle}/reports", self.issue, methods=["POST"]),
            Route("/reports", self.register),
            Route("/reports/{number}", self.one),
            Route("/reports/{number}/{file}", self.download),
            Route("/r/{code}", self.shown),
            Route("/r/{code}/{file}", self.shown_file),
        ]

    async def of_bundle(self, request: Request) -> Response:
        """The reports of one bundle, and the form that issues one."""
        person = need(request, *READERS)
        bundle = request.path_params["bundle"]
        head = await self._reports.head(bundle)
        values = {
            "head": head,
            "rows": await self._reports.of_bundle(bundle),
            "profiles": sorted(self._reports.profiles.values(), key=lambda profile: profile.name),
            "language_names": LANGUAGE_NAMES,
            "may_issue": bool(person.roles & set(ISSUERS)),
        }
        return page(self._site, request, "reports/issue.html", values)

    async def issue(self, request: Request) -> Response:
        """Issue one, and on to it."""
        person = need(request, *ISSUERS)
        form = form_of(request)
        language, profile = form.text("language", chars_max=16), form.text("profile", chars_max=64)
        row = await self._reports.issue(request.path_params["bundle"], language, profile, person.name)
        return RedirectResponse(f"/reports/{row.number}", 303)

    async def register(self, request: Request) -> Response:
        """All issued reports, newest first."""
        need(request, *READERS)
        text = request.query_params.get("before", "0")
        before = int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else 0
        rows = await self._reports.page(before)
        values = {"rows": rows, "more": len(rows) == PAGE_REPORTS, "language_names": LANGUAGE_NAMES}
        return page(self._site, request, "reports/register.html", values)

    async def one(self, request: Request) -> Response:
        """One report as the register has it."""
        need(request, *READERS)
        row = await self._reports.by_number(request.path_params["number"])
        return page(self._site, request, "reports/one.html", {"row": row, "language_names": LANGUAGE_NAMES})

    async def download(self, request: Request) -> Response:
        """The PDF or the document."""
        person = need(request, *READERS)
        row = await self._reports.by_number(request.path_params["number"])
        return await self._file(row, request.path_params["file"], person.name)

    async def shown(self, request: Request) -> Response:
        """What the court says to whoever holds the report with this code."""
        with self._asked.call(_address(request), "report"):
            try:
                found = await self._reports.shown(request.path_params["code"])
            except NotFound:
                return page(self._site, request, "reports/unknown.html", {"finding": Finding.NOT_FOUND}, status=404)
        report = found.verdict.report
        values = {
            "row": found.row,
            "verdict": found.verdict,
            "blocks": report.blocks if report else {},
            "spans": SPANS,
            "language_names": LANGUAGE_NAMES,
        }
        return page(self._site, request, "reports/shown.html", values)

    async def shown_file(self, request: Request) -> Response:
        """The files, for whoever has the code."""
        with self._asked.call(_address(request), "report"):
            row = await self._reports.by_code(request.path_params["code"])
            return await self._file(row, request.path_params["file"], "")

    async def _file(self, row: ReportRow, name: str, by: str) -> Response:
        kinds = {"report.pdf": ("application/pdf", "pdf"), "report.json": ("application/json", "json")}
        if name not in kinds:
            raise NotFound("no such file of a report")
        media_type, ending = kinds[name]
        files = await self._reports.files(row, by)
        disposition = f'attachment; filename="report-{row.number}.{ending}"'
        return Response(_bytes(files, ending), media_type=media_type, headers={"Content-Disposition": disposition})


def _bytes(files: ReportFiles, ending: str) -> bytes:
    return files.pdf if ending == "pdf" else files.document


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
