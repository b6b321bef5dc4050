"""Tell loans and write them as a deposit folder: records.jsonl and the files it names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Final, TextIO

from relay.core.errors import Conflict
from relay.core.times import format_utc
from relay.sample.collection import collect, lawyer_letter, outstanding, service, state_balance
from relay.sample.dice import Dice
from relay.sample.dispute import mediate, sue
from relay.sample.loan import CURRENCY, Attachment, Event, Loan
from relay.sample.origination import originate

Advance = Callable[[int, int], None]
STORIES: Final = ("performing", "judged", "late", "performing", "judged", "pending", "late", "judged")
LISTS: Final = ("calculation_seqs", "item_seqs", "of_seqs")


def _quiet(_done: int, _total: int) -> None:
    """No progress wanted."""


def generate(out: Path, loans: int, seed: int, advance: Advance = _quiet) -> dict[str, int]:
    """Write `loans` dossiers into a new or empty folder. Raises `Conflict` when it holds something.

    Returns how many loans, records and payload bytes were written.
    """
    _new_folder(out)
    totals = {"loans": loans, "records": 0, "payload_bytes": 0}
    with (out / "records.jsonl").open("w", encoding="utf-8", newline="\n") as lines:
        for number in range(loans):
            loan = tell(number, seed)
            _write(out, f"loan-{number + 1:04d}", loan.number, loan.in_order(), lines, totals)
            advance(number + 1, loans)
    return totals


def tell(number: int, seed: int) -> Loan:
    """One loan's whole story."""
    loan = Loan(number, Dice(f"courtrelay sample {seed} loan {number}"))
    story = STORIES[number % len(STORIES)]
    originate(loan)
    if story == "performing":
        service(loan, loan.months)
        _close(loan)
        return loan
    paid = loan.dice.between(2, loan.months - 4)
    service(loan, paid)
    if story == "late":
        collect(loan, paid, 1)
        service_late(loan, paid)
        _close(loan)
        return loan
    end = collect(loan, paid, 4)
    claim = state_balance(loan, paid, end, mark="balance")
    lawyer_letter(loan, end + timedelta(days=3), claim)
    mediate(loan, end + timedelta(days=25), claim)
    sue(loan, end + timedelta(days=45), outstanding(loan, paid, end), judged=story == "judged")
    return loan


def service_late(loan: Loan, paid: int) -> None:
    """The customer catches up after a month of arrears; a new schedule supersedes the old one."""
    day = loan.schedule[paid].due + timedelta(days=33)
    loan.add(
        loan.at(day, 9, 0),
        "repayment_schedule",
        {
            "version": 2,
            "currency": CURRENCY,
            "instalments": [i.as_json() for i in loan.schedule[paid:]],
            "reason": "rescheduling",
        },
        supersedes="schedule",
    )
    whole = loan.schedule
    loan.schedule = whole[paid:]
    service(loan, len(loan.schedule))
    loan.schedule = whole


def _close(loan: Loan) -> None:
    day = loan.schedule[-1].due + timedelta(days=40)
    loan.add(
        loan.at(day, 9, 0),
        "closure",
        {
            "reason": "paid",
            "closed_on": day.isoformat(),
            "recovered_cents": 0,
            "written_off_cents": 0,
            "currency": CURRENCY,
        },
    )


def _new_folder(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Conflict(f"{out} exists and is not an empty folder; nothing is overwritten: choose another one")
    (out / "files").mkdir(parents=True)


def _write(
    out: Path, folder: str, reference: str, events: Iterable[Event], lines: TextIO, totals: dict[str, int]
) -> None:
    marks: dict[str, int] = {}
    for seq, event in enumerate(events):
        if event.mark:
            marks[event.mark] = seq
        line = _line(reference, seq, event, marks)
        listed = []
        for attachment in event.attachments:
            name = f"files/{folder}/{seq:04d}-{attachment.name}"
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(attachment.data)
            listed.append(_listed(name, attachment))
            totals["payload_bytes"] += len(attachment.data)
        line["payloads"] = listed
        lines.write(json.dumps(line, ensure_ascii=False) + "\n")
        totals["records"] += 1


def _listed(name: str, attachment: Attachment) -> dict[str, object]:
    return {
        "file": name,
        "name": attachment.name,
        "media_type": attachment.media_type,
        "sha256": hashlib.sha256(attachment.data).hexdigest(),
        "size": len(attachment.data),
    }


def _line(reference: str, seq: int, event: Event, marks: dict[str, int]) -> dict[str, object]:
    fields = dict(event.fields)
    for member, mark in event.refers.items():
        fields[member] = [marks[mark]] if member in LISTS else marks[mark]
    line: dict[str, object] = {
        "dossier": reference,
        "seq": seq,
        "kind": event.kind,
        "kind_version": 1,
        "event_time": format_utc(int(event.at.timestamp())),
        "provenance": event.provenance,
        "fields": fields,
    }
    if event.supersedes:
        line["supersedes"] = marks[event.supersedes]
    return line


def small_dossier(out: Path, seed: int) -> dict[str, int]:
    """One dossier of five records without long files: for tests of every byte."""
    _new_folder(out)
    loan = tell(1, seed)
    chosen = [event for event in loan.in_order() if event.kind in ("application", "credit_query", "reminder")][:4]
    note = Attachment(name="note.txt", media_type="text/plain", data=loan.dice.data(200).hex().encode())
    chosen.append(Event(loan.events[-1].at, "closure", _closure(), (note,), loan.events[-1].provenance))
    totals = {"loans": 1, "records": 0, "payload_bytes": 0}
    with (out / "records.jsonl").open("w", encoding="utf-8", newline="\n") as lines:
        _write(out, "loan-0001", loan.number, chosen, lines, totals)
    return totals


def write_events(out: Path, events: Iterable[Event]) -> dict[str, int]:
    """One dossier of these events, in their order: for tests and benchmarks."""
    _new_folder(out)
    totals = {"loans": 1, "records": 0, "payload_bytes": 0}
    with (out / "records.jsonl").open("w", encoding="utf-8", newline="\n") as lines:
        _write(out, "loan-0001", "loan-0001", events, lines, totals)
    return totals


def _closure() -> dict[str, object]:
    return {"reason": "settled", "closed_on": "2025-01-31", "recovered_cents": 0, "written_off_cents": 0,
            "currency": CURRENCY}  # fmt: skip


def heavy_dossier(out: Path, records: int, payload_bytes: int, seed: int, advance: Advance = _quiet) -> dict[str, int]:
    """One dossier of so many call records whose files have about so many bytes together: for benchmarks."""
    _new_folder(out)
    dice = Dice(f"courtrelay heavy {seed}")
    loan = tell(1, seed)
    base = next(event for event in loan.in_order() if event.kind == "call_recording")
    totals = {"loans": 1, "records": 0, "payload_bytes": 0}
    size = payload_bytes // records
    events = (
        Event(
            base.at + timedelta(hours=i),
            "call_recording",
            base.fields,
            (Attachment(name="call.bin", media_type="application/octet-stream", data=dice.data(size)),),
            base.provenance,
        )
        for i in range(records)
    )
    with (out / "records.jsonl").open("w", encoding="utf-8", newline="\n") as lines:
        _write(out, "loan-0001", loan.number, events, lines, totals)
    advance(records, records)
    return totals
