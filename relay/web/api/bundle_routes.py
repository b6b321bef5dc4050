"""Stored bundles: the file, the verdict on it, what it shows, its payloads, and verifying it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from relay.core.limits import PAYLOAD_NAME_CHARS_MAX, RECORDS_PER_DOSSIER_MAX
from relay.core.marks import MARKS
from relay.core.verdict import FORMAT as VERDICT_FORMAT
from relay.core.verdict import Finding
from relay.core.view import DossierView
from relay.core.view_json import FORMAT as VIEW_FORMAT
from relay.core.view_json import view_document
from relay.services.court.cases import Cases
from relay.services.court.fetching import Bundles
from relay.web.api.answers import answer
from relay.web.api.case_routes import WORKERS, begun
from relay.web.api.files import send_file
from relay.web.api.forms import BUNDLE_ID, DOSSIER_ID, FREE, TIME_MS, Schema, listed, members, one_of, whole
from relay.web.api.shapes import schema_of
from relay.web.api.table import Answer, Asked, Param, Route

ZIP: Final = ("application/zip",)
BYTES: Final = ("application/octet-stream",)
WHY: Final = "by the HTTP interface"
_FINDING: Final = one_of(*(finding.value for finding in Finding))
_TEXTS: Final = {"type": "array", "items": FREE}
_RECORD: Final[Mapping[str, Schema]] = {
    "seq": whole(),
    "kind": FREE,
    "status": one_of("disclosed", "withheld", "erased", "missing"),
    "verdict": _FINDING,
    "failed_step": whole(),
    "reason": FREE,
    "log_index": {"type": "integer"},
    "event_ms": TIME_MS,
    "anchored_ms": TIME_MS,
    "accepted_ms": TIME_MS,
    "timestamped_ms": TIME_MS,
    "pre_anchoring_provenance": {"type": "boolean"},
    "withheld_members": _TEXTS,
    "withheld_payloads": _TEXTS,
    "late_addition": FREE,
    "marks": {"type": "array", "items": {"type": "string", "enum": list(MARKS)}},
}
SCHEMAS: Final[Mapping[str, Schema]] = {
    "Verdict": members(
        {
            "format": {"type": "string", "const": VERDICT_FORMAT},
            "verdict": _FINDING,
            "dossier": DOSSIER_ID,
            "case": FREE,
            "origin": FREE,
            "ledger_proof_kinds": _TEXTS,
            "anchored": members({"first_ms": TIME_MS, "last_ms": TIME_MS}),
            "records": listed(members(_RECORD), RECORDS_PER_DOSSIER_MAX),
            "steps": {
                "type": "array",
                "items": members(
                    {"number": whole(), "name": FREE, "result": one_of("ok", "failed", "not run"), "detail": FREE}
                ),
            },
            "summary": FREE,
            "does_not_prove": _TEXTS,
        },
        says="The verdict document (docs/spec/verdict.md).",
    ),
    "View": members(
        {
            "format": {"type": "string", "const": VIEW_FORMAT},
            "summary": FREE,
            "does_not_prove": _TEXTS,
            "view": schema_of(DossierView),
        },
        says="What the bundle shows, record by record. Times in ms unless a name ends in `_s`; 0 and -1: not shown.",
    ),
}
BUNDLE: Final = Param(name="bundle", place="path", schema=BUNDLE_ID, says="Which one.")
RANGE: Final = Param(
    name="Range",
    place="header",
    schema=FREE,
    says="One range of bytes (RFC 9110 section 14), such as `bytes=0-1023`. Anything else is ignored: the whole file comes.",
)
_PAYLOAD: Final = (
    BUNDLE,
    Param(name="seq", place="path", schema=whole(0, RECORDS_PER_DOSSIER_MAX), says="The record's number."),
    Param(
        name="name",
        place="path",
        schema={"type": "string", "pattern": f"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{PAYLOAD_NAME_CHARS_MAX - 1}}}$"},
        says="The payload's name, as the record has it.",
    ),
    RANGE,
)
_FILE_HEADERS: Final = ("Accept-Ranges", "ETag", "Content-Disposition")


class BundleHandlers:
    """The handlers."""

    def __init__(self, cases: Cases, bundles: Bundles) -> None:
        self._cases = cases
        self._bundles = bundles

    async def fetch(self, asked: Asked) -> Response:
        """The file, after the custody log says who takes it."""
        bundle = asked.path["bundle"]
        file = await self._bundles.open(bundle, asked.by)
        return send_file(asked.request, file, media_type=ZIP[0], name=f"{bundle}.zip", tag=bundle)

    async def verdict(self, asked: Asked) -> Response:
        """The verdict document."""
        view = await self._cases.view(asked.path["bundle"], asked.by, f"verdict {WHY}")
        return answer(view.verdict.as_json())

    async def view(self, asked: Asked) -> Response:
        """Everything that the bundle shows."""
        return answer(view_document(await self._cases.view(asked.path["bundle"], asked.by, WHY)))

    async def payload(self, asked: Asked) -> Response:
        """One payload, as bytes: what it is stands in the view."""
        path: Mapping[str, Any] = asked.path
        named, file = await self._cases.payload(path["bundle"], path["seq"], path["name"], asked.by)
        return send_file(asked.request, file, media_type=BYTES[0], name=named.name, tag=named.sha256)

    async def again(self, asked: Asked) -> Response:
        """Verify it again now."""
        return begun(await self._cases.again(asked.path["bundle"], asked.by))


def bundle_routes(cases: Cases, bundles: Bundles) -> list[Route]:
    """Rows of the table."""
    at = BundleHandlers(cases, bundles)
    return [
        Route(
            method="GET",
            path="/api/v1/bundles/{bundle}",
            name="fetchBundle",
            tag="bundles",
            says="The evidence bundle, which anybody can verify alone",
            roles=WORKERS,
            params=(BUNDLE, RANGE),
            answers=_file(ZIP),
            handle=at.fetch,
            problems=("range",),
        ),
        Route(
            method="GET",
            path="/api/v1/bundles/{bundle}/verdict",
            name="getVerdict",
            tag="bundles",
            says="The verdict on the bundle, as it was when the bundle was last verified",
            roles=WORKERS,
            params=(BUNDLE,),
            answers=(Answer(status=200, says="The verdict document.", schema="Verdict"),),
            handle=at.verdict,
        ),
        Route(
            method="GET",
            path="/api/v1/bundles/{bundle}/view",
            name="getView",
            tag="bundles",
            says="What the bundle shows, record by record",
            roles=WORKERS,
            params=(BUNDLE,),
            answers=(Answer(status=200, says="The view.", schema="View"),),
            handle=at.view,
        ),
        Route(
            method="GET",
            path="/api/v1/bundles/{bundle}/payloads/{seq}/{name}",
            name="fetchPayload",
            tag="bundles",
            says="One payload that was disclosed",
            roles=WORKERS,
            params=_PAYLOAD,
            answers=_file(BYTES),
            handle=at.payload,
            problems=("range",),
        ),
        Route(
            method="POST",
            path="/api/v1/bundles/{bundle}/verifications",
            name="verifyAgain",
            tag="bundles",
            says="Verify the stored bundle again, with the trust roots of today",
            roles=WORKERS,
            params=(BUNDLE,),
            answers=(Answer(status=202, says="It has begun.", schema="BegunJob", headers=("Location",)),),
            handle=at.again,
        ),
    ]


def _file(media_types: tuple[str, ...]) -> tuple[Answer, ...]:
    return (
        Answer(status=200, says="The whole file.", media_types=media_types, headers=_FILE_HEADERS),
        Answer(status=206, says="The range.", media_types=media_types, headers=(*_FILE_HEADERS, "Content-Range")),
    )
