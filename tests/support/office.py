"""The court's office over a whole way: real stores, real retrievals, no processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from relay.app.adapters import verifiers
from relay.app.trust import read_trust
from relay.core.custody import CustodyEvent, parse_event
from relay.ports.custody import CustodyFilter
from relay.services.court.cases import Cases
from relay.services.court.objections import Objections
from relay.services.court.once import NamedRetrievals
from relay.store.custody_rows import StoredCustodyRows
from relay.store.office import SqliteOffice
from relay.store.office_cases import OfficeCases
from relay.store.office_jobs import OfficeJobs, OfficeObjections
from tests.support.bundles import noon_of
from tests.support.frozen import SeededBytes
from tests.support.views import stage_of
from tests.support.way import Way, open_way

CLERK = "spiffe://court.example/person/li"
JUDGE = "spiffe://court.example/person/wang"


class Office:
    """Built by `open_office`."""

    way: Way
    store: SqliteOffice
    named: NamedRetrievals
    cases: Cases
    objections: Objections

    async def restart(self) -> None:
        """The gateway ends and begins again, over the same stores; jobs are taken up by `cases.start`, which is not called here."""
        await self.cases.close()
        await self.named.close()
        self._begin()

    def _begin(self) -> None:
        way = self.way
        self.named = NamedRetrievals(way.retrieval, way.court_store)
        self.cases = Cases(
            identity=way.court,
            book=OfficeCases(self.store.database),
            jobs=OfficeJobs(self.store.database),
            court=way.court_store,
            named=self.named,
            custody=way.custody,
            trust=read_trust(way.home / "trust.json"),
            verifiers=verifiers(),
            stage_of=stage_of,
            clock=way.clock,
            random_bytes=SeededBytes(f"office {id(self.named)}"),
        )
        self.objections = Objections(
            book=OfficeObjections(self.store.database),
            custody=way.custody,
            clock=way.clock,
            random_bytes=SeededBytes("objections"),
        )

    async def logged(self, action: str) -> list[CustodyEvent]:
        """The court's custody events of an action, in order."""
        log = await self.way.court_store.custody_log()
        rows = await StoredCustodyRows.of(self.way.court_store).between(0, log.size, CustodyFilter())
        return [event for event in (parse_event(data) for _, data in rows) if event.action == action]


@asynccontextmanager
async def open_office(home: Path, seed: str = "office") -> AsyncIterator[Office]:
    """Over a home made by `relay.app.initialise`."""
    office = Office()
    async with open_way(home, now_ms=noon_of(home), seed=seed) as way:
        office.way = way
        office.store = await SqliteOffice.open(home / "court/data")
        office._begin()
        try:
            yield office
        finally:
            await office.cases.close()
            await office.named.close()
            await office.store.close()
