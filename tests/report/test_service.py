"""Reports of a court's office over real stores and a real retrieval: issued, logged first, superseded, found, checked."""

from __future__ import annotations

import datetime
import hashlib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relay.app.trust import read_trust
from relay.core.errors import Malformed, NotFound, Unavailable
from relay.core.identity import parse_identity
from relay.core.report import parse_report
from relay.core.verdict import Finding
from relay.report.press import Press
from relay.report.profiles import read_profiles
from relay.report.seal import PdfSealer
from relay.services.court.reports import ReportOffice, Reports
from relay.setup.ca import issue_report_seal
from relay.setup.keys import load_signing_key
from relay.store.office_reports import OfficeReports
from tests.support.bundles import make_home, noon_of
from tests.support.frozen import SeededBytes
from tests.support.lines import small_dossier
from tests.support.office import CLERK, Office, open_office


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A court with a report certificate that is valid at the test's time."""
    made = make_home(tmp_path / "home")
    noon = datetime.datetime.fromtimestamp(noon_of(made) / 1000, datetime.UTC)
    (made / "court/again").mkdir()
    court = parse_identity("spiffe://courtrelay.example/court/court")
    issue_report_seal(made / "ca", court, "Court, reports", made / "court/again", noon)
    return made


@asynccontextmanager
async def office_with_reports(home: Path) -> AsyncIterator[tuple[Office, Reports, str]]:
    """The office, its reports, and a bundle's id."""
    async with open_office(home) as office:
        way = office.way
        stored = await way.deposit("loan 1", small_dossier(3))
        await way.forward()
        _, done, _ = await way.retrieve(await way.grant(stored.dossier))
        reports = Reports(
            office=ReportOffice(
                identity=way.court, name="Court", licence="", url="https://court.example", version="9.9"
            ),
            book=OfficeReports(office.store.database),
            views=office.cases,
            court=way.court_store,
            press=Press(PdfSealer.open(home / "court/again/report.pem", home / "court/again/report.key"), None),
            seal=load_signing_key(home / "court/keys/seal.pem"),
            profiles=read_profiles(None),
            trust=read_trust(home / "trust.json"),
            custody=way.custody,
            clock=way.clock,
            random_bytes=SeededBytes("reports"),
        )
        yield office, reports, done.bundle_id


async def test_issuing_is_logged_with_both_digests_before_anybody_has_the_report(home: Path) -> None:
    async with office_with_reports(home) as (office, reports, bundle):
        row = await reports.issue(bundle, "en", "full", CLERK)
        files = await reports.files(row, CLERK)
        (event,) = await office.logged("issue")
        assert event.actor == CLERK
        assert event.subject["pdf"] == hashlib.sha256(files.pdf).hexdigest()
        assert event.subject["report"] == parse_report(files.document).digest == row.content_sha256
        assert row.number in event.detail
        assert [e.actor for e in await office.logged("fetch")] == [CLERK]


async def test_a_custody_log_that_does_not_take_it_stops_the_report(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office_with_reports(home) as (office, reports, bundle):
        await reports.head(bundle)

        async def refuse(*_given: object, **_named: object) -> None:
            raise Unavailable("the disk is full")

        monkeypatch.setattr(office.way.custody, "note", refuse)
        with pytest.raises(Unavailable):
            await reports.issue(bundle, "en", "full", CLERK)
        assert await reports.page() == ()


async def test_a_newer_report_replaces_the_older_and_both_stay(home: Path) -> None:
    async with office_with_reports(home) as (_, reports, bundle):
        first = await reports.issue(bundle, "en", "full", CLERK)
        chinese = await reports.issue(bundle, "zh-CN", "full", CLERK)
        second = await reports.issue(bundle, "en", "filing", CLERK)
        assert [r.superseded_by for r in (await reports.by_number(first.number), await reports.by_number(chinese.number))] == [
            second.number, "",
        ]  # fmt: skip
        assert second.supersedes == first.number
        assert {r.number for r in await reports.of_bundle(bundle)} == {first.number, chinese.number, second.number}
        old = await reports.files(first, CLERK)
        assert (await reports.check(io.BytesIO(old.pdf))).verdict is Finding.SUPERSEDED
        assert (await reports.shown(first.code)).verdict.verdict is Finding.SUPERSEDED
        assert (await reports.shown(second.code)).verdict.verdict is Finding.CONSISTENT


async def test_pdf_and_document_are_each_checked_against_the_register(home: Path) -> None:
    async with office_with_reports(home) as (office, reports, bundle):
        row = await reports.issue(bundle, "en", "full", CLERK)
        files = await reports.files(row, CLERK)
        for data in (files.pdf, files.document):
            verdict = await reports.check(io.BytesIO(data))
            assert verdict.verdict is Finding.CONSISTENT, verdict.steps
            changed = (
                data.replace(b"CONSISTENT", b"CONSISTENt", 1)
                if data is files.document
                else data[:-9] + b"x" + data[-8:]
            )
            assert (await reports.check(io.BytesIO(changed))).verdict is Finding.INCONSISTENT
        outcomes = [event.outcome for event in await office.logged("check")]
        assert outcomes == ["consistent", "inconsistent", "consistent", "inconsistent"]


async def test_a_report_that_is_sealed_with_the_courts_key_but_not_registered_is_not_found(home: Path) -> None:
    async with office_with_reports(home) as (_, reports, bundle):
        row = await reports.issue(bundle, "en", "full", CLERK)
        files = await reports.files(row, CLERK)
        await reports._book._database.write(lambda c: c.execute("DELETE FROM report_file"))  # type: ignore[attr-defined]
        await reports._book._database.write(lambda c: c.execute("DELETE FROM report"))  # type: ignore[attr-defined]
        assert (await reports.check(io.BytesIO(files.pdf))).verdict is Finding.NOT_FOUND


async def test_codes_and_numbers_that_nobody_gave_out_find_nothing(home: Path) -> None:
    async with office_with_reports(home) as (_, reports, _bundle):
        for code in ("", "0" * 26, "'; DROP TABLE report; --", "../" * 9):
            with pytest.raises(NotFound):
                await reports.shown(code)
            with pytest.raises(NotFound):
                await reports.by_number(code)


async def test_a_profile_a_language_and_a_bundle_that_are_not_there(home: Path) -> None:
    async with office_with_reports(home) as (_, reports, bundle):
        with pytest.raises(Malformed, match="none of filing, full"):
            await reports.issue(bundle, "en", "other", CLERK)
        with pytest.raises(Malformed, match="language"):
            await reports.issue(bundle, "fr", "full", CLERK)
        with pytest.raises(NotFound):
            await reports.issue("00" * 16, "en", "full", CLERK)
        assert await reports.page() == ()


async def test_numbers_are_never_given_twice(home: Path) -> None:
    async with office_with_reports(home) as (office, _, _bundle):
        book = OfficeReports(office.store.database)
        assert [await book.next_serial(2026) for _ in range(3)] == [1, 2, 3]
        assert await book.next_serial(2027) == 1


async def test_a_code_leads_to_the_bundle_it_speaks_of(home: Path) -> None:
    async with office_with_reports(home) as (_, reports, bundle):
        row = await reports.issue(bundle, "en", "full", CLERK)
        assert await reports.bundle_of_code(row.code) == bundle
