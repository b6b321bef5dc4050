"""Deposit reports: issued from a stored bundle's view, found again by number or code, checked when somebody brings one.

A report is logged in the custody log, with the digests of its document and its PDF, before anybody has it. Who may issue is the edges'
to check; the retrieval code stands on the report itself, so that whoever holds a report, and nobody else, can ask for it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Final

from relay.core.errors import Malformed, NotFound
from relay.core.report import make_report, parse_report, seal_report
from relay.core.report_check import KnownReport, ReportVerdict, check_document, check_pdf
from relay.core.report_inputs import BundleFacts, Issuer, ReportOrder
from relay.core.report_number import CODE_BYTES, check_code, parse_report_number, report_number, retrieval_code
from relay.core.report_profile import ReportProfile, choose_profile
from relay.core.trust import TrustRoots
from relay.ports.cases import KeptView
from relay.ports.common import Clock, RandomBytes, Signer
from relay.ports.court import CourtStore
from relay.ports.reports import ReportBook, ReportFiles, ReportPress, ReportRow, Views
from relay.services.court.custody import CustodyKeeper

READ_BYTES: Final = 1024 * 1024
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
PAGE_REPORTS: Final = 50
PRESSES: Final = 2
"""Reports printed or read at a time; others wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOffice:
    """Who issues: `identity` of the court, its name and filing number for people, where its pages are, the program's version."""

    identity: str
    name: str
    licence: str
    url: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReport:
    """A report that was asked for by its code: its row, and the register's word on its document."""

    row: ReportRow
    verdict: ReportVerdict


class Reports:
    """Serves pages, the HTTP interface and the public check."""

    def __init__(
        self,
        *,
        office: ReportOffice,
        book: ReportBook,
        views: Views,
        court: CourtStore,
        press: ReportPress,
        seal: Signer,
        profiles: Mapping[str, ReportProfile],
        trust: TrustRoots,
        custody: CustodyKeeper,
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        self._office = office
        self._book = book
        self._views = views
        self._court = court
        self._press = press
        self._seal = seal
        self.profiles = profiles
        self._trust = trust
        self._custody = custody
        self._clock = clock
        self._random = random_bytes
        self._presses = asyncio.Semaphore(PRESSES)

    async def issue(self, bundle_id: str, language: str, profile: str, by: str) -> ReportRow:
        """Make, seal, log and keep a report; it replaces older ones of its dossier.

        Raises `NotFound`, `Malformed` (profile, language, no font), `Unavailable` (no timestamp; nothing was issued).
        """
        chosen = choose_profile(self.profiles, profile, language)
        head = await self._views.head(bundle_id)
        view = await self._views.view(bundle_id, by, "for a deposit report")
        bundle = await self._bundle(bundle_id)
        order = await self._order(head.case, head.dossier, language, by, head.checked_ms)
        issuer = Issuer(
            identity=self._office.identity,
            name=self._office.name,
            licence=self._office.licence,
            certificate=self._press.certificate,
        )
        async with self._presses:
            content = await asyncio.to_thread(make_report, view, bundle, issuer, order, chosen)
            document = seal_report(content, public_key=self._seal.public_key, sign=self._seal.sign)
            pdf = await asyncio.to_thread(self._press.make, document, self._office.name)
        row = ReportRow(
            number=order.number,
            code=order.code,
            case=head.case,
            dossier=head.dossier,
            bundle_id=bundle_id,
            language=language,
            profile=profile,
            verdict=view.verdict.verdict.value,
            issued_ms=order.issued_ms,
            issued_by=by,
            content_sha256=parse_report(document).digest,
            pdf_sha256=hashlib.sha256(pdf).hexdigest(),
            supersedes=order.supersedes,
            superseded_by="",
        )
        subject = {"bundle": bundle_id, "dossier": row.dossier, "report": row.content_sha256, "pdf": row.pdf_sha256}
        await self._custody.note("issue", subject, "issued", f"report {row.number}", actor=by)
        await self._book.add(row, ReportFiles(pdf=pdf, document=document))
        return row

    async def _order(self, case: str, dossier: str, language: str, by: str, checked_ms: int) -> ReportOrder:
        now_ms = self._clock.now_ms()
        year = datetime.fromtimestamp(now_ms / 1000, UTC).year
        serial = await self._book.next_serial(year)
        code = retrieval_code(self._random(CODE_BYTES))
        before = await self._book.newest(case, dossier, language)
        return ReportOrder(
            number=str(report_number(self._office.identity, year, serial)),
            code=code,
            url=f"{self._office.url}/r/{code}",
            supersedes=before.number if before else "",
            issued_ms=now_ms,
            checked_ms=checked_ms,
            language=language,
            requested_by=by,
            verifier=self._office.version,
        )

    async def _bundle(self, bundle_id: str) -> BundleFacts:
        with await self._court.open_bundle(bundle_id) as file:
            return await asyncio.to_thread(_facts, file)

    async def head(self, bundle_id: str) -> KeptView:
        """Of which case and dossier a bundle is. Raises `NotFound`."""
        return await self._views.head(bundle_id)

    async def of_bundle(self, bundle_id: str) -> tuple[ReportRow, ...]:
        """Reports made of a bundle, newest first."""
        return await self._book.of_bundle(bundle_id)

    async def page(self, before_ms: int = 0) -> tuple[ReportRow, ...]:
        """Issued reports, newest first."""
        return await self._book.page(before_ms, PAGE_REPORTS)

    async def by_number(self, number: str) -> ReportRow:
        """Raises `NotFound`, also for what is no number of a report."""
        try:
            return await self._book.by_number(str(parse_report_number(number)))
        except Malformed:
            raise NotFound("no such report") from None

    async def files(self, row: ReportRow, by: str = "") -> ReportFiles:
        """PDF and document, after the custody log says who takes them; without `by` somebody who holds the code."""
        detail = f"report {row.number}" if by else f"report {row.number} by its retrieval code"
        await self._custody.note("fetch", _subject(row), "permitted", detail, actor=by)
        return await self._book.files(row.number)

    async def by_code(self, code: str) -> ReportRow:
        """Raises `NotFound`, also for what is no code."""
        try:
            return await self._book.by_code(check_code(code))
        except Malformed:
            raise NotFound("no report has this code") from None

    async def bundle_of_code(self, code: str) -> str:
        """The bundle that a report speaks of. Raises `NotFound`."""
        return (await self.by_code(code)).bundle_id

    async def shown(self, code: str) -> ShownReport:
        """What the register says of the report with this code, after the custody log says that it was asked. Raises `NotFound`."""
        row = await self.by_code(code)
        await self._custody.note("check", _subject(row), "shown", f"report {row.number} by its retrieval code")
        files = await self._book.files(row.number)
        async with self._presses:
            verdict = await asyncio.to_thread(
                check_document, files.document, self._trust, self._clock.now_ms(), asked=True, known=_known(row)
            )
        return ShownReport(row=row, verdict=verdict)

    async def check(self, file: BinaryIO) -> ReportVerdict:
        """The verdict on a PDF or a report.json that somebody brings, logged before it is told. Raises `Malformed` when it is too big."""
        data = await asyncio.to_thread(file.read, FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise Malformed("report", "", f"is bigger than {FILE_BYTES_MAX} bytes")
        async with self._presses:
            verdict = await (self._check_pdf(data) if data.startswith(b"%PDF-") else self._check_document(data))
        subject = {"file": hashlib.sha256(data).hexdigest()}
        await self._custody.note("check", subject, verdict.verdict.value.lower(), "a deposit report that was brought")
        return verdict

    async def _check_pdf(self, data: bytes) -> ReportVerdict:
        facts = await asyncio.to_thread(self._press.read, data)
        known = await self._known_of(facts.document)
        return await asyncio.to_thread(
            check_pdf,
            facts,
            self._trust,
            self._clock.now_ms(),
            asked=True,
            known=known,
            pdf_sha256=hashlib.sha256(data).hexdigest(),
        )

    async def _check_document(self, data: bytes) -> ReportVerdict:
        known = await self._known_of(data)
        return await asyncio.to_thread(check_document, data, self._trust, self._clock.now_ms(), asked=True, known=known)

    async def _known_of(self, document: bytes) -> KnownReport | None:
        try:
            report = await asyncio.to_thread(parse_report, document)
            return _known(await self.by_number(report.number))
        except (Malformed, NotFound):
            return None


def _facts(file: BinaryIO) -> BundleFacts:
    digest, size = hashlib.sha256(), 0
    while piece := file.read(READ_BYTES):
        digest.update(piece)
        size += len(piece)
    return BundleFacts(sha256=digest.hexdigest(), size=size)


def _known(row: ReportRow) -> KnownReport:
    return KnownReport(
        number=row.number, content_sha256=row.content_sha256, pdf_sha256=row.pdf_sha256, superseded_by=row.superseded_by
    )


def _subject(row: ReportRow) -> dict[str, str]:
    return {"dossier": row.dossier, "report": row.content_sha256}
