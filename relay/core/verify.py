"""Verification of an evidence bundle in sixteen numbered steps; docs/spec/verification.md has the same numbers.

Offline and total: whatever the bytes, the outcome is a Verdict. The trust roots are the verifier's own.
"""

from __future__ import annotations

from typing import Final

from relay.core.bundle import (
    CUSTODY_CHECKPOINT,
    CUSTODY_EVENTS,
    DISCLOSURE,
    GRANT,
    GRANT_REGISTERED,
    MANIFEST,
    REQUEST,
    SEAL,
    anchor_part,
    custody_proof_part,
    parse_consistency,
    parse_ledger_proof,
    parse_seal,
    seal_digest,
)
from relay.core.bundlezip import ByteSource
from relay.core.checks import (
    Verifiers,
    check_anchor,
    check_custody_head,
    check_disclosure,
    check_grant,
    check_log_signature,
    check_receipt,
    check_registration,
    check_request,
    check_seal,
    check_witnesses,
    same,
)
from relay.core.custody import custody_entry, parse_event
from relay.core.disclosure import parse_manifest
from relay.core.dossier import check_sequence, seqs_text
from relay.core.errors import Malformed, Unverified
from relay.core.evidence import Evidence, NotShown, Progress, RecordState, open_container
from relay.core.grants import parse_grant
from relay.core.limits import (
    BUNDLE_MANIFEST_BYTES_MAX,
    BUNDLE_SMALL_PART_BYTES_MAX,
    FUTURE_SKEW_S,
    MANIFEST_BYTES_MAX,
)
from relay.core.marks import RecordTimes, marks
from relay.core.merkle import leaf_hash, verify_consistency, verify_inclusion
from relay.core.requests import parse_request
from relay.core.tlogproof import parse_tlog_proof
from relay.core.tombstone import erased_words
from relay.core.trust import TrustRoots, Unpinned
from relay.core.verdict import Finding, RecordFinding, Verdict, conclude
from relay.core.verify_completeness import completeness
from relay.core.verify_records import entries, payloads, records
from relay.core.verify_statement import platform_statements
from relay.core.verify_time import trusted_time

CUSTODY_EVENTS_MAX: Final = 1000


def verify_bundle(
    source: ByteSource, trust: TrustRoots, verifiers: Verifiers, progress: Progress = lambda _done, _total: None
) -> Verdict:
    """The verdict on a bundle. Never raises for what the bytes are."""
    return examine(source, trust, verifiers, progress)[0]


def examine(
    source: ByteSource, trust: TrustRoots, verifiers: Verifiers, progress: Progress = lambda _done, _total: None
) -> tuple[Verdict, Evidence]:
    """The verdict, and what the steps have shown: for a view of the dossier. Never raises for what the bytes are."""
    evidence = Evidence(source=source, trust=trust, verifiers=verifiers)
    evidence.run(1, "container", lambda e: open_container(e, progress))
    evidence.run(2, "seal", _seal)
    evidence.run(3, "grant", _grant)
    evidence.run(4, "grant registration", _registration)
    evidence.run(5, "request", _request)
    evidence.run(6, "disclosure", _disclosure)
    evidence.run(7, "anchoring", _anchoring)
    evidence.run(8, "checkpoints", _checkpoints)
    evidence.run(9, "acceptance", _acceptance)
    evidence.run(10, "entries", entries)
    evidence.run(11, "records", records)
    evidence.run(12, "payloads", payloads)
    evidence.run(13, "completeness", completeness)
    evidence.run(14, "custody", _custody)
    evidence.run(15, "trusted time", trusted_time)
    evidence.run(16, "platform statement", platform_statements)
    return _verdict(evidence), evidence


def _seal(e: Evidence) -> str:
    """Step 2: the court's seal holds over the manifest's bytes."""
    manifest = e.need_manifest()
    seal = parse_seal(e.part(SEAL))
    digest = seal_digest(e.part(MANIFEST, bytes_max=BUNDLE_MANIFEST_BYTES_MAX))
    check_seal(seal, digest, manifest.court, manifest.made_at_s, e.trust)
    return f"sealed by {manifest.court}"


def _grant(e: Evidence) -> str:
    """Step 3: the lender's grant names this court, case and dossier."""
    manifest = e.need_manifest()
    same("grant", "the log's lender", e.trust.log(manifest.origin).party, manifest.lender)
    grant = parse_grant(e.part(GRANT))
    check_grant(
        grant, e.trust, lender=manifest.lender, court=manifest.court, dossier=manifest.dossier, case=manifest.case
    )
    e.grant = grant
    return f"issued by {grant.iss} for case {grant.case}"


def _registration(e: Evidence) -> str:
    """Step 4: the grant was registered on the court's ledger before it was used."""
    grant, manifest = e.need_grant(), e.need_manifest()
    proof = parse_ledger_proof(e.part(GRANT_REGISTERED), what=GRANT_REGISTERED)
    fact = check_registration(proof, grant, manifest.court, e.trust, e.verifiers)
    if fact.time_ms > (manifest.made_at_s + FUTURE_SKEW_S) * 1000:
        raise Unverified("grant registration", "was registered after this bundle was made")
    e.proof_kinds.add(proof.kind)
    e.registered_ms = fact.time_ms
    return f"registered on {fact.ledger} in block {fact.height}"


def _request(e: Evidence) -> str:
    """Step 5: the court's request, signed by the key the grant is bound to."""
    grant = e.need_grant()
    request = parse_request(e.part(REQUEST))
    check_request(request, grant, e.trust)
    e.request = request
    return "signed by the key the grant is bound to"


def _disclosure(e: Evidence) -> str:
    """Step 6: the lender's list of every record; the bundle agrees with it record by record."""
    manifest, grant, request = e.need_manifest(), e.need_grant(), e.need_request()
    disclosure = parse_manifest(e.part(DISCLOSURE, bytes_max=MANIFEST_BYTES_MAX))
    check_disclosure(disclosure, grant, request, manifest.dossier, e.trust)
    e.disclosure = disclosure
    held = {record.seq: record for record in manifest.records}
    for entry in disclosure.entries:
        state = RecordState(
            seq=entry.seq,
            kind=entry.kind,
            status=entry.status,
            index=entry.index,
            event_ms=entry.event_time_s * 1000,
            anchor=held[entry.seq].anchor if entry.seq in held else None,
            reason=erased_words(entry.erased_s, entry.reason) if entry.status == "erased" else entry.reason,
            members=entry.members,
            payloads=tuple(name for name, why in sorted(entry.unsent.items()) if why == "withheld"),
        )
        e.records[entry.seq] = state
        if entry.seq not in held:
            state.status = "missing"
            state.fail(
                6, Unverified("disclosure", f"seq {entry.seq} missing from the bundle, though the lender lists it")
            )
    for seq, record in held.items():
        listed = disclosure.entry(seq)
        if listed is None:
            raise Unverified("disclosure", f"the bundle has seq {seq}, which the lender's list does not name")
        same("disclosure", f"seq {seq}: the bundle's row", (record.index, record.kind, record.status),
             (listed.index, listed.kind, listed.status))  # fmt: skip
    missing = seqs_text(seq for seq in e.records if seq not in held)
    if missing:
        raise Unverified("disclosure", f"{missing} missing: the lender lists it, the bundle does not have it")
    holes = check_sequence(e.records)
    if holes.missing:
        raise Unverified("disclosure", f"{', '.join(holes.words())}: the lender's list does not name it")
    withheld = sum(entry.status == "withheld" for entry in disclosure.entries)
    erased = sum(entry.status == "erased" for entry in disclosure.entries)
    return f"{len(disclosure.entries)} records listed, {withheld} of them withheld" + (
        f", {erased} erased" * (erased > 0)
    )


def _each_anchor(e: Evidence, step: int, check: str) -> None:
    """Raise the first failure of this step after every anchor was examined."""
    for _, (failed_at, error) in sorted(e.bad_anchors.items()):
        if failed_at == step:
            raise error
    if not e.need_manifest().anchors:
        raise NotShown(f"there is no {check}: no record of this dossier is final yet")


def _anchoring(e: Evidence) -> str:
    """Step 7: each checkpoint's facts stand in a final block of the lender's ledger, which gives the anchoring time."""
    for i in range(len(e.need_manifest().anchors)):
        name = anchor_part(i, "anchor.json")
        try:
            proof = parse_ledger_proof(e.part(name), what=name)
            fact = check_anchor(proof, e.checkpoint(i), e.trust, e.verifiers)
            e.anchored_ms[i] = fact.time_ms
            e.anchor_facts[i] = (proof.kind, fact)
            e.proof_kinds.add(proof.kind)
        except (Unverified, Malformed) as error:
            e.anchor_fails(i, 7, error)
    _each_anchor(e, 7, "anchor")
    return f"{len(e.anchored_ms)} checkpoints anchored"


def _checkpoints(e: Evidence) -> str:
    """Step 8: signed by the log, cosigned by witnesses, each an extension of the one before."""
    manifest = e.need_manifest()
    witnesses: set[str] = set()
    for i in range(len(manifest.anchors)):
        try:
            note = e.part(anchor_part(i, "checkpoint.note"))
            e.notes.append(note)
            if i not in e.anchored_ms:
                continue
            checkpoint = check_log_signature(note, e.trust, e.anchored_ms[i])
            same("checkpoint", f"anchor {i}", checkpoint, e.checkpoint(i))
            witnesses.update(check_witnesses(note, e.trust, anchored_ms=e.anchored_ms[i]))
            if i:
                name = anchor_part(i, "consistency")
                hashes = parse_consistency(e.part(name), what=name)
                before = e.checkpoint(i - 1)
                verify_consistency(before.size, checkpoint.size, hashes, before.root, checkpoint.root)
        except (Unverified, Malformed) as error:
            e.anchor_fails(i, 8, error)
            e.notes += [b""] * (i + 1 - len(e.notes))
    _each_anchor(e, 8, "checkpoint")
    return f"cosigned by {', '.join(sorted(witnesses))}; each extends the one before"


def _acceptance(e: Evidence) -> str:
    """Step 9: the court's ledger accepted each checkpoint."""
    manifest = e.need_manifest()
    for i in range(len(manifest.anchors)):
        name = anchor_part(i, "receipt.json")
        try:
            proof = parse_ledger_proof(e.part(name), what=name)
            fact = check_receipt(proof, e.checkpoint(i), manifest.court, e.trust, e.verifiers)
            if fact.time_ms > (manifest.made_at_s + FUTURE_SKEW_S) * 1000:
                raise Unverified("receipt", "the checkpoint was accepted after the time that this bundle's seal bears")
            e.accepted_ms[i] = fact.time_ms
            e.receipt_facts[i] = (proof.kind, fact)
            e.proof_kinds.add(proof.kind)
        except (Unverified, Malformed) as error:
            e.anchor_fails(i, 9, error)
    _each_anchor(e, 9, "receipt")
    return f"{len(e.accepted_ms)} checkpoints accepted on {e.trust.court(manifest.court).ledger}"


def _custody(e: Evidence) -> str:
    """Step 14: the court's own log of this retrieval."""
    manifest, request = e.need_manifest(), e.need_request()
    origin = e.trust.court(manifest.court).origin
    if not origin:
        raise Unpinned("custody", f"no custody log of {manifest.court} is pinned")
    note = e.part(CUSTODY_CHECKPOINT)
    checkpoint = check_custody_head(note, e.trust, origin=origin, party=manifest.court, at_ms=manifest.made_at_s * 1000)
    lines = e.part(CUSTODY_EVENTS, bytes_max=BUNDLE_SMALL_PART_BYTES_MAX).split(b"\n", CUSTODY_EVENTS_MAX + 1)
    if lines.pop() != b"" or not 0 < len(lines) <= CUSTODY_EVENTS_MAX:
        raise Malformed(CUSTODY_EVENTS, "", f"must be 1 to {CUSTODY_EVENTS_MAX} lines, each ended by a newline")
    actions = set()
    for i, line in enumerate(lines):
        event = parse_event(line)
        same("custody", f"event {i}: its request", event.subject.get("request"), request.digest.hex())
        proof = parse_tlog_proof(e.part(custody_proof_part(i)))
        same("custody", f"event {i}: its checkpoint and extra", (proof.checkpoint, proof.extra), (note, None))
        verify_inclusion(leaf_hash(custody_entry(line)), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
        actions.add(event.action)
    if "request" not in actions:
        raise Unverified("custody", "the court's log does not hold its own request")
    return f"{len(lines)} events in the custody log of {manifest.court}"


def _verdict(e: Evidence) -> Verdict:
    _supersede(e)
    manifest = e.manifest
    rows = tuple(_finding(e, state) for _, state in sorted(e.records.items()))
    return Verdict(
        verdict=conclude(rows, e.steps),
        dossier=manifest.dossier if manifest else "",
        case=manifest.case if manifest else "",
        origin=manifest.origin if manifest else "",
        proof_kinds=tuple(sorted(e.proof_kinds)),
        records=rows,
        steps=tuple(e.steps),
    )


def _supersede(e: Evidence) -> None:
    """A consistent record that a later consistent one replaces; both stay in the evidence."""
    for state in e.records.values():
        replaced = (
            e.records.get(state.record.supersedes) if state.record and state.record.supersedes is not None else None
        )
        if replaced is not None and state.verdict is Finding.CONSISTENT and replaced.verdict is Finding.CONSISTENT:
            replaced.verdict = Finding.SUPERSEDED
            replaced.reason = f"replaced by seq {state.seq}"


def _finding(e: Evidence, state: RecordState) -> RecordFinding:
    anchor = -1 if state.anchor is None else state.anchor
    provenance = state.record.provenance if state.record else None
    stamped = tuple(stamp.time_ms for stamp in e.stamps.get(anchor, ()))
    times = RecordTimes(
        event_ms=state.event_ms,
        recorded_ms=state.record.recorded_time_s * 1000 if state.record else 0,
        anchored_ms=e.anchored_ms.get(anchor, 0),
        accepted_ms=e.accepted_ms.get(anchor, 0),
        stamped_ms=stamped,
    )
    return RecordFinding(
        seq=state.seq,
        kind=state.kind,
        status=state.status,
        verdict=state.verdict,
        step=state.step,
        reason=state.reason,
        index=state.index,
        event_ms=state.event_ms,
        anchored_ms=times.anchored_ms,
        accepted_ms=times.accepted_ms,
        provenance=provenance is not None and bool(provenance.source or provenance.generation),
        withheld_members=state.members,
        withheld_payloads=state.payloads,
        late=state.late,
        timestamped_ms=min(stamped, default=0),
        marks=marks(times),
    )
