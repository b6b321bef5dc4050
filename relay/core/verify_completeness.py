"""Step 13 of verification: the records are all that the court's mirror holds of the dossier. Each deviation is named with its seq.

Words: `hole` (left out of the lender's list or of the log), `cut tail`, `doubled`, `not logged`, `late addition` (no fault, but said).
"""

from __future__ import annotations

from relay.core.bundle import COMPLETENESS, BundleManifest
from relay.core.checks import check_completeness, same
from relay.core.completeness import BYTES_MAX, Completeness, parse_completeness
from relay.core.dossier import check_sequence, seqs_text
from relay.core.errors import Unverified
from relay.core.evidence import Evidence, NotShown, RecordState
from relay.core.verdict import Finding

AFTER_GRANT = "anchored after the grant was registered"
AFTER_DISCLOSURE = "logged after this court's first disclosure"


def completeness(e: Evidence) -> str:
    """Step 13: no hole, no cut tail, none doubled; what was added late is named."""
    manifest, disclosure = e.need_manifest(), e.need_disclosure()
    _note_late_anchors(e)
    if not manifest.anchors:
        raise NotShown("no record of this dossier is final yet")
    statement = parse_completeness(e.part(COMPLETENESS, bytes_max=BYTES_MAX))
    check_completeness(
        statement,
        court=manifest.court,
        origin=manifest.origin,
        dossier=manifest.dossier,
        key=disclosure.dossier_key,
        checkpoint=e.checkpoint(len(manifest.anchors) - 1),
        trust=e.trust,
    )
    for state in e.records.values():
        if statement.first_size and state.index >= statement.first_size:
            state.late = AFTER_DISCLOSURE
    said = _found(e, manifest, statement)
    if said:
        raise Unverified("completeness", ", ".join(said))
    late = seqs_text(state.seq for state in e.records.values() if state.late)
    added = f"; late addition: {late}" if late else ""
    return f"all {statement.count} records that the court's mirror holds of this dossier, and no other{added}"


def _note_late_anchors(e: Evidence) -> None:
    """Ledger time against ledger time: neither is the lender's word."""
    for state in e.records.values():
        anchored = e.anchored_ms.get(-1 if state.anchor is None else state.anchor, 0)
        if e.registered_ms and anchored > e.registered_ms:
            state.late = AFTER_GRANT


def _found(e: Evidence, manifest: BundleManifest, statement: Completeness) -> list[str]:
    """What contradicts, one fragment each."""
    said = []
    final = [record for record in manifest.records if record.anchor is not None]
    for record in final:
        index = statement.indices[record.seq] if record.seq < statement.count else None
        state = e.records.get(record.seq)
        if index is None:
            _not_found(state)
        elif index != record.index:
            try:
                same("completeness", f"seq {record.seq}: its log index", record.index, index)
            except Unverified as error:
                said.append(error.reason)
    listed = {record.seq for record in final}
    holes = [seq for seq in statement.holes if seq not in listed]
    logged = [seq for seq, index in enumerate(statement.indices) if index is not None]
    # a hole in the log is said below: here the list is compared with what is logged
    findings = check_sequence([*(record.seq for record in final), *holes], logged=statement.count)
    said += findings.words()
    if statement.holes:
        said.append(f"hole in the log: {seqs_text(statement.holes)} not logged, though seq {logged[-1]} is")
    for seq, places in statement.doubled.items():
        where = ", ".join(str(index) for index in (statement.indices[seq], *places))
        said.append(f"doubled: seq {seq} stands in the log at {where}")
    return said


def _not_found(state: RecordState | None) -> None:
    if state is not None and not state.step:
        state.verdict, state.step = Finding.NOT_FOUND, 13
        state.reason = "its tag is not in the court's mirror of the log"
