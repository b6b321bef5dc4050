"""`/`: the three ways to check, open to all; and their results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import BinaryIO, Final, Literal
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relay.core.deposit_number import CHARS_MAX, parse_deposit_number
from relay.core.errors import Malformed, NotFound
from relay.core.verdict import Finding
from relay.services.court.checked import Checked
from relay.services.court.checking import Checking
from relay.transport.limits import Limits, Rate, Shares
from relay.web.forms import Form, Upload
from relay.web.site import Site, form_of, page, person_of
from relay.words import Words

CHECKS: Final = Limits(default=Rate(2.0, 30), calls_open=4)
"""For each address: some at once, then two a second; four under way."""
PLACE_CHARS_MAX: Final = 128
DIGEST_CHARS_MAX: Final = 200
ReportForm = Literal["pdf", "json"]
CheckReport = Callable[[BinaryIO], Awaitable[Checked]]
"""Checks a deposit report. Never raises for what the file is."""
HEAD_BYTES: Final = 1024
RECORDS_SHOWN: Final = 500
"""Of a bundle on one page; those that are not consistent come first into the number."""
CHOOSE: Final[Words] = "Choose a file first."
Field = Literal["file", "number", "digest"]


class CheckingPages:
    """The handlers. `reports`: how a deposit report is checked, by the form of its file."""

    def __init__(
        self,
        site: Site,
        checking: Checking,
        *,
        file_bytes_max: int,
        reports: Mapping[ReportForm, CheckReport] | None = None,
    ) -> None:
        self._site = site
        self._checking = checking
        self._file_bytes_max = file_bytes_max
        self._reports = reports or {}
        self._shares = Shares(CHECKS)

    def routes(self) -> list[BaseRoute]:
        """Open to all."""
        return [
            Route("/", self.show),
            Route("/check", self.back, methods=["GET"]),
            Route("/check", self.check, methods=["POST"]),
            Route("/deposit/{number}", self.deposit),
        ]

    async def show(self, request: Request) -> Response:
        """The first page."""
        return self._form(request)

    async def back(self, _request: Request) -> Response:
        """A result has no address of its own: what was uploaded is not kept."""
        return RedirectResponse("/", 303)

    def _form(self, request: Request, wrong: tuple[Field, str] | None = None, status: int = 200) -> Response:
        values = {"wrong": wrong, "file_bytes_max": self._file_bytes_max, "reports": bool(self._reports)}
        return page(self._site, request, "checking/check.html", values, status=status)

    async def check(self, request: Request) -> Response:
        """By the form's field `way`."""
        form = form_of(request)
        ways: dict[str, Callable[[Request, Form], Awaitable[Response]]] = {
            "file": self._file,
            "number": self._number,
            "digest": self._digest,
        }
        way = form.text("way")
        if way not in ways:
            raise Malformed("check", "way", "must be file, number or digest")
        with self._shares.call(_address(request), "check"):
            return await ways[way](request, form)

    async def deposit(self, request: Request) -> Response:
        """What is held of a deposit number: nothing personal, so that its address may be passed on."""
        text = request.path_params["number"]
        try:
            with self._shares.call(_address(request), "check"):
                result = await self._checking.deposit_number(text[: CHARS_MAX + 1])
        except Malformed as error:
            return self._form(request, ("number", error.reason), 400)
        return self._result(request, result, "")

    async def _number(self, request: Request, form: Form) -> Response:
        text = "".join(form.text("number", chars_max=PLACE_CHARS_MAX).split()).upper()
        try:
            parse_deposit_number(text)
        except Malformed as error:
            return self._form(request, ("number", error.reason), 400)
        return RedirectResponse(f"/deposit/{quote(text, safe='')}", 303)

    async def _digest(self, request: Request, form: Form) -> Response:
        place = form.text("place", chars_max=PLACE_CHARS_MAX)
        text = form.text("digest", chars_max=DIGEST_CHARS_MAX)
        try:
            result = await self._checking.digest(form.text("algorithm"), text, place, person_of(request))
        except (Malformed, NotFound) as error:
            return self._form(request, ("digest", _said(error)), 400)
        return self._result(request, result, "")

    async def _file(self, request: Request, form: Form) -> Response:
        upload = form.file("file")
        place = form.text("place", chars_max=PLACE_CHARS_MAX)
        if upload is None:
            return self._form(request, ("file", CHOOSE), 400)
        try:
            result = await self._checked_file(request, upload, place)
        except (Malformed, NotFound) as error:
            return self._form(request, ("file", _said(error)), 400)
        return self._result(request, result, upload.name)

    async def _checked_file(self, request: Request, upload: Upload, place: str) -> Checked:
        if place:
            return await self._checking.file(upload.file, place, person_of(request))
        head = upload.file.read(HEAD_BYTES)
        upload.file.seek(0)
        if head.startswith(b"PK"):
            return await self._checking.bundle(upload.file)
        form: ReportForm = "pdf" if head.startswith(b"%PDF-") else "json"
        if form in self._reports and (form == "pdf" or head.lstrip()[:1] == b"{"):
            return await self._reports[form](upload.file)
        raise Malformed("file", "", _NEITHER)

    def _result(self, request: Request, result: Checked, name: str) -> Response:
        ordered = sorted(result.records, key=lambda record: record.verdict is Finding.CONSISTENT)
        shown = sorted(ordered[:RECORDS_SHOWN], key=lambda record: record.seq)
        return page(self._site, request, "checking/result.html", {"result": result, "name": name, "records": shown})


_NEITHER: Final[Words] = (
    "This file is neither an evidence bundle nor a deposit report. For an original file give its record's number or code too."
)


def _said(error: Malformed | NotFound) -> str:
    return error.reason if isinstance(error, Malformed) else str(error)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
