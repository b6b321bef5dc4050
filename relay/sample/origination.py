"""The first stages of a loan: application, consents, checks, decision, contract, disbursement."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from relay.sample.documents import consent_paper, contract_paper, voucher_paper
from relay.sample.loan import COURT, CURRENCY, LENDER, PRODUCTS, Attachment, Loan
from relay.sample.media import image

CONSENTS = ("privacy", "credit_query", "data_sharing", "preservation_method", "e_delivery")


def originate(loan: Loan) -> None:
    """From application to disbursement within two days before the loan's start."""
    _apply(loan)
    _check(loan)
    _decide(loan)
    _contract(loan)
    _disburse(loan)


def _decide(loan: Loan) -> None:
    moment = loan.at(loan.start - timedelta(days=1), 10, 5)
    dice = loan.dice
    loan.add(
        moment,
        "credit_decision",
        {
            "outcome": "approved",
            "limit_cents": loan.principal,
            "currency": CURRENCY,
            "annual_rate": str(loan.rate),
            "model_version": f"score-{dice.between(3, 5)}.{dice.between(0, 9)}",
            "reason_codes": [f"r{dice.between(1, 30):02d}"],
            "notified_at": loan.stamp(moment),
        },
        source="decision engine",
    )


def _disburse(loan: Loan) -> None:
    paid = loan.at(loan.start, 9, 30)
    loan.add(
        paid,
        "disbursement_voucher",
        {
            "payer": LENDER,
            "payee_name": loan.borrower.name,
            "payee_account": loan.borrower.account,
            "amount_cents": loan.principal,
            "currency": CURRENCY,
            "paid_at": loan.stamp(paid),
            "bank": "云州商业银行",
            "bank_reference": f"BK{loan.dice.hex(6)}",
            "sealed_by_bank": True,
        },
        (Attachment(name="voucher.pdf", media_type="application/pdf", data=voucher_paper(loan)),),
        source="paying bank, by its own interface",
        corroboration="bank reference, clearing record",
        mark="voucher",
    )
    loan.add(
        loan.at(loan.start, 9, 35),
        "repayment_schedule",
        {
            "version": 1,
            "currency": CURRENCY,
            "instalments": [i.as_json() for i in loan.schedule],
            "reason": "origination",
        },
        mark="schedule",
    )


def _apply(loan: Loan) -> None:
    day = loan.start - timedelta(days=1)
    dice, borrower = loan.dice, loan.borrower
    loan.add(
        loan.at(day, 9, 0),
        "application",
        {
            "product": dice.one(PRODUCTS),
            "amount_cents": loan.principal,
            "currency": CURRENCY,
            "term_months": loan.months,
            "purpose": dice.one(("装修", "教育", "购车", "医疗", "日常消费")),
            "channel": dice.one(("app", "web", "partner")),
            "applicant_name": borrower.name,
            "id_number": borrower.id_number,
            "phone": borrower.phone,
            "device": f"Android {dice.between(9, 14)}",
            "ip_address": f"198.51.100.{dice.between(1, 254)}",
            "declared_income_cents": dice.between(40, 300) * 100_00,
        },
        source="mobile application of the lender",
    )
    for i, purpose in enumerate(CONSENTS):
        moment = loan.at(day, 9, 2 + 2 * i)
        text = consent_paper(purpose)
        fields: dict[str, object] = {
            "purpose": purpose,
            "text_version": "2020-06",
            "text_sha256": hashlib.sha256(text).hexdigest(),
            "shown_at": loan.stamp(moment - timedelta(seconds=50)),
            "agreed_at": loan.stamp(moment),
            "scrolled_to_end": True,
        }
        if purpose == "e_delivery":
            fields["delivery_address"] = loan.borrower.phone
        shown = Attachment(name="consent.pdf", media_type="application/pdf", data=text)
        loan.add(moment, "consent", fields, (shown,), source="mobile application of the lender")


def _check(loan: Loan) -> None:
    """Who the applicant is, and what the credit bureau knows."""
    _check_identity(loan)
    _ask_bureau(loan)


def _check_identity(loan: Loan) -> None:
    day = loan.start - timedelta(days=1)
    checked = loan.at(day, 9, 20)
    dice, borrower = loan.dice, loan.borrower
    photos = (
        Attachment(name="front.png", media_type="image/png", data=image(dice)),
        Attachment(name="back.png", media_type="image/png", data=image(dice)),
    )
    loan.add(
        checked,
        "identity_check",
        {
            "method": "id_card_name_phone",
            "provider": "国证核验服务",
            "result": "match",
            "checked_at": loan.stamp(checked),
            "masked_id": borrower.masked_id,
            "photo_count": 2,
        },
        photos,
        source="identity provider",
        witnesses="identity provider's own log",
    )
    loan.add(
        loan.at(day, 9, 25),
        "liveness_check",
        {
            "challenge": dice.one(("眨眼", "转头", "读数字 4 7 1")),
            "score": f"0.9{dice.between(10, 99)}",
            "threshold": "0.85",
            "result": "passed",
            "provider": "国证核验服务",
            "frames": dice.between(24, 90),
        },
        (Attachment(name="frame.png", media_type="image/png", data=image(dice)),),
        source="identity provider",
    )


def _ask_bureau(loan: Loan) -> None:
    day = loan.start - timedelta(days=1)
    authorised, queried = loan.at(day, 9, 30), loan.at(day, 9, 40)
    loan.add(
        authorised,
        "credit_authorisation",
        {
            "bureau": "征信中心",
            "purpose": "贷款审批",
            "authorised_at": loan.stamp(authorised),
            "valid_until": (day + timedelta(days=30)).isoformat(),
            "signer_name": loan.borrower.name,
        },
    )
    loan.add(
        queried,
        "credit_query",
        {
            "bureau": "征信中心",
            "purpose": "贷款审批",
            "queried_at": loan.stamp(queried),
            "report_sha256": loan.dice.hex(32),
            "report_disclosable": False,
        },
        source="credit bureau interface",
    )


def _contract(loan: Loan) -> None:
    day = loan.start - timedelta(days=1)
    borrower = loan.borrower
    original = contract_paper(loan, "zh")
    papers = (
        Attachment(name="contract-zh.pdf", media_type="application/pdf", data=original),
        Attachment(name="contract-en.pdf", media_type="application/pdf", data=contract_paper(loan, "en")),
    )
    loan.add(
        loan.at(day, 11, 0),
        "contract",
        {
            "contract_number": loan.number,
            "lender_name": LENDER,
            "borrower_name": borrower.name,
            "borrower_id_number": borrower.id_number,
            "principal_cents": loan.principal,
            "currency": CURRENCY,
            "annual_rate": str(loan.rate),
            "penalty_rate": str(loan.penalty_rate),
            "compounding": "none",
            "term_months": loan.months,
            "repayment_method": "annuity",
            "fees_cents": 0,
            "jurisdiction_clause": f"因本合同产生的争议由{COURT}管辖",
            "service_address": borrower.address,
            "signed_on": day.isoformat(),
        },
        papers,
        source="contract system",
        corroboration="electronic signatures of both parties",
        mark="contract",
    )
    _sign(loan, original, LENDER, minute=5, intent="password")
    _sign(loan, original, borrower.name, minute=8, intent="face")


def _sign(loan: Loan, original: bytes, name: str, *, minute: int, intent: str) -> None:
    signed = loan.at(loan.start - timedelta(days=1), 11, minute)
    loan.add(
        signed,
        "e_signature",
        {
            "document": "contract-zh.pdf",
            "document_sha256": hashlib.sha256(original).hexdigest(),
            "signer_name": name,
            "certificate_serial": loan.dice.hex(10),
            "certificate_authority": "东方电子认证中心",
            "signed_at": loan.stamp(signed),
            "intent_evidence": intent,
        },
        source="electronic signature service",
        witnesses="certificate authority",
    )
