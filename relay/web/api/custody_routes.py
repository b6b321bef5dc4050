"""The court's custody log: a page of events at a time, oldest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from relay.core.canonical import loads_canonical
from relay.core.custody import CUSTODY_ACTIONS
from relay.core.errors import Malformed
from relay.core.limits import CUSTODY_EVENT_BYTES_MAX, CUSTODY_PAGE_EVENTS_MAX
from relay.ports.custody import CustodyFilter
from relay.services.custody_reading import CustodyReading
from relay.web.api.answers import answer
from relay.web.api.cursors import make_cursor, read_cursor
from relay.web.api.forms import (
    CURSOR,
    DIGEST,
    DOSSIER_ID,
    IDENTITY,
    TIME_MS,
    TOKEN,
    Schema,
    listed,
    members,
    one_of,
    ref,
    whole,
)
from relay.web.api.table import Answer, Asked, Param, Route

PAGE_EVENTS: Final = 50
_NAME: Final = "listCustody"
_EVENT: Final = members(
    {
        "index": whole(says="Its place in the custody log."),
        "event": {
            "description": "The event (docs/spec/custody.md); its canonical JSON is what the log's entry is made of. Null: damaged.",
            "anyOf": [{"type": "object"}, {"type": "null"}],
        },
    }
)
SCHEMAS: Final[Mapping[str, Schema]] = {
    "CustodyRow": _EVENT,
    "CustodyPage": members({"events": listed(ref("CustodyRow"), CUSTODY_PAGE_EVENTS_MAX)}, {"next": CURSOR}),
}


def custody_routes(reading: CustodyReading) -> list[Route]:
    """Rows of the table."""

    async def find(asked: Asked) -> Response:
        limit = asked.query.get("limit", PAGE_EVENTS)
        start = read_cursor(_NAME, asked.query, asked.query["cursor"]) if "cursor" in asked.query else 0
        if not isinstance(start, int):
            raise Malformed("cursor", "cursor", "is not one that was given out")
        names = ("action", "outcome", "actor", "dossier", "grant", "request")
        wanted = CustodyFilter(
            **{name: asked.query.get(name, "") for name in names},
            from_ms=asked.query.get("from_ms", 0),
            to_ms=asked.query.get("to_ms", 0),
        )
        rows, upto = await reading.find(wanted, start, limit)
        page: dict[str, Any] = {"events": [{"index": row.index, "event": _event(row.event)} for row in rows]}
        if upto:
            page["next"] = make_cursor(_NAME, asked.query, upto)
        return answer(page)

    return [
        Route(
            method="GET",
            path="/api/v1/custody",
            name=_NAME,
            tag="custody",
            says="Who did what with evidence at this court",
            roles=("auditor",),
            params=_PARAMS,
            answers=(Answer(status=200, says="A page of the log.", schema="CustodyPage"),),
            handle=find,
            problems=("unusable",),
        )
    ]


def _event(data: bytes) -> object:
    """As it is stored; None for what is no event any more."""
    try:
        value = loads_canonical(data, what="event", bytes_max=CUSTODY_EVENT_BYTES_MAX)
    except Malformed:
        return None
    return value if isinstance(value, dict) else None


def _query(name: str, schema: Schema, says: str) -> Param:
    return Param(name=name, place="query", schema=schema, says=says)


_PARAMS: Final = (
    _query("action", one_of(*CUSTODY_ACTIONS), "Events of this action."),
    _query("outcome", TOKEN, "Events of this outcome."),
    _query("actor", IDENTITY, "Events of this actor."),
    _query("dossier", DOSSIER_ID, "Events that concern this dossier."),
    _query("grant", DIGEST, "Events that concern this grant, by its digest."),
    _query("request", DIGEST, "Events that concern this request, by its digest."),
    _query("from_ms", TIME_MS, "Events from this moment on."),
    _query("to_ms", TIME_MS, "Events before this moment."),
    _query("limit", whole(1, CUSTODY_PAGE_EVENTS_MAX), f"Events of a page; {PAGE_EVENTS} when it is not given."),
    _query("cursor", CURSOR, "Where the page begins, from `next` of the page before."),
)
