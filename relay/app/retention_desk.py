"""What operators at a terminal do about retention, legal holds, erasure and subject access."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from relay.app.desk import open_desk
from relay.app.runtime import SystemClock
from relay.app.trust import read_trust
from relay.core.errors import Malformed
from relay.core.grants import parse_grant
from relay.core.times import format_utc
from relay.core.tombstone import TOMBSTONE_BYTES_MAX, Tombstone, parse_tombstone, verify_tombstone
from relay.wire.retention_desk import ErasureWish, RetentionDeskClient, ShownDossier

DESK: Final = "lender-desk"


async def policy(home: Path) -> dict[str, Any]:
    """The policy in force."""
    async with open_desk(home, DESK) as (channel, _):
        reply = await RetentionDeskClient(channel).policy()
    classes = [
        {
            "class": row.name,
            "years": row.years if row.HasField("years") else None,
            "from": getattr(row, "from"),
            "jurisdiction": row.jurisdiction,
            "source": row.source,
            "note": row.note,
            "kinds": list(row.kinds),
        }
        for row in reply.classes
    ]
    return {"policy": reply.policy, "digest": reply.digest.hex(), "classes": classes}


async def show(home: Path, dossier: str) -> dict[str, Any]:
    """One dossier: records with class and end, holds, grants in force."""
    async with open_desk(home, DESK) as (channel, _):
        return _dossier(await RetentionDeskClient(channel).show(dossier))


def _dossier(shown: ShownDossier) -> dict[str, Any]:
    return {
        "dossier": shown.dossier,
        "reference": shown.reference,
        "holds": [
            {
                "hold": hold.number,
                "authority": hold.authority,
                "reason": hold.reason,
                "placed": format_utc(hold.placed_ms // 1000),
                "lifted": format_utc(hold.lifted_ms // 1000) if hold.lifted_ms else "",
            }
            for hold in shown.holds
        ],
        "grants": [_grant(token) for token in shown.grants],
        "records": [
            {
                "seq": row.seq,
                "kind": row.kind,
                "event": format_utc(row.event_time_s),
                "class": row.retention,
                "until": format_utc(row.due_s) if row.HasField("due_s") else "",
                "erased": format_utc(row.erased_s) if row.erased_s else "",
            }
            for row in shown.records
        ],
    }


def _grant(token: bytes) -> dict[str, Any]:
    grant = parse_grant(token)
    return {"grant": grant.digest.hex(), "court": grant.aud, "case": grant.case, "until": format_utc(grant.exp)}


async def due(home: Path, limit: int) -> list[dict[str, Any]]:
    """Dossiers with records past their retention: how many, and whether a hold stands against it."""
    now_s = SystemClock().now_ms() // 1000
    async with open_desk(home, DESK) as (channel, _):
        found = await RetentionDeskClient(channel).due(limit)
    rows = []
    for shown in found:
        over = [r.seq for r in shown.records if not r.erased_s and r.HasField("due_s") and r.due_s <= now_s]
        there = sum(not r.erased_s for r in shown.records)
        held = [hold.number for hold in shown.holds if not hold.lifted_ms]
        rows.append(
            {"dossier": shown.dossier, "reference": shown.reference, "due": over, "records": there, "holds": held}
        )
    return rows


async def hold(home: Path, dossier: str, reason: str, authority: str) -> int:
    """Place a hold."""
    async with open_desk(home, DESK) as (channel, _):
        return await RetentionDeskClient(channel).hold(dossier, reason, authority)


async def release(home: Path, dossier: str, number: int, reason: str, authority: str) -> None:
    """Lift a hold."""
    async with open_desk(home, DESK) as (channel, _):
        await RetentionDeskClient(channel).release(dossier, number, reason, authority)


async def plan(home: Path, wish: ErasureWish) -> dict[str, Any]:
    """What an erasure would do, and what stands against it."""
    async with open_desk(home, DESK) as (channel, _):
        found = await RetentionDeskClient(channel).plan(wish)
    return {
        "dossier": found.dossier,
        "reference": found.reference,
        "whole": found.whole,
        "seqs": found.seqs,
        "refusals": found.refusals,
    }


async def erase(home: Path, wish: ErasureWish) -> dict[str, Any]:
    """Erase; what the tombstone says, and the tombstone."""
    async with open_desk(home, DESK) as (channel, _):
        token = await RetentionDeskClient(channel).erase(wish)
    return {**tombstone_facts(parse_tombstone(token)), "tombstone": token}


async def tombstones(home: Path, dossier: str) -> list[dict[str, Any]]:
    """All tombstones of a dossier, oldest first."""
    async with open_desk(home, DESK) as (channel, _):
        found = await RetentionDeskClient(channel).tombstones(dossier)
    return [
        {**tombstone_facts(parse_tombstone(token)), "complete": done_ms > 0, "tombstone": token}
        for token, done_ms in found
    ]


def tombstone_facts(tombstone: Tombstone) -> dict[str, Any]:
    """For people and programs."""
    return {
        "digest": tombstone.digest.hex(),
        "lender": tombstone.iss,
        "origin": tombstone.origin,
        "dossier": tombstone.dossier,
        "scope": tombstone.scope,
        "seqs": [seq for seq, _ in tombstone.places],
        "log indices": [index for _, index in tombstone.places],
        "erased at": format_utc(tombstone.iat),
        "by": tombstone.actor,
        "basis": tombstone.basis,
        "policy": f"{tombstone.policy} {tombstone.policy_sha256}",
    }


def check_tombstone(path: Path, trust: Path) -> dict[str, Any]:
    """A tombstone file verified offline. Raises `Malformed`, `Unverified`."""
    try:
        with path.open("rb") as file:
            data = file.read(TOMBSTONE_BYTES_MAX + 2)
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None
    try:
        tombstone = parse_tombstone(data.removesuffix(b"\n"))
    except Malformed as error:
        raise error.within(str(path)) from None
    verify_tombstone(tombstone, read_trust(trust))
    return tombstone_facts(tombstone)


async def report(home: Path, dossier: str) -> dict[str, Any]:
    """A subject-access report."""
    async with open_desk(home, DESK) as (channel, _):
        document: dict[str, Any] = json.loads(await RetentionDeskClient(channel).report(dossier))
    return document


def report_lines(document: dict[str, Any]) -> Iterator[str]:
    """The report for people."""
    yield f"Report on dossier {document['dossier']}" + (f" ({document['reference']})" if document["reference"] else "")
    yield f"Made at {document['made_at']} by {document['lender']}, asked for by {document['asked_by']}"
    yield ""
    yield f"What is held: {sum(r['status'] == 'held' for r in document['records'])} records"
    for record in document["records"]:
        until = record["may_be_erased_from"] or "no end yet"
        yield f"  seq {record['seq']}  {record['kind']}  {record['event_time']}  class {record['retention'] or 'none'} until {until}"
        if record["status"] == "erased":
            yield f"      erased at {record['erased_at']} under {record['basis']}"
            continue
        for name, value in record["fields"].items():
            personal = " (personal)" if name in record["personal_members"] else ""
            yield f"      {name}{personal}: {json.dumps(value, ensure_ascii=False)}"
        for payload in record["payloads"]:
            yield f"      file {payload['name']}: {payload['media_type']}, {payload['size']} bytes, sha256 {payload['sha256']}"
    yield from _report_sections(document)


def _report_sections(document: dict[str, Any]) -> Iterator[str]:
    for erasure in document["erasures"]:
        yield f"Erased ({erasure['scope']}): seq {erasure['seqs']} at {erasure['erased_at']} by {erasure['by']} under {erasure['basis']}"
    for one in document["holds"]:
        ended = f", lifted at {one['lifted_at']}" if one["lifted_at"] else ", in force"
        yield f"Legal hold {one['hold']} by {one['authority']} since {one['placed_at']}{ended}: {one['reason']}"
    for grant in document["grants"]:
        why = f"for case {grant['case']} ({grant['purpose']}), {grant['mode']}, until {grant['valid_until']}"
        yield f"Grant {grant['grant']}: {grant['court']} {why}"
    yield ""
    yield f"Who has seen or touched it: {len(document['access'])} events"
    for event in document["access"]:
        case = f", case {event['case']}" if event["case"] else ""
        detail = f": {event['detail']}" if event["detail"] else ""
        yield f"  {event['time']}  {event['action']} {event['outcome']} by {event['actor']}{case}{detail}"
    yield ""
    for line in document["limits"]:
        yield f"Note: {line}"
