"""Repayment, arrears and collection, with the records that speak against a lender as well."""

from __future__ import annotations

from datetime import date, timedelta

from relay.sample.documents import letter_paper, notice_paper
from relay.sample.loan import CURRENCY, Attachment, Loan
from relay.sample.media import recording
from relay.sample.money import Instalment, month_later, penalty, yuan

AGENCY = "信安催收服务有限公司"
FIRM = "衡平律师事务所"
LAWYER = "周正"


def service(loan: Loan, paid: int) -> None:
    """Reminder and repayment for the first `paid` instalments."""
    for instalment in loan.schedule[:paid]:
        _remind(loan, instalment)
        _repay(loan, instalment, late_days=loan.dice.one((0, 0, 0, 1, 3)))


def _remind(loan: Loan, instalment: Instalment) -> None:
    day = instalment.due - timedelta(days=3)
    loan.add(
        loan.at(day, 9, 0),
        "reminder",
        {
            "channel": loan.dice.one(("sms", "app")),
            "text": f"您的贷款 {loan.number} 将于 {instalment.due.isoformat()} 还款 {yuan(instalment.total)} 元。",
            "recipient": loan.borrower.masked_phone,
            "sent_at": loan.stamp(loan.at(day, 9, 0)),
            "delivered": True,
        },
        source="message gateway",
    )


def _repay(loan: Loan, instalment: Instalment, *, late_days: int) -> None:
    day = instalment.due + timedelta(days=late_days)
    extra = penalty(instalment.total, loan.penalty_rate, late_days)
    loan.add(
        loan.at(day, 14, 0),
        "repayment",
        {
            "amount_cents": instalment.total + extra,
            "currency": CURRENCY,
            "received_on": day.isoformat(),
            "principal_cents": instalment.principal,
            "interest_cents": instalment.interest,
            "penalty_cents": extra,
            "fee_cents": 0,
            "channel": loan.dice.one(("direct_debit", "transfer", "card")),
            "channel_reference": f"PY{loan.dice.hex(6)}",
            "payer_account": loan.borrower.account,
        },
        source="payment channel",
        corroboration="payment channel's statement",
    )


def outstanding(loan: Loan, paid: int, day: date) -> tuple[int, int, int]:
    """Principal, interest and penalty outstanding on a day, in cents."""
    open_ = loan.schedule[paid:]
    due = [i for i in open_ if i.due <= day]
    late = sum(penalty(i.total, loan.penalty_rate, (day - i.due).days) for i in due)
    return sum(i.principal for i in open_), sum(i.interest for i in due), late


def state_balance(loan: Loan, paid: int, day: date, mark: str = "") -> int:
    """A balance statement; returns the sum."""
    principal, interest, late = outstanding(loan, paid, day)
    loan.add(
        loan.at(day, 18, 0),
        "balance_statement",
        {
            "as_of": day.isoformat(),
            "currency": CURRENCY,
            "principal_cents": principal,
            "interest_cents": interest,
            "penalty_cents": late,
            "fee_cents": 0,
            "total_cents": principal + interest + late,
            "method": "未到期本金加已到期利息;罚息按逾期本息、年罚息率、逾期天数除以三百六十计算",
        },
        source="accounting system",
        mark=mark,
    )
    return principal + interest + late


def collect(loan: Loan, paid: int, months: int) -> date:
    """So many months of arrears after `paid` instalments; returns the last day."""
    first = loan.schedule[paid].due
    for month in range(months):
        begin = month_later(first, month)
        overdue = sum(i.total for i in loan.schedule[paid : paid + month + 1])
        for days in (3, 10, 20):
            _notice(loan, begin + timedelta(days=days), (begin - first).days + days, overdue)
        for days in (5, 14, 24)[: loan.dice.between(1, 3)]:
            _call(loan, begin + timedelta(days=days))
    end = month_later(first, months)
    _unfavourable(loan, month_later(first, max(1, months // 2)))
    return end


def _notice(loan: Loan, day: date, days: int, overdue: int) -> None:
    channel = loan.dice.one(("sms", "sms", "app", "letter"))
    attached: tuple[Attachment, ...] = ()
    if channel == "letter":
        attached = (
            Attachment(name="notice.pdf", media_type="application/pdf", data=notice_paper(loan, days, overdue)),
        )
    loan.add(
        loan.at(day, 10, 30),
        "overdue_notice",
        {
            "channel": channel,
            "days_overdue": days,
            "overdue_cents": overdue,
            "currency": CURRENCY,
            "text": f"您的贷款 {loan.number} 已逾期 {days} 天,逾期金额 {yuan(overdue)} 元。",
            "recipient": loan.borrower.masked_phone,
            "sent_at": loan.stamp(loan.at(day, 10, 30)),
            "delivered": loan.dice.chance(90),
        },
        attached,
        source="message gateway",
    )


def _call(loan: Loan, day: date) -> None:
    connected = loan.dice.chance(55)
    seconds = loan.dice.between(4, 9) if connected else 0
    attached: tuple[Attachment, ...] = ()
    if connected:
        attached = (Attachment(name="call.wav", media_type="audio/wav", data=recording(loan.dice, seconds)),)
    loan.add(
        loan.at(day, loan.dice.between(1, 11), loan.dice.below(60)),
        "call_recording",
        {
            "agency": AGENCY,
            "caller_number": "0571-5550 0100",
            "callee_number": loan.borrower.masked_phone,
            "callee_role": "debtor",
            "started_at": loan.stamp(loan.at(day, 1, 0)),
            "duration_s": seconds,
            "connected": connected,
            "outcome": loan.dice.one(("promise", "refusal", "other")) if connected else "no_answer",
        },
        attached,
        source="telephone system of the agency",
        generation="automatic recording of every call",
    )


def _unfavourable(loan: Loan, day: date) -> None:
    """What the customer says against the lender is kept as well."""
    dice = loan.dice
    loan.add(
        loan.at(day, 15, 0),
        "hardship_request",
        {
            "received_at": loan.stamp(loan.at(day, 15, 0)),
            "reason": dice.one(("失业", "住院治疗", "收入下降")),
            "requested": dice.one(("deferral", "reduction")),
            "decision": dice.one(("refused", "partly", "granted")),
            "decision_reason": "根据还款能力评估",
        },
        source="customer service system",
        generation="entered by hand",
    )
    if dice.chance(60):
        loan.add(
            loan.at(day + timedelta(days=2), 16, 0),
            "complaint",
            {
                "received_at": loan.stamp(loan.at(day + timedelta(days=2), 16, 0)),
                "channel": "phone",
                "subject": "collection",
                "text": "反映催收电话次数过多,要求停止联系单位同事。",
                "answer": "已提醒合作机构,停止联系第三人。",
                "answered_at": loan.stamp(loan.at(day + timedelta(days=5), 10, 0)),
                "upheld": dice.chance(50),
            },
            source="customer service system",
            generation="entered by hand",
        )
    if dice.chance(40):
        loan.add(
            loan.at(day + timedelta(days=4), 11, 0),
            "dispute",
            {
                "received_at": loan.stamp(loan.at(day + timedelta(days=4), 11, 0)),
                "disputed": "amount",
                "disputed_cents": dice.between(1, 400) * 100,
                "currency": CURRENCY,
                "text": "对罚息金额有异议。",
                "answer": "已提供计算明细。",
                "outcome": dice.one(("rejected", "partly")),
            },
            source="customer service system",
            generation="entered by hand",
        )


def lawyer_letter(loan: Loan, day: date, claim: int) -> None:
    """A letter with its delivery receipt."""
    deadline = day + timedelta(days=15)
    letter = letter_paper(loan, FIRM, LAWYER, claim, deadline)
    loan.add(
        loan.at(day, 9, 0),
        "lawyer_letter",
        {
            "firm": FIRM,
            "lawyer": LAWYER,
            "licence_number": "1990120201234567",
            "mandate_reference": f"WT-{loan.number}",
            "attested": True,
            "claim_cents": claim,
            "currency": CURRENCY,
            "deadline": deadline.isoformat(),
            "addressee": loan.borrower.name,
        },
        (Attachment(name="letter.pdf", media_type="application/pdf", data=letter),),
        source="law firm",
        witnesses=LAWYER,
        mark="letter",
    )
    loan.add(
        loan.at(day + timedelta(days=3), 17, 0),
        "delivery_receipt",
        {
            "channel": "courier",
            "carrier_reference": f"EX{loan.dice.hex(5)}",
            "status": loan.dice.one(("delivered", "delivered", "returned")),
            "status_at": loan.stamp(loan.at(day + timedelta(days=3), 16, 0)),
            "recipient": loan.borrower.name,
        },
        source="courier's interface",
        refers={"of_seq": "letter"},
    )
