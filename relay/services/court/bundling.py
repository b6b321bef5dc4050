"""Make the parts of an evidence bundle from what arrived and what the court itself holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relay.core.bundle import (
    COMPLETENESS,
    CUSTODY_CHECKPOINT,
    CUSTODY_EVENTS,
    DISCLOSURE,
    GRANT,
    GRANT_REGISTERED,
    MANIFEST,
    REQUEST,
    SEAL,
    BundleAnchor,
    BundleManifest,
    BundleRecord,
    anchor_part,
    consistency_bytes,
    custody_proof_part,
    ledger_proof_bytes,
    make_seal,
    manifest_bytes,
    record_part,
    statement_part,
    timestamp_part,
)
from relay.core.completeness import make_completeness
from relay.core.disclosure import DisclosureManifest, ManifestEntry
from relay.core.dossier import parse_entry, tag
from relay.core.grants import Grant
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import BUNDLE_STATEMENTS_MAX, TIMESTAMPS_PER_ANCHOR_MAX
from relay.core.records import Record
from relay.core.requests import RetrievalRequest
from relay.core.tlogproof import TlogProof, format_tlog_proof
from relay.ports.common import LogFiles, Signer
from relay.ports.court import HeldCheckpoint
from relay.ports.statements import KeptStatement
from relay.services.court.bundle_file import StagedPart, listed
from relay.services.court.lookup import Found

UNKNOWN_COMMITMENT = bytes(32)
"""Stands for the commitment of a withheld record that no checkpoint covers yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """Everything a bundle is made of. `custody`: events, their proofs, the checkpoint they are proven under."""

    court: str
    grant: Grant
    registration: LedgerProof
    request: RetrievalRequest
    disclosure: DisclosureManifest
    records: dict[int, Record]
    found: Found
    mirror: LogFiles
    arrived: Sequence[StagedPart]
    custody_events: Sequence[bytes]
    custody_proofs: Sequence[bytes]
    custody_checkpoint: bytes
    made_at_s: int
    timestamps: Mapping[int, tuple[bytes, ...]]
    """Size of a checkpoint → its tokens, in the order of their authorities' names."""
    statements: Sequence[KeptStatement]
    """Of the platforms, by ledger and version."""
    first: tuple[int, int] | None = None
    """(log size, time in s) of this court's first disclosure of the dossier; None when this is the first."""


def make_parts(retrieved: Retrieved, seal: Signer) -> list[StagedPart]:
    """All parts, manifest and seal included. Synchronous; for a worker thread. The same input gives the same bytes."""
    r = retrieved
    used = r.found.checkpoints
    parts = [
        *r.arrived,
        StagedPart.of(GRANT, r.grant.jws.token.encode("ascii")),
        StagedPart.of(REQUEST, r.request.jws.token.encode("ascii")),
        StagedPart.of(DISCLOSURE, r.disclosure.jws.token.encode("ascii")),
        StagedPart.of(GRANT_REGISTERED, ledger_proof_bytes(r.registration)),
        *_anchor_parts(r, used),
        *_custody_parts(r),
        *_statement_parts(r),
    ]
    if used:
        parts.append(StagedPart.of(COMPLETENESS, _completeness(r, used[-1], seal).encode("ascii")))
    rows = []
    for entry in r.disclosure.entries:
        if entry.status == "disclosed" and entry.seq not in r.records:
            continue  # the lender lists it as disclosed and did not send it: verification will name it
        number = next((i for i, held in enumerate(used) if held.size > entry.index), None)
        rows.append(_row(r, entry, number))
        if number is not None:
            parts.append(_entry_proof(r, entry, used[number]))
    manifest = manifest_bytes(
        BundleManifest(
            origin=r.found.origin,
            lender=r.disclosure.iss,
            court=r.court,
            dossier=r.disclosure.dossier,
            case=r.grant.case,
            parts=listed(parts),
            anchors=tuple(BundleAnchor(size=held.size, root=held.root) for held in used),
            records=tuple(rows),
            made_at_s=r.made_at_s,
        )
    )
    token = make_seal(iss=r.court, manifest=manifest, iat=r.made_at_s, public_key=seal.public_key, sign=seal.sign)
    return [*parts, StagedPart.of(MANIFEST, manifest), StagedPart.of(SEAL, token.encode("ascii"))]


def _anchor_parts(r: Retrieved, used: Sequence[HeldCheckpoint]) -> list[StagedPart]:
    parts = []
    for i, held in enumerate(used):
        if held.receipt is None:
            raise RuntimeError("a checkpoint without receipt cannot be in a bundle")
        parts += [
            StagedPart.of(anchor_part(i, "checkpoint.note"), held.cosigned),
            StagedPart.of(anchor_part(i, "anchor.json"), ledger_proof_bytes(held.anchor)),
            StagedPart.of(anchor_part(i, "receipt.json"), ledger_proof_bytes(held.receipt)),
        ]
        tokens = r.timestamps.get(held.size, ())[:TIMESTAMPS_PER_ANCHOR_MAX]
        parts += [StagedPart.of(timestamp_part(i, n), token) for n, token in enumerate(tokens)]
        if i:
            hashes = r.mirror.consistency_proof(used[i - 1].size, held.size)
            parts.append(StagedPart.of(anchor_part(i, "consistency"), consistency_bytes(hashes)))
    return parts


def _custody_parts(r: Retrieved) -> list[StagedPart]:
    parts = [
        StagedPart.of(CUSTODY_CHECKPOINT, r.custody_checkpoint),
        StagedPart.of(CUSTODY_EVENTS, b"".join(event + b"\n" for event in r.custody_events)),
    ]
    parts += [StagedPart.of(custody_proof_part(i), proof) for i, proof in enumerate(r.custody_proofs)]
    return parts


def _statement_parts(r: Retrieved) -> list[StagedPart]:
    parts = []
    for number, kept in enumerate(r.statements[:BUNDLE_STATEMENTS_MAX]):
        if kept.shown is None:
            raise RuntimeError("a statement that does not stand on the ledger cannot be in a bundle")
        parts += [
            StagedPart.of(statement_part(number, "jwt"), kept.token),
            StagedPart.of(statement_part(number, "event.json"), kept.event),
            StagedPart.of(statement_part(number, "tlog-proof"), kept.shown.proof),
            StagedPart.of(statement_part(number, "anchor.json"), ledger_proof_bytes(kept.shown.anchor)),
        ]
    return parts


def _completeness(r: Retrieved, last: HeldCheckpoint, seal: Signer) -> str:
    return make_completeness(
        iss=r.court,
        origin=r.found.origin,
        dossier=r.disclosure.dossier,
        size=last.size,
        root=last.root,
        absent_tag=tag(r.disclosure.dossier_key, len(r.found.positions)),
        indices=r.found.positions,
        doubled=r.found.doubled,
        first_size=r.first[0] if r.first else 0,
        first_at=r.first[1] if r.first else 0,
        looked_ahead=r.found.looked_ahead,
        iat=r.made_at_s,
        public_key=seal.public_key,
        sign=seal.sign,
    )


def _row(r: Retrieved, entry: ManifestEntry, number: int | None) -> BundleRecord:
    if number is not None:
        commitment = parse_entry(r.mirror.entries(entry.index, entry.index + 1)[0]).commitment
    else:
        record = r.records.get(entry.seq)
        commitment = record.commitment if record else UNKNOWN_COMMITMENT
    return BundleRecord(
        seq=entry.seq, index=entry.index, commitment=commitment, anchor=number, status=entry.status, kind=entry.kind
    )


def _entry_proof(r: Retrieved, entry: ManifestEntry, held: HeldCheckpoint) -> StagedPart:
    hashes = tuple(r.mirror.inclusion_proof(entry.index, held.size))
    proof = TlogProof(index=entry.index, hashes=hashes, checkpoint=held.cosigned)
    return StagedPart.of(record_part(entry.seq, "entry.tlog-proof"), format_tlog_proof(proof))
