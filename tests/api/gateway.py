"""A court gateway's HTTP interface on the loopback: the real office and its stores, and one dossier retrieved, objected to, invited to."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from relay.app.adapters import verifiers
from relay.app.court_reports import open_court_reports
from relay.app.trust import read_trust
from relay.config.roles import read_court
from relay.core.deposit_number import deposit_number
from relay.core.errors import Denied
from relay.core.grants import parse_grant
from relay.core.invitation import ScryptCost
from relay.core.note import VerifierKey
from relay.ports.cases import CaseFacts
from relay.ports.sessions import Session
from relay.services.court.calls import RepeatableCalls
from relay.services.court.checking import Checking
from relay.services.court.fetching import Bundles
from relay.services.court.ledger_now import LedgerNow
from relay.services.court.parties import Parties
from relay.services.court.report_checked import report_check
from relay.services.custody_reading import CustodyReading
from relay.setup.keys import load_signing_key
from relay.store.custody_rows import StoredCustodyRows
from relay.store.office_calls import SqliteCalls
from relay.store.office_parties import SqliteParties
from relay.store.office_traces import SqliteTraces
from relay.web.api.app import api_routes
from relay.web.api.table import Route
from relay.web.api.tables import SCHEMAS, Services, all_routes
from relay.web.app import make_app
from relay.web.guard import Policy
from relay.web.site import PERSON_ROLES, Person, PersonRole, Site, make_templates
from tests.support.bundles import make_home
from tests.support.frozen import SeededBytes
from tests.support.lines import small_dossier
from tests.support.office import Office, open_office

CASE = "Case 1"
QUICK = ScryptCost(n=2**4, r=8, p=1)
"""The cost is of no interest to what these tests show."""


class Tokens:
    """Bearer tokens of people with one role each, and of one with all."""

    def __init__(self) -> None:
        self.of: dict[str, str] = {role: secrets.token_urlsafe(16) for role in (*PERSON_ROLES, "all")}

    async def caller(self, request: Request) -> Person | None:
        given = request.headers.get("authorization", "")
        if not given:
            return None
        for role, token in self.of.items():
            if given == f"Bearer {token}":
                roles: frozenset[PersonRole] = frozenset(r for r in PERSON_ROLES if role in (r, "all"))
                return Person(name=f"spiffe://courtrelay.example/person/{role}-1", roles=roles)
        raise Denied("no such token")


@dataclass(frozen=True)
class Gateway:
    """Where it is, who may call, and values that exist. `count`: one number, of requests so far."""

    url: str
    office: Office
    services: Services
    tokens: Mapping[str, str]
    routes: Sequence[Route]
    known: Mapping[str, Sequence[str]]
    count: list[int]


class _Counting:
    """Counts requests."""

    def __init__(self, app: ASGIApp, count: list[int]) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._count[0] += scope["type"] == "http"
        await self._app(scope, receive, send)


@asynccontextmanager
async def open_gateway(folder: Path) -> AsyncIterator[Gateway]:
    """Serve until the block ends."""
    home = make_home(folder / "home")
    async with open_office(home, "api") as office, _listening() as (listening, url):
        services = await _services(office, home)
        known = await _filled(office, services)
        routes, tokens, count = all_routes(services), Tokens(), [0]
        site = Site(url=url, court="Court", templates=make_templates())
        app = make_app(site, api_routes(routes, SCHEMAS, tokens, folder), Policy(spool=folder), _nobody)
        async with _served(_Counting(app, count), listening):
            yield Gateway(url, office, services, tokens.of, routes, known, count)


async def _nobody(_secret: str) -> Session | None:
    return None


async def _services(office: Office, home: Path) -> Services:
    way, database = office.way, office.store.database
    log = await way.court_store.custody_log()
    signer = load_signing_key(home / "court/keys/custody.pem")
    reading = CustodyReading(
        keeper=way.court,
        rows=StoredCustodyRows.of(way.court_store),
        size=lambda: log.size,
        files=log.files,
        key=VerifierKey.ed25519("court.example/custody", signer.public_key),
        signer=signer,
        ask_ledger=way.custody.ledger_word,
    )
    parties = Parties(
        identity=way.court,
        store=SqliteParties(database),
        files=SqliteTraces(database),
        custody=way.custody,
        reading=reading,
        clock=way.clock,
        random_bytes=SeededBytes("parties"),
        cost=QUICK,
    )
    config, trust = read_court(home / "court/config.toml"), read_trust(home / "trust.json")
    reports = open_court_reports(config, database, way.court_store, trust, way.custody, office.cases)
    assert reports is not None
    return Services(
        cases=office.cases,
        calls=RepeatableCalls(office.cases, SqliteCalls(database), way.clock, SeededBytes("calls")),
        bundles=Bundles(way.court_store, way.custody),
        objections=office.objections,
        files=SqliteTraces(database),
        parties=parties,
        custody=reading,
        checking=_checking(office, home),
        reports=reports,
        check_report=report_check(reports, trust, way.clock),
        file_bytes_max=2**20,
        entry="https://court.example/party/enter/",
        now_ms=way.clock.now_ms,
    )


def _checking(office: Office, home: Path) -> Checking:
    way, trust = office.way, read_trust(home / "trust.json")
    return Checking(
        store=way.court_store,
        trust=trust,
        verifiers=verifiers(),
        ledger=LedgerNow(way.court, way.court_store, way.registry, trust, verifiers()),
        custody=way.custody,
        clock=way.clock,
        identity=way.court,
    )


async def retrieved(services: Services, grant: str, dossier: str, by: str) -> str:
    """The bundle of a dossier, retrieved as an officer would."""
    row = await services.cases.add_grant(grant.encode(), by)
    job = await services.cases.begin(row.digest, dossier, "judge 7", "hearing", by)
    while (state := await services.cases.job(job)).row.phase == "begun":
        await asyncio.sleep(0.01)
    assert state.row.bundle_id, state.row.problem
    return state.row.bundle_id


async def _filled(office: Office, services: Services) -> dict[str, list[str]]:
    """One case with one dossier and all that can hang on it; names are those of the document's parameters."""
    clerk = "spiffe://courtrelay.example/person/clerk-1"
    stored = await office.way.deposit("loan", small_dossier(3))
    await office.way.forward()
    grant = await office.way.grant(stored.dossier, uses=1_000_000, days=30)
    bundle = await retrieved(services, grant, stored.dossier, clerk)
    facts: CaseFacts = await services.cases.case(CASE)
    view = await services.cases.view(bundle, clerk, "test")
    payloads = [(r.finding.seq, p.name) for r in view.records for p in r.payloads if p.part]
    job = await services.cases.begin(facts.grants[0].grant.digest, stored.dossier, "judge 7", "again", clerk)
    objections = [
        await services.objections.raise_(stored.dossier, CASE, [0], "platform", f"reason {n}", clerk) for n in range(9)
    ]
    invited = [await services.parties.invite(CASE, stored.dossier, "A", f"X{n:07d}", 30, clerk) for n in range(9)]
    assert services.reports is not None
    report = await services.reports.issue(bundle, "en", min(services.reports.profiles), clerk)
    digest = parse_grant(grant.encode()).digest.hex()
    return {
        "query.case": [CASE],
        "query.number": [CASE],
        "query.deposit_number": [str(deposit_number(office.way.origin, index)) for index in range(4)],
        "query.search": ["Case", stored.dossier[:6]],
        "query.dossier": [stored.dossier],
        "query.grant": [digest],
        "path.bundle": [bundle],
        "path.job": [job],
        "path.seq": sorted({str(seq) for seq, _ in payloads}),
        "path.name": sorted({name for _, name in payloads}),
        "path.objection": objections,
        "path.number": [report.number],
        "body.profile": sorted(services.reports.profiles),
        "path.invitation": [one for one, _ in invited[:3]],
        "query.place": [str(deposit_number(office.way.origin, 0))],
        "body.place": [str(deposit_number(office.way.origin, 0))],
        "body.case": [CASE],
        "body.dossier": [stored.dossier],
        "body.grant": [digest, grant],
    }


@asynccontextmanager
async def _listening() -> AsyncIterator[tuple[socket.socket, str]]:
    """A port of the loopback that is the server's own."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        yield listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


@asynccontextmanager
async def _served(app: ASGIApp, listening: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
