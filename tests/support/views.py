"""Views of dossiers without processes: straight from sample loans, each record as if it had been disclosed and had verified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from relay.core.bundle import payload_part
from relay.core.deposit_number import deposit_number
from relay.core.verdict import Finding, RecordFinding, Result, Step, Verdict
from relay.core.view import (
    PROVENANCE,
    DossierView,
    ViewAnchor,
    ViewFact,
    ViewGrant,
    ViewMember,
    ViewPayload,
    ViewRecord,
)
from relay.sample.generate import LISTS, tell
from relay.sample.loan import Event, Loan
from relay.schemas.catalogue import KindCatalogue

ORIGIN = "lender.example/evidence"
DOSSIER = "00112233445566778899aabbccddeeff"
CASE = "（2025）云0192民初7号"
ANCHORED_MS = 1_763_900_000_000
STEPS = (
    "container", "seal", "grant", "grant registration", "request", "disclosure", "anchoring", "checkpoints", "acceptance",
    "entries", "records", "payloads", "completeness", "custody",
)  # fmt: skip
CATALOGUE = KindCatalogue()


@lru_cache(maxsize=512)
def loan(number: int, seed: int = 7) -> Loan:
    """A sample loan, told once."""
    return tell(number, seed)


def stage_of(kind: str) -> str:
    """The stage of a kind's first version."""
    return CATALOGUE.kind(kind, 1).stage if kind in CATALOGUE.names() else ""


def steps(*, complete: bool = True) -> tuple[Step, ...]:
    """All steps, all ok but perhaps completeness."""
    made = []
    for number, name in enumerate(STEPS, 1):
        ok = complete or number != 13
        made.append(
            Step(
                number=number, name=name, result=Result.OK if ok else Result.FAILED, detail="shown" if ok else "hole: 3"
            )
        )
    return tuple(made)


def view_of_events(events: Sequence[Event], *, complete: bool = True) -> DossierView:
    """Every event as a consistent record, all disclosed."""
    marks: dict[str, int] = {}
    records = []
    for seq, event in enumerate(events):
        if event.mark:
            marks[event.mark] = seq
        records.append(_record(seq, event, marks))
    verdict = Verdict(
        verdict=Finding.CONSISTENT, dossier=DOSSIER, case=CASE, origin=ORIGIN, proof_kinds=("quorum",),
        records=tuple(r.finding for r in records), steps=steps(complete=complete),
    )  # fmt: skip
    return DossierView(
        verdict=verdict,
        lender="spiffe://lender.example/custodian/hexin",
        court="spiffe://court.example/court/harbour",
        made_at_s=ANCHORED_MS // 1000 + 60,
        trust_version=3,
        grant=ViewGrant(
            digest="ab" * 32, issuer="spiffe://lender.example/custodian/hexin", case=CASE, kinds=("*",), mode="retrieve",
            purpose="loan dispute", purpose_class="trial", profile="", not_before_s=1_763_000_000, expires_s=1_783_000_000,
            registered_ms=ANCHORED_MS - 1000,
        ),
        anchors=(ViewAnchor(size=len(records), root="cd" * 32, anchored=_fact("lender"), accepted=_fact("court"), timestamped=()),),
        statements=(),
        records=tuple(records),
    )  # fmt: skip


def view_of_loan(one: Loan) -> DossierView:
    """The whole story of a loan."""
    return view_of_events(one.in_order())


def changed(view: DossierView, change: Callable[[ViewRecord], ViewRecord]) -> DossierView:
    """The view with each record changed, its verdict's rows with it."""
    records = tuple(change(record) for record in view.records)
    return replace(view, records=records, verdict=replace(view.verdict, records=tuple(r.finding for r in records)))


def not_shown(record: ViewRecord, status: str = "withheld", reason: str = "outside the grant's scope") -> ViewRecord:
    """The place of a record whose content was not disclosed."""
    finding = replace(record.finding, status=status, reason=reason, provenance=False)
    return replace(
        record, finding=finding, shown=False, provenance=(), members=(), payloads=(), supersedes=-1, kind_version=0
    )


def _fact(ledger: str) -> ViewFact:
    return ViewFact(ledger=ledger, kind="quorum", height=7, block="ef" * 32, tx="01" * 32, time_ms=ANCHORED_MS)


def _record(seq: int, event: Event, marks: dict[str, int]) -> ViewRecord:
    fields: dict[str, Any] = dict(event.fields)
    for member, mark in event.refers.items():
        fields[member] = [marks[mark]] if member in LISTS else marks[mark]
    info = CATALOGUE.kind(event.kind, 1)
    finding = RecordFinding(
        seq=seq, kind=event.kind, status="disclosed", verdict=Finding.CONSISTENT, step=0, reason="", index=seq,
        event_ms=int(event.at.timestamp()) * 1000, anchored_ms=ANCHORED_MS, accepted_ms=ANCHORED_MS + 900,
        provenance=bool(event.provenance.get("source")),
    )  # fmt: skip
    return ViewRecord(
        finding=finding,
        stage=info.stage,
        deposit_number=str(deposit_number(ORIGIN, seq)),
        anchor=0,
        shown=True,
        kind_version=1,
        recorded_ms=ANCHORED_MS - 500,
        confidentiality=info.confidentiality,
        provenance=tuple((name, event.provenance.get(name, "")) for name in PROVENANCE),
        members=tuple(ViewMember(name=n, value=v, personal=n in info.personal) for n, v in fields.items()),
        payloads=tuple(
            ViewPayload(
                name=a.name,
                media_type=a.media_type,
                size=len(a.data),
                sha256="00" * 32,
                sm3="",
                part=payload_part(seq, a.name),
            )
            for a in event.attachments
        ),
        supersedes=marks[event.supersedes] if event.supersedes else -1,
    )
