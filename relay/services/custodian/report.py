"""Subject access: all that is held of a dossier, and who has seen it, from the lender's own custody log (PIPL arts. 44 and 45).

Making a report is an access like any other: it is logged before anything is handed out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Final, Protocol

from relay.core.custody import CustodyEvent, make_event, parse_event
from relay.core.errors import NotFound
from relay.core.grants import Grant
from relay.core.records import parse_sd_jwt
from relay.core.times import format_utc
from relay.core.tombstone import parse_tombstone
from relay.ports.common import Clock, RandomBytes
from relay.ports.custodian import StoredRecord
from relay.ports.erasure import DossierOutline, HeldTombstone, RetentionStore
from relay.services.custodian.retention import DossierRetention, Retention

FORMAT: Final = "courtrelay-subject-access/v1"
LIMITS: Final = (
    "It lists what the lender's custody log says. What a court did with a bundle afterwards stands in that court's own custody log.",
    "A request that was refused before its signature and contents could be checked names no dossier and is not listed.",
    "Contents of payloads are named with size and digest; ask the lender for a copy of one.",
)


class RecordStore(Protocol):
    """What a report reads beside `RetentionStore`."""

    async def records(self, dossier: str) -> list[StoredRecord]:
        """Every record of a dossier, by seq."""

    async def append_custody(self, event: bytes) -> int:
        """Append one canonical event to the custody log."""


class SubjectReports:
    """Serves the lender's operators."""

    def __init__(
        self,
        *,
        identity: str,
        origin: str,
        retention: Retention,
        store: RetentionStore,
        records: RecordStore,
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        self._identity = identity
        self._origin = origin
        self._retention = retention
        self._store = store
        self._records = records
        self._clock = clock
        self._random = random_bytes

    async def make(self, name: str, actor: str) -> dict[str, Any]:
        """The report document (docs/spec/erasure.md), logged first. Raises `NotFound` for what was never deposited here."""
        outline = await self._store.outline(name)
        tombstones = await self._store.tombstones(outline.id if outline else name)
        if outline is None and not tombstones:
            raise NotFound(f"no dossier {name[:64]!a} is deposited here")
        dossier = outline.id if outline else tombstones[0].dossier
        await self._records.append_custody(self._event(dossier, actor))
        grants = await self._retention.grants_of(dossier, in_force=False)
        return {
            "format": FORMAT,
            "made_at": format_utc(self._clock.now_ms() // 1000),
            "lender": self._identity,
            "origin": self._origin,
            "asked_by": actor,
            "dossier": dossier,
            "reference": outline.reference if outline else "",
            "records": await self._held(outline),
            "holds": _holds(outline),
            "grants": [_grant(grant) for grant in grants],
            "erasures": [_erasure(held) for held in tombstones],
            "access": await self._access(dossier, grants),
            "limits": list(LIMITS),
        }

    async def _held(self, outline: DossierOutline | None) -> list[dict[str, Any]]:
        if outline is None:
            return []
        looked = await self._retention.look(outline.id)
        records = await self._records.records(outline.id)
        return await asyncio.to_thread(lambda: [_record(record, looked) for record in records])

    async def _access(self, dossier: str, grants: Sequence[Grant]) -> list[dict[str, Any]]:
        by_digest = {grant.digest.hex(): grant for grant in grants}
        rows = await self._store.custody_events([dossier.encode(), *(digest.encode() for digest in by_digest)])
        parsed = [(index, parse_event(event)) for index, event in rows]
        return [
            _event(index, event, by_digest.get(event.subject.get("grant", "")))
            for index, event in parsed
            if _concerns(event, dossier, by_digest)
        ]

    def _event(self, dossier: str, actor: str) -> bytes:
        return make_event(
            at_ms=self._clock.now_ms(),
            actor=actor,
            action="report",
            subject={"dossier": dossier},
            outcome="made",
            detail="",
            random_bytes=self._random,
        )


def _concerns(event: CustodyEvent, dossier: str, grants: Collection[str]) -> bool:
    """The event names the dossier, or no dossier at all and a grant that opens this one."""
    if "dossier" in event.subject:
        return event.subject["dossier"] == dossier
    return event.subject.get("grant", "") in grants


def _record(stored: StoredRecord, looked: DossierRetention) -> dict[str, Any]:
    row = looked.records[stored.seq] if stored.seq < len(looked.records) else None
    rule = row.rule if row else None
    told: dict[str, Any] = {
        "seq": stored.seq,
        "log_index": stored.index,
        "kind": stored.kind,
        "event_time": format_utc(stored.event_time_s),
        "confidentiality": stored.confidentiality,
        "retention": rule.name if rule else "",
        "may_be_erased_from": format_utc(row.due_s) if row and row.due_s is not None else "",
    }
    if stored.erased_s:
        return {**told, "status": "erased", "erased_at": format_utc(stored.erased_s), "basis": stored.basis}
    record = parse_sd_jwt(stored.text)
    return {
        **told,
        "status": "held",
        "recorded_time": format_utc(record.recorded_time_s),
        "fields": record.fields,
        "personal_members": sorted(record.disclosed),
        "provenance": {name: getattr(record.provenance, name) for name in record.provenance.__slots__},
        "payloads": [
            {"name": p.name, "media_type": p.media_type, "size": p.size, "sha256": p.sha256} for p in record.payloads
        ],
    }


def _holds(outline: DossierOutline | None) -> list[dict[str, Any]]:
    return [
        {
            "hold": hold.number,
            "authority": hold.authority,
            "reason": hold.reason,
            "placed_at": format_utc(hold.placed_ms // 1000),
            "lifted_at": format_utc(hold.lifted_ms // 1000) if hold.lifted_ms else "",
        }
        for hold in (outline.holds if outline else ())
    ]


def _grant(grant: Grant) -> dict[str, Any]:
    return {
        "grant": grant.digest.hex(),
        "court": grant.aud,
        "case": grant.case,
        "purpose": grant.purpose,
        "mode": grant.mode,
        "kinds": list(grant.kinds),
        "valid_from": format_utc(grant.nbf),
        "valid_until": format_utc(grant.exp),
    }


def _erasure(held: HeldTombstone) -> dict[str, Any]:
    tombstone = parse_tombstone(held.token)
    return {
        "scope": tombstone.scope,
        "seqs": [seq for seq, _ in tombstone.places],
        "erased_at": format_utc(tombstone.iat),
        "by": tombstone.actor,
        "basis": tombstone.basis,
        "complete": held.done_ms > 0,
        "tombstone": held.token,
    }


def _event(index: int, event: CustodyEvent, grant: Grant | None) -> dict[str, Any]:
    return {
        "log_index": index,
        "time": format_utc(event.at_ms // 1000),
        "action": event.action,
        "outcome": event.outcome,
        "actor": event.actor,
        "court": grant.aud if grant else "",
        "case": grant.case if grant else "",
        "grant": event.subject.get("grant", ""),
        "detail": event.detail,
    }
