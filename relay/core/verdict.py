"""Verdict: what verification may claim, in words that claim no more (docs/spec/verdict.md).

Consistent since it was anchored, never "true" and never "authentic" (Online Litigation Rules arts. 16 to 18). INCONSISTENT: a
check ran and contradicts. UNVERIFIABLE: a check could not run. Unknown is never green.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.marks import Mark

FORMAT: Final = "courtrelay-verdict/v1"
DOES_NOT_PROVE: Final = (
    "This result does not prove that the content of any record was true when it was made or before it was anchored.",
    "It does not prove that the lender recorded every event; it shows that no record of this dossier that was logged was left out.",
    "It rests on the trust roots used and says nothing for keys, ledgers or courts that are not pinned there.",
)


class Finding(enum.StrEnum):
    """The seven verdicts, for a record and for a dossier."""

    CONSISTENT = "CONSISTENT"
    INCONSISTENT = "INCONSISTENT"
    NOT_FOUND = "NOT_FOUND"
    PENDING_FINALITY = "PENDING_FINALITY"
    UNVERIFIABLE = "UNVERIFIABLE"
    SUPERSEDED = "SUPERSEDED"
    ORPHANED = "ORPHANED"


_WORST_FIRST: Final = (
    Finding.INCONSISTENT,
    Finding.NOT_FOUND,
    Finding.ORPHANED,
    Finding.UNVERIFIABLE,
    Finding.PENDING_FINALITY,
)


class Result(enum.StrEnum):
    """How a step ended."""

    OK = "ok"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One numbered step of docs/spec/verification.md."""

    number: int
    name: str
    result: Result
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFinding:
    """One record's verdict. Times in ms since 1970 UTC, 0 when unknown; `step` is the number of the failed step, or 0."""

    seq: int
    kind: str
    status: str
    """`disclosed`, `withheld`, `erased` or `missing`."""
    verdict: Finding
    step: int
    reason: str
    index: int
    event_ms: int
    anchored_ms: int
    accepted_ms: int
    provenance: bool
    """Whether the lender stated anything of the time before anchoring (art. 18)."""
    withheld_members: tuple[str, ...] = ()
    withheld_payloads: tuple[str, ...] = ()
    late: str = ""
    """Why it counts as added late; empty when it does not."""
    timestamped_ms: int = 0
    """The earliest time of an authority's token that holds over the checkpoint it rests on."""
    marks: tuple[Mark, ...] = ()
    """What its times say against each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One dossier's verdict."""

    verdict: Finding
    dossier: str
    case: str
    origin: str
    proof_kinds: tuple[str, ...]
    records: tuple[RecordFinding, ...]
    steps: tuple[Step, ...]

    @property
    def summary(self) -> str:
        """One sentence."""
        return _summary(self)

    def as_json(self) -> dict[str, object]:
        """The document of docs/spec/verdict.md."""
        times = [r.anchored_ms for r in self.records if r.anchored_ms]
        return {
            "format": FORMAT,
            "verdict": self.verdict.value,
            "dossier": self.dossier,
            "case": self.case,
            "origin": self.origin,
            "ledger_proof_kinds": list(self.proof_kinds),
            "anchored": {"first_ms": min(times, default=0), "last_ms": max(times, default=0)},
            "records": [_record_json(r) for r in self.records],
            "steps": [
                {"number": s.number, "name": s.name, "result": s.result.value, "detail": s.detail} for s in self.steps
            ],
            "summary": self.summary,
            "does_not_prove": list(DOES_NOT_PROVE),
        }


def _record_json(r: RecordFinding) -> dict[str, object]:
    return {
        "seq": r.seq,
        "kind": r.kind,
        "status": r.status,
        "verdict": r.verdict.value,
        "failed_step": r.step,
        "reason": r.reason,
        "log_index": r.index,
        "event_ms": r.event_ms,
        "anchored_ms": r.anchored_ms,
        "accepted_ms": r.accepted_ms,
        "pre_anchoring_provenance": r.provenance,
        "withheld_members": list(r.withheld_members),
        "withheld_payloads": list(r.withheld_payloads),
        "late_addition": r.late,
        "timestamped_ms": r.timestamped_ms,
        "marks": list(r.marks),
    }


def conclude(records: Sequence[RecordFinding], steps: Sequence[Step]) -> Finding:
    """A dossier is as good as its worst record and step; a superseded record is no fault. Empty means no."""
    found = {r.verdict for r in records}
    if any(s.result is Result.FAILED for s in steps):
        found.add(Finding.INCONSISTENT)
    if any(s.result is Result.NOT_RUN for s in steps) or not records or not steps:
        found.add(Finding.UNVERIFIABLE)
    for finding in _WORST_FIRST:
        if finding in found:
            return finding
    return Finding.CONSISTENT


def severity(finding: Finding) -> int:
    """0 for a finding that is no fault, more the worse it is: of several the greatest is what counts."""
    return len(_WORST_FIRST) - _WORST_FIRST.index(finding) if finding in _WORST_FIRST else 0


def _summary(verdict: Verdict) -> str:
    counts: dict[Finding, int] = {}
    for record in verdict.records:
        counts[record.verdict] = counts.get(record.verdict, 0) + 1
    parts = ", ".join(f"{count} {finding.value}" for finding, count in sorted(counts.items()))
    failed = next((s for s in verdict.steps if s.result is not Result.OK), None)
    if verdict.verdict is Finding.CONSISTENT:
        erased = sum(record.status == "erased" for record in verdict.records)
        gone = (
            f" The lender has erased {erased} of them: only their places in the log could be examined."
            if erased
            else ""
        )
        return f"All {len(verdict.records)} records are consistent since they were anchored ({parts}).{gone}"
    where = f" Step {failed.number} ({failed.name}) {failed.result.value}: {failed.detail}" if failed else ""
    return f"{verdict.verdict.value}: {parts or 'no record could be examined'}.{where}"
