"""The relay's tables, as migrations: each leads to the next version and is never changed once released."""

from __future__ import annotations

from typing import Final

from relay.store.mirror_log import MIRROR_SCHEMA
from relay.store.notices import NOTICES

APPLICATION: Final = 0x43525259  # "CRRY"

_FIRST: Final = (
    MIRROR_SCHEMA
    + """
CREATE TABLE cursor (ledger TEXT PRIMARY KEY, height INTEGER NOT NULL, block_hash BLOB NOT NULL) STRICT;
CREATE TABLE block (
    ledger TEXT NOT NULL, height INTEGER NOT NULL, block_hash BLOB NOT NULL, PRIMARY KEY (ledger, height)
) STRICT;
CREATE TABLE item (
    id BLOB PRIMARY KEY, ledger TEXT NOT NULL, origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
    height INTEGER NOT NULL, block_hash BLOB NOT NULL, tx_id BLOB NOT NULL, time_ms INTEGER NOT NULL,
    state TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX item_by_size ON item (origin, size);
CREATE INDEX item_open ON item (ledger, state, height);
CREATE TABLE checkpoint (
    origin TEXT NOT NULL, size INTEGER NOT NULL, note BLOB NOT NULL, cosigned BLOB, PRIMARY KEY (origin, size)
) STRICT;
CREATE TABLE confirmation (
    origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, ledger TEXT NOT NULL, height INTEGER NOT NULL,
    tx_id BLOB NOT NULL, time_ms INTEGER NOT NULL, kind TEXT NOT NULL, proof BLOB NOT NULL, cosigned BLOB NOT NULL,
    PRIMARY KEY (origin, size)
) STRICT;
CREATE TABLE halt (origin TEXT PRIMARY KEY, reason TEXT NOT NULL, exhibit TEXT NOT NULL) STRICT;
"""
)

_HALTS_ARE_KEPT: Final = """
CREATE TABLE exhibit (
    number INTEGER PRIMARY KEY AUTOINCREMENT, origin TEXT NOT NULL, reason TEXT NOT NULL, pieces TEXT NOT NULL,
    resumed TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX exhibit_standing ON exhibit (origin) WHERE resumed = '';
INSERT INTO exhibit (origin, reason, pieces) SELECT origin, reason, exhibit FROM halt;
DROP TABLE halt;
CREATE TABLE rescan (ledger TEXT PRIMARY KEY, height INTEGER NOT NULL, block_hash BLOB NOT NULL) STRICT;
"""

_NEXT_ITEM_IS_INDEXED: Final = """
CREATE INDEX item_next ON item (origin, size)
    WHERE state IN ('seen', 'final', 'proven', 'mirrored', 'submitted');
"""

NOW_MS: Final = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
"""Milliseconds since 1970 UTC by the database's own clock."""

_ITEMS_ARE_COUNTED: Final = """
ALTER TABLE item ADD COLUMN final_ms INTEGER NOT NULL DEFAULT 0;
UPDATE item SET final_ms = time_ms WHERE state <> 'seen';
CREATE TABLE item_count (
    origin TEXT NOT NULL, state TEXT NOT NULL, items INTEGER NOT NULL, PRIMARY KEY (origin, state)
) STRICT, WITHOUT ROWID;
INSERT INTO item_count SELECT origin, state, count(*) FROM item GROUP BY origin, state;
CREATE TRIGGER item_came AFTER INSERT ON item BEGIN
    INSERT INTO item_count VALUES (new.origin, new.state, 1) ON CONFLICT DO UPDATE SET items = items + 1;
END;
CREATE TRIGGER item_gone AFTER DELETE ON item BEGIN
    UPDATE item_count SET items = items - 1 WHERE origin = old.origin AND state = old.state;
END;
CREATE TRIGGER item_moved AFTER UPDATE OF state ON item WHEN old.state <> new.state BEGIN
    UPDATE item_count SET items = items - 1 WHERE origin = old.origin AND state = old.state;
    INSERT INTO item_count VALUES (new.origin, new.state, 1) ON CONFLICT DO UPDATE SET items = items + 1;
END;
"""
"""`final_ms`: when the item became FINAL here, by this database's clock; 0 while it is SEEN. No item is ever deleted but by hand."""

_ITEM_TRACE: Final = """
ALTER TABLE item ADD COLUMN trace TEXT NOT NULL DEFAULT '';
"""

MIGRATIONS: Final = (_FIRST, _HALTS_ARE_KEPT, _NEXT_ITEM_IS_INDEXED, _ITEMS_ARE_COUNTED, _ITEM_TRACE, NOTICES)
