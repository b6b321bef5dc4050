"""DossierView: what a verified bundle lets a person read, record by record, with what was shown of each and nothing else.

Made once, from the same evidence as the verdict, when a bundle is verified. Times in ms since 1970 UTC, 0 when not shown. Nothing here
judges: verdicts come from verification, and what was not shown is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from relay.core.bundle import payload_part
from relay.core.deposit_number import deposit_number
from relay.core.evidence import Evidence, RecordState, StatementShown
from relay.core.grants import Grant
from relay.core.ledgerproof import ProvenFact
from relay.core.records import Record
from relay.core.statement import PlatformFacts
from relay.core.verdict import RecordFinding, Verdict

PROVENANCE: Final = ("source", "generation", "storage", "notarisation", "witnesses", "corroboration")
"""The six headings of Online Litigation Rules art. 18, in the order in which they are shown; an empty one is shown as empty."""
StageOf = Callable[[str], str]
"""The stage of a kind (`relay.core.kinds.Stage`); empty for a kind that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewMember:
    """One member of a record's fields as it was shown. `value` is JSON."""

    name: str
    value: object
    personal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPayload:
    """One payload as the signed record names it. `part` is its name in the bundle, empty when it is not there."""

    name: str
    media_type: str
    size: int
    sha256: str
    sm3: str
    part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRecord:
    """One record, or the place of one that was withheld, erased or is missing. `shown` is whether its content was disclosed and read."""

    finding: RecordFinding
    stage: str
    deposit_number: str
    """Empty when its place in the log is not known."""
    anchor: int
    """Number of the checkpoint that covers it in `DossierView.anchors`, -1 when none does."""
    shown: bool
    kind_version: int
    recorded_ms: int
    """The custodian's clock when it signed."""
    confidentiality: str
    provenance: tuple[tuple[str, str], ...]
    """All six headings with what the lender stated, in the order of `PROVENANCE`; none when the record was not shown."""
    members: tuple[ViewMember, ...]
    payloads: tuple[ViewPayload, ...]
    supersedes: int
    """The seq it replaces, -1 for none."""

    @property
    def lag_ms(self) -> int:
        """From the event, as the lender states it, to anchoring; 0 when either is not shown."""
        event, anchored = self.finding.event_ms, self.finding.anchored_ms
        return anchored - event if event and anchored else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFact:
    """Where something stands on a ledger; `block` and `tx` in hex."""

    ledger: str
    kind: str
    height: int
    block: str
    tx: str
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewStamp:
    """What a timestamp authority says: when, and under which serial number (hex)."""

    authority: str
    time_ms: int
    serial: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewAnchor:
    """A checkpoint of the log. `anchored`: on the lender's ledger, `accepted`: on the court's; None when not shown."""

    size: int
    root: str
    anchored: ViewFact | None
    accepted: ViewFact | None
    timestamped: tuple[ViewStamp, ...]
    """Tokens by pinned authorities that hold, one of each authority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewGrant:
    """What the court was authorized to retrieve."""

    digest: str
    issuer: str
    case: str
    kinds: tuple[str, ...]
    mode: str
    purpose: str
    purpose_class: str
    profile: str
    not_before_s: int
    expires_s: int
    registered_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewStatement:
    """A platform statement (art. 17) in the version that was valid when `anchors` were anchored on, or accepted by, its ledger."""

    ledger: str
    party: str
    version: int
    digest: str
    valid_from_s: int
    published_ms: int
    """Block time at which its digest stood on the court's ledger."""
    stated_later: bool
    """It was published only after the times that it claims to cover."""
    anchors: tuple[int, ...]
    """Numbers in `DossierView.anchors`."""
    facts: PlatformFacts
    """Every heading, empty where nothing is stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierView:
    """One dossier as one bundle shows it."""

    verdict: Verdict
    lender: str
    court: str
    made_at_s: int
    trust_version: int
    grant: ViewGrant | None
    anchors: tuple[ViewAnchor, ...]
    statements: tuple[ViewStatement, ...]
    """What the platforms behind the ledgers stated of themselves, by ledger and version; none: there is no platform statement."""
    records: tuple[ViewRecord, ...]


def view_of(evidence: Evidence, verdict: Verdict, stage_of: StageOf) -> DossierView:
    """The view of an examined bundle (`relay.core.verify.examine`)."""
    manifest = evidence.manifest
    return DossierView(
        verdict=verdict,
        lender=manifest.lender if manifest else "",
        court=manifest.court if manifest else "",
        made_at_s=manifest.made_at_s if manifest else 0,
        trust_version=evidence.trust.version,
        grant=_grant(evidence.grant, evidence.registered_ms) if evidence.grant else None,
        anchors=tuple(_anchor(evidence, number) for number in range(len(manifest.anchors) if manifest else 0)),
        statements=tuple(_statement(shown) for shown in evidence.statements),
        records=tuple(_record(evidence, verdict.origin, finding, stage_of) for finding in verdict.records),
    )


def _grant(grant: Grant, registered_ms: int) -> ViewGrant:
    return ViewGrant(
        digest=grant.digest.hex(),
        issuer=grant.iss,
        case=grant.case,
        kinds=tuple(grant.kinds),
        mode=grant.mode,
        purpose=grant.purpose,
        purpose_class=grant.purpose_class,
        profile=grant.scope.profile if grant.scope else "",
        not_before_s=grant.nbf,
        expires_s=grant.exp,
        registered_ms=registered_ms,
    )


def _anchor(evidence: Evidence, number: int) -> ViewAnchor:
    checkpoint = evidence.checkpoint(number)
    return ViewAnchor(
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        anchored=_fact(evidence.anchor_facts.get(number)),
        accepted=_fact(evidence.receipt_facts.get(number)),
        timestamped=tuple(
            ViewStamp(authority=stamp.authority, time_ms=stamp.time_ms, serial=stamp.serial)
            for stamp in evidence.stamps.get(number, ())
        ),
    )


def _statement(shown: StatementShown) -> ViewStatement:
    statement = shown.published.statement
    draft = statement.draft
    return ViewStatement(
        ledger=draft.ledger,
        party=draft.iss,
        version=draft.version,
        digest=statement.digest.hex(),
        valid_from_s=draft.valid_from,
        published_ms=shown.published.published_ms,
        stated_later=shown.stated_later,
        anchors=shown.anchors,
        facts=draft.facts,
    )


def _fact(proven: tuple[str, ProvenFact] | None) -> ViewFact | None:
    if proven is None:
        return None
    kind, fact = proven
    return ViewFact(
        ledger=fact.ledger,
        kind=kind,
        height=fact.height,
        block=fact.block_hash.hex(),
        tx=fact.tx_id.hex(),
        time_ms=fact.time_ms,
    )


def _record(evidence: Evidence, origin: str, finding: RecordFinding, stage_of: StageOf) -> ViewRecord:
    state = evidence.records[finding.seq]
    record = state.record
    return ViewRecord(
        finding=finding,
        stage=stage_of(finding.kind),
        deposit_number=str(deposit_number(origin, finding.index)) if origin else "",
        anchor=-1 if state.anchor is None else state.anchor,
        shown=record is not None,
        kind_version=record.kind_version if record else 0,
        recorded_ms=record.recorded_time_s * 1000 if record else 0,
        confidentiality=record.confidentiality if record else "",
        provenance=tuple((name, getattr(record.provenance, name)) for name in PROVENANCE) if record else (),
        members=_members(record) if record else (),
        payloads=_payloads(evidence, state, record) if record else (),
        supersedes=-1 if record is None or record.supersedes is None else record.supersedes,
    )


def _members(record: Record) -> tuple[ViewMember, ...]:
    personal = record.disclosed.keys()
    return tuple(ViewMember(name=n, value=v, personal=n in personal) for n, v in record.fields.items())


def _payloads(evidence: Evidence, state: RecordState, record: Record) -> tuple[ViewPayload, ...]:
    made = []
    for payload in record.payloads:
        part = payload_part(state.seq, payload.name)
        made.append(
            ViewPayload(
                name=payload.name,
                media_type=payload.media_type,
                size=payload.size,
                sha256=payload.sha256,
                sm3=payload.sm3 or "",
                part=part if part in evidence.parts else "",
            )
        )
    return tuple(made)
