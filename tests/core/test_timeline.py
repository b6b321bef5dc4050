"""The timeline: every record once, in its place whether it was shown or not, with marks that are earned."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.kinds import Stage
from relay.core.timeline import DAY_MS, LAG_LIMITS_MS, Mark, TimelineEntry, completeness_of, timeline
from relay.core.verdict import Finding
from relay.core.view import DossierView, ViewRecord
from tests.support.views import ANCHORED_MS, changed, loan, not_shown, view_of_loan

VIEW = view_of_loan(loan(1))


def entries(view: DossierView) -> list[TimelineEntry]:
    return [entry for stage in timeline(view) for entry in stage.entries]


def marks(record: ViewRecord) -> tuple[Mark, ...]:
    (entry,) = entries(replace(VIEW, records=(record,)))
    return entry.marks


def at(record: ViewRecord, event_ms: int) -> ViewRecord:
    return replace(record, finding=replace(record.finding, event_ms=event_ms))


PLAIN = at(VIEW.records[0], ANCHORED_MS - 1000)


@given(st.permutations(range(len(VIEW.records))), st.sets(st.integers(0, len(VIEW.records) - 1)))
def test_every_record_stands_once_by_stage_time_and_seq(order: list[int], hidden: set[int]) -> None:
    mixed = changed(VIEW, lambda r: not_shown(r) if r.finding.seq in hidden else r)
    mixed = replace(mixed, records=tuple(mixed.records[i] for i in order))
    found = entries(mixed)
    assert sorted(e.record.finding.seq for e in found) == list(range(len(VIEW.records)))
    stages = [stage.stage for stage in timeline(mixed)]
    assert stages == [s.value for s in Stage if s.value in stages]
    for stage in timeline(mixed):
        places = [(e.record.finding.event_ms, e.record.finding.seq) for e in stage.entries]
        assert places == sorted(places)
        assert all(e.record.stage == stage.stage for e in stage.entries)


def test_a_kind_that_is_not_known_comes_last() -> None:
    odd = replace(VIEW.records[3], stage="")
    assert timeline(changed(VIEW, lambda r: odd if r.finding.seq == 3 else r))[-1].entries[0].record == odd


def test_nothing_to_notice_gives_no_mark() -> None:
    assert marks(PLAIN) == ()


@pytest.mark.parametrize("stage", [s.value for s in Stage])
def test_lag_is_marked_from_one_millisecond_past_the_stages_limit(stage: str) -> None:
    limit = LAG_LIMITS_MS[stage]
    placed = replace(PLAIN, stage=stage)
    assert Mark.LONG_LAG not in marks(at(placed, ANCHORED_MS - limit))
    assert Mark.LONG_LAG in marks(at(placed, ANCHORED_MS - limit - 1))


def test_an_event_after_its_anchoring_is_marked() -> None:
    assert marks(at(PLAIN, ANCHORED_MS + 1)) == (Mark.EVENT_AFTER_ANCHORING,)


def test_no_time_is_no_lag() -> None:
    assert marks(at(PLAIN, 0)) == ()
    unanchored = replace(PLAIN, finding=replace(PLAIN.finding, anchored_ms=0))
    assert marks(unanchored) == ()


def test_provenance_is_missed_only_where_the_record_was_shown() -> None:
    bare = replace(PLAIN, finding=replace(PLAIN.finding, provenance=False))
    assert marks(bare) == (Mark.NO_PROVENANCE,)
    assert marks(not_shown(PLAIN)) == ()


def test_late_additions_are_marked() -> None:
    assert marks(replace(PLAIN, finding=replace(PLAIN.finding, late="anchored after the grant"))) == (
        Mark.LATE_ADDITION,
    )


@pytest.mark.parametrize(("finding", "replaced"), [(Finding.CONSISTENT, True), (Finding.INCONSISTENT, False)])
def test_only_a_record_that_holds_replaces_another(finding: Finding, replaced: bool) -> None:
    newer = replace(VIEW.records[9], supersedes=2, finding=replace(VIEW.records[9].finding, verdict=finding))
    found = entries(changed(VIEW, lambda r: newer if r.finding.seq == 9 else r))
    (entry,) = (e for e in found if e.record.finding.seq == 2)
    assert entry.superseded_by == ((9,) if replaced else ())
    assert (Mark.SUPERSEDED in entry.marks) is replaced


def test_counts_are_of_what_was_shown() -> None:
    statuses = {0: "withheld", 1: "erased", 2: "missing", 3: "withheld"}
    found = completeness_of(
        changed(VIEW, lambda r: not_shown(r, statuses[r.finding.seq]) if r.finding.seq in statuses else r)
    )
    total = len(VIEW.records)
    assert (found.total, found.disclosed, found.withheld, found.erased, found.missing) == (total, total - 4, 2, 1, 1)


def test_limits_are_given_for_every_stage() -> None:
    assert set(LAG_LIMITS_MS) == {s.value for s in Stage}
    assert all(DAY_MS <= limit <= 15 * DAY_MS for limit in LAG_LIMITS_MS.values())
