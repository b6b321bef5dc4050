"""Wires a court's deposit reports: press, register, service. None where its configuration has no `[report]`."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding

from relay.app.reports import program_version
from relay.app.runtime import SystemClock, random_bytes
from relay.config.roles import CourtConfig
from relay.core.trust import TrustRoots
from relay.durable.database import Database
from relay.ports.reports import Views
from relay.report.certificates import read_certificates
from relay.report.press import Press
from relay.report.profiles import read_profiles
from relay.report.seal import PdfSealer
from relay.services.court.custody import CustodyKeeper
from relay.services.court.reports import ReportOffice, Reports
from relay.setup.signers import open_signer
from relay.store.court import SqliteCourtStore
from relay.store.office_reports import OfficeReports


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
        seal=open_signer(config.seal_key),
        profiles=read_profiles(given.profiles),
        trust=trust,
        custody=custody,
        clock=SystemClock(),
        random_bytes=random_bytes,
    )
