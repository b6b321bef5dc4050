"""Mediation, the court case, and enforcement."""

from __future__ import annotations

from datetime import date, timedelta

from relay.sample.documents import court_paper
from relay.sample.loan import COURT, CURRENCY, LENDER, Attachment, Loan
from relay.sample.money import yuan

MEDIATOR = "诚和调解中心"
CAUSE = "金融借款合同纠纷"


def mediate(loan: Loan, day: date, claim: int) -> None:
    """Invitation, session (privileged) and what was confirmed."""
    dice = loan.dice
    loan.add(
        loan.at(day, 9, 0),
        "mediation_invitation",
        {
            "platform": "在线调解平台",
            "organisation": MEDIATOR,
            "mediator": "林调解员",
            "invited_at": loan.stamp(loan.at(day, 9, 0)),
            "respond_by": (day + timedelta(days=7)).isoformat(),
            "day_limit": 30,
            "invitee": loan.borrower.name,
        },
        source="mediation platform",
    )
    held = day + timedelta(days=9)
    loan.add(
        loan.at(held, 10, 0),
        "mediation_session",
        {
            "platform": "在线调解平台",
            "mediator": "林调解员",
            "started_at": loan.stamp(loan.at(held, 10, 0)),
            "duration_s": dice.between(900, 3600),
            "lender_offer_cents": claim * 9 // 10,
            "borrower_offer_cents": claim * 6 // 10,
            "currency": CURRENCY,
            "minutes": "双方就分期方案交换意见,未达成一致。",
        },
        source="mediation platform",
        witnesses="林调解员",
    )
    loan.add(
        loan.at(held, 11, 30),
        "mediation_confirmation",
        {
            "confirmed_facts": ["合同真实有效", f"已发放本金 {yuan(loan.principal)} 元", "存在逾期"],
            "confirmed_by": loan.borrower.name,
            "confirmed_at": loan.stamp(loan.at(held, 11, 30)),
            "screen_sha256": dice.hex(32),
            "identity_method": "face",
        },
        source="mediation platform",
        witnesses="林调解员",
    )


def sue(loan: Loan, day: date, claim: tuple[int, int, int], *, judged: bool) -> date:
    """Elements, evidence list, filing, acceptance, service, hearing, and a judgment; returns the last day."""
    case = f"({day.year})云0192民初{loan.dice.between(100, 9999)}号"
    total = sum(claim)
    _file(loan, day, case, claim)
    accepted = day + timedelta(days=5)
    _accept(loan, accepted, case, total)
    served = accepted + timedelta(days=4)
    if loan.dice.chance(50):
        _object(loan, served + timedelta(days=6))
    held = served + timedelta(days=20)
    loan.add(
        loan.at(held, 9, 0),
        "hearing",
        {
            "court": COURT,
            "case_number": case,
            "held_at": loan.stamp(loan.at(held, 9, 0)),
            "mode": "online",
            "duration_s": loan.dice.between(1200, 4000),
            "present": [LENDER, loan.borrower.name],
        },
        source="court",
    )
    return _judge(loan, held + timedelta(days=12), case, total) if judged else held


def _file(loan: Loan, day: date, case: str, claim: tuple[int, int, int]) -> None:
    """What the lender hands in."""
    principal, interest, late = claim
    total = sum(claim)
    elements = {
        "court": COURT,
        "cause_of_action": CAUSE,
        "principal_cents": principal,
        "interest_cents": interest,
        "penalty_cents": late,
        "currency": CURRENCY,
        "cut_off": day.isoformat(),
        "defendant_name": loan.borrower.name,
    }
    refers = {"calculation_seqs": "balance"}
    loan.add(loan.at(day, 9, 0), "complaint_elements", elements, source="filing system", refers=refers)
    loan.add(
        loan.at(day, 9, 30),
        "evidence_list",
        {
            "items": ["借款合同", "放款凭证", "欠款明细"],
            "prepared_by": LENDER,
            "prepared_on": day.isoformat(),
        },
        source="filing system",
        refers={"item_seqs": "contract"},
    )
    loan.add(
        loan.at(day, 10, 0),
        "filing",
        {
            "court": COURT,
            "filed_at": loan.stamp(loan.at(day, 10, 0)),
            "cause_of_action": CAUSE,
            "claim_cents": total,
            "currency": CURRENCY,
            "receipt_number": f"SA{loan.dice.hex(5)}",
        },
        (_paper("complaint.pdf", "民事起诉状", loan, case, [f"请求判令偿还人民币 {yuan(total)} 元。"]),),
        source="court's filing system",
    )


def _accept(loan: Loan, day: date, case: str, total: int) -> None:
    """The court takes the case and serves it."""
    loan.add(
        loan.at(day, 9, 0),
        "acceptance",
        {
            "court": COURT,
            "case_number": case,
            "accepted_on": day.isoformat(),
            "fee_cents": max(25_00, total // 100),
            "currency": CURRENCY,
            "procedure": "summary",
        },
        source="court's filing system",
    )
    served = day + timedelta(days=4)
    loan.add(
        loan.at(served, 9, 0),
        "service_of_process",
        {
            "document": "起诉状副本、应诉通知书",
            "method": "electronic",
            "served_at": loan.stamp(loan.at(served, 9, 0)),
            "address": loan.borrower.phone,
            "effective": True,
        },
        source="court's service system",
    )


def _object(loan: Loan, day: date) -> None:
    loan.add(
        loan.at(day, 15, 0),
        "objection",
        {
            "by": "borrower",
            "ground": "before_anchoring",
            "text": "主张放款凭证上链前已被修改,请求出借人说明来源。",
            "raised_at": loan.stamp(loan.at(day, 15, 0)),
            "outcome": "overruled",
        },
        source="court",
        refers={"of_seqs": "contract"},
    )


def _judge(loan: Loan, day: date, case: str, total: int) -> date:
    loan.add(
        loan.at(day, 10, 0),
        "judgment",
        {
            "court": COURT,
            "case_number": case,
            "decided_on": day.isoformat(),
            "outcome": "granted",
            "awarded_cents": total,
            "currency": CURRENCY,
            "final_on": (day + timedelta(days=16)).isoformat(),
            "defendant_name": loan.borrower.name,
        },
        (_paper("judgment.pdf", "民事判决书", loan, case, [f"判决被告偿还人民币 {yuan(total)} 元。"]),),
        source="court",
    )
    applied = day + timedelta(days=40)
    loan.add(
        loan.at(applied, 9, 0),
        "enforcement_application",
        {
            "court": COURT,
            "case_number": case,
            "applied_on": applied.isoformat(),
            "title": "judgment",
            "amount_cents": total,
            "currency": CURRENCY,
        },
        source="court's enforcement system",
    )
    frozen = applied + timedelta(days=10)
    recovered = total * loan.dice.between(20, 100) // 100
    ends: tuple[tuple[str, dict[str, object]], ...] = (
        ("measure", {"type": "freeze", "ordered_on": frozen.isoformat(), "case_number": case,
                     "institution": "云州商业银行", "account": loan.borrower.account, "amount_cents": recovered,
                     "currency": CURRENCY}),
        ("enforced_amount", {"amount_cents": recovered, "currency": CURRENCY, "received_on": frozen.isoformat(),
                             "case_number": case, "remaining_cents": total - recovered}),
        ("closure", {"reason": "paid" if recovered == total else "terminated_no_assets",
                     "closed_on": frozen.isoformat(), "recovered_cents": recovered,
                     "written_off_cents": total - recovered, "currency": CURRENCY}),
    )  # fmt: skip
    for kind, fields in ends:
        loan.add(loan.at(frozen, 9, 0), kind, fields, source="court's enforcement system")
    return frozen


def _paper(name: str, title: str, loan: Loan, case: str, lines: list[str]) -> Attachment:
    return Attachment(name=name, media_type="application/pdf", data=court_paper(title, loan, case, lines))
