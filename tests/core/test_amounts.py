"""Amounts: to the cent as the loan was made, with every record named; and no figure where a record it needs is not there."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import pytest

from relay.core.amounts import Amounts, amounts, compare, default_cut_off
from relay.core.verdict import Finding
from relay.core.view import DossierView, ViewMember, ViewRecord
from relay.sample.loan import Loan
from tests.support.views import changed, loan, not_shown, view_of_events, view_of_loan

LOANS = 208
MONEY = ("contract", "disbursement_voucher", "repayment_schedule", "repayment", "enforced_amount")


@lru_cache(maxsize=256)
def view(number: int) -> DossierView:
    return view_of_loan(loan(number))


def of_kind(one: DossierView, kind: str) -> list[ViewRecord]:
    return [r for r in one.records if r.finding.kind == kind]


def value(record: ViewRecord, name: str) -> object:
    return next(m.value for m in record.members if m.name == name)


def with_member(record: ViewRecord, name: str, new: object) -> ViewRecord:
    rest = tuple(m for m in record.members if m.name != name)
    return replace(record, members=(*rest, ViewMember(name=name, value=new, personal=False)))


def cents(found: Amounts, part: str, column: str) -> int | None:
    figure = next(f for f in found.figures if (f.part, f.column) == (part, column))
    return figure.cents


def late(base: int, rate: Decimal, days: int) -> int:
    return int((Decimal(base) * rate * days / 36000).quantize(Decimal(1), ROUND_HALF_UP))


def by_hand(one: Loan, day: date) -> dict[tuple[str, str], int | None]:
    """The figures from the loan's own numbers, by another way: instalment by instalment, with decimals."""
    paid_on = [date.fromisoformat(str(e.fields["received_on"])) for e in one.in_order() if e.kind == "repayment"]
    paid = {"principal": 0, "interest": 0, "penalty": 0}
    for event in one.events:
        if event.kind == "repayment" and str(event.fields["received_on"]) <= day.isoformat():
            for part in paid:
                paid[part] += int(str(event.fields[f"{part}_cents"]))
    accrued = 0
    for number, instalment in enumerate(one.schedule):
        until = min(day, paid_on[number]) if number < len(paid_on) else day
        accrued += late(instalment.total, one.penalty_rate, max(0, (until - instalment.due).days))
    due = [i for i in one.schedule if i.due <= day]
    disbursed = one.principal if day >= one.start else 0
    owed = {"principal": disbursed, "interest": sum(i.interest for i in due), "penalty": accrued}
    enforced = any(e.kind == "enforced_amount" and str(e.fields["received_on"]) <= day.isoformat() for e in one.events)
    figures: dict[tuple[str, str], int | None] = {(part, "paid"): cents for part, cents in paid.items()}
    figures |= {(part, "outstanding"): None if enforced else owed[part] - paid[part] for part in owed}
    figures |= {
        ("principal", "contracted"): one.principal,
        ("principal", "disbursed"): disbursed,
        ("principal", "due"): sum(i.principal for i in due),
        ("interest", "due"): owed["interest"],
        ("interest", "contracted"): sum(i.interest for i in one.schedule),
        ("penalty", "due"): None if enforced else accrued,
        ("fee", "outstanding"): None if enforced else 0,
        ("total", "paid"): sum(paid.values()),
        ("total", "outstanding"): None if enforced else sum(owed.values()) - sum(paid.values()),
    }
    return figures


@pytest.mark.parametrize("first", range(0, LOANS, 16))
def test_every_figure_agrees_to_the_cent_with_a_computation_by_another_way(first: int) -> None:
    """Over more than two hundred loans of every story, each at four random days from before disbursement to after the end."""
    draw = random.Random(first)
    for number in range(first, first + 16):
        one = loan(number)
        days = (max(e.at for e in one.events).date() - one.start).days + 60
        for day in [one.start + timedelta(days=draw.randint(-10, days)) for _ in range(4)]:
            found = amounts(view(number), day)
            expected = by_hand(one, day)
            computed = {key: cents(found, *key) for key in expected}
            assert computed == expected, (number, day)


@pytest.mark.parametrize("number", range(8))
def test_every_figure_is_the_sum_of_its_lines_and_names_their_records(number: int) -> None:
    one = view(number)
    for figure in amounts(one, default_cut_off(one)).figures:
        if figure.cents is not None:
            assert figure.cents == sum(line.cents for line in figure.trace)
            assert all(line.seqs for line in figure.trace if line.cents)
            assert set(figure.seqs) <= {r.finding.seq for r in one.records}
        else:
            assert figure.why_not


@pytest.mark.parametrize("number", [1, 4, 5, 7])
def test_the_lenders_own_balance_agrees_with_its_records(number: int) -> None:
    balance = compare(view(number))[0]
    assert balance.kind == "balance_statement"
    assert len(balance.rows) == 5
    assert [row.difference for row in balance.rows] == [0, 0, 0, 0, 0]


def test_a_claim_of_one_cent_more_is_named() -> None:
    """What is claimed is compared at the day that the claim was calculated to."""
    one = view(1)
    claim = of_kind(one, "complaint_elements")[0]
    as_of = value(of_kind(one, "balance_statement")[0], "as_of")
    more = with_member(with_member(claim, "cut_off", as_of), "principal_cents", value(claim, "principal_cents") + 1)  # type: ignore[operator]
    compared = compare(changed(one, lambda r: more if r.finding.seq == claim.finding.seq else r))[1]
    assert [(row.part, row.difference) for row in compared.rows] == [("principal", 1), ("interest", 0), ("penalty", 0)]


@pytest.mark.parametrize("status", ["withheld", "erased", "missing"])
@pytest.mark.parametrize(
    ("kind", "lost", "kept"),
    [
        ("contract", ("principal", "contracted"), ("principal", "outstanding")),
        ("disbursement_voucher", ("principal", "outstanding"), ("principal", "paid")),
        ("repayment_schedule", ("interest", "due"), ("principal", "outstanding")),
        ("repayment", ("principal", "paid"), ("interest", "due")),
    ],
)
def test_a_figure_that_needs_a_record_that_is_not_there_is_not_computable(
    status: str, kind: str, lost: tuple[str, str], kept: tuple[str, str]
) -> None:
    one = view(1)
    gone = of_kind(one, kind)[-1].finding.seq
    found = amounts(changed(one, lambda r: not_shown(r, status) if r.finding.seq == gone else r), date(2030, 1, 1))
    figure = next(f for f in found.figures if (f.part, f.column) == lost)
    assert figure.cents is None
    assert any(gone in said.seqs for said in figure.why_not)
    assert cents(found, *kept) is not None or kept[1] == "outstanding"  # enforced money keeps outstanding open anyway
    total = next(f for f in found.figures if (f.part, f.column) == ("total", "outstanding"))
    assert total.cents is None


@pytest.mark.parametrize("finding", [f for f in Finding if f not in (Finding.CONSISTENT, Finding.SUPERSEDED)])
def test_a_record_that_does_not_hold_is_not_counted_and_not_left_out_either(finding: Finding) -> None:
    one = view(0)
    seq = of_kind(one, "repayment")[0].finding.seq
    broken = changed(
        one, lambda r: replace(r, finding=replace(r.finding, verdict=finding)) if r.finding.seq == seq else r
    )
    figure = amounts(broken, date(2030, 1, 1)).figure("principal", "paid")
    assert figure is not None
    assert figure.cents is None
    assert (figure.why_not[0].seqs, dict(figure.why_not[0].facts)["verdict"]) == ((seq,), finding.value)


def test_a_dossier_that_is_not_shown_to_be_whole_gives_only_what_one_record_says() -> None:
    found = amounts(view_of_events(loan(0).in_order(), complete=False), date(2030, 1, 1))
    computable = {(f.part, f.column) for f in found.figures if f.cents is not None}
    assert computable == {("principal", "contracted"), ("fee", "contracted")}


@pytest.mark.parametrize(
    ("kind", "name", "new"),
    [
        ("repayment", "amount_cents", "100"),
        ("repayment", "amount_cents", -1),
        ("repayment", "amount_cents", True),
        ("repayment", "amount_cents", 10**15),
        ("repayment", "principal_cents", 1),
        ("repayment", "received_on", "2024-02-30"),
        ("repayment", "currency", "USD"),
        ("repayment_schedule", "instalments", []),
        ("repayment_schedule", "instalments", [{"due": "2024-01-01"}]),
        ("contract", "penalty_rate", "1e3"),
        ("disbursement_voucher", "paid_at", "yesterday"),
    ],
)
def test_a_signed_record_of_another_form_is_an_obstacle_with_its_name(kind: str, name: str, new: object) -> None:
    one = view(0)
    seq = of_kind(one, kind)[-1].finding.seq
    found = amounts(changed(one, lambda r: with_member(r, name, new) if r.finding.seq == seq else r), date(2030, 1, 1))
    named = {said.seqs for f in found.figures for said in f.why_not}
    assert named == {(seq,)}


def test_a_corrected_repayment_counts_once() -> None:
    one = view(0)
    wrong = of_kind(one, "repayment")[0]
    seq = len(one.records)
    right = replace(wrong, supersedes=wrong.finding.seq, finding=replace(wrong.finding, seq=seq, index=seq))
    longer = replace(one, records=(*one.records, right))
    before, after = amounts(one, date(2030, 1, 1)), amounts(longer, date(2030, 1, 1))
    assert cents(before, "total", "paid") == cents(after, "total", "paid")
    figure = after.figure("principal", "paid")
    assert figure is not None
    assert seq in figure.seqs
    assert wrong.finding.seq not in figure.seqs


def test_part_payments_accrue_on_what_is_left() -> None:
    """1,000.00 due; 400.00 ten days late and the rest open at thirty: 1,000 × 10 + 600 × 20 yuan-days."""
    one = view(1)
    base = of_kind(one, "repayment")[0]
    day = date(2023, 1, 1)
    schedule = [{"due": day.isoformat(), "principal_cents": 100_000, "interest_cents": 0, "fee_cents": 0}]
    paid = {"amount_cents": 40_000, "principal_cents": 40_000, "interest_cents": 0, "penalty_cents": 0}
    repayment = base
    for name, new in (*paid.items(), ("received_on", "2023-01-11")):
        repayment = with_member(repayment, name, new)
    kept = [r for r in one.records if r.finding.kind in ("contract", "disbursement_voucher")]
    kept.append(with_member(of_kind(one, "repayment_schedule")[0], "instalments", schedule))
    small = replace(one, records=(*kept, repayment))
    figure = amounts(small, day + timedelta(days=30)).figure("penalty", "due")
    rate = Decimal(str(value(of_kind(one, "contract")[0], "penalty_rate")))
    assert figure is not None
    assert figure.cents == int((Decimal(1000_00 * 10 + 600_00 * 20) * rate / 36000).quantize(Decimal(1), ROUND_HALF_UP))
    assert dict(figure.trace[0].facts)["cent_days"] == 1000_00 * 10 + 600_00 * 20


def rescheduled(principal: int) -> DossierView:
    """A loan with a second schedule that holds only so much."""
    one = view(0)
    old = of_kind(one, "repayment_schedule")[0]
    repaid = of_kind(one, "repayment")[:3]
    last = value(repaid[-1], "received_on")
    rows = [{"due": "2029-01-01", "principal_cents": principal, "interest_cents": 500, "fee_cents": 0}]
    new = with_member(with_member(with_member(old, "version", 2), "instalments", rows), "reason", "rescheduling")
    event_ms = max(r.finding.event_ms for r in repaid) + 1000
    seq = len(one.records)
    new = replace(new, supersedes=old.finding.seq, finding=replace(new.finding, seq=seq, event_ms=event_ms))
    kept = [r for r in one.records if r.finding.kind in ("contract", "disbursement_voucher", "repayment_schedule")]
    assert last
    return replace(one, records=(*kept, *repaid, new))


def left_after_three() -> int:
    one = view(0)
    return loan(0).principal - sum(int(str(value(r, "principal_cents"))) for r in of_kind(one, "repayment")[:3])


def test_a_schedule_of_what_was_outstanding_settles_what_came_before() -> None:
    found = amounts(rescheduled(left_after_three()), date(2029, 6, 1))
    assert cents(found, "principal", "due") == loan(0).principal
    assert cents(found, "principal", "outstanding") == left_after_three()
    assert cents(found, "interest", "outstanding") == 500
    assert cents(found, "penalty", "due") is None


def test_schedules_that_contradict_each_other_give_no_figure() -> None:
    found = amounts(rescheduled(left_after_three() + 1), date(2029, 6, 1))
    figure = found.figure("interest", "due")
    assert figure is not None
    assert figure.cents is None
    assert "neither the whole loan" in figure.why_not[0].text
    assert cents(found, "principal", "outstanding") == left_after_three()


def test_before_its_event_a_rescheduling_changes_nothing() -> None:
    day = loan(0).start + timedelta(days=40)
    assert cents(amounts(rescheduled(1), day), "interest", "due") == cents(amounts(view(0), day), "interest", "due")


def test_a_missing_record_of_unknown_kind_leaves_only_what_one_record_says() -> None:
    one = view(0)
    odd = not_shown(one.records[2], "missing")
    found = amounts(
        changed(one, lambda r: replace(odd, finding=replace(odd.finding, kind="")) if r.finding.seq == 2 else r),
        date(2030, 1, 1),
    )
    assert cents(found, "total", "outstanding") is None
    assert cents(found, "principal", "contracted") is not None


def test_an_empty_dossier_has_no_figures_and_says_so() -> None:
    found = amounts(view_of_events([]), date(2030, 1, 1))
    assert {(f.part, f.column) for f in found.figures if f.cents is not None} == {
        ("principal", "paid"), ("interest", "paid"), ("penalty", "paid"), ("fee", "paid"), ("total", "paid")
    }  # fmt: skip
    assert all(c.why_not and not c.rows for c in compare(view_of_events([])))
