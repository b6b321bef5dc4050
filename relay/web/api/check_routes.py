"""Checking what somebody else shows: a bundle, a deposit number, a file or digest against a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, Final

from starlette.responses import Response

from relay.core.shapes import to_shape
from relay.core.verdict import RecordFinding, Step
from relay.services.court.checked import Checked
from relay.services.court.checking import Checking
from relay.services.court.ledger_now import CheckStep
from relay.services.court.said import Text
from relay.web.api.answers import answer
from relay.web.api.case_routes import READERS
from relay.web.api.forms import FINDING, FREE, TIME_MS, Schema, members, one_of, ref, whole
from relay.web.api.shapes import schema_of
from relay.web.api.table import Answer, Asked, Body, Param, Route
from relay.web.site import PersonRole

PLACE: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 128,
    "pattern": "^[0-9A-Za-z-]+$",
    "description": "A deposit number, or a report's retrieval code.",
}
COMPARERS: Final[tuple[PersonRole, ...]] = ("judge", "clerk")
"""Who may learn whether contents are what they guess: who may read them. An auditor may not."""
NUMBER: Final[Schema] = {
    "type": "string",
    "pattern": "^[0-9A-Z]{6}-[0-9A-Z]{8,13}-[0-9]{2}$",
    "description": "docs/spec/deposit-number.md; one whose check digits do not fit is refused as unusable.",
}
SCHEMAS: Final[Mapping[str, Schema]] = {
    "NewDigestCheck": members(
        {
            "algorithm": one_of("sha256", "sm3"),
            "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "place": PLACE,
        }
    ),
    "CheckStep": members({"name": FREE, "result": one_of("ok", "failed", "not run"), "detail": FREE, "said": FREE}),
    "Checked": members(
        {
            "kind": one_of("bundle", "entry", "digest", "report"),
            "verdict": FINDING,
            "offline": {
                "anyOf": [FINDING, {"type": "null"}],
                "description": "What the steps alone give, without this court.",
            },
            "words": FREE,
            "steps": {"type": "array", "items": schema_of(Step)},
            "own": {"type": "array", "items": ref("CheckStep"), "description": "Steps of the court itself."},
            "live": {"type": "array", "items": ref("CheckStep"), "description": "What the court's ledger says now."},
            "facts": {"type": "array", "items": members({"label": FREE, "value": {}, "form": FREE})},
            "records": {"type": "array", "items": schema_of(RecordFinding)},
            "trust_version": whole(says="Version of the trust roots used."),
            "trust_stale": FREE,
            "at_ms": TIME_MS,
            "does_not_prove": {"type": "array", "items": FREE},
        },
        says="The result of a check; it is not kept.",
    ),
}


class CheckHandlers:
    """The handlers."""

    def __init__(self, checking: Checking) -> None:
        self._checking = checking

    async def bundle(self, asked: Asked) -> Response:
        """A whole bundle."""
        return shown_check(await self._checking.bundle(file_of(asked)))

    async def number(self, asked: Asked) -> Response:
        """A place in a log."""
        return shown_check(await self._checking.deposit_number(asked.query["deposit_number"]))

    async def file(self, asked: Asked) -> Response:
        """An original file against a record."""
        return shown_check(await self._checking.file(file_of(asked), asked.query["place"], asked.person))

    async def digest(self, asked: Asked) -> Response:
        """A digest against a record."""
        body = asked.body
        return shown_check(await self._checking.digest(body["algorithm"], body["digest"], body["place"], asked.person))


def check_routes(checking: Checking, file_bytes_max: int) -> list[Route]:
    """Rows of the table. `file_bytes_max`: of a file that is checked."""
    at = CheckHandlers(checking)
    result = (Answer(status=200, says="The result.", schema="Checked"),)
    place = Param(name="place", place="query", schema=PLACE, says="The record, or the report.", required=True)
    number = Param(name="deposit_number", place="query", schema=NUMBER, says="The number.", required=True)
    return [
        Route(
            method="POST",
            path="/api/v1/checks/bundle",
            name="checkBundle",
            tag="checks",
            says="Verify an evidence bundle, then ask the court's ledger",
            roles=READERS,
            body=Body(media_types=("application/zip",), bytes_max=file_bytes_max),
            answers=result,
            handle=at.bundle,
            problems=("busy",),
        ),
        Route(
            method="GET",
            path="/api/v1/checks/deposit-number",
            name="checkDepositNumber",
            tag="checks",
            says="What the ledgers hold of a deposit number",
            roles=READERS,
            params=(number,),
            answers=result,
            handle=at.number,
            problems=("unusable",),
        ),
        Route(
            method="POST",
            path="/api/v1/checks/file",
            name="checkFile",
            tag="checks",
            says="Compare an original file with a record, or with all of a report",
            roles=COMPARERS,
            params=(place,),
            body=Body(media_types=("application/octet-stream",), bytes_max=file_bytes_max),
            answers=result,
            handle=at.file,
            problems=("busy", "not-found"),
        ),
        Route(
            method="POST",
            path="/api/v1/checks/digest",
            name="checkDigest",
            tag="checks",
            says="Compare a digest with a record, or with all of a report",
            roles=COMPARERS,
            body=Body(schema="NewDigestCheck"),
            answers=result,
            handle=at.digest,
            problems=("not-found",),
        ),
    ]


def file_of(asked: Asked) -> BinaryIO:
    """The file that was sent."""
    if asked.file is None:
        raise RuntimeError("the row of this operation takes no file")
    return asked.file


def shown_check(result: Checked) -> Response:
    """The result as JSON, in English."""
    made: dict[str, Any] = {
        "kind": result.kind,
        "verdict": result.verdict.value,
        "offline": result.offline.value if result.offline else None,
        "words": _said(result.words),
        "own": [_step(one) for one in result.own],
        "live": [_step(one) for one in result.live],
        "facts": [{"label": _said(one.label), "value": one.value, "form": one.form} for one in result.facts],
        "does_not_prove": list(result.does_not_prove),
    }
    for name in ("steps", "records"):
        made[name] = [to_shape(one) for one in getattr(result, name)]
    for name in ("trust_version", "trust_stale", "at_ms"):
        made[name] = getattr(result, name)
    return answer(made)


def _step(step: CheckStep) -> dict[str, Any]:
    return {
        "name": _said(step.name),
        "result": step.result.value,
        "detail": _said(step.detail),
        "said": step.said,
    }


def _said(text: Text) -> str:
    return text.template.format(**text.values) if text.values else text.template
