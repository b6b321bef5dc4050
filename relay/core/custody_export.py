"""A custody log as a document: JSON-LD in the terms of CASE/UCO and W3C PROV-O, with every event, proof and head verbatim.

One node a line, so that a million events are written and read with bounded memory; the same log gives the same bytes
(docs/spec/custody.md, Export). Whoever reads makes each line again from what it carries and compares: no term can say anything
else than the event. The context is written into the document and never fetched (JSON-LD 1.1 section 4.1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from relay.core.bundle import consistency_bytes, ledger_proof_bytes, parse_consistency, parse_ledger_proof
from relay.core.canonical import Fields, loads_strict
from relay.core.checkpoint import Checkpoint, parse_checkpoint
from relay.core.custody import CustodyEvent, custody_entry, parse_event
from relay.core.errors import Malformed
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import (
    BUNDLE_SMALL_PART_BYTES_MAX,
    CUSTODY_EVENT_BYTES_MAX,
    CUSTODY_EXPORT_LINE_BYTES_MAX,
    NOTE_BYTES_MAX,
    TIME_S_MAX,
)
from relay.core.times import format_utc
from relay.core.tlogproof import PROOF_BYTES_MAX

FORMAT: Final = "courtrelay-custody-export/v1"
_NS: Final = "https://courtrelay.example/ns/"
_CONTEXT: Final = {
    "case-investigation": "https://ontology.caseontology.org/case/investigation/",
    "courtrelay": f"{_NS}custody/v1#",
    "log": f"{_NS}log/",
    "prov": "http://www.w3.org/ns/prov#",
    "subject": f"{_NS}subject/",
    "uco-action": "https://ontology.unifiedcyberontology.org/uco/action/",
    "uco-core": "https://ontology.unifiedcyberontology.org/uco/core/",
    "uco-identity": "https://ontology.unifiedcyberontology.org/uco/identity/",
    "uco-types": "https://ontology.unifiedcyberontology.org/uco/types/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_ADMINISTRATIVE: Final = frozenset(
    {"deposit", "grant", "revoke", "hold", "release", "erase", "report", "sign_in", "invite", "statement"}
)
"""Actions of the keeper's own administration; all others are done with evidence for a case."""
_WHAT: Final = "custody export"


def _json(value: object) -> bytes:
    """JCS (RFC 8785) of our own nodes: their names are ASCII and their values strings, integers and booleans."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


FIRST_LINE: Final = b'{"@context":' + _json(_CONTEXT) + b',"@graph":[\n'
LAST_LINE: Final = b"]}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportHead:
    """Of which log, how far it goes, and what the ledger says. `complete`: every event of the log follows.

    `checkpoint` is the keeper's signed note, verbatim; `ledger` the proof of the newest head on the keeper's ledger, and
    `consistency` leads from that head to the checkpoint.
    """

    keeper: str
    complete: bool
    checkpoint: bytes
    ledger: LedgerProof | None
    consistency: tuple[bytes, ...]

    @property
    def state(self) -> Checkpoint:
        """Origin, size and root. Raises `Malformed`."""
        return parse_checkpoint(self.checkpoint)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedEvent:
    """One event's canonical bytes, its log index, and its tlog-proof's bytes."""

    index: int
    event: bytes
    proof: bytes


def head_line(head: ExportHead) -> bytes:
    """The first node: the log itself. Raises `Malformed` for a checkpoint that is none."""
    node: dict[str, object] = {
        "@id": _log_id(head.state.origin),
        "@type": ["uco-core:UcoObject", "prov:Collection"],
        "courtrelay:checkpoint": head.checkpoint.decode(),
        "courtrelay:complete": head.complete,
        "courtrelay:consistency": consistency_bytes(head.consistency).decode(),
        "courtrelay:format": FORMAT,
        "prov:wasAttributedTo": _party(head.keeper),
        "uco-core:name": f"custody log {head.state.origin}",
    }
    if head.ledger is not None:
        node["courtrelay:ledger"] = ledger_proof_bytes(head.ledger).decode()
    return _json(node) + b"\n"


def event_line(origin: str, row: ExportedEvent) -> bytes:
    """One event's node. Raises `Malformed` for bytes that are no event."""
    event = parse_event(row.event)
    node: dict[str, object] = {
        "@id": f"{_log_id(origin)}#{row.index}",
        "@type": [_action_type(event), "prov:Activity"],
        "courtrelay:digest": _hash(f"{_log_id(origin)}#{row.index}-digest", custody_entry(row.event)),
        "courtrelay:event": row.event.decode(),
        "courtrelay:index": row.index,
        "courtrelay:outcome": event.outcome,
        "courtrelay:proof": row.proof.decode(),
        "uco-action:performer": _party(event.actor),
        "uco-core:name": event.action,
        "prov:wasAssociatedWith": {"@id": event.actor},
    }
    if event.detail:
        node["uco-core:description"] = event.detail
    subjects = [f"subject:{name}/{value}" for name, value in sorted(event.subject.items())]
    if subjects:
        node["uco-action:object"] = [{"@id": s, "@type": ["uco-core:UcoObject", "prov:Entity"]} for s in subjects]
        node["prov:used"] = [{"@id": s} for s in subjects]
    node |= _times(event)
    return b"," + _json(node) + b"\n"


def _log_id(origin: str) -> str:
    return f"log:{quote(origin, safe='/.-_~:')}"


def _party(identity: str) -> Mapping[str, object]:
    return {"@id": identity, "@type": ["uco-identity:Organization", "prov:Organization"]}


def _action_type(event: CustodyEvent) -> str:
    if event.action in _ADMINISTRATIVE:
        return "uco-action:Action"
    return "case-investigation:InvestigativeAction"


def _hash(identity: str, entry: bytes) -> Mapping[str, object]:
    return {
        "@id": identity,
        "@type": "uco-types:Hash",
        "uco-types:hashMethod": "SHA256",
        "uco-types:hashValue": {"@type": "xsd:hexBinary", "@value": entry[1:33].hex().upper()},
    }


def _times(event: CustodyEvent) -> dict[str, object]:
    """One instant, with milliseconds; none for a clock that ran beyond the year 9999."""
    seconds, ms = divmod(event.at_ms, 1000)
    if seconds > TIME_S_MAX:
        return {}
    value = {"@type": "xsd:dateTime", "@value": f"{format_utc(seconds)[:-1]}.{ms:03d}Z"}
    return dict.fromkeys(
        ("uco-action:startTime", "uco-action:endTime", "prov:startedAtTime", "prov:endedAtTime"), value
    )


def parse_head_line(line: bytes) -> ExportHead:
    """The inverse of `head_line`. Raises `Malformed`, also for a line that says anything else than it must."""
    fields = _node(line, "line 2")
    fields.literal("courtrelay:format", FORMAT)
    note = fields.string("courtrelay:checkpoint", chars_max=NOTE_BYTES_MAX).encode()
    complete = fields.value("courtrelay:complete")
    ledger = None
    if fields.has("courtrelay:ledger"):
        text = fields.string("courtrelay:ledger", chars_max=2 * BUNDLE_SMALL_PART_BYTES_MAX)
        ledger = parse_ledger_proof(text.encode(), what=f"{_WHAT}: line 2: courtrelay:ledger")
    consistency = fields.string("courtrelay:consistency", chars_max=BUNDLE_SMALL_PART_BYTES_MAX).encode()
    head = ExportHead(
        keeper=fields.nested("prov:wasAttributedTo").party("@id"),
        complete=complete is True,
        checkpoint=note,
        ledger=ledger,
        consistency=parse_consistency(consistency, what=f"{_WHAT}: line 2: courtrelay:consistency"),
    )
    if head_line(head) != line:
        raise Malformed(_WHAT, "line 2", "does not say what follows from its checkpoint, in the one accepted spelling")
    return head


def parse_event_line(line: bytes, number: int, origin: str) -> ExportedEvent:
    """The inverse of `event_line`; `number` of the line is for errors. Raises `Malformed`."""
    place = f"line {number}"
    if not line.startswith(b","):
        raise Malformed(_WHAT, place, "must begin with a comma, as every event's line does")
    fields = _node(line[1:], place)
    row = ExportedEvent(
        index=fields.integer("courtrelay:index"),
        event=fields.string("courtrelay:event", chars_max=CUSTODY_EVENT_BYTES_MAX).encode(),
        proof=fields.string("courtrelay:proof", chars_max=PROOF_BYTES_MAX).encode(),
    )
    try:
        again = event_line(origin, row)
    except Malformed as error:
        raise error.within(f"{_WHAT}: {place}") from None
    if again != line:
        raise Malformed(_WHAT, place, "does not say what follows from its event, in the one accepted spelling")
    return row


def index_of(line: bytes) -> int | None:
    """The index that a line claims, however wrong the rest of it is; None when not even that can be read."""
    try:
        return _node(line.removeprefix(b","), "").integer("courtrelay:index")
    except Malformed:
        return None


def _node(line: bytes, place: str) -> Fields:
    what = f"{_WHAT}: {place}"
    return Fields(loads_strict(line, what=what, bytes_max=CUSTODY_EXPORT_LINE_BYTES_MAX), what=what)
