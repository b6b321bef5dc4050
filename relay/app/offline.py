"""Verbs that need no running role: verify, inspect."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from relay.app.adapters import verifiers
from relay.app.runtime import SystemClock
from relay.app.trust import read_trust
from relay.core.bundle import MANIFEST, parse_bundle_manifest
from relay.core.bundlezip import FileSource, content, read_parts
from relay.core.canonical import loads_strict
from relay.core.checkpoint import parse_checkpoint
from relay.core.errors import Malformed
from relay.core.grants import Grant, parse_grant
from relay.core.limits import BUNDLE_MANIFEST_BYTES_MAX
from relay.core.records import parse_sd_jwt
from relay.core.times import format_utc
from relay.core.tlogproof import parse_tlog_proof
from relay.core.verdict import Finding
from relay.core.verify import verify_bundle as verify

Advance = Callable[[int, int], None]
INSPECT_BYTES_MAX: Final = 64 * 1024 * 1024
_EXIT: Final = {Finding.CONSISTENT: 0, Finding.INCONSISTENT: 1, Finding.NOT_FOUND: 1}


def verify_bundle(bundle: Path, trust: Path, advance: Advance) -> dict[str, Any]:
    """The verdict document on a bundle file, and how current the trust roots are.

    Raises `Malformed` only for the trust roots, OSError for an unreadable bundle.
    """
    roots = read_trust(trust)
    with bundle.open("rb") as file:
        document = verify(FileSource(file), roots, verifiers(), advance).as_json()
    current = {
        "version": roots.version,
        "issued_at": format_utc(roots.issued_at_s),
        "expires_at": format_utc(roots.expires_at_s),
        "stale": roots.why_stale(SystemClock().now_ms() // 1000),
    }
    return {**document, "trust_roots": current}


def exit_code(verdict: dict[str, Any]) -> int:
    """0 CONSISTENT, 1 INCONSISTENT or NOT_FOUND, 3 whatever is open."""
    return _EXIT.get(Finding(verdict["verdict"]), 3)


def inspect(path: Path) -> dict[str, Any]:
    """What a file says, judged by nothing. Raises `Malformed` when it is none of ours."""
    try:
        size = path.stat().st_size
        head = path.open("rb").read(64)
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None
    try:
        if head.startswith(b"PK\x03\x04"):
            return _inspect_bundle(path)
        if size > INSPECT_BYTES_MAX:
            raise Malformed("file", "", f"{size} bytes; at most {INSPECT_BYTES_MAX}")
        return _inspect_small(path.read_bytes())
    except Malformed as error:
        raise error.within(str(path)) from None


def _inspect_bundle(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        source = FileSource(file)
        parts = {p.part.name: p for p in read_parts(source)}
        if MANIFEST not in parts or parts[MANIFEST].part.size > BUNDLE_MANIFEST_BYTES_MAX:
            raise Malformed("bundle", MANIFEST, "is missing or too big")
        data = b"".join(content(source, parts[MANIFEST]))
    manifest = parse_bundle_manifest(data)
    return {
        "this is": "an evidence bundle; nothing of it was verified here",
        "lender": manifest.lender,
        "court": manifest.court,
        "case": manifest.case,
        "dossier": manifest.dossier,
        "origin": manifest.origin,
        "made at": format_utc(manifest.made_at_s),
        "anchors": [{"size": a.size, "root": a.root.hex()} for a in manifest.anchors],
        "records": [{"seq": r.seq, "kind": r.kind, "status": r.status, "log index": r.index} for r in manifest.records],
        "parts": [{"name": p.name, "size": p.size} for p in manifest.parts],
    }


def _inspect_small(data: bytes) -> dict[str, Any]:
    text = data.removesuffix(b"\n")
    if text.startswith(b"c2sp.org/tlog-proof@"):
        proof = parse_tlog_proof(data)
        return {"this is": "a tlog-proof", "index": proof.index, "hashes": [h.hex() for h in proof.hashes],
                "checkpoint": proof.checkpoint.decode()}  # fmt: skip
    if text.startswith(b"{"):
        value = loads_strict(data, what="file", bytes_max=INSPECT_BYTES_MAX)
        return {"this is": "a JSON document", "content": value}
    if b"~" in text:
        record = parse_sd_jwt(text)
        return {"this is": "a record; its signature was not checked", "kind": record.kind, "seq": record.seq,
                "dossier": record.dossier, "event time": format_utc(record.event_time_s), "fields": record.fields,
                "withheld members": record.hidden, "payloads": [p.name for p in record.payloads]}  # fmt: skip
    if text.count(b".") == 2 and b"\n" not in text:
        grant = parse_grant(text)
        return {"this is": "a grant; its signature was not checked", "digest": grant.digest.hex(),
                "issuer": grant.iss, "court": grant.aud, "case": grant.case, "dossiers": list(grant.dossiers),
                "kinds": list(grant.kinds), **_scope_facts(grant), "purpose class": grant.purpose_class, "mode": grant.mode,
                "uses": grant.uses, "valid from": format_utc(grant.nbf),
                "valid until": format_utc(grant.exp)}  # fmt: skip
    checkpoint, note = parse_checkpoint(data)
    return {"this is": "a checkpoint; its signatures were not checked", "origin": checkpoint.origin,
            "size": checkpoint.size, "root": checkpoint.root.hex(),
            "signatures": [s.name for s in note.signatures]}  # fmt: skip


def _scope_facts(grant: Grant) -> dict[str, object]:
    if grant.scope is None:
        return {"scope": "these kinds whole"}
    scope = grant.scope
    members = {kind: list(names) for kind, names in scope.members.items()}
    return {"profile": scope.profile, "members": members, "payloads of": list(scope.payloads)}


def loads(data: bytes) -> dict[str, Any]:
    """What `--json` printed."""
    value: dict[str, Any] = json.loads(data)
    return value
