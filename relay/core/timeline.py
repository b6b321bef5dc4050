"""A dossier as its story: records by stage of the loan's life, each with what a reader should notice of it.

Marks are no verdicts. They say what bears on the time before anchoring, which verification cannot see (Online Litigation Rules
arts. 16 and 18).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from relay.core.kinds import Stage
from relay.core.view import DossierView, ViewRecord

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
LAG_LIMITS_MS: Final[Mapping[str, int]] = {
    # arise in the lender's own systems, which can deposit them at once
    Stage.APPLY.value: DAY_MS,
    Stage.DECIDE.value: DAY_MS,
    # signed electronically; everything later rests on it
    Stage.CONTRACT.value: DAY_MS,
    # a bank's voucher or statement comes by the next banking day, over a weekend
    Stage.DISBURSE.value: 3 * DAY_MS,
    Stage.SERVICE.value: 3 * DAY_MS,
    # agencies and law firms hand in what they have by the week; a courier's receipt takes days
    Stage.COLLECT.value: 7 * DAY_MS,
    Stage.LETTER.value: 7 * DAY_MS,
    Stage.MEDIATE.value: 7 * DAY_MS,
    Stage.FILE.value: 7 * DAY_MS,
    # papers of notaries and courts reach the lender by post
    Stage.NOTARY.value: 15 * DAY_MS,
    Stage.TRY.value: 15 * DAY_MS,
    Stage.ENFORCE.value: 15 * DAY_MS,
}
"""From event to anchoring, by stage; what took longer is marked, since it lay with the lender alone so long."""
_ORDER: Final = {stage.value: place for place, stage in enumerate(Stage)}


class Mark(enum.StrEnum):
    """What a reader should notice of a record."""

    NO_PROVENANCE = "no pre-anchoring provenance"
    LATE_ADDITION = "late addition"
    LONG_LAG = "long anchoring lag"
    EVENT_AFTER_ANCHORING = "event after anchoring"
    """The lender states an event later than the ledger's own time: a clock that is wrong, or a date that is not the event's."""
    CLOCKS_CONTRADICT = "clocks contradict each other"
    """The ledgers' and the authorities' times cannot all be right (relay.core.marks)."""
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """A record in its place, also when it was withheld, erased or is missing. `superseded_by`: consistent ones that replace it."""

    record: ViewRecord
    marks: tuple[Mark, ...]
    superseded_by: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineStage:
    """The entries of one stage by event time, then seq. `stage` is empty for kinds that are not known, which come last."""

    stage: str
    entries: tuple[TimelineEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """How many records there are, by what was shown of them."""

    total: int
    disclosed: int
    withheld: int
    erased: int
    missing: int


def timeline(view: DossierView) -> tuple[TimelineStage, ...]:
    """Every record once, stages that have none left out."""
    replaced = _replaced(view)
    stages: dict[str, list[TimelineEntry]] = {}
    for record in sorted(view.records, key=_place):
        by = replaced.get(record.finding.seq, ())
        entry = TimelineEntry(record=record, marks=_marks(record, by), superseded_by=by)
        stages.setdefault(record.stage, []).append(entry)
    return tuple(TimelineStage(stage=name, entries=tuple(entries)) for name, entries in stages.items())


def completeness_of(view: DossierView) -> Completeness:
    """Counts over the dossier."""
    counts = dict.fromkeys(("disclosed", "withheld", "erased", "missing"), 0)
    for record in view.records:
        counts[record.finding.status] += 1
    return Completeness(total=len(view.records), **counts)


def _place(record: ViewRecord) -> tuple[int, int, int]:
    return _ORDER.get(record.stage, len(_ORDER)), record.finding.event_ms, record.finding.seq


def _replaced(view: DossierView) -> dict[int, tuple[int, ...]]:
    """Seq → seqs of the records that say they supersede it; one that does not hold replaces nothing."""
    found: dict[int, tuple[int, ...]] = {}
    for record in view.records:
        if record.supersedes >= 0 and record.finding.verdict in ("CONSISTENT", "SUPERSEDED"):
            found[record.supersedes] = (*found.get(record.supersedes, ()), record.finding.seq)
    return found


def _marks(record: ViewRecord, superseded_by: tuple[int, ...]) -> tuple[Mark, ...]:
    finding = record.finding
    limit = LAG_LIMITS_MS.get(record.stage, DAY_MS)
    holds = (
        (Mark.NO_PROVENANCE, record.shown and not finding.provenance),
        (Mark.LATE_ADDITION, bool(finding.late)),
        (Mark.LONG_LAG, record.lag_ms > limit),
        (Mark.EVENT_AFTER_ANCHORING, record.lag_ms < 0 or "backdated" in finding.marks),
        (Mark.CLOCKS_CONTRADICT, "skew" in finding.marks),
        (Mark.SUPERSEDED, bool(superseded_by)),
    )
    return tuple(mark for mark, true in holds if true)
