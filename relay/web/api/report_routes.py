"""Deposit reports: issued from a bundle, listed, taken, and checked when somebody brings one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import BinaryIO, Final

from starlette.responses import Response

from relay.core.errors import NotFound
from relay.core.report_profile import REPORT_LANGUAGES
from relay.core.shapes import to_shape
from relay.ports.reports import ReportRow
from relay.services.court.checked import Checked
from relay.services.court.reports import PAGE_REPORTS, Reports
from relay.web.api.answers import HEADERS, answer
from relay.web.api.bundle_routes import BUNDLE
from relay.web.api.case_routes import READERS, WORKERS
from relay.web.api.check_routes import file_of, shown_check
from relay.web.api.cursors import make_cursor, read_cursor
from relay.web.api.forms import CURSOR, TOKEN, Schema, listed, members, one_of, ref
from relay.web.api.shapes import schema_of
from relay.web.api.table import JSON, Answer, Asked, Body, Param, Route

PDF: Final = "application/pdf"
_LIST: Final = "listReports"
CheckReport = Callable[[BinaryIO], Awaitable[Checked]]
NUMBER: Final = Param(
    name="number",
    place="path",
    schema={"type": "string", "pattern": "^[0-9A-Z-]{1,40}$"},
    says="The report's number, as it stands on it.",
)
SCHEMAS: Final[Mapping[str, Schema]] = {
    "NewReport": members({"language": one_of(*REPORT_LANGUAGES), "profile": TOKEN}),
    "Report": schema_of(ReportRow),
    "Reports": members({"reports": listed(ref("Report"), PAGE_REPORTS)}, {"next": CURSOR}),
    "ReportsOfBundle": members({"reports": {"type": "array", "items": ref("Report")}}),
    "ReportDocument": {"type": "object", "description": "The signed document (docs/spec/report.md)."},
}


class ReportHandlers:
    """The handlers. Where a court issues no reports, there is nothing at any of these addresses."""

    def __init__(self, reports: Reports | None, check: CheckReport | None) -> None:
        self._reports = reports
        self._check = check

    @property
    def reports(self) -> Reports:
        """The service. Raises `NotFound` where there is none."""
        if self._reports is None:
            raise NotFound("this court issues no reports")
        return self._reports

    async def issue(self, asked: Asked) -> Response:
        """Issue one."""
        row = await self.reports.issue(asked.path["bundle"], asked.body["language"], asked.body["profile"], asked.by)
        return answer(_shown(row), 201, {"Location": f"/api/v1/reports/{row.number}"})

    async def of_bundle(self, asked: Asked) -> Response:
        """Those made of a bundle."""
        await self.reports.head(asked.path["bundle"])
        return answer({"reports": [_shown(row) for row in await self.reports.of_bundle(asked.path["bundle"])]})

    async def register(self, asked: Asked) -> Response:
        """A page of all."""
        before = read_cursor(_LIST, asked.query, asked.query["cursor"]) if "cursor" in asked.query else 0
        rows = await self.reports.page(before if isinstance(before, int) else 0)
        page: dict[str, object] = {"reports": [_shown(row) for row in rows]}
        if len(rows) == PAGE_REPORTS:
            page["next"] = make_cursor(_LIST, asked.query, rows[-1].issued_ms)
        return answer(page)

    async def one(self, asked: Asked) -> Response:
        """One as the register has it."""
        return answer(_shown(await self.reports.by_number(asked.path["number"])))

    async def pdf(self, asked: Asked) -> Response:
        """The sealed PDF, after the custody log says who takes it."""
        row = await self.reports.by_number(asked.path["number"])
        return _sent((await self.reports.files(row, asked.by)).pdf, PDF, f"report-{row.number}.pdf")

    async def document(self, asked: Asked) -> Response:
        """The signed document, the same way."""
        row = await self.reports.by_number(asked.path["number"])
        return _sent((await self.reports.files(row, asked.by)).document, JSON, f"report-{row.number}.json")

    async def check(self, asked: Asked) -> Response:
        """A report that somebody brings."""
        if self._check is None:
            raise NotFound("this court issues no reports")
        return shown_check(await self._check(file_of(asked)))


def report_routes(reports: Reports | None, check: CheckReport | None, file_bytes_max: int) -> list[Route]:
    """Rows of the table."""
    at = ReportHandlers(reports, check)
    return [*_of_bundles(at), *_of_register(at), _checking(at, file_bytes_max)]


def _of_bundles(at: ReportHandlers) -> list[Route]:
    return [
        Route(
            method="POST",
            path="/api/v1/bundles/{bundle}/reports",
            name="issueReport",
            tag="reports",
            says="Issue a sealed deposit report on a bundle; it replaces older ones of its dossier",
            roles=WORKERS,
            params=(BUNDLE,),
            body=Body(schema="NewReport"),
            answers=(Answer(status=201, says="It is issued.", schema="Report", headers=("Location",)),),
            handle=at.issue,
            problems=("unavailable",),
        ),
        Route(
            method="GET",
            path="/api/v1/bundles/{bundle}/reports",
            name="reportsOfBundle",
            tag="reports",
            says="Reports made of a bundle, newest first",
            roles=READERS,
            params=(BUNDLE,),
            answers=(Answer(status=200, says="All there are.", schema="ReportsOfBundle"),),
            handle=at.of_bundle,
        ),
    ]


def _of_register(at: ReportHandlers) -> list[Route]:
    cursor = Param(name="cursor", place="query", schema=CURSOR, says="Where the page begins, from `next`.")
    rows = (
        ("", "getReport", "One report as the register has it", "Report", JSON, at.one, READERS),
        ("/pdf", "fetchReport", "The sealed PDF", "", PDF, at.pdf, READERS),
        ("/document", "fetchReportDocument", "The same content as a signed document", "ReportDocument", JSON, at.document, READERS),
    )  # fmt: skip
    listing = Route(
        method="GET",
        path="/api/v1/reports",
        name=_LIST,
        tag="reports",
        says="All issued reports, newest first",
        roles=READERS,
        params=(cursor,),
        answers=(Answer(status=200, says="A page of the register.", schema="Reports"),),
        handle=at.register,
        problems=("unusable", "not-found"),
    )
    made = [
        Route(
            method="GET",
            path=f"/api/v1/reports/{{number}}{ending}",
            name=name,
            tag="reports",
            says=says,
            roles=roles,
            params=(NUMBER,),
            answers=(Answer(status=200, says=f"{says}.", schema=schema, media_types=(media_type,)),),
            handle=handle,
        )
        for ending, name, says, schema, media_type, handle, roles in rows
    ]
    return [listing, *made]


def _checking(at: ReportHandlers, file_bytes_max: int) -> Route:
    return Route(
        method="POST",
        path="/api/v1/checks/report",
        name="checkReport",
        tag="checks",
        says="Check a deposit report, as its PDF or as its document",
        roles=READERS,
        body=Body(media_types=(PDF, JSON), bytes_max=file_bytes_max),
        answers=(Answer(status=200, says="The result.", schema="Checked"),),
        handle=at.check,
        problems=("busy", "not-found"),
    )


def _shown(row: ReportRow) -> dict[str, object]:
    made = to_shape(row)
    assert isinstance(made, dict)
    return made


def _sent(data: bytes, media_type: str, name: str) -> Response:
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=media_type, headers=headers)
