"""EvidenceBundle: names of its parts, its manifest, the court's seal and statement, and small files (docs/spec/bundle.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from relay.core.base64strict import b64decode, b64encode
from relay.core.bundlezip import check_name
from relay.core.canonical import dumps, loads
from relay.core.errors import Malformed
from relay.core.fields import Fields
from relay.core.jose import Jws, parse_jws, sign_jws
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import (
    BUNDLE_ANCHORS_MAX,
    BUNDLE_BYTES_MAX,
    BUNDLE_MANIFEST_BYTES_MAX,
    BUNDLE_PARTS_MAX,
    BUNDLE_SMALL_PART_BYTES_MAX,
    CASE_CHARS_MAX,
    JWS_BYTES_MAX,
    PROOF_HASHES_MAX,
    RECORDS_PER_DOSSIER_MAX,
    TREE_SIZE_MAX,
)
from relay.core.merkle import HASH_BYTES

FORMAT: Final = "courtrelay-bundle/v1"
SEAL_TYP: Final = "courtrelay-seal+jwt"
MANIFEST: Final = "manifest.json"
SEAL: Final = "seal.jwt"
DISCLOSURE: Final = "disclosure.jwt"
GRANT: Final = "grant.jwt"
REQUEST: Final = "request.jwt"
COMPLETENESS: Final = "completeness.jwt"
GRANT_REGISTERED: Final = "grant-registered.json"
CUSTODY_EVENTS: Final = "custody/events.jsonl"
CUSTODY_CHECKPOINT: Final = "custody/checkpoint.note"
CONSISTENCY_BYTES_MAX: Final = PROOF_HASHES_MAX * len(b64encode(bytes(HASH_BYTES)) + "\n")
_WHAT: Final = "bundle manifest"
_SEAL_DOMAIN: Final = b"courtrelay/bundle/v1"


def anchor_part(number: int, name: str) -> str:
    """`name`: checkpoint.note, consistency, anchor.json or receipt.json."""
    return f"anchors/{number:04d}/{name}"


def timestamp_part(anchor: int, number: int) -> str:
    """A timestamp token over the checkpoint of an anchor; numbers from 0."""
    return anchor_part(anchor, f"timestamp-{number}.tst")


def statement_part(number: int, suffix: str) -> str:
    """Of a platform statement, numbered from 0; `suffix`: jwt, event.json, tlog-proof or anchor.json."""
    return f"platform/{number:02d}.{suffix}"


def record_part(seq: int, name: str) -> str:
    """`name`: entry.tlog-proof or record.sd-jwt."""
    return f"records/{seq:06d}/{name}"


def payload_part(seq: int, name: str) -> str:
    """A payload of a record."""
    return f"records/{seq:06d}/payloads/{name}"


def custody_proof_part(number: int) -> str:
    """The proof of the custody event on line `number` (from 0)."""
    return f"custody/{number:06d}.tlog-proof"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundlePart:
    """A part as the manifest lists it; `sha256` in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleAnchor:
    """A checkpoint that the court ledger accepted; ascending by size."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRecord:
    """One record: its place in the log, its commitment, and the number of the first anchor that covers it (None: pending)."""

    seq: int
    index: int
    commitment: bytes
    anchor: int | None
    status: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleManifest:
    """What the bundle says it holds. `made_at_s`: seconds since 1970 UTC."""

    origin: str
    lender: str
    court: str
    dossier: str
    case: str
    parts: tuple[BundlePart, ...]
    anchors: tuple[BundleAnchor, ...]
    records: tuple[BundleRecord, ...]
    made_at_s: int


def manifest_bytes(manifest: BundleManifest) -> bytes:
    """The file's bytes (JCS)."""
    return dumps(
        {
            "format": FORMAT,
            "origin": manifest.origin,
            "lender": manifest.lender,
            "court": manifest.court,
            "dossier": manifest.dossier,
            "case": manifest.case,
            "parts": [{"name": p.name, "size": p.size, "sha256": p.sha256} for p in manifest.parts],
            "anchors": [{"size": a.size, "root": a.root.hex()} for a in manifest.anchors],
            "records": [_record_claims(r) for r in manifest.records],
            "made_at": manifest.made_at_s,
        }
    )


def _record_claims(record: BundleRecord) -> dict[str, object]:
    claims: dict[str, object] = {
        "seq": record.seq,
        "index": record.index,
        "commitment": record.commitment.hex(),
        "status": record.status,
        "kind": record.kind,
    }
    if record.anchor is not None:
        claims["anchor"] = record.anchor
    return claims


def parse_bundle_manifest(data: bytes) -> BundleManifest:
    """Raises only `Malformed`."""
    fields = Fields(loads(data, what=_WHAT, bytes_max=BUNDLE_MANIFEST_BYTES_MAX), what=_WHAT)
    fields.literal("format", FORMAT)
    anchors = tuple(_read_anchor(f) for f in fields.objects("anchors", count_max=BUNDLE_ANCHORS_MAX, empty=True))
    manifest = BundleManifest(
        origin=fields.identifier("origin"),
        lender=fields.party("lender", "custodian"),
        court=fields.party("court", "court"),
        dossier=fields.dossier(),
        case=fields.plain("case", chars_max=CASE_CHARS_MAX),
        parts=_read_parts(fields.objects("parts", count_max=BUNDLE_PARTS_MAX)),
        anchors=anchors,
        records=_read_records(fields.objects("records", count_max=RECORDS_PER_DOSSIER_MAX), len(anchors)),
        made_at_s=fields.time_s("made_at"),
    )
    fields.done()
    for earlier, later in pairwise(anchors):
        if later.size <= earlier.size:
            raise Malformed(_WHAT, "anchors", "must ascend by size")
    return manifest


def _read_parts(values: Sequence[Fields]) -> tuple[BundlePart, ...]:
    parts: list[BundlePart] = []
    for fields in values:
        part = BundlePart(
            name=fields.string("name"),
            size=fields.integer("size", high=BUNDLE_BYTES_MAX),
            sha256=fields.digest("sha256"),
        )
        fields.done()
        check_name(part.name)
        if part.name in (MANIFEST, SEAL) or (parts and part.name <= parts[-1].name):
            raise fields.refuse("name", "parts must be sorted, each once, without manifest and seal")
        parts.append(part)
    return tuple(parts)


def _read_anchor(fields: Fields) -> BundleAnchor:
    anchor = BundleAnchor(
        size=fields.integer("size", low=1, high=TREE_SIZE_MAX), root=bytes.fromhex(fields.digest("root"))
    )
    fields.done()
    return anchor


def _read_records(values: Sequence[Fields], anchors: int) -> tuple[BundleRecord, ...]:
    records: list[BundleRecord] = []
    for fields in values:
        record = BundleRecord(
            seq=fields.integer("seq", high=RECORDS_PER_DOSSIER_MAX - 1),
            index=fields.integer("index", high=TREE_SIZE_MAX - 1),
            commitment=bytes.fromhex(fields.digest("commitment")),
            anchor=fields.integer("anchor", high=anchors - 1) if fields.has("anchor") else None,
            status=fields.literal("status", "disclosed", "withheld", "erased"),
            kind=fields.token("kind"),
        )
        fields.done()
        if records and record.seq <= records[-1].seq:
            raise fields.refuse("seq", "records must ascend by seq")
        records.append(record)
    return tuple(records)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A parsed seal whose signature is not yet checked. `manifest`: digest in hex; `iat`: seconds since 1970 UTC."""

    jws: Jws
    iss: str
    manifest: str
    iat: int


def seal_digest(manifest: bytes) -> bytes:
    """32 bytes: SHA-256 over the domain and the manifest's bytes."""
    return hashlib.sha256(_SEAL_DOMAIN + manifest).digest()


def make_seal(*, iss: str, manifest: bytes, iat: int, public_key: bytes, sign: Callable[[bytes], bytes]) -> str:
    """The court's seal over a manifest."""
    return sign_jws(SEAL_TYP, {"iss": iss, "manifest": seal_digest(manifest).hex(), "iat": iat}, public_key, sign)


def parse_seal(token: bytes) -> Seal:
    """Raises only `Malformed`."""
    jws = parse_jws(token, what="seal", typ=SEAL_TYP, bytes_max=JWS_BYTES_MAX)
    fields = jws.fields()
    seal = Seal(jws=jws, iss=fields.party("iss", "court"), manifest=fields.digest("manifest"), iat=fields.time_s("iat"))
    fields.done()
    return seal


def ledger_proof_bytes(proof: LedgerProof) -> bytes:
    """A ledger proof as a file (JCS)."""
    return dumps({"kind": proof.kind, "ledger": proof.ledger, "body": b64encode(proof.body)})


def parse_ledger_proof(data: bytes, *, what: str) -> LedgerProof:
    """Raises only `Malformed`; the body is for its family's verifier."""
    fields = Fields(loads(data, what=what, bytes_max=BUNDLE_SMALL_PART_BYTES_MAX), what=what)
    proof = LedgerProof(
        kind=fields.token("kind"),
        ledger=fields.identifier("ledger"),
        body=fields.b64("body", bytes_max=BUNDLE_SMALL_PART_BYTES_MAX),
    )
    fields.done()
    return proof


def consistency_bytes(hashes: Sequence[bytes]) -> bytes:
    """A consistency proof as a file: one base64 hash a line."""
    return "".join(f"{b64encode(h)}\n" for h in hashes).encode("ascii")


def parse_consistency(data: bytes, *, what: str) -> tuple[bytes, ...]:
    """Raises only `Malformed`."""
    lines = data.split(b"\n") if len(data) <= CONSISTENCY_BYTES_MAX else [data]
    if lines.pop() != b"" or len(lines) > PROOF_HASHES_MAX:
        raise Malformed(what, "", f"must be at most {PROOF_HASHES_MAX} lines, each ended by a newline")
    hashes = tuple(b64decode(line, what=what, field=f"line {i + 1}") for i, line in enumerate(lines))
    if any(len(h) != HASH_BYTES for h in hashes):
        raise Malformed(what, "", f"every hash must be {HASH_BYTES} bytes")
    return hashes
