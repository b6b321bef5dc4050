"""The one table: every operation of the interface and every schema of its document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from relay.ports.parties import CaseFiles
from relay.services.court.calls import RepeatableCalls
from relay.services.court.cases import Cases
from relay.services.court.checking import Checking
from relay.services.court.fetching import Bundles
from relay.services.court.objections import Objections
from relay.services.court.parties import Parties
from relay.services.court.reports import Reports
from relay.services.custody_reading import CustodyReading
from relay.web.api import (
    bundle_routes,
    case_routes,
    check_routes,
    custody_routes,
    objection_routes,
    party_routes,
    report_routes,
)
from relay.web.api.openapi import document
from relay.web.api.table import Answer, Asked, Route, Schema

SCHEMAS: Final[Mapping[str, Schema]] = {
    **case_routes.SCHEMAS,
    **bundle_routes.SCHEMAS,
    **objection_routes.SCHEMAS,
    **party_routes.SCHEMAS,
    **check_routes.SCHEMAS,
    **report_routes.SCHEMAS,
    **custody_routes.SCHEMAS,
    "OpenApi": {"type": "object"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the interface calls. `entry`: the address of a party's entry page, to which a link's secret is added."""

    cases: Cases
    calls: RepeatableCalls
    bundles: Bundles
    objections: Objections
    files: CaseFiles
    parties: Parties
    custody: CustodyReading
    checking: Checking
    reports: Reports | None
    check_report: report_routes.CheckReport | None
    file_bytes_max: int
    entry: str
    now_ms: Callable[[], int]


def all_routes(services: Services) -> list[Route]:
    """Every row."""
    routes = [
        *case_routes.case_routes(services.cases, services.calls),
        *bundle_routes.bundle_routes(services.cases, services.bundles),
        *objection_routes.objection_routes(services.objections, services.files),
        *party_routes.party_routes(services.parties, services.entry, services.now_ms),
        *report_routes.report_routes(services.reports, services.check_report, services.file_bytes_max),
        *check_routes.check_routes(services.checking, services.file_bytes_max),
        *custody_routes.custody_routes(services.custody),
    ]
    return [*routes, _own_document(routes)]


def _own_document(others: Sequence[Route]) -> Route:
    """The document itself, made once."""
    sent: list[bytes] = []

    async def own(_asked: Asked) -> Response:
        return Response(sent[0], media_type="application/json", headers={"Cache-Control": "max-age=300"})

    route = Route(
        method="GET",
        path="/api/v1/openapi.json",
        name="openapi",
        tag="document",
        says="This document",
        roles=(),
        answers=(Answer(status=200, says="OpenAPI 3.1.", schema="OpenApi"),),
        handle=own,
    )
    sent.append(openapi_bytes([*others, route]))
    return route


def openapi_bytes(routes: Sequence[Route]) -> bytes:
    """The document as it is served, and as it stands in docs/api/openapi.json."""
    made: dict[str, Any] = document(routes, SCHEMAS)
    return (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode()
