"""The blocks of a deposit report that say what its result rests on: anchoring, times, signatures, provenance, platform, verification."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from relay.core.masking import masked_name
from relay.core.report_inputs import ReportOrder
from relay.core.verdict import DOES_NOT_PROVE, Finding
from relay.core.view import PROVENANCE, DossierView, ViewFact

_SEALS: Final = {2: "bundle", 3: "grant", 5: "request", 6: "disclosure", 8: "checkpoints", 11: "records"}
"""Steps that check signatures, and whose; docs/spec/verification.md."""
_BY_LENDER: Final = frozenset((3, 6, 8, 11))


def anchoring(view: DossierView) -> dict[str, Any]:
    """E: every checkpoint that covers a record, where both ledgers have it."""
    return {
        "origin": view.verdict.origin,
        "checkpoints": [
            {
                "number": number,
                "size": anchor.size,
                "root": anchor.root,
                "lender": _fact(anchor.anchored),
                "court": _fact(anchor.accepted),
                "lag_ms": _lag(anchor.anchored, anchor.accepted),
            }
            for number, anchor in enumerate(view.anchors)
        ],
    }


def _fact(fact: ViewFact | None) -> dict[str, Any]:
    return {
        "ledger": fact.ledger if fact else "",
        "proof": fact.kind if fact else "",
        "height": fact.height if fact else 0,
        "block": fact.block if fact else "",
        "tx": fact.tx if fact else "",
        "time_ms": fact.time_ms if fact else 0,
    }


def _lag(first: ViewFact | None, then: ViewFact | None) -> int:
    return then.time_ms - first.time_ms if first and then else 0


def times(view: DossierView) -> dict[str, Any]:
    """F: the four times, never merged: the lender's statement, timestamp authorities, the lender's ledger, the court's."""
    findings = [record.finding for record in view.records]
    tokens: list[dict[str, Any]] = [
        {"checkpoint": number, "authority": stamp.authority, "time_ms": stamp.time_ms, "serial": stamp.serial}
        for number, anchor in enumerate(view.anchors)
        for stamp in getattr(anchor, "timestamped", ())
    ]
    return {
        "event": _span(f.event_ms for f in findings),
        "timestamp": _span(token["time_ms"] for token in tokens),
        "lender_ledger": _span(f.anchored_ms for f in findings),
        "court_ledger": _span(f.accepted_ms for f in findings),
        "tokens": tokens,
        "clock_source": "",
    }


def _span(found: Iterable[int]) -> dict[str, int]:
    known = [ms for ms in found if ms]
    return {"first_ms": min(known, default=0), "last_ms": max(known, default=0)}


def signatures(view: DossierView) -> dict[str, Any]:
    """G: who signed what, as the steps found it, and the borrower's signatures as shown records describe them."""
    seals = [
        {
            "what": _SEALS[step.number],
            "signer": view.lender if step.number in _BY_LENDER else view.court,
            "at_ms": view.made_at_s * 1000 if step.number == 2 else 0,  # only the seal bears a time
            "step": step.number,
            "result": step.result.value,
            "detail": step.detail,
        }
        for step in view.verdict.steps
        if step.number in _SEALS
    ]
    rows = []
    for record in view.records:
        if record.finding.kind != "e_signature" or not record.shown:
            continue
        said = {member.name: str(member.value) for member in record.members}
        rows.append(
            {
                "seq": record.finding.seq,
                "document": said.get("document", ""),
                "document_sha256": said.get("document_sha256", ""),
                "signer": masked_name(said.get("signer_name", "")),
                "certificate_serial": said.get("certificate_serial", ""),
                "certificate_authority": said.get("certificate_authority", ""),
                "signed_at": said.get("signed_at", ""),
                "intent_evidence": said.get("intent_evidence", ""),
                "revocation": "",
            }
        )
    return {"seals": seals, "signatures": rows}


def provenance(view: DossierView) -> dict[str, Any]:
    """H: what the lender states of each shown record before anchoring (Online Litigation Rules art. 18)."""
    return {
        "records": [
            {"seq": record.finding.seq, **{name: dict(record.provenance).get(name, "") for name in PROVENANCE}}
            for record in view.records
            if record.shown
        ],
        "not_shown": [record.finding.seq for record in view.records if not record.shown],
    }


def platform(view: DossierView) -> dict[str, Any]:
    """I: what the platforms behind the ledgers state of themselves (art. 17), in the version valid at anchoring."""
    return {"statements": [_statement(one) for one in getattr(view, "statements", ())]}


def _statement(one: Any) -> dict[str, Any]:
    facts = one.facts
    return {
        "ledger": one.ledger,
        "party": one.party,
        "version": one.version,
        "digest": one.digest,
        "valid_from_ms": one.valid_from_s * 1000,
        "published_ms": one.published_ms,
        "stated_later": "yes" if one.stated_later else "no",
        "operator": facts.operator,
        "relation": facts.relation,
        "filings": list(facts.filings),
        "certificates": list(facts.certificates),
        "protection_level": facts.protection_level,
        "cryptography": facts.cryptography,
        "nodes": [_joined(node) for node in facts.nodes],
        "algorithms": list(facts.algorithms),
        "software": [_joined(program) for program in facts.software],
        "contact": facts.contact,
    }


def _joined(row: Any) -> str:
    """A node or a program as one text: its members in their order, those that are not empty."""
    return ", ".join(str(value) for value in asdict(row).values() if value)


def verification(view: DossierView, order: ReportOrder) -> dict[str, Any]:
    """J: the verdict, how it came about, and what it does not prove."""
    verdict = view.verdict
    found = [record.verdict for record in verdict.records]
    return {
        "tool": "courtrelay",
        "version": order.verifier,
        "checked_ms": order.checked_ms,
        "trust_version": view.trust_version,
        "verdict": verdict.verdict.value,
        "summary": verdict.summary,
        "proof_kinds": list(verdict.proof_kinds),
        "counts": {finding.value: found.count(finding) for finding in Finding},
        "does_not_prove": list(DOES_NOT_PROVE),
        "steps": [
            {"number": s.number, "name": s.name, "result": s.result.value, "detail": s.detail} for s in verdict.steps
        ],
    }
