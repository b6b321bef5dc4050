"""The blocks of a deposit report that say what it is, whom it concerns, what is in it and how far it goes: A to D, K, L.

The rest stands in `report_proofs`. Each function gives one block's members as docs/spec/report.md lists them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from relay.core.bundle import FORMAT as BUNDLE_FORMAT
from relay.core.masking import masked_name, masked_number
from relay.core.report_inputs import BundleFacts, Issuer, ReportOrder
from relay.core.report_profile import ReportProfile
from relay.core.report_proofs import anchoring, platform, provenance, signatures, times, verification
from relay.core.verdict import FORMAT as VERDICT_FORMAT
from relay.core.view import DossierView, ViewPayload, ViewRecord

__all__ = [
    "anchoring",
    "applicant",
    "completeness",
    "how_to_check",
    "items",
    "platform",
    "provenance",
    "report_block",
    "signatures",
    "subject",
    "times",
    "verification",
]
TEMPLATE: Final = "courtrelay-report/v1"
_NAMES: Final = ("borrower_name", "applicant_name")
_NUMBERS: Final = ("borrower_id_number", "id_number")
_CARD_CHARS: Final = 18
"""A resident identity card number (GB 11643)."""


def report_block(issuer: Issuer, order: ReportOrder, profile: ReportProfile) -> dict[str, Any]:
    """A: the report itself."""
    return {
        "number": order.number,
        "issued_ms": order.issued_ms,
        "issuer": issuer.identity,
        "issuer_name": issuer.name,
        "licence": issuer.licence,
        "template": f"{TEMPLATE} {profile.name}/{profile.version}",
        "code": order.code,
        "url": order.url,
        "supersedes": order.supersedes,
        "certificate": asdict(issuer.certificate),
    }


def applicant(view: DossierView, order: ReportOrder) -> dict[str, Any]:
    """B: for whom and for what. The lender's name is the one its own contract states."""
    grant = view.grant
    return {
        "lender": view.lender,
        "lender_name": _first_member(view, "lender_name"),
        "credit_code": _first_member(view, "lender_credit_code"),
        "requested_by": order.requested_by,
        "case": view.verdict.case,
        "dossier": view.verdict.dossier,
        "grant": grant.digest if grant else "",
        "mode": grant.mode if grant else "",
        "purpose": grant.purpose if grant else "",
        "purpose_class": grant.purpose_class if grant else "",
        "profile": grant.profile if grant else "",
        "kinds": list(grant.kinds) if grant else [],
        "valid_from_ms": grant.not_before_s * 1000 if grant else 0,
        "valid_to_ms": grant.expires_s * 1000 if grant else 0,
        "registered_ms": grant.registered_ms if grant else 0,
    }


def subject(view: DossierView) -> dict[str, Any]:
    """C: the party, masked, as shown records name them, and how identity was checked."""
    persons: list[dict[str, Any]] = []
    checks: list[dict[str, Any]] = []
    for record in view.records:
        members = _texts_of(record)
        name = next((members[n] for n in _NAMES if n in members), "")
        number = next((members[n] for n in _NUMBERS if n in members), "")
        if name or number:
            person = {
                "name": masked_name(name),
                "id_type": "resident_identity_card" if len(number) == _CARD_CHARS else "",
                "id_number": masked_number(number),
            }
            if not any(person.items() <= known.items() for known in persons):
                persons.append({"seq": record.finding.seq, "kind": record.finding.kind, **person})
        if record.finding.kind in ("identity_check", "liveness_check") and record.shown:
            checks.append(
                {
                    "seq": record.finding.seq,
                    "method": members.get("method") or members.get("challenge", ""),
                    "provider": members.get("provider", ""),
                    "result": members.get("result", ""),
                    "checked": members.get("checked_at", ""),
                    "id_number": masked_number(members.get("masked_id", "")),
                }
            )
    return {"persons": persons, "checks": checks}


def items(view: DossierView) -> dict[str, Any]:
    """D: every record in its place, shown or not."""
    return {"items": [_item(record) for record in view.records]}


def _item(record: ViewRecord) -> dict[str, Any]:
    finding = record.finding
    stated = dict(record.provenance)
    return {
        "seq": finding.seq,
        "deposit_number": record.deposit_number,
        "stage": record.stage,
        "kind": finding.kind,
        "kind_version": record.kind_version,
        "status": finding.status,
        "verdict": finding.verdict.value,
        "failed_step": finding.step,
        "reason": finding.reason,
        "late": finding.late,
        "marks": [str(mark) for mark in getattr(finding, "marks", ())],
        "log_index": finding.index,
        "checkpoint": record.anchor,
        "event_ms": finding.event_ms,
        "recorded_ms": record.recorded_ms,
        "anchored_ms": finding.anchored_ms,
        "accepted_ms": finding.accepted_ms,
        "lag_ms": record.lag_ms,
        "source_system": stated.get("source", ""),
        "evidence_source": stated.get("generation", ""),
        "evidence_kind": "chain_deposit",
        "deposit_kind": ("file" if record.payloads else "text") if record.shown else "",
        "confidentiality": record.confidentiality,
        "supersedes": record.supersedes,
        "files": [_file(payload) for payload in record.payloads],
        "withheld_members": list(finding.withheld_members),
        "withheld_files": list(finding.withheld_payloads),
    }


def _file(payload: ViewPayload) -> dict[str, Any]:
    return {
        "name": payload.name,
        "media_type": payload.media_type,
        "size": payload.size,
        "sha256": payload.sha256,
        "sm3": payload.sm3,
        "in_bundle": "yes" if payload.part else "no",
    }


def completeness(view: DossierView) -> dict[str, Any]:
    """K: which records there are, and what of them is closed, gone or missing."""
    findings = [record.finding for record in view.records]
    counts = {
        status: sum(f.status == status for f in findings) for status in ("disclosed", "withheld", "erased", "missing")
    }
    step = next((s for s in view.verdict.steps if s.name == "completeness"), None)
    return {
        "first_seq": findings[0].seq if findings else -1,
        "last_seq": findings[-1].seq if findings else -1,
        "count": len(findings),
        **counts,
        "head": head_of(view),
        "finding": step.detail if step else "",
        "closed": [
            {
                "seq": r.finding.seq,
                "kind": r.finding.kind,
                "event_ms": r.finding.event_ms,
                "status": r.finding.status,
                "reason": r.finding.reason,
                "deposit_number": r.deposit_number,
            }
            for r in view.records
            if r.finding.status != "disclosed"
        ],
    }


def how_to_check(view: DossierView, bundle: BundleFacts, order: ReportOrder) -> dict[str, Any]:
    """L: what anybody can do to see the same result."""
    return {
        "command": "courtrelay verify BUNDLE --trust TRUST",
        "bundle_sha256": bundle.sha256,
        "bundle_bytes": bundle.size,
        "head": head_of(view),
        "formats": [BUNDLE_FORMAT, VERDICT_FORMAT, TEMPLATE],
        "url": order.url,
    }


def head_of(view: DossierView) -> dict[str, Any]:
    """The newest checkpoint that the bundle shows, empty without one."""
    newest = max(view.anchors, key=lambda anchor: anchor.size, default=None)
    if newest is None:
        return {"origin": "", "size": 0, "root": ""}
    return {"origin": view.verdict.origin, "size": newest.size, "root": newest.root}


def _texts_of(record: ViewRecord) -> dict[str, str]:
    return {member.name: member.value for member in record.members if isinstance(member.value, str)}


def _first_member(view: DossierView, name: str) -> str:
    def found() -> Iterator[str]:
        for record in view.records:
            if name in (members := _texts_of(record)):
                yield members[name]

    return next(found(), "")
