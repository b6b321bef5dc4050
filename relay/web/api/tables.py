"""The one table: every operation of the interface and every schema of its document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from relay.services.court.parties import Parties
from relay.services.custody_reading import CustodyReading
from relay.web.api import custody_routes, party_routes
from relay.web.api.openapi import document
from relay.web.api.table import Answer, Asked, Route, Schema

SCHEMAS: Final[Mapping[str, Schema]] = {**custody_routes.SCHEMAS, **party_routes.SCHEMAS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the interface calls. `entry`: the address of a party's entry page, to which a link's secret is added."""

    custody: CustodyReading
    parties: Parties
    entry: str
    now_ms: Callable[[], int]


def all_routes(services: Services) -> list[Route]:
    """Every row."""
    routes = [
        *custody_routes.custody_routes(services.custody),
        *party_routes.party_routes(services.parties, services.entry, services.now_ms),
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
    made: dict[str, Any] = document(routes, {**SCHEMAS, "OpenApi": {"type": "object"}})
    return (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode()
