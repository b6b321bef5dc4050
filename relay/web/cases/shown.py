"""A dossier as its page shows it: every record with words for its state, its times apart, its members in readable form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.errors import Malformed
from relay.core.timeline import LAG_LIMITS_MS, Mark, TimelineEntry, TimelineStage
from relay.core.times import parse_utc
from relay.core.view import DossierView, ViewMember, ViewRecord
from relay.ports.cases import Objection
from relay.words import Speaker, Words

MARKS: Final[dict[Mark, Words]] = {
    Mark.NO_PROVENANCE: "No pre-anchoring provenance stated",
    Mark.LATE_ADDITION: "Late addition",
    Mark.LONG_LAG: "Anchored long after the event",
    Mark.EVENT_AFTER_ANCHORING: "Event dated after its anchoring",
    Mark.CLOCKS_CONTRADICT: "Clocks contradict each other",
    Mark.SUPERSEDED: "Replaced by a later record",
}
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_DAY: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_ROWS_MAX: Final = 600


@dataclass(frozen=True, slots=True)
class Cells:
    """A member that is a list of objects: a small table."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ShownMember:
    """`value` is a text or a table."""

    label: str
    value: str | Cells
    personal: bool


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """One entry of the timeline in words. `marks`: (words, what is behind them)."""

    record: ViewRecord
    kind: str
    status: str
    reason: str
    marks: tuple[tuple[str, str], ...]
    lag: str
    confidentiality: str
    members: tuple[ShownMember, ...]
    withheld: tuple[str, ...]
    superseded_by: tuple[int, ...]
    objections: tuple[Objection, ...]
    anchored_on: str
    accepted_on: str
    stamped_by: str


@dataclass(frozen=True, slots=True)
class ShownStage:
    """A stage with the entries that pass the filter, and how many it has in all."""

    stage: str
    name: str
    entries: tuple[ShownRecord, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Empty members let everything pass."""

    stage: str
    kind: str
    verdict: str

    def passes(self, record: ViewRecord) -> bool:
        """Whether the record is shown."""
        finding = record.finding
        wanted = ((self.stage, record.stage), (self.kind, finding.kind), (self.verdict, finding.verdict.value))
        return all(not one or one == of_record for one, of_record in wanted)


class Showing:
    """Words for one dossier in one language."""

    def __init__(self, w: Speaker, view: DossierView, objections: Sequence[Objection]) -> None:
        self._w = w
        self._view = view
        self._objections = objections

    def stages(self, stages: Sequence[TimelineStage], chosen: Filter) -> list[ShownStage]:
        """The timeline; a stage with nothing left by the filter is left out."""
        made = []
        for stage in stages:
            entries = tuple(self.record(entry) for entry in stage.entries if chosen.passes(entry.record))
            if entries:
                name = self._w.stage(stage.stage) if stage.stage else self._w.text("Stage not known")
                made.append(ShownStage(stage.stage, name, entries, len(stage.entries)))
        return made

    def record(self, entry: TimelineEntry) -> ShownRecord:
        """One entry."""
        record, finding = entry.record, entry.record.finding
        anchor = self._view.anchors[record.anchor] if record.anchor >= 0 else None
        withheld = [self._w.member(name) for name in finding.withheld_members]
        return ShownRecord(
            record=record,
            kind=self._w.kind(finding.kind) if finding.kind else self._w.text("Kind not known"),
            status=self._w.status(finding.status),
            reason=self._w.said(finding.reason) if finding.reason else "",
            marks=tuple(self._mark(mark, entry) for mark in entry.marks),
            lag=self._w.duration(record.lag_ms) if record.lag_ms else "",
            confidentiality=self._w.confidentiality(record.confidentiality),
            members=tuple(self._member(record, member) for member in record.members),
            withheld=(*withheld, *finding.withheld_payloads),
            superseded_by=entry.superseded_by,
            objections=tuple(o for o in self._objections if finding.seq in o.seqs),
            anchored_on=anchor.anchored.ledger if anchor and anchor.anchored else "",
            accepted_on=anchor.accepted.ledger if anchor and anchor.accepted else "",
            stamped_by=", ".join(stamp.authority for stamp in anchor.timestamped) if anchor else "",
        )

    def _mark(self, mark: Mark, entry: TimelineEntry) -> tuple[str, str]:
        w, record = self._w, entry.record
        details = {
            Mark.NO_PROVENANCE: lambda: w.text("The lender states neither source nor generation (art. 18)."),
            Mark.LATE_ADDITION: lambda: w.said(record.finding.late),
            Mark.LONG_LAG: lambda: w.text(
                "{lag} between event and anchoring; of this stage more than {limit} is marked.",
                lag=w.duration(record.lag_ms),
                limit=w.duration(LAG_LIMITS_MS.get(record.stage, LAG_LIMITS_MS["apply"])),
            ),
            Mark.EVENT_AFTER_ANCHORING: lambda: self._dated_late(record),
            Mark.CLOCKS_CONTRADICT: lambda: w.text(
                "The ledgers' and the timestamp authorities' times cannot all be right: one stands before what it follows."
            ),
            Mark.SUPERSEDED: lambda: w.text(
                "By record {seqs}.", seqs=", ".join(str(seq) for seq in entry.superseded_by)
            ),
        }
        return w.text(MARKS[mark]), details[mark]()

    def _dated_late(self, record: ViewRecord) -> str:
        if record.lag_ms >= 0:
            return self._w.text("The lender's own clock dates the signing later than the ledger that anchored it.")
        return self._w.text(
            "The lender dates the event {lag} later than the ledger that anchored it: a wrong clock, or a wrong date.",
            lag=self._w.duration(-record.lag_ms),
        )

    def _member(self, record: ViewRecord, member: ViewMember) -> ShownMember:
        currency = next((m.value for m in record.members if m.name == "currency"), "")
        return ShownMember(
            self._w.member(member.name), self._value(member.name, member.value, currency), member.personal
        )

    def _value(self, name: str, value: object, currency: object) -> str | Cells:
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            return self._table(value, currency)
        if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
            return ", ".join(self._plain(name, one, currency) for one in value)
        return self._plain(name, value, currency)

    def _table(self, rows: Sequence[Mapping[str, object]], currency: object) -> Cells:
        heads = tuple(rows[0])
        cells = tuple(tuple(self._plain(h, row.get(h, ""), currency) for h in heads) for row in rows[:_ROWS_MAX])
        return Cells(tuple(self._w.member(h) for h in heads), cells)

    def _plain(self, name: str, value: object, currency: object) -> str:
        w = self._w
        if isinstance(value, bool):
            return w.text("Yes") if value else w.text("No")
        if isinstance(value, int) and name.endswith("_cents"):
            return money(w, value, currency)
        if isinstance(value, str):
            return _moment(w, w.value(name, value))
        return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False)


def money(w: Speaker, cents: int, currency: object) -> str:
    """An amount, with its currency where that is one."""
    if isinstance(currency, str) and _CURRENCY.fullmatch(currency):
        return w.money(cents, currency)
    return w.text("{cents} cents", cents=cents)


_FORMS: Final[dict[str, Callable[[Speaker, str], str]]] = {
    "kind": lambda w, kind: w.kind(kind),
    "day": lambda w, day: w.date(day),
    "verdict": lambda w, verdict: w.verdict(verdict),
    "reason": lambda w, reason: w.said(reason),
}


def facts_in_words(w: Speaker, facts: Sequence[tuple[str, str | int]], currency: str) -> dict[str, object]:
    """Values of a sentence about amounts: `…_cents` as money, kinds, days and verdicts as each is said."""
    said: dict[str, object] = {}
    for name, value in facts:
        said[name] = value
        if name.endswith("_cents") and isinstance(value, int):
            said[name] = money(w, value, currency)
        elif name in _FORMS:
            said[name] = _FORMS[name](w, str(value))
    return said


def _moment(w: Speaker, text: str) -> str:
    if _DAY.fullmatch(text):
        return w.date(text)
    if not _TIME.fullmatch(text):
        return text
    try:
        return w.time(parse_utc(text, "record", "time") * 1000)
    except Malformed:
        return text
