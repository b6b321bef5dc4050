"""One line of records.jsonl: what a lender deposits (docs/spec/deposit.md). Pure; the kind's own fields are checked by its schema."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.canonical import dumps, loads_strict
from relay.core.errors import Malformed
from relay.core.fields import Fields
from relay.core.limits import (
    PAYLOAD_BYTES_MAX,
    PAYLOADS_PER_RECORD_MAX,
    RECORD_JSON_BYTES_MAX,
    RECORDS_PER_DOSSIER_MAX,
)
from relay.core.records import MEDIA_TYPE, PayloadDigest, Provenance

REFERENCE_CHARS_MAX: Final = 128
STATEMENT_CHARS_MAX: Final = 2000
KIND_VERSION_MAX: Final = 1_000_000
FILE_CHARS_MAX: Final = 1024
EARLIEST_EVENT_S: Final = 631_152_000  # 1990-01-01
CONFIDENTIALITY: Final = ("ordinary", "mediation_privileged")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PROVENANCE: Final = ("source", "generation", "storage", "notarisation", "witnesses", "corroboration")
_DOMAIN: Final = b"courtrelay/deposit/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositPayload:
    """A payload as the line declares it; digest and size only if the lender gave them."""

    file: str
    name: str
    media_type: str
    sha256: str
    """Hex, empty when not declared."""
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositLine:
    """A record as deposited."""

    reference: str
    seq: int
    kind: str
    kind_version: int
    event_time_s: int
    provenance: Provenance
    fields: dict[str, object]
    payloads: tuple[DepositPayload, ...]
    confidentiality: str
    """Empty when the kind decides."""
    supersedes: int | None


def parse_deposit_line(data: bytes, *, what: str) -> DepositLine:
    """Read one line. Raises `Malformed` naming `what` (file and line) and the field."""
    fields = Fields(loads_strict(data, what=what, bytes_max=RECORD_JSON_BYTES_MAX), what=what)
    seq = fields.integer("seq", high=RECORDS_PER_DOSSIER_MAX - 1)
    body = fields.nested("fields")
    line = DepositLine(
        reference=fields.plain("dossier", chars_max=REFERENCE_CHARS_MAX),
        seq=seq,
        kind=fields.token("kind"),
        kind_version=fields.integer("kind_version", low=1, high=KIND_VERSION_MAX),
        event_time_s=fields.utc("event_time"),
        provenance=_provenance(fields.nested("provenance")),
        fields=body.rest(),
        payloads=_payloads(fields),
        confidentiality=fields.literal("confidentiality", *CONFIDENTIALITY) if fields.has("confidentiality") else "",
        supersedes=fields.integer("supersedes", high=max(seq - 1, 0)) if fields.has("supersedes") else None,
    )
    fields.done()
    if line.supersedes is not None and line.supersedes >= line.seq:
        raise Malformed(what, "supersedes", "must be the seq of an earlier record")
    return line


def _provenance(fields: Fields) -> Provenance:
    texts = {name: fields.plain(name, chars_max=STATEMENT_CHARS_MAX, empty=True) for name in _PROVENANCE}
    fields.done()
    return Provenance(**texts)


def _payloads(fields: Fields) -> tuple[DepositPayload, ...]:
    if not fields.has("payloads"):
        return ()
    made = []
    for item in fields.objects("payloads", count_max=PAYLOADS_PER_RECORD_MAX, empty=True):
        made.append(
            DepositPayload(
                file=item.plain("file", chars_max=FILE_CHARS_MAX),
                name=item.matching("name", _NAME, "1 to 64 of a-z, 0-9, dot, dash, underscore; no personal data"),
                media_type=item.matching("media_type", MEDIA_TYPE, "a media type such as application/pdf"),
                sha256=item.digest("sha256") if item.has("sha256") else "",
                size=item.integer("size", high=PAYLOAD_BYTES_MAX) if item.has("size") else None,
            )
        )
        item.done()
    if len({p.name for p in made}) != len(made):
        raise fields.refuse("payloads", "two payloads of one record have the same name")
    return tuple(made)


def check_event_time(line: DepositLine, *, now_s: int, skew_s: int, what: str) -> None:
    """A record cannot tell of the future, nor of a time before records were kept. Raises `Malformed`."""
    if line.event_time_s > now_s + skew_s:
        raise Malformed(what, "event_time", "lies in the future")
    if line.event_time_s < EARLIEST_EVENT_S:
        raise Malformed(what, "event_time", "lies before 1990")


def check_payload(declared: DepositPayload, *, size: int, sha256: str, what: str) -> None:
    """What arrived must be what the line declared. Raises `Malformed`."""
    place = f"payloads ({declared.name})"
    if declared.size is not None and declared.size != size:
        raise Malformed(what, place, f"{size} bytes arrived, {declared.size} are declared")
    if declared.sha256 and declared.sha256 != sha256:
        raise Malformed(what, place, "the bytes do not have the declared sha256")


def input_digest(line: DepositLine, payloads: Sequence[PayloadDigest]) -> bytes:
    """32 bytes that say whether two deposits of one seq are the same record: over meaning, not over file names."""
    value = {
        "seq": line.seq,
        "kind": line.kind,
        "kind_version": line.kind_version,
        "event_time": line.event_time_s,
        "provenance": {name: getattr(line.provenance, name) for name in _PROVENANCE},
        "fields": line.fields,
        "confidentiality": line.confidentiality,
        "supersedes": line.supersedes,
        "payloads": [[p.name, p.media_type, p.size, p.sha256] for p in payloads],
    }
    return hashlib.sha256(_DOMAIN + dumps(value)).digest()
