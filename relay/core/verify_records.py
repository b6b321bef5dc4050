"""Steps 10 to 12 of verification: entries, records, payloads. A failure concerns one record; the others are examined all the same."""

from __future__ import annotations

from relay.core.bundle import BundleManifest, BundleRecord, payload_part, record_part
from relay.core.checks import absent_payload, check_record, check_scope, check_sent_payload, same
from relay.core.disclosure import DisclosureManifest, ManifestEntry
from relay.core.dossier import make_entry, tag
from relay.core.errors import Malformed, Unverified
from relay.core.evidence import Evidence, NotShown, RecordState
from relay.core.limits import SD_JWT_BYTES_MAX
from relay.core.merkle import leaf_hash, verify_inclusion
from relay.core.records import parse_sd_jwt
from relay.core.tlogproof import parse_tlog_proof
from relay.core.verdict import Finding


def _rows(e: Evidence) -> tuple[BundleManifest, DisclosureManifest, list[tuple[BundleRecord, RecordState]]]:
    manifest, disclosure = e.need_manifest(), e.need_disclosure()
    return manifest, disclosure, [(r, e.records[r.seq]) for r in manifest.records if r.seq in e.records]


def _failures(states: list[RecordState], step: int) -> None:
    """Raise for the first record that failed at this step."""
    failed = [state for state in states if state.step == step]
    if not failed:
        return
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    text = f"seq {failed[0].seq}: {failed[0].reason}{more}"
    if all(state.verdict is Finding.UNVERIFIABLE for state in failed):
        raise NotShown(text)
    raise Unverified("records", text)


def entries(e: Evidence) -> str:
    """Step 10: tag and commitment of every record stand at its place in the first checkpoint that covers it."""
    manifest, disclosure, rows = _rows(e)
    pending = 0
    for row, state in rows:
        try:
            if row.anchor is None:
                _check_pending(manifest, row)
                state.verdict = Finding.PENDING_FINALITY if not state.step else state.verdict
                pending += 1
                continue
            _check_entry(e, manifest, disclosure.dossier_key, row)
        except (Unverified, Malformed) as error:
            state.fail(10, error)
            continue
        if row.anchor in e.bad_anchors:
            failed_at, why = e.bad_anchors[row.anchor]
            state.fail(failed_at, why)
    _failures([state for _, state in rows], 10)
    return f"{len(rows) - pending} entries in their checkpoints, {pending} pending"


def _check_pending(manifest: BundleManifest, row: BundleRecord) -> None:
    if manifest.anchors and row.index < manifest.anchors[-1].size:
        raise Unverified("entry", "is called pending although a checkpoint covers it")


def _check_entry(e: Evidence, manifest: BundleManifest, key: bytes, row: BundleRecord) -> None:
    number = row.anchor
    first = next((i for i, anchor in enumerate(manifest.anchors) if anchor.size > row.index), None)
    if number is None or first != number:
        raise Unverified("entry", f"the first checkpoint that covers index {row.index} is {first}, not {number}")
    proof = parse_tlog_proof(e.part(record_part(row.seq, "entry.tlog-proof")))
    same("entry", "the proof's index", proof.index, row.index)
    if proof.extra is not None or number >= len(e.notes) or proof.checkpoint != e.notes[number]:
        raise Unverified("entry", f"the proof carries another checkpoint than anchor {number}")
    anchor = manifest.anchors[number]
    leaf = leaf_hash(make_entry(tag(key, row.seq), row.commitment))
    verify_inclusion(leaf, row.index, anchor.size, proof.hashes, anchor.root)


def records(e: Evidence) -> str:
    """Step 11: every disclosed record is the committed one, signed by the lender, and shows what the grant opens and no more."""
    manifest, disclosure, rows = _rows(e)
    grant = e.need_grant()
    shown = [(row, state) for row, state in rows if row.status == "disclosed"]
    for row, state in shown:
        try:
            record = parse_sd_jwt(e.part(record_part(row.seq, "record.sd-jwt"), bytes_max=SD_JWT_BYTES_MAX))
            anchored = e.anchored_ms.get(row.anchor) if row.anchor is not None else manifest.made_at_s * 1000
            if anchored is None:
                state.fail(11, NotShown("the time of anchoring is not shown"))
                continue
            entry = _listed(disclosure, row.seq)
            check_record(
                record,
                entry=entry,
                lender=manifest.lender,
                dossier=manifest.dossier,
                commitment=row.commitment,
                anchored_ms=anchored,
                trust=e.trust,
            )
            state.record = record
            check_scope(record, entry, grant)
        except (Unverified, Malformed) as error:
            state.fail(11, error)
    _failures([state for _, state in shown], 11)
    return f"{len(shown)} records signed by {manifest.lender}"


def _listed(disclosure: DisclosureManifest, seq: int) -> ManifestEntry:
    """The lender's own row; step 6 has compared the bundle's with it."""
    entry = disclosure.entry(seq)
    if entry is None:
        raise Unverified("record", "the lender's list does not name it")
    return entry


def payloads(e: Evidence) -> str:
    """Step 12: every payload that a record names is there with its size and digest, or the lender's list says why not."""
    _, disclosure, rows = _rows(e)
    grant = e.need_grant()
    unsent = 0
    named: set[str] = set()
    for _, state in rows:
        for payload in state.record.payloads if state.record else ():
            name = payload_part(state.seq, payload.name)
            named.add(name)
            try:
                entry = _listed(disclosure, state.seq)
                if name not in e.parts:
                    _absent(state, payload.name, entry)
                    unsent += 1
                    continue
                check_sent_payload(payload.name, entry, grant)
                if e.parts[name].part.size != payload.size or e.digests[name] != payload.sha256:
                    raise Unverified(
                        "payload", f"{payload.name} was changed: its bytes are not those of the signed record"
                    )
            except Unverified as error:
                state.fail(12, error)
    unread = {f"records/{state.seq:06d}/" for _, state in rows if state.step and state.record is None}
    for name in sorted(e.parts):
        if "/payloads/" in name and name not in named and name.partition("payloads/")[0] not in unread:
            raise Unverified("payload", f"{name} belongs to no record")
    _failures([state for _, state in rows], 12)
    return f"{len(named) - unsent} payloads as their records say" + (f", {unsent} withheld" if unsent else "")


def _absent(state: RecordState, name: str, entry: ManifestEntry) -> None:
    finding, reason = absent_payload(name, entry)
    if finding is Finding.UNVERIFIABLE:
        state.fail(12, NotShown(reason))
    elif finding is not Finding.CONSISTENT:
        state.fail(12, Unverified("payload", reason))
