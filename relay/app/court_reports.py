"""Wires a court's deposit reports: press, register, service. None where its configuration has no `[report]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from starlette.routing import BaseRoute

from relay.app.reports import stamps_of
from relay.app.runtime import SystemClock, program_version, random_bytes
from relay.config.roles import CourtConfig
from relay.core.trust import TrustRoots
from relay.durable.database import Database
from relay.ports.reports import Views
from relay.report.certificates import read_certificates
from relay.report.press import Press
from relay.report.profiles import read_profiles
from relay.report.seal import PdfSealer
from relay.services.court.custody import CustodyKeeper
from relay.services.court.report_checked import report_check
from relay.services.court.reports import ReportOffice, Reports
from relay.setup.signers import open_signer
from relay.store.court import SqliteCourtStore
from relay.store.office_reports import OfficeReports
from relay.web.checking.pages import CheckReport, ReportForm
from relay.web.reports.pages import READERS, ReportPages
from relay.web.site import MenuEntry, Site
from relay.words import Words

REPORTS: Final[Words] = "Reports"
REPORTS_MENU = MenuEntry(path="/reports", text=REPORTS, roles=frozenset(READERS))


def open_court_reports(
    config: CourtConfig,
    database: Database,
    store: SqliteCourtStore,
    trust: TrustRoots,
    custody: CustodyKeeper,
    views: Views,
    authority_url: str = "",
) -> Reports | None:
    """The service over the office's database; `authority_url`: of a timestamp authority for seals, empty for none. Raises `Malformed`."""
    given, web = config.report, config.web
    if given is None or web is None:
        return None
    known = read_certificates(given.authority) if given.authority else ()
    press = Press(
        PdfSealer.open(given.certificate, given.key, authority_url),
        given.font,
        tuple(one.public_bytes(Encoding.DER) for one in known),
        stamps_of(trust),
    )
    office = ReportOffice(
        identity=config.common.identity,
        name=web.court_name,
        licence=given.licence,
        url=web.url,
        version=program_version(),
    )
    return Reports(
        office=office,
        book=OfficeReports(database),
        views=views,
        court=store,
        press=press,
        seal=open_signer(config.seal_key, "report"),
        profiles=read_profiles(given.profiles),
        trust=trust,
        custody=custody,
        clock=SystemClock(),
        random_bytes=random_bytes,
    )


def report_routes(site: Site, reports: Reports | None) -> list[BaseRoute]:
    """Their pages; none where the court issues none."""
    return ReportPages(site, reports).routes() if reports else []


def check_by_form(reports: Reports | None, trust: TrustRoots) -> Mapping[ReportForm, CheckReport]:
    """How the public page checks a report that somebody brings, by the form of its file."""
    if reports is None:
        return {}
    check = report_check(reports, trust, SystemClock())
    return {"pdf": check, "json": check}
