"""Which instalments count at a date when a schedule was replaced, and simple penalty interest on what was overdue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from relay.core.amounts_records import Instalment, Receipt, Said, Schedule
from relay.core.amounts_words import CONTRADICTING

DAYS_A_YEAR: Final = 360
"""As bank practice in China counts, and as lenders' statements here say."""
_RATE_PARTS: Final = 100 * DAYS_A_YEAR * 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An instalment and the record that says so."""

    seq: int
    instalment: Instalment


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The instalments of a whole loan as they stand at a date.

    `settled_until`: the newest schedule holds only what was outstanding that day; what had been paid by then counts as what was due by
    then. None: the instalments are those of the whole loan.
    """

    instalments: tuple[Due, ...]
    seqs: tuple[int, ...]
    settled_until: date | None = None


def standing(
    schedules: Sequence[Schedule], disbursed: int | None, repaid: Sequence[Receipt], cut_off: date
) -> Standing | Said:
    """Versions known by the cut-off; one that corrects takes the place of the one it corrects, whenever that was noticed.

    A newer version takes over from its first due day, when that leaves the loan's principal whole; or it holds what was outstanding when
    it was made. If it is neither, the schedules contradict each other, and that is what is said.
    """
    chain = _chain(schedules, cut_off)
    merged: list[Due] = []
    for schedule in chain:
        first = schedule.instalments[0].due
        merged = [due for due in merged if due.instalment.due < first]
        merged += [Due(seq=schedule.seq, instalment=one) for one in schedule.instalments]
    seqs = tuple(schedule.seq for schedule in chain)
    if len(chain) < 2 or _principal(merged) == disbursed:
        return Standing(instalments=tuple(merged), seqs=seqs)
    newest = chain[-1]
    rest = tuple(Due(seq=newest.seq, instalment=one) for one in newest.instalments)
    repaid_by_then = sum(receipt.principal for receipt in repaid if receipt.day <= newest.day)
    if disbursed is not None and _principal(rest) == disbursed - repaid_by_then:
        return Standing(instalments=rest, seqs=seqs, settled_until=newest.day)
    return Said(
        text=CONTRADICTING,
        facts=(("seq", newest.seq), ("principal_cents", _principal(rest))),
        seqs=seqs,
    )


def _chain(schedules: Sequence[Schedule], cut_off: date) -> list[Schedule]:
    corrected = {s.supersedes: s for s in schedules if s.reason == "correction" and s.supersedes >= 0}
    chain = []
    for schedule in sorted(schedules, key=lambda s: (s.version, s.seq)):
        if schedule.reason == "correction" and schedule.supersedes >= 0:
            continue
        day = schedule.day
        # at most as many steps as there are schedules: a record can only supersede one before it
        while schedule.seq in corrected:
            schedule = corrected[schedule.seq]
        if day <= cut_off:
            chain.append(schedule)
    return chain


def _principal(dues: Sequence[Due]) -> int:
    return sum(due.instalment.principal for due in dues)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accrued:
    """Penalty on one instalment. `base`: cents overdue from the first day; `days`: until all is paid, or the cut-off.

    `cent_days`: the sum of balance times days that interest is on.
    """

    due: Due
    base: int
    days: int
    cent_days: int
    cents: int
    seqs: tuple[int, ...]
    """Repayments that reduced it."""


def accrue(instalments: Sequence[Due], repaid: Sequence[Receipt], rate_millionths: int, cut_off: date) -> list[Accrued]:
    """Simple interest on unpaid principal and interest of each instalment from its due day, rounded half up once an instalment.

    A repayment's principal pays the oldest principal, its interest the oldest interest; the day it is received counts as overdue.
    """
    receipts = sorted((r for r in repaid if r.day <= cut_off), key=lambda r: (r.day, r.seq))
    principal = _Pool([(receipt, receipt.principal) for receipt in receipts])
    interest = _Pool([(receipt, receipt.interest) for receipt in receipts])
    made = []
    for due in sorted(instalments, key=lambda d: d.instalment.due):
        paid = principal.take(due.instalment.principal) + interest.take(due.instalment.interest)
        if due.instalment.due < cut_off:
            made.append(_accrued(due, paid, rate_millionths, cut_off))
    return [one for one in made if one.cent_days]


class _Pool:
    """Parts of repayments that have paid nothing yet, oldest first."""

    def __init__(self, parts: list[tuple[Receipt, int]]) -> None:
        self._parts = parts
        self._next = 0

    def take(self, wanted: int) -> list[tuple[Receipt, int]]:
        """(receipt, cents) that pay this much, or what there is."""
        taken = []
        while wanted and self._next < len(self._parts):
            receipt, left = self._parts[self._next]
            part = min(left, wanted)
            if part:
                taken.append((receipt, part))
            wanted -= part
            self._parts[self._next] = (receipt, left - part)
            if left == part:
                self._next += 1
        return taken


def _accrued(due: Due, paid: Sequence[tuple[Receipt, int]], rate_millionths: int, cut_off: date) -> Accrued:
    day, total = due.instalment.due, due.instalment.principal + due.instalment.interest
    late = [(receipt, part) for receipt, part in paid if receipt.day > day]
    base = total - sum(part for receipt, part in paid if receipt.day <= day)
    open_ = base - sum(part for _, part in late)
    spans = [((receipt.day - day).days, part) for receipt, part in late]
    if open_:
        spans.append(((cut_off - day).days, open_))
    cent_days = sum(days * part for days, part in spans)
    return Accrued(
        due=due,
        base=base,
        days=max((days for days, _ in spans), default=0),
        cent_days=cent_days,
        cents=(2 * cent_days * rate_millionths + _RATE_PARTS) // (2 * _RATE_PARTS),
        seqs=tuple(sorted({receipt.seq for receipt, _ in late})),
    )
