"""Worked examples of who may see it: grant, retrieval, completeness, custody, trust roots, deposit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from relay.core.canonical import dumps
from relay.core.checkpoint import Checkpoint, checkpoint_text
from relay.core.completeness import make_completeness
from relay.core.custody import custody_entry, make_event
from relay.core.custody_export import FIRST_LINE, LAST_LINE, ExportedEvent, ExportHead, event_line, head_line
from relay.core.deposit import input_digest, parse_deposit_line
from relay.core.disclosure import ManifestEntry, make_manifest
from relay.core.dossier import tag
from relay.core.frames import FrameEncoder
from relay.core.grants import grant_digest, issue_grant, make_grant_statement
from relay.core.merkle import leaf_hash
from relay.core.note import Note, VerifierKey, format_note, sign_note
from relay.core.pinned import CourtRoot, KeyUse, LedgerRoot, LogRoot, TrustedKey, Validator
from relay.core.records import PayloadDigest
from relay.core.requests import request_digest
from relay.core.sealing import Kem
from relay.core.times import parse_utc
from relay.core.tlogproof import TlogProof, format_tlog_proof
from relay.core.trust import TrustRoots
from tests.spec.actors import (
    BANK,
    BANK_LEDGER,
    CASE,
    COURT,
    COURT_LEDGER,
    COURT_ORIGIN,
    CUSTODIAN_SEALING,
    DEPOSIT_LINE,
    DETAILS,
    DOSSIER,
    DOSSIER_KEY,
    KEYS,
    ORIGIN,
    PAYLOAD,
    WITNESS,
    at,
    same_bytes,
)
from tests.spec.evidence import CHECKPOINT, SD_JWT, claims, header_of


def grant_token() -> str:
    """The example grant."""
    return issue_grant(
        iss=BANK,
        aud=COURT,
        case=CASE,
        dossiers=[DOSSIER],
        kinds=["*"],
        mode="retrieve",
        purpose="loan dispute",
        nbf=at("10:00:00"),
        exp=at("10:00:00") + 30 * 86_400,
        iat=at("09:59:00"),
        uses=3,
        request_key=KEYS["request"].public,
        public_key=KEYS["grant"].public,
        sign=KEYS["grant"].sign,
        random_bytes=same_bytes(16),
    )


def grants() -> dict[str, str]:
    """Examples of grant.md."""
    token = grant_token()
    key = KEYS["grant"]
    exp = at("10:00:00") + 30 * 86_400
    statement = make_grant_statement(
        iss=BANK,
        action="register",
        grant=grant_digest(token),
        exp=exp,
        iat=at("09:59:00"),
        public_key=key.public,
        sign=key.sign,
    )
    return {
        "grant-header": header_of(token),
        "grant-claims": claims(token),
        "grant-token": token,
        "grant-digest": grant_digest(token).hex(),
        "statement-claims": claims(statement),
        "statement-token": statement,
    }


def manifest(request: str) -> str:
    """The disclosure manifest that answers the request."""
    entry = ManifestEntry(seq=0, index=1, kind="repayment", event_time_s=at("08:00:00"), status="disclosed")
    return make_manifest(
        iss=BANK,
        aud=COURT,
        grant=grant_digest(grant_token()),
        request=request_digest(request),
        dossier=DOSSIER,
        dossier_key=DOSSIER_KEY,
        iat=at("10:05:02"),
        entries=[entry],
        public_key=KEYS["record"].public,
        sign=KEYS["record"].sign,
    )


def frames(request: str) -> list[bytes]:
    """Every frame of the answer."""
    encoder = FrameEncoder()
    return [
        encoder.manifest(manifest(request)),
        encoder.record(0, SD_JWT),
        encoder.payload_head(0, "receipt.txt", len(PAYLOAD)) + PAYLOAD,
        encoder.end(),
    ]


def retrieval(recorded: Mapping[str, str]) -> dict[str, str]:
    """Examples of retrieval.md."""
    request = recorded["request-token"]
    made = frames(request)
    return {
        "request-details": dumps(
            {"case": CASE, "dossier": DOSSIER, "officer": DETAILS.officer, "purpose": DETAILS.purpose}
        ).decode(),
        "request-claims": claims(request),
        "request-digest": request_digest(request).hex(),
        "manifest-claims": claims(manifest(request)),
        "frame-payload": made[2].hex(),
        "frame-end": made[3].hex(),
    }


def completeness() -> dict[str, str]:
    """Examples of tag.md."""
    token = make_completeness(
        iss=COURT,
        origin=ORIGIN,
        dossier=DOSSIER,
        size=5,
        root=CHECKPOINT.root,
        absent_tag=tag(DOSSIER_KEY, 1),
        indices=[1],
        looked_ahead=64,
        iat=at("10:05:03"),
        public_key=KEYS["seal"].public,
        sign=KEYS["seal"].sign,
    )
    return {"completeness-claims": claims(token)}


def custody() -> dict[str, str]:
    """Examples of custody.md."""
    event = make_event(
        at_ms=at("10:05:01") * 1000 + 250,
        actor=COURT,
        action="disclose",
        subject={"dossier": DOSSIER, "grant": grant_digest(grant_token()).hex()},
        outcome="permitted",
        detail="judge 17: hearing",
        random_bytes=same_bytes(32),
    )
    entry = custody_entry(event)
    text = checkpoint_text(Checkpoint(origin=COURT_ORIGIN, size=1, root=leaf_hash(entry)))
    key = VerifierKey.ed25519(COURT_ORIGIN, KEYS["custody"].public)
    note = format_note(Note(text=text, signatures=(sign_note(text, key, KEYS["custody"].sign),)))
    head = ExportHead(keeper=COURT, complete=True, checkpoint=note, ledger=None, consistency=())
    proof = format_tlog_proof(TlogProof(index=0, hashes=(), checkpoint=note))
    line = event_line(COURT_ORIGIN, ExportedEvent(index=0, event=event, proof=proof))
    return {
        "custody-event": event.decode(),
        "custody-entry": entry.hex(),
        "custody-export": (FIRST_LINE + head_line(head) + line + LAST_LINE).decode(),
    }


def trust() -> TrustRoots:
    """The trust roots of all examples."""
    start, end = parse_utc("2025-01-01T00:00:00Z", "", "") * 1000, parse_utc("2035-01-01T00:00:00Z", "", "") * 1000
    pinned: list[tuple[KeyUse, str, str]] = [
        ("record", BANK, "records-2025"),
        ("log", BANK, ORIGIN),
        ("grant", BANK, "grants-2025"),
        ("request", COURT, "requests-2025"),
        ("seal", COURT, "seal-2025"),
        ("custody", COURT, COURT_ORIGIN),
        ("witness", COURT, WITNESS),
    ]
    keys = [
        TrustedKey(use=use, party=party, name=name, public_key=KEYS[use].public, valid_from_ms=start, valid_to_ms=end)
        for use, party, name in pinned
    ]
    sealing = TrustedKey(
        use="sealing",
        party=BANK,
        name="sealing-2025",
        public_key=CUSTODIAN_SEALING.public_key.raw,
        valid_from_ms=start,
        valid_to_ms=end,
        kem=Kem.X25519,
    )
    validators = tuple(
        Validator(name=name, public_key=KEYS[name].public, valid_from_ms=start, valid_to_ms=end)
        for name in ("v1", "v2", "v3")
    )
    return TrustRoots(
        version=3,
        issued_at_s=parse_utc("2025-11-01T00:00:00Z", "", ""),
        expires_at_s=parse_utc("2026-11-01T00:00:00Z", "", ""),
        pinned_keys=(*keys, sealing),
        logs=(LogRoot(origin=ORIGIN, party=BANK, ledger=BANK_LEDGER),),
        ledgers=tuple(
            LedgerRoot(ledger=name, kind="quorum", threshold=2, validators=validators)
            for name in (BANK_LEDGER, COURT_LEDGER)
        ),
        courts=(CourtRoot(party=COURT, ledger=COURT_LEDGER, origin=COURT_ORIGIN),),
        witness_quorum=1,
    )


def deposit() -> dict[str, str]:
    """Examples of deposit.md."""
    line = parse_deposit_line(DEPOSIT_LINE.encode(), what="example")
    stored = PayloadDigest(
        name="receipt.txt", media_type="text/plain", size=len(PAYLOAD), sha256=hashlib.sha256(PAYLOAD).hexdigest()
    )
    return {"deposit-line": DEPOSIT_LINE, "deposit-digest": input_digest(line, [stored]).hex()}
