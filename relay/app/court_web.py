"""Wires a court's pages, off unless its configuration has `[web]`: sessions, all groups of pages, and their server."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from relay.app.adapters import verifiers
from relay.app.court_cases import CASES_MENU, case_routes, custody_routes, open_cases
from relay.app.court_office import interface, living, open_court_office, party_routes
from relay.app.court_reports import REPORTS_MENU, check_by_form, open_court_reports, report_routes
from relay.app.lists import ListsUsed
from relay.app.runtime import SystemClock, random_bytes
from relay.config.roles import Common, CourtConfig
from relay.config.web import WebConfig
from relay.core.errors import NotFound
from relay.core.identity import Identity
from relay.core.trust import TrustRoots
from relay.durable.files import make_folder
from relay.ports.ledgers import CourtRegistry
from relay.services.court.checking import Checking, no_codes
from relay.services.court.custody import CustodyKeeper
from relay.services.court.fetching import Bundles
from relay.services.court.ledger_now import LedgerNow
from relay.services.court.once import NamedRetrievals
from relay.services.court.report_checked import report_check
from relay.services.court.reports import Reports
from relay.services.court.signing_in import SignIn
from relay.store.court import SqliteCourtStore
from relay.store.office import SqliteOffice
from relay.store.office_sessions import OfficeSessions
from relay.telemetry.events import PAGES_SERVED, log_event
from relay.transport.peer import read_peer
from relay.transport.revocation import RevocationLists
from relay.web.api.callers import CourtCallers
from relay.web.app import make_app
from relay.web.checking.pages import CheckingPages, CheckReport, ReportForm
from relay.web.guard import Policy
from relay.web.oidc import Provider, ProviderSettings
from relay.web.party.pages import MENU as PARTY_MENU
from relay.web.serving import pages_context, serving_pages
from relay.web.signin import CALLBACK, SignInPages
from relay.web.site import MenuEntry, Site, make_templates

log = logging.getLogger(__name__)

SPOOL = "uploads"
MENU: tuple[MenuEntry, ...] = (*CASES_MENU, REPORTS_MENU, *PARTY_MENU)


@dataclass(frozen=True, slots=True, kw_only=True)
class CourtParts:
    """What of the gateway the pages use."""

    config: CourtConfig
    store: SqliteCourtStore
    trust: TrustRoots
    registry: CourtRegistry
    custody: CustodyKeeper
    retrieval: NamedRetrievals
    bundles: Bundles


@dataclass(frozen=True, slots=True, kw_only=True)
class CourtWeb:
    """The running pages. `workers`: named jobs that run as long as the gateway does."""

    url: str
    sign_in: SignIn
    reports: Reports | None
    workers: tuple[tuple[str, Coroutine[Any, Any, None]], ...]

    async def make_link(self, name: str, role: str, operator: str) -> str:
        """The address of a link that signs somebody in once. Raises `Malformed`."""
        return f"{self.url}/enter/{await self.sign_in.make_link(name, role, operator)}"

    async def issue_report(self, bundle_id: str, language: str, profile: str, operator: str) -> tuple[str, str]:
        """Number and address of a new deposit report. Raises `NotFound`, `Malformed`, `Unavailable`."""
        if self.reports is None:
            raise NotFound("this court issues no reports: its configuration has no [report]")
        row = await self.reports.issue(bundle_id, language, profile, operator)
        return row.number, f"{self.url}/r/{row.code}"


async def open_court_web(stack: AsyncExitStack, parts: CourtParts, web: WebConfig) -> CourtWeb:
    """Open the office's memory and serve the pages until the stack closes. Raises `Malformed`, `Conflict`."""
    common = parts.config.common
    office = await SqliteOffice.open(common.data)
    stack.push_async_callback(office.close)
    lists = RevocationLists.open(common.tls, ListsUsed(common.data))
    sign_in = SignIn(
        identity=common.identity,
        store=OfficeSessions(office.database),
        custody=parts.custody,
        clock=SystemClock(),
        random_bytes=random_bytes,
        people=web.people,
        stands=lambda certificate: _stands(lists, certificate),
    )
    cases = await open_cases(
        stack,
        office,
        identity=common.identity,
        store=parts.store,
        retrieval=parts.retrieval,
        custody=parts.custody,
        trust=parts.trust,
    )
    site = Site(url=web.url, court=web.court_name, templates=make_templates(), menu=MENU)
    provider = _provider(web)
    if provider is not None:
        stack.push_async_callback(provider.close)
    policy = Policy(spool=_spool(common), uploads={"/check": web.upload_bytes_max})
    desk = await open_court_office(office, cases, parts.config, parts.store, parts.custody, parts.bundles)
    authority = parts.config.authorities[0].url if parts.config.authorities else ""
    reports = open_court_reports(
        parts.config, office.database, parts.store, parts.trust, parts.custody, cases.cases, authority
    )
    checking = _checking(parts, reports)
    routes = [
        *_routes(site, sign_in, provider, checking, web, check_by_form(reports, parts.trust)),
        *case_routes(site, cases, parts.bundles),
        *report_routes(site, reports),
        *await custody_routes(site, common.identity, parts.store, parts.custody),
        *party_routes(site, desk, sign_in),
        *interface(
            site,
            desk,
            CourtCallers(sign_in, provider),
            checking,
            parts.bundles,
            reports,
            report_check(reports, parts.trust, SystemClock()) if reports else None,
            web.upload_bytes_max,
            policy.spool,
        ),
    ]
    app = make_app(site, routes, policy, living(sign_in, desk.parties))
    tls = _tls(common, web) if web.secure else None
    behind_proxy = not web.secure and web.url.startswith("https://")
    served = serving_pages(app, listen=web.listen, tls=tls, behind_proxy=behind_proxy)
    serving = await stack.enter_async_context(served)
    log_event(log, PAGES_SERVED, url=web.url, port=serving.port)
    workers = (("pages", serving.watch()), ("page lists", lists.watch()))
    return CourtWeb(url=web.url, sign_in=sign_in, reports=reports, workers=workers)


def _routes(
    site: Site,
    sign_in: SignIn,
    provider: Provider | None,
    checking: Checking,
    web: WebConfig,
    reports: Mapping[ReportForm, CheckReport],
) -> list[BaseRoute]:
    """Pages that are open to all."""
    return [
        *CheckingPages(site, checking, file_bytes_max=web.upload_bytes_max, reports=reports).routes(),
        *SignInPages(site, sign_in, provider).routes(),
    ]


def _checking(parts: CourtParts, reports: Reports | None) -> Checking:
    identity = parts.config.common.identity
    return Checking(
        store=parts.store,
        trust=parts.trust,
        verifiers=verifiers(),
        ledger=LedgerNow(identity, parts.store, parts.registry, parts.trust, verifiers()),
        custody=parts.custody,
        clock=SystemClock(),
        identity=identity,
        bundle_of_code=reports.bundle_of_code if reports else no_codes,
    )


def _provider(web: WebConfig) -> Provider | None:
    if web.oidc is None:
        return None
    settings = ProviderSettings(
        issuer=web.oidc.issuer,
        client_id=web.oidc.client_id,
        client_secret=web.oidc.client_secret,
        scope=web.oidc.scope,
        claim=web.oidc.claim,
        roles=web.oidc.roles,
        redirect=web.url + CALLBACK,
    )
    return Provider(settings, SystemClock())


def _stands(lists: RevocationLists, certificate: bytes) -> Identity:
    peer = read_peer(certificate)
    peer.check_time()
    lists.check(peer)
    return peer.identity


def _spool(common: Common) -> Path:
    folder = common.data / "office" / SPOOL
    make_folder(folder)
    return folder


def _tls(common: Common, web: WebConfig) -> ssl.SSLContext:
    return pages_context(common.tls.ca, web.certificate or common.tls.certificate, web.key or common.tls.key)
