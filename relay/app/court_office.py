"""Wires the court's office: cases, objections, parties, their pages, and the HTTP interface."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starlette.routing import BaseRoute

from relay.app.court_cases import CourtCases
from relay.app.runtime import SystemClock, random_bytes
from relay.config.roles import CourtConfig
from relay.core.errors import Denied
from relay.core.note import VerifierKey
from relay.ports.sessions import Session
from relay.services.court.calls import RepeatableCalls
from relay.services.court.cases import Cases
from relay.services.court.checking import Checking
from relay.services.court.custody import CustodyKeeper
from relay.services.court.fetching import Bundles
from relay.services.court.objections import Objections
from relay.services.court.parties import Parties
from relay.services.court.party_view import PartyView
from relay.services.court.reports import Reports
from relay.services.court.signing_in import SignIn
from relay.services.custody_reading import CustodyReading
from relay.setup.signers import open_signer
from relay.store.court import SqliteCourtStore
from relay.store.custody_rows import StoredCustodyRows
from relay.store.office import SqliteOffice
from relay.store.office_calls import SqliteCalls
from relay.store.office_parties import SqliteParties
from relay.store.office_traces import SqliteTraces
from relay.web.api.app import Callers, api_routes
from relay.web.api.report_routes import CheckReport
from relay.web.api.tables import SCHEMAS, Services, all_routes
from relay.web.guard import Whose
from relay.web.party.inviting import InvitingPages
from relay.web.party.pages import PartyPages
from relay.web.party.payloads import PartyPayloads
from relay.web.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class CourtOffice:
    """What pages and HTTP interface call."""

    cases: Cases
    objections: Objections
    parties: Parties
    party_view: PartyView
    calls: RepeatableCalls
    files: SqliteTraces
    reading: CustodyReading


async def open_court_office(
    office: SqliteOffice,
    cases: CourtCases,
    config: CourtConfig,
    store: SqliteCourtStore,
    custody: CustodyKeeper,
    bundles: Bundles,
) -> CourtOffice:
    """The office over its memory."""
    clock, identity, database = SystemClock(), config.common.identity, office.database
    files, reading = SqliteTraces(database), await custody_reading(config, store, custody)
    parties = Parties(
        identity=identity,
        store=SqliteParties(database),
        files=files,
        custody=custody,
        reading=reading,
        clock=clock,
        random_bytes=random_bytes,
    )
    return CourtOffice(
        cases=cases.cases,
        objections=cases.objections,
        parties=parties,
        party_view=PartyView(parties, cases.cases, cases.objections, bundles),
        calls=RepeatableCalls(cases.cases, SqliteCalls(database), clock, random_bytes),
        files=files,
        reading=reading,
    )


async def custody_reading(config: CourtConfig, store: SqliteCourtStore, custody: CustodyKeeper) -> CustodyReading:
    """The court's own custody log, for its own people."""
    log, signer = await store.custody_log(), open_signer(config.custody_key, "custody")
    return CustodyReading(
        keeper=config.common.identity,
        rows=StoredCustodyRows.of(store),
        size=lambda: log.size,
        files=log.files,
        key=VerifierKey.ed25519(config.custody_origin, signer.public_key),
        signer=signer,
        ask_ledger=custody.ledger_word,
    )


def living(sign_in: SignIn, parties: Parties) -> Whose:
    """The session of a cookie's secret; a party's ends everywhere as soon as the invitation does."""

    async def whose(secret: str) -> Session | None:
        session = await sign_in.whose(secret)
        if session is None or session.way != "invitation":
            return session
        try:
            await parties.admitted(session.name)
        except Denied:
            await sign_in.end_all(session.name)
            return None
        return session

    return whose


def party_routes(site: Site, office: CourtOffice, sign_in: SignIn) -> list[BaseRoute]:
    """Pages of parties, and of the clerk who invites."""
    return [
        *InvitingPages(site, office.parties, SystemClock()).routes(),
        *PartyPages(site, office.parties, office.party_view, sign_in).routes(),
        *PartyPayloads(site, office.party_view).routes(),
    ]


def interface(
    site: Site,
    office: CourtOffice,
    callers: Callers,
    checking: Checking,
    bundles: Bundles,
    reports: Reports | None,
    check_report: CheckReport | None,
    file_bytes_max: int,
    spool: Path,
) -> list[BaseRoute]:
    """The HTTP/JSON interface."""
    services = Services(
        cases=office.cases,
        calls=office.calls,
        bundles=bundles,
        objections=office.objections,
        files=office.files,
        parties=office.parties,
        custody=office.reading,
        checking=checking,
        reports=reports,
        check_report=check_report,
        file_bytes_max=file_bytes_max,
        entry=f"{site.url}/party/enter/",
        now_ms=SystemClock().now_ms,
    )
    return list(api_routes(all_routes(services), SCHEMAS, callers, spool))
