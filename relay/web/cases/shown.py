"""A dossier as its page shows it: every record with words for its state, its times apart, its members in readable form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.errors import Malformed
from relay.core.times import parse_utc
from relay.core.timeline import LAG_LIMITS_MS, Mark, TimelineEntry, TimelineStage
from relay.core.view import DossierView, ViewMember, ViewRecord
from relay.ports.cases import Objection
from relay.web.cases.parts import Describe, kind_name, lasted
from relay.words import Speaker

STAGES: Final[Mapping[str, str]] = {
    "apply": "Application",
    "decide": "Decision",
    "contract": "Contract",
    "disburse": "Disbursement",
    "service": "Repayment",
    "collect": "Collection",
    "letter": "Lawyer's letter",
    "mediate": "Mediation",
    "notary": "Notary",
    "file": "Filing",
    "try": "Trial",
    "enforce": "Enforcement",
    "": "Stage not known",
}
STATUSES: Final[Mapping[str, str]] = {
    "disclosed": "Disclosed",
    "withheld": "Withheld",
    "erased": "Erased",
    "missing": "Missing",
}
PROVENANCE_NAMES: Final[Mapping[str, str]] = {
    "source": "Source",
    "generation": "How it was generated",
    "storage": "How it was stored",
    "notarisation": "Notarisation",
    "witnesses": "Third-party witnesses",
    "corroboration": "Corroborating records",
}
CLASSES: Final[Mapping[str, str]] = {
    "ordinary": "Ordinary",
    "mediation_privileged": "Privileged: said in mediation",
}
MARKS: Final[Mapping[Mark, str]] = {
    Mark.NO_PROVENANCE: "No pre-anchoring provenance stated",
    Mark.LATE_ADDITION: "Late addition",
    Mark.LONG_LAG: "Anchored long after the event",
    Mark.EVENT_AFTER_ANCHORING: "Event dated after its anchoring",
    Mark.SUPERSEDED: "Replaced by a later record",
}
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
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

    def __init__(self, w: Speaker, view: DossierView, describe: Describe, objections: Sequence[Objection]) -> None:
        self._w = w
        self._view = view
        self._describe = describe
        self._objections = objections

    def stages(self, stages: Sequence[TimelineStage], chosen: Filter) -> list[ShownStage]:
        """The timeline; a stage with nothing left by the filter is left out."""
        made = []
        for stage in stages:
            entries = tuple(self.record(entry) for entry in stage.entries if chosen.passes(entry.record))
            if entries:
                name = self._w.text(STAGES[stage.stage])
                made.append(ShownStage(stage.stage, name, entries, len(stage.entries)))
        return made

    def record(self, entry: TimelineEntry) -> ShownRecord:
        """One entry."""
        record, finding = entry.record, entry.record.finding
        anchor = self._view.anchors[record.anchor] if record.anchor >= 0 else None
        withheld = [self.label(finding.kind, record.kind_version or 1, name) for name in finding.withheld_members]
        return ShownRecord(
            record=record,
            kind=kind_name(self._w, finding.kind),
            status=self._w.text(STATUSES[finding.status]),
            reason=self._w.said(finding.reason) if finding.reason else "",
            marks=tuple(self._mark(mark, entry) for mark in entry.marks),
            lag=lasted(self._w, record.lag_ms) if record.lag_ms else "",
            confidentiality=self._w.text(CLASSES.get(record.confidentiality, record.confidentiality)),
            members=tuple(self._member(record, member) for member in record.members),
            withheld=(*withheld, *finding.withheld_payloads),
            superseded_by=entry.superseded_by,
            objections=tuple(o for o in self._objections if finding.seq in o.seqs),
            anchored_on=anchor.anchored.ledger if anchor and anchor.anchored else "",
            accepted_on=anchor.accepted.ledger if anchor and anchor.accepted else "",
        )

    def _mark(self, mark: Mark, entry: TimelineEntry) -> tuple[str, str]:
        w, record = self._w, entry.record
        details = {
            Mark.NO_PROVENANCE: lambda: w.text("The lender states neither source nor generation (art. 18)."),
            Mark.LATE_ADDITION: lambda: w.said(record.finding.late),
            Mark.LONG_LAG: lambda: w.text(
                "{lag} between event and anchoring; of this stage more than {limit} is marked.",
                lag=lasted(w, record.lag_ms),
                limit=lasted(w, LAG_LIMITS_MS.get(record.stage, LAG_LIMITS_MS["apply"])),
            ),
            Mark.EVENT_AFTER_ANCHORING: lambda: w.text(
                "The lender dates the event {lag} later than the ledger that anchored it: a wrong clock, or a wrong date.",
                lag=lasted(w, record.lag_ms),
            ),
            Mark.SUPERSEDED: lambda: w.text(
                "By record {seqs}.", seqs=", ".join(str(seq) for seq in entry.superseded_by)
            ),
        }
        return w.text(MARKS[mark]), details[mark]()

    def label(self, kind: str, version: int, name: str) -> str:
        """What a member means; its own name where that is not known."""
        found = self._describe(kind, version, name)
        return self._w.text(found.removesuffix(".")) if found else name

    def _member(self, record: ViewRecord, member: ViewMember) -> ShownMember:
        label = self.label(record.finding.kind, record.kind_version, member.name)
        currency = next((m.value for m in record.members if m.name == "currency"), "")
        return ShownMember(label, self._value(member.name, member.value, currency), member.personal)

    def _value(self, name: str, value: object, currency: object) -> str | Cells:
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            return self._table(value, currency)
        if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
            return ", ".join(self._plain(name, one, currency) for one in value)
        return self._plain(name, value, currency)

    def _table(self, rows: Sequence[Mapping[str, object]], currency: object) -> Cells:
        heads = tuple(rows[0])
        cells = tuple(tuple(self._plain(h, row.get(h, ""), currency) for h in heads) for row in rows[:_ROWS_MAX])
        return Cells(tuple(self._w.text(_head(h)) for h in heads), cells)

    def _plain(self, name: str, value: object, currency: object) -> str:
        w = self._w
        if isinstance(value, bool):
            return w.text("Yes") if value else w.text("No")
        if isinstance(value, int) and name.endswith("_cents"):
            return money(w, value, currency)
        if isinstance(value, str):
            return _moment(w, value)
        return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False)


def money(w: Speaker, cents: int, currency: object) -> str:
    """An amount, with its currency where that is one."""
    if isinstance(currency, str) and _CURRENCY.fullmatch(currency):
        return w.money(cents, currency)
    return w.text("{cents} cents", cents=cents)


def facts_in_words(w: Speaker, facts: Sequence[tuple[str, str | int]], currency: str) -> dict[str, object]:
    """Values of a sentence about amounts: `…_cents` as money, kinds by their names."""
    said: dict[str, object] = {}
    for name, value in facts:
        said[name] = value
        if name.endswith("_cents") and isinstance(value, int):
            said[name] = money(w, value, currency)
        elif name == "kind":
            said[name] = kind_name(w, str(value))
    return said


def _head(name: str) -> str:
    return name.removesuffix("_cents").replace("_", " ").capitalize()


def _moment(w: Speaker, text: str) -> str:
    if not _TIME.fullmatch(text):
        return text
    try:
        return w.time(parse_utc(text, "record", "time") * 1000)
    except Malformed:
        return text
