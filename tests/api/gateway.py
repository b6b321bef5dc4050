"""A court gateway's HTTP interface on the loopback, with everything behind it real."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from relay.core.errors import Denied, NotFound
from relay.core.invitation import ScryptCost
from relay.core.note import VerifierKey
from relay.ports.parties import Traces
from relay.services.court.parties import Parties
from relay.services.custody_reading import CustodyReading
from relay.setup.keys import load_signing_key
from relay.store.custody_rows import StoredCustodyRows
from relay.store.office import SqliteOffice
from relay.store.office_parties import SqliteParties
from relay.web.api.app import api_routes
from relay.web.api.table import Route
from relay.web.api.tables import SCHEMAS, Services, all_routes
from relay.web.app import make_app
from relay.web.site import PERSON_ROLES, Person, PersonRole
from tests.support.bundles import make_home, noon_of
from tests.support.frozen import SeededBytes
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way


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


@dataclass
class Gateway:
    """Where it is, who may call, and values that exist."""

    url: str
    way: Way
    tokens: Mapping[str, str]
    routes: Sequence[Route]
    known: Mapping[str, Sequence[str]]
    count: list[int] = field(default_factory=lambda: [0])


class _Counting:
    """Counts requests."""

    def __init__(self, app: ASGIApp, count: list[int]) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._count[0] += scope["type"] == "http"
        await self._app(scope, receive, send)


class CaseOne:
    """What the test's way has retrieved: one case with one dossier."""

    def __init__(self, dossier: str, traces: Traces) -> None:
        self._dossier = dossier
        self._traces = traces

    async def traces(self, case: str, dossier: str) -> Traces:
        if (case, dossier) != ("Case 1", self._dossier):
            raise NotFound("no grant of this case names this dossier")
        return self._traces


@asynccontextmanager
async def open_gateway(folder: Path) -> AsyncIterator[Gateway]:
    """Serve until the block ends, with one dossier retrieved."""
    home = make_home(folder / "home")
    async with open_way(home, now_ms=noon_of(home), seed="api") as way:
        stored = await way.deposit("loan", small_dossier(3))
        await way.forward()
        grant = await way.grant(stored.dossier)
        await way.retrieve(grant)
        office = await SqliteOffice.open(folder / "office")
        tokens, count = Tokens(), [0]
        parties = _parties(
            way,
            office,
            CaseOne(stored.dossier, Traces(grants=frozenset(), bundles=frozenset())),
            await _reading(way, home),
        )
        services = Services(
            custody=await _reading(way, home),
            parties=parties,
            entry="https://court.example/party/",
            now_ms=way.clock.now_ms,
        )
        routes = all_routes(services)
        app = _Counting(make_app(api_routes(routes, SCHEMAS, tokens)), count)
        known = {
            "query.case": ["Case 1"],
            "query.dossier": [stored.dossier],
            "body.case": ["Case 1"],
            "body.dossier": [stored.dossier],
        }
        async with _served(app) as url:
            yield Gateway(url, way, tokens.of, routes, known, count)
        await office.close()


async def _reading(way: Way, home: Path) -> CustodyReading:
    log = await way.court_store.custody_log()
    signer = load_signing_key(home / "court/keys/custody.pem")
    return CustodyReading(
        keeper=way.court,
        rows=StoredCustodyRows.of(way.court_store),
        size=lambda: log.size,
        files=log.files,
        key=VerifierKey.ed25519("court.example/custody", signer.public_key),
        signer=signer,
        ask_ledger=way.custody.ledger_word,
    )


def _parties(way: Way, office: SqliteOffice, files: CaseOne, reading: CustodyReading) -> Parties:
    return Parties(
        identity=way.court,
        store=SqliteParties(office.database),
        files=files,
        custody=way.custody,
        reading=reading,
        clock=way.clock,
        random_bytes=SeededBytes("parties"),
        cost=ScryptCost(n=2**4, r=8, p=1),
    )


@asynccontextmanager
async def _served(app: ASGIApp) -> AsyncIterator[str]:
    """An address on the loopback that is the server's own."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()
