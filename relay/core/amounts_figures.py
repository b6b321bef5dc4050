"""The figures of one cut-off, part by part: what was contracted, paid out, due, paid, and is outstanding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, get_args

from relay.core.amounts_records import Receipt, Said, Sources
from relay.core.amounts_schedule import DAYS_A_YEAR, Accrued, Due, Standing, accrue, standing
from relay.core.amounts_words import (
    BY_CONTRACT,
    COMPOUNDS,
    CONTRACTS,
    ENFORCED,
    FEES_BY_CONTRACT,
    INSTALMENT,
    INTEREST_OF,
    NO_RECORD,
    OVERDUE,
    OVERDUE_IN_PARTS,
    PAID_OUT,
    RECEIVED,
    RESCHEDULED,
    SCHEDULE_DIFFERS,
    SETTLED,
)

Part = Literal["principal", "interest", "penalty", "fee", "total"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
Column = Literal["contracted", "disbursed", "due", "paid", "outstanding"]
COLUMNS: Final[tuple[Column, ...]] = get_args(Column)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a calculation: a template, its values (those named `…_cents` are amounts), what it adds, from which records."""

    text: str
    facts: tuple[tuple[str, str | int], ...]
    cents: int
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`cents` is the sum of `trace`, or None with the reasons why it is not computable. A negative outstanding was paid too much."""

    part: Part
    column: Column
    cents: int | None
    trace: tuple[Line, ...] = ()
    why_not: tuple[Said, ...] = ()

    @property
    def seqs(self) -> tuple[int, ...]:
        """The records it was computed from."""
        return tuple(sorted({seq for line in self.trace for seq in line.seqs}))


class Work:
    """The figures of one cut-off."""

    def __init__(self, sources: Sources, cut_off: date) -> None:
        self._sources = sources
        self._cut_off = cut_off
        self._repaid = [r for r in sources.repayments if r.day <= cut_off]
        self._enforced = [r for r in sources.enforced if r.day <= cut_off and r.total]
        self._no_vouchers = self._lacking("disbursement_voucher", sources.vouchers)
        disbursed = None if self._no_vouchers else sum(v.total for v in sources.vouchers)
        found = standing(sources.schedules, disbursed, sources.repayments, cut_off)
        self._schedule = found if isinstance(found, Standing) else Standing(instalments=(), seqs=found.seqs)
        self._no_schedule = self._lacking("repayment_schedule", sources.schedules)
        if isinstance(found, Said):
            self._no_schedule = (*self._no_schedule, found, *(() if disbursed is not None else self._no_vouchers))
        self._due = [due for due in self._schedule.instalments if due.instalment.due <= cut_off]
        self._no_repayments = (*sources.whole, *sources.against("repayment"))
        self._unassigned = (*sources.against("enforced_amount"), *(_enforced(r) for r in self._enforced))

    def principal(self) -> list[Figure]:
        """Contracted, disbursed, due, paid, outstanding."""
        terms = self._sources.contracts
        disbursed = tuple(
            Line(text=PAID_OUT, facts=(("day", v.day.isoformat()),), cents=v.total, seqs=(v.seq,))
            for v in self._sources.vouchers
            if v.day <= self._cut_off
        )
        contracted = tuple(Line(text=BY_CONTRACT, facts=(), cents=t.principal, seqs=(t.seq,)) for t in terms)
        paid = self._paid("principal", lambda r: r.principal)
        return [
            make_figure("principal", "contracted", contracted, self._no_contract()),
            make_figure("principal", "disbursed", disbursed, self._no_vouchers),
            self._due_figure("principal", lambda d: d.instalment.principal, lambda r: r.principal),
            paid,
            self._outstanding(make_figure("principal", "disbursed", disbursed, self._no_vouchers), paid),
        ]

    def interest(self) -> list[Figure]:
        """Contracted (by the first schedule), due, paid, outstanding."""
        due = self._due_figure("interest", lambda d: d.instalment.interest, lambda r: r.interest)
        paid = self._paid("interest", lambda r: r.interest)
        first = min(self._sources.schedules, key=lambda s: (s.version, s.seq), default=None)
        contracted: tuple[Line, ...] = ()
        if first is not None:
            cents = sum(one.interest for one in first.instalments)
            facts = (("count", len(first.instalments)), ("version", first.version))
            text = INTEREST_OF
            contracted = (Line(text=text, facts=facts, cents=cents, seqs=(first.seq,)),)
        why_not = self._lacking("repayment_schedule", self._sources.schedules)
        return [make_figure("interest", "contracted", contracted, why_not), due, paid, self._outstanding(due, paid)]

    def penalty(self) -> list[Figure]:
        """Accrued, paid, outstanding."""
        why_not = [*self._no_contract(), *self._no_schedule, *self._no_repayments, *self._unassigned]
        trace: tuple[Line, ...] = ()
        if not why_not:
            terms = self._sources.contracts[0]
            if terms.compounding != "none":
                facts = (("seq", terms.seq), ("compounding", terms.compounding))
                why_not.append(
                    Said(
                        text=COMPOUNDS,
                        facts=facts,
                        seqs=(terms.seq,),
                    )
                )
            if self._schedule.settled_until is not None:
                why_not.append(
                    Said(
                        text=RESCHEDULED,
                        facts=(("day", self._schedule.settled_until.isoformat()),),
                        seqs=self._schedule.seqs,
                    )
                )
            rows = accrue(self._schedule.instalments, self._repaid, terms.penalty_rate_millionths, self._cut_off)
            trace = tuple(_penalty_line(row, terms.penalty_rate, terms.seq) for row in rows)
        due = make_figure("penalty", "due", trace, why_not)
        paid = self._paid("penalty", lambda r: r.penalty)
        return [due, paid, self._outstanding(due, paid)]

    def fee(self) -> list[Figure]:
        """Contracted, due, paid, outstanding."""
        terms = self._sources.contracts
        contracted = tuple(Line(text=FEES_BY_CONTRACT, facts=(), cents=t.fees, seqs=(t.seq,)) for t in terms)
        due = self._due_figure("fee", lambda d: d.instalment.fee, lambda r: r.fee)
        paid = self._paid("fee", lambda r: r.fee)
        return [
            make_figure("fee", "contracted", contracted, self._no_contract()),
            due,
            paid,
            self._outstanding(due, paid),
        ]

    def remarks(self) -> list[Said]:
        """What does not fit among the records themselves."""
        said = []
        disbursed = sum(v.total for v in self._sources.vouchers)
        scheduled = sum(d.instalment.principal for d in self._schedule.instalments)
        whole = self._schedule.instalments and self._schedule.settled_until is None and not self._no_vouchers
        if whole and scheduled != disbursed:
            facts = (("scheduled_cents", scheduled), ("disbursed_cents", disbursed))
            text = SCHEDULE_DIFFERS
            said.append(Said(text=text, facts=facts, seqs=self._schedule.seqs))
        return said

    def _no_contract(self) -> tuple[Said, ...]:
        lacking = self._sources.against("contract") or self._none_of("contract", self._sources.contracts)
        if len(self._sources.contracts) > 1:
            seqs = tuple(t.seq for t in self._sources.contracts)
            lacking = (
                *lacking,
                Said(text=CONTRACTS, facts=(("count", len(seqs)),), seqs=seqs),
            )
        return lacking

    def _lacking(self, kind: str, found: Sequence[object]) -> tuple[Said, ...]:
        """Why figures from all records of a kind cannot be had."""
        return (*self._sources.whole, *(self._sources.against(kind) or self._none_of(kind, found)))

    def _none_of(self, kind: str, found: Sequence[object]) -> tuple[Said, ...]:
        return () if found else (Said(text=NO_RECORD, facts=(("kind", kind),)),)

    def _paid(self, part: Part, cents: Callable[[Receipt], int]) -> Figure:
        trace = tuple(
            Line(text=RECEIVED, facts=(("day", r.day.isoformat()),), cents=cents(r), seqs=(r.seq,))
            for r in sorted(self._repaid, key=lambda r: (r.day, r.seq))
            if cents(r)
        )
        return make_figure(part, "paid", trace, self._no_repayments)

    def _due_figure(self, part: Part, due: Callable[[Due], int], paid: Callable[[Receipt], int]) -> Figure:
        trace = [
            Line(
                text=INSTALMENT,
                facts=(("day", d.instalment.due.isoformat()),),
                cents=due(d),
                seqs=(d.seq,),
            )
            for d in self._due
            if due(d)
        ]
        why_not = self._no_schedule
        settled = self._schedule.settled_until
        if settled is not None:
            before = [r for r in self._repaid if r.day <= settled]
            facts = (("day", settled.isoformat()),)
            text = SETTLED
            line = Line(text=text, facts=facts, cents=sum(paid(r) for r in before), seqs=tuple(r.seq for r in before))
            trace.insert(0, line)
            why_not = (*why_not, *self._no_repayments)
        return make_figure(part, "due", tuple(trace), why_not)

    def _outstanding(self, owed: Figure, paid: Figure) -> Figure:
        less = tuple(Line(text=line.text, facts=line.facts, cents=-line.cents, seqs=line.seqs) for line in paid.trace)
        why_not = (*owed.why_not, *paid.why_not, *self._unassigned)
        return make_figure(owed.part, "outstanding", (*owed.trace, *less), why_not)


def make_figure(part: Part, column: Column, trace: tuple[Line, ...], why_not: Sequence[Said]) -> Figure:
    """The sum of the lines, or the reasons, each once, why there is none."""
    if why_not:
        return Figure(part=part, column=column, cents=None, why_not=tuple(dict.fromkeys(why_not)))
    return Figure(part=part, column=column, cents=sum(line.cents for line in trace), trace=trace)


def _penalty_line(row: Accrued, rate: str, contract: int) -> Line:
    due = row.due.instalment.due.isoformat()
    seqs = (contract, row.due.seq, *row.seqs)
    facts: tuple[tuple[str, str | int], ...] = (
        ("day", due), ("base_cents", row.base), ("days", row.days), ("rate", rate), ("year", DAYS_A_YEAR)
    )  # fmt: skip
    if row.cent_days == row.base * row.days:
        text = OVERDUE
        return Line(text=text, facts=facts, cents=row.cents, seqs=seqs)
    text = OVERDUE_IN_PARTS
    return Line(text=text, facts=(*facts, ("cent_days", row.cent_days)), cents=row.cents, seqs=seqs)


def _enforced(receipt: Receipt) -> Said:
    return Said(
        text=ENFORCED,
        facts=(("amount_cents", receipt.total), ("day", receipt.day.isoformat()), ("seq", receipt.seq)),
        seqs=(receipt.seq,),
    )
