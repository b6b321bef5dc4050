"""Wires a court's cases: their services over the office's memory, and their pages."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from starlette.routing import BaseRoute

from relay.app.adapters import verifiers
from relay.app.runtime import SystemClock, random_bytes
from relay.core.errors import Malformed
from relay.core.trust import TrustRoots
from relay.ports.court import CourtStore
from relay.schemas import KindCatalogue
from relay.services.court.cases import Cases
from relay.services.court.custody import CustodyKeeper
from relay.services.court.fetching import Bundles
from relay.services.court.objections import Objections
from relay.services.court.once import NamedRetrievals
from relay.services.custody_reading import CustodyReading
from relay.store.court import SqliteCourtStore
from relay.store.custody_rows import StoredCustodyRows
from relay.store.office import SqliteOffice
from relay.store.office_cases import OfficeCases
from relay.store.office_jobs import OfficeJobs, OfficeObjections
from relay.web.cases.custody import CustodyPages
from relay.web.cases.dossier import DossierPages
from relay.web.cases.jobs import JobPages
from relay.web.cases.lists import ListPages
from relay.web.cases.objecting import ObjectionPages
from relay.web.cases.parts import LOOKERS, Parts
from relay.web.cases.payloads import PayloadPages
from relay.web.site import MenuEntry, Site

CASES_MENU: Final = (
    MenuEntry(path="/cases", text="Cases", roles=frozenset(LOOKERS)),
    MenuEntry(path="/custody", text="Custody log", roles=frozenset(LOOKERS)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CourtCases:
    """The services, for whatever else shows cases."""

    cases: Cases
    objections: Objections


async def open_cases(
    stack: AsyncExitStack,
    office: SqliteOffice,
    *,
    identity: str,
    store: CourtStore,
    retrieval: NamedRetrievals,
    custody: CustodyKeeper,
    trust: TrustRoots,
) -> CourtCases:
    """Cases and objections; jobs that a restart broke off go on, until the stack closes."""
    catalogue = KindCatalogue()
    cases = Cases(
        identity=identity,
        book=OfficeCases(office.database),
        jobs=OfficeJobs(office.database),
        court=store,
        named=retrieval,
        custody=custody,
        trust=trust,
        verifiers=verifiers(),
        stage_of=lambda kind: stage_of(catalogue, kind),
        clock=SystemClock(),
        random_bytes=random_bytes,
    )
    stack.push_async_callback(cases.close)
    await cases.start()
    objections = Objections(
        book=OfficeObjections(office.database), custody=custody, clock=SystemClock(), random_bytes=random_bytes
    )
    return CourtCases(cases=cases, objections=objections)


async def custody_routes(site: Site, identity: str, store: SqliteCourtStore, custody: CustodyKeeper) -> list[BaseRoute]:
    """The custody log's page."""
    log = await store.custody_log()
    reading = CustodyReading(
        keeper=identity,
        rows=StoredCustodyRows.of(store),
        size=lambda: log.size,
        files=log.files,
        key=None,  # only a desk signs heads
        signer=None,
        ask_ledger=custody.ledger_word,
    )
    return CustodyPages(site, reading.find).routes()


def case_routes(site: Site, services: CourtCases, bundles: Bundles) -> list[BaseRoute]:
    """All pages of cases."""
    parts = Parts(
        site=site,
        cases=services.cases,
        objections=services.objections,
        open_bundle=bundles.open,
    )
    groups = (ListPages(parts), JobPages(parts), PayloadPages(parts), ObjectionPages(parts), DossierPages(parts))
    return [route for group in groups for route in group.routes()]


def stage_of(catalogue: KindCatalogue, kind: str) -> str:
    """The stage of a kind, which is the same in all its versions; empty for one that is not known."""
    try:
        return catalogue.kind(kind, 1).stage
    except Malformed:
        return ""
