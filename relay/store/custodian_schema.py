"""The custodian's tables."""

from __future__ import annotations

from typing import Final

from relay.store.custodian_projection import PROJECTION
from relay.store.grant_terms import GRANT_TERMS
from relay.store.mirror_log import MIRROR_SCHEMA

APPLICATION: Final = 0x43524355  # "CRCU"

SCHEMA: Final = (
    MIRROR_SCHEMA
    + """
CREATE TABLE dossier (
    id TEXT PRIMARY KEY, reference BLOB NOT NULL UNIQUE, sealed_reference BLOB NOT NULL, sealed_keys BLOB NOT NULL
) STRICT;
CREATE TABLE record (
    dossier TEXT NOT NULL REFERENCES dossier, seq INTEGER NOT NULL, position INTEGER NOT NULL UNIQUE,
    kind TEXT NOT NULL, event_time_s INTEGER NOT NULL, confidentiality TEXT NOT NULL,
    sealed_text BLOB NOT NULL, input_digest BLOB NOT NULL, PRIMARY KEY (dossier, seq)
) STRICT;
CREATE TABLE payload (
    dossier TEXT NOT NULL, seq INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, blob TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL, sealed_key BLOB NOT NULL, PRIMARY KEY (dossier, seq, place),
    FOREIGN KEY (dossier, seq) REFERENCES record
) STRICT;
CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY, root BLOB NOT NULL, note BLOB NOT NULL, anchored_height INTEGER NOT NULL DEFAULT 0,
    anchored_ms INTEGER NOT NULL DEFAULT 0, anchor_tx BLOB, receipt_kind TEXT, receipt_ledger TEXT, receipt BLOB,
    cosigned BLOB
) STRICT;
CREATE TABLE custody_event (position INTEGER PRIMARY KEY, event BLOB NOT NULL) STRICT;
CREATE TABLE grant_record (
    digest BLOB PRIMARY KEY, number INTEGER NOT NULL, token TEXT NOT NULL, uses_spent INTEGER NOT NULL DEFAULT 0,
    registered_ms INTEGER NOT NULL DEFAULT 0, revoked_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE statement (
    number INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL REFERENCES grant_record, action TEXT NOT NULL,
    token TEXT NOT NULL, recorded_ms INTEGER NOT NULL DEFAULT 0, UNIQUE (digest, action)
) STRICT;
CREATE TABLE nonce (nonce TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
"""
)

DISCLOSURES: Final = """
CREATE TABLE disclosure (
    request BLOB PRIMARY KEY, grant_digest BLOB NOT NULL, dossier TEXT NOT NULL, begun_ms INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX disclosure_begun ON disclosure (begun_ms);
"""
"""Streams that can be taken up again. `sealed` opens with the dossier's data key alone."""

ERASURE: Final = """
CREATE TABLE hold (
    number INTEGER PRIMARY KEY AUTOINCREMENT, dossier TEXT NOT NULL, reason TEXT NOT NULL, authority TEXT NOT NULL,
    placed_ms INTEGER NOT NULL, lifted_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX hold_by_dossier ON hold (dossier);
CREATE TABLE tombstone (
    number INTEGER PRIMARY KEY AUTOINCREMENT, dossier TEXT NOT NULL, whole INTEGER NOT NULL, reference BLOB,
    token TEXT NOT NULL, erased_s INTEGER NOT NULL, basis TEXT NOT NULL, begun_ms INTEGER NOT NULL,
    done_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX tombstone_by_dossier ON tombstone (dossier);
CREATE UNIQUE INDEX erased_once ON tombstone (dossier) WHERE whole = 1;
CREATE INDEX tombstone_by_reference ON tombstone (reference) WHERE reference IS NOT NULL;
CREATE INDEX unfinished_tombstone ON tombstone (number) WHERE done_ms = 0;
CREATE TABLE erased (
    dossier TEXT NOT NULL, seq INTEGER NOT NULL, tombstone INTEGER NOT NULL REFERENCES tombstone, PRIMARY KEY (dossier, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE erased_payload (blob TEXT PRIMARY KEY, tombstone INTEGER NOT NULL REFERENCES tombstone) STRICT, WITHOUT ROWID;
"""

GRANT_REQUESTS: Final = """
ALTER TABLE grant_record ADD COLUMN request_id BLOB;
ALTER TABLE grant_record ADD COLUMN command BLOB;
CREATE UNIQUE INDEX grant_by_request ON grant_record (request_id);
"""

MIGRATIONS: Final = (SCHEMA, DISCLOSURES, ERASURE, GRANT_REQUESTS, PROJECTION, GRANT_TERMS)
"""In the order in which they are applied; one that was released never changes."""
