"""Small dossiers as a lender would write them: (line, payload contents)."""

from __future__ import annotations

from typing import Any

NOTHING_STATED = {
    "source": "",
    "generation": "",
    "storage": "",
    "notarisation": "",
    "witnesses": "",
    "corroboration": "",
}
STATED = {
    **NOTHING_STATED,
    "source": "loan system",
    "generation": "automatic, at the time of the event",
    "storage": "database, daily backup",
}


def repayment(seq: int, *, amount: int = 100_00, payload: bytes | None = b"receipt", **more: Any) -> Any:
    """One repayment with at most one payload."""
    line: dict[str, Any] = {
        "seq": seq,
        "kind": "repayment",
        "kind_version": 1,
        "event_time": f"2025-{1 + seq % 12:02d}-05T10:00:00Z",
        "provenance": STATED,
        "fields": repayment_fields(amount),
        "payloads": [],
        **more,
    }
    contents = []
    if payload is not None:
        line["payloads"] = [{"file": "f", "name": "receipt.txt", "media_type": "text/plain"}]
        contents.append(payload)
    return line, contents


def repayment_fields(amount: int = 100_00) -> dict[str, Any]:
    """Members of a repayment that its schema accepts."""
    return {
        "amount_cents": amount,
        "currency": "CNY",
        "received_on": "2025-03-05",
        "principal_cents": amount,
        "interest_cents": 0,
        "penalty_cents": 0,
        "fee_cents": 0,
        "channel": "transfer",
        "channel_reference": "PY1",
        "payer_account": "6222 **** **** 0001",
    }


def small_dossier(count: int = 3) -> list[Any]:
    """`count` repayments with small receipts."""
    return [repayment(seq, payload=b"receipt %d\n" % seq * 4) for seq in range(count)]
