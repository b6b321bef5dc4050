"""The verbs `courtrelay custody …`: ask a keeper's desk, verify its log, write it down, verify what was written."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from relay.app.adapters import verifiers
from relay.app.desk import open_desk
from relay.app.runtime import SystemClock
from relay.app.trust import read_trust
from relay.core.checkpoint import parse_checkpoint
from relay.core.custody import parse_event
from relay.core.custody_audit import CustodyAudit
from relay.core.custody_export import (
    FIRST_LINE,
    LAST_LINE,
    ExportedEvent,
    event_line,
    head_line,
    index_of,
    parse_event_line,
    parse_head_line,
)
from relay.core.custody_verdict import CustodyVerdict
from relay.core.errors import Malformed
from relay.core.limits import CUSTODY_EXPORT_LINE_BYTES_MAX, CUSTODY_PAGE_EVENTS_MAX, TIME_S_MAX
from relay.core.times import format_utc
from relay.core.tlogproof import TlogProof, format_tlog_proof
from relay.durable.files import sync_folder
from relay.ports.custody import CustodyFilter
from relay.services.custody_reading import ReadRow
from relay.wire.custody_desk import CustodyDeskClient, DeskHead

DESKS: Final = {"custodian": "lender-desk", "court": "court-desk"}
PROGRESS_EVENTS: Final = 512
_WHAT: Final = "custody export"
Advance = Callable[[int, int], None]


def desk_of(role: str) -> str:
    """The desk that shows a role's custody log. Raises `Malformed`."""
    if role not in DESKS:
        raise Malformed("custody", "--role", f"{role[:40]!a} is none; must be {' or '.join(DESKS)}")
    return DESKS[role]


async def show(home: Path, role: str, wanted: CustodyFilter, start: int, limit: int) -> dict[str, Any]:
    """One page of events as the keeper stores them; `next` is 0 after the last one."""
    rows: list[ReadRow] = []
    at = start
    async with open_desk(home, desk_of(role)) as (channel, _):
        client = CustodyDeskClient(channel)
        while True:
            page, at = await client.find(wanted, at, min(limit - len(rows), CUSTODY_PAGE_EVENTS_MAX))
            rows += page
            if not at or len(rows) == limit:
                return {"events": [_shown(row) for row in rows], "next": at}


def _shown(row: ReadRow) -> dict[str, Any]:
    try:
        event = parse_event(row.event)
    except Malformed as error:
        return {"index": row.index, "damaged": str(error)}
    return {
        "index": row.index,
        "at_ms": event.at_ms,
        "at": _utc(event.at_ms),
        "actor": event.actor,
        "action": event.action,
        "outcome": event.outcome,
        "subject": dict(event.subject),
        "detail": event.detail,
        "event": row.event.decode(),
    }


def _utc(at_ms: int) -> str:
    return format_utc(min(at_ms // 1000, TIME_S_MAX))


async def seen(home: Path, dossier: str) -> dict[str, Any]:
    """Who saw a dossier, or was refused, oldest first, each with the proof of its event."""
    found: dict[str, Any] = {}
    async with open_desk(home, "lender-desk") as (channel, _):
        async for part in CustodyDeskClient(channel).seen(dossier):
            if isinstance(part, tuple):
                name, opened = part
                found = {"dossier": name, "checkpoint": opened.head.checkpoint.decode(), "rows": []}
                continue
            shown = _shown(part.row)
            officer, _, asked_for = shown.get("detail", "").partition(": ")
            told = shown.get("action") == "disclose"
            found["rows"].append(
                {
                    **shown,
                    "court": part.court or shown.get("actor", ""),
                    "case": part.case,
                    "purpose": asked_for if told else part.purpose,
                    "officer": officer if told else "",
                    "proof": _proof(found["checkpoint"].encode(), part.row),
                }
            )
    return found


def _proof(checkpoint: bytes, row: ReadRow) -> str:
    return format_tlog_proof(TlogProof(index=row.index, hashes=row.proof, checkpoint=checkpoint)).decode()


async def verify_desk(home: Path, role: str, trust: Path, advance: Advance) -> tuple[CustodyVerdict, str]:
    """The whole log of a running keeper against its entries, its head and the ledger; and why there is no ledger's word."""
    roots = read_trust(trust)
    audit: CustodyAudit | None = None
    size, done, problem = 0, 0, ""
    async with open_desk(home, desk_of(role)) as (channel, _):
        async for part in CustodyDeskClient(channel).read(CustodyFilter(), proofs=False):
            if isinstance(part, DeskHead):
                audit = CustodyAudit(part.head, roots, verifiers(), SystemClock().now_ms())
                size, problem = part.head.state.size, part.problem
                continue
            assert audit is not None, "the desk's client lets nothing come before the head"
            for row in part:
                audit.row(row.index, row.event, entry=row.entry)
            done += len(part)
            advance(done, max(size, done))
    assert audit is not None
    return audit.finish(), problem


def verify_file(path: Path, trust: Path, advance: Advance) -> CustodyVerdict:
    """An export, offline. Raises `Malformed` for what is none: then nothing of it can be judged."""
    roots = read_trust(trust)
    try:
        with path.open("rb") as file:
            lines = _lines(file)
            if next(lines, b"") != FIRST_LINE:
                raise Malformed(_WHAT, "line 1", "is not how a custody export of this version begins")
            head = parse_head_line(next(lines, b""))
            audit = CustodyAudit(head, roots, verifiers(), SystemClock().now_ms())
            _audit_lines(lines, audit, head.state.origin, lambda done: advance(done, max(head.state.size, done)))
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None
    except Malformed as error:
        raise error.within(f"{path}: {error.what}") from None
    return audit.finish()


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(CUSTODY_EXPORT_LINE_BYTES_MAX + 1):
        if len(line) > CUSTODY_EXPORT_LINE_BYTES_MAX:
            raise Malformed(_WHAT, "", f"a line has more than {CUSTODY_EXPORT_LINE_BYTES_MAX} bytes")
        yield line


def _audit_lines(lines: Iterator[bytes], audit: CustodyAudit, origin: str, advance: Callable[[int], None]) -> None:
    for number, line in enumerate(lines, 3):
        if line == LAST_LINE:
            if next(lines, None) is not None:
                raise Malformed(_WHAT, f"line {number + 1}", "stands after the end")
            return
        try:
            row = parse_event_line(line, number, origin)
        except Malformed as error:
            audit.refused(index_of(line), error)
        else:
            audit.row(row.index, row.event, proof=row.proof)
        if number % PROGRESS_EVENTS == 0:
            advance(number - 2)
    raise Malformed(_WHAT, "end", "is missing: the file was cut off")


async def export(home: Path, role: str, wanted: CustodyFilter, out: Path, advance: Advance) -> dict[str, Any]:
    """Write the log, or what a filter lets through, to a file that must not exist; whole or not at all."""
    if out.exists():
        raise Malformed(str(out), "", "exists; an export is never overwritten")
    part = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            async with open_desk(home, desk_of(role)) as (channel, _):
                made = await _write(file, CustodyDeskClient(channel).read(wanted, proofs=True), advance)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        part.rename(out)
        sync_folder(out.parent)
    except OSError as error:
        raise Malformed(str(out), "", f"cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return {**made, "file": str(out), "bytes": size}


async def _write(file: BinaryIO, parts: AsyncIterator[DeskHead | list[ReadRow]], advance: Advance) -> dict[str, Any]:
    origin, checkpoint, size, count, problem = "", b"", 0, 0, ""
    async for part in parts:
        if isinstance(part, DeskHead):
            checkpoint, problem = part.head.checkpoint, part.problem
            state, _ = parse_checkpoint(checkpoint)
            origin, size = state.origin, state.size
            file.write(FIRST_LINE + head_line(part.head))
            continue
        for row in part:
            if not row.event or row.index >= size:
                raise Malformed("custody", f"event {row.index}", "is missing or was never logged; see `custody verify`")
            proof = _proof(checkpoint, row).encode()
            file.write(event_line(origin, ExportedEvent(index=row.index, event=row.event, proof=proof)))
            count += 1
        advance(count, size)
    file.write(LAST_LINE)
    return {"origin": origin, "events": count, "size": size, "ledger_problem": problem}
