"""The server's settings, whose the schema is, and the relay's tables as numbered migrations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from relay.core.errors import Malformed
from relay.store.rows import OPEN_WORDS

SCHEMA: Final = "courtrelay"
APPLICATION: Final = "relay"
OLDEST: Final = 130_000
_MIGRATING: Final = 0x43525259
"""The advisory lock that workers which start together wait for."""
REQUIRED: Final = {
    "fsync": ("on", "set fsync = on: without it a power cut loses what was acknowledged"),
    "full_page_writes": ("on", "set full_page_writes = on: without it a power cut tears pages"),
    "data_sync_retry": ("off", "set data_sync_retry = off: a failed fsync must end the server"),
    "synchronous_commit": (
        "on",
        "synchronous_commit must be on in this connection; connect directly, without a pooler",
    ),
    "server_encoding": ("UTF8", "create the database with ENCODING 'UTF8'"),
    "zero_damaged_pages": ("off", "set zero_damaged_pages = off: damage must be seen"),
    "ignore_checksum_failure": ("off", "set ignore_checksum_failure = off: damage must be seen"),
}

_FIRST: Final = f"""
CREATE TABLE lease (name text PRIMARY KEY, holder text NOT NULL, token bigint NOT NULL, expires_at timestamptz NOT NULL);
CREATE TABLE worker (name text PRIMARY KEY, expires_at timestamptz NOT NULL);
CREATE TABLE cursor (ledger text PRIMARY KEY, height bigint NOT NULL, block_hash bytea NOT NULL);
CREATE TABLE rescan (ledger text PRIMARY KEY, height bigint NOT NULL, block_hash bytea NOT NULL);
CREATE TABLE block (ledger text NOT NULL, height bigint NOT NULL, block_hash bytea NOT NULL, PRIMARY KEY (ledger, height));
CREATE TABLE item (
    id bytea PRIMARY KEY, ledger text NOT NULL, origin text NOT NULL, size bigint NOT NULL, root bytea NOT NULL,
    height bigint NOT NULL, block_hash bytea NOT NULL, tx_id bytea NOT NULL, time_ms bigint NOT NULL,
    state text NOT NULL, attempt bigint NOT NULL DEFAULT 0, reason text NOT NULL DEFAULT ''
);
CREATE INDEX item_by_size ON item (origin, size);
CREATE INDEX item_open ON item (ledger, state, height);
CREATE INDEX item_next ON item (origin, size) WHERE state IN ({OPEN_WORDS});
CREATE TABLE checkpoint (
    origin text NOT NULL, size bigint NOT NULL, note bytea NOT NULL, cosigned bytea, PRIMARY KEY (origin, size)
);
CREATE TABLE confirmation (
    origin text NOT NULL, size bigint NOT NULL, root bytea NOT NULL, ledger text NOT NULL, height bigint NOT NULL,
    tx_id bytea NOT NULL, time_ms bigint NOT NULL, kind text NOT NULL, proof bytea NOT NULL, cosigned bytea NOT NULL,
    PRIMARY KEY (origin, size)
);
CREATE TABLE exhibit (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, origin text NOT NULL, reason text NOT NULL, pieces text NOT NULL,
    resumed text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX exhibit_standing ON exhibit (origin) WHERE resumed = '';
CREATE TABLE mirror_log (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, origin text NOT NULL UNIQUE, size bigint NOT NULL CHECK (size >= 0)
);
CREATE TABLE entry_bundle (log int REFERENCES mirror_log, number bigint, data bytea NOT NULL, PRIMARY KEY (log, number));
CREATE TABLE tile (
    log int REFERENCES mirror_log, level smallint, number bigint, data bytea NOT NULL, upper bytea NOT NULL DEFAULT '',
    PRIMARY KEY (log, level, number)
);
ALTER TABLE entry_bundle ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE tile ALTER COLUMN data SET STORAGE EXTERNAL;
"""

_ITEMS_ARE_COUNTED: Final = """
ALTER TABLE item ADD COLUMN final_ms bigint NOT NULL DEFAULT 0;
UPDATE item SET final_ms = time_ms WHERE state <> 'seen';
CREATE TABLE item_count (
    origin text NOT NULL, state text NOT NULL, shard int NOT NULL, items bigint NOT NULL,
    PRIMARY KEY (origin, state, shard)
) WITH (fillfactor = 50);
INSERT INTO item_count SELECT origin, state, 0, count(*) FROM item GROUP BY origin, state;
CREATE FUNCTION add_items(of_origin text, of_state text, more int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO item_count AS held VALUES (of_origin, of_state, pg_backend_pid() % 32, more)
        ON CONFLICT (origin, state, shard) DO UPDATE SET items = held.items + more
$$;
CREATE FUNCTION count_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM add_items(old.origin, old.state, -1);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM add_items(new.origin, new.state, 1);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER item_came AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION count_item();
CREATE TRIGGER item_gone AFTER DELETE ON item FOR EACH ROW EXECUTE FUNCTION count_item();
CREATE TRIGGER item_moved AFTER UPDATE OF state ON item FOR EACH ROW WHEN (old.state <> new.state)
    EXECUTE FUNCTION count_item();
"""
"""`final_ms`: when the item became FINAL here, by this database's clock; 0 while it is SEEN. No item is ever deleted but by hand.

Each connection counts in rows of its own (shard): transactions on one origin's items do not wait for each other.
Only the sum means something.
"""

_ITEM_TRACE: Final = "ALTER TABLE item ADD COLUMN trace text NOT NULL DEFAULT ''"

_NOTICES: Final = """
CREATE TABLE notice (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, seq bigint UNIQUE, epoch text NOT NULL DEFAULT '',
    time_ms bigint NOT NULL, event text NOT NULL, origin text NOT NULL, size bigint NOT NULL, outcome text NOT NULL
);
CREATE INDEX notice_new ON notice (id) WHERE seq IS NULL;
CREATE TABLE notice_head (
    one int PRIMARY KEY CHECK (one = 1), epoch text NOT NULL, seq bigint NOT NULL, sent bigint NOT NULL
);
INSERT INTO notice_head VALUES (1, '', 0, 0);
"""

MIGRATIONS: Final = (_FIRST, _ITEMS_ARE_COUNTED, _ITEM_TRACE, _NOTICES)
"""Migration n leads to version n and is never changed once released."""


async def check_server(connection: Any, name: str) -> None:
    """Refuse a server that may lose or hide what it has acknowledged. Raises `Malformed` with the setting to change."""
    if await connection.fetchval("SELECT pg_is_in_recovery()"):
        reason = "is a replica: what it shows may be old; use the primary's address"
        raise Malformed(name, "", reason)
    rows = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1)", list(REQUIRED))
    found = {row["name"]: row["setting"] for row in rows}
    for setting, (wanted, remedy) in REQUIRED.items():
        if found.get(setting) != wanted:
            raise Malformed(name, setting, f"is {found.get(setting)}: {remedy}")
    if connection.get_server_version().major * 10_000 < OLDEST:
        raise Malformed(name, "version", f"PostgreSQL {OLDEST // 10_000} or newer is needed")


async def migrate(connection: Any, name: str, application: str, migrations: Sequence[str]) -> None:
    """Forward, all steps in one transaction; workers that start together wait for each other.

    Raises `Malformed` for another program's schema and for a newer one; then nothing has changed.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATING)
        version = await _version(connection, name, application)
        if version > len(migrations):
            reason = f"version {version}; this program knows versions up to {len(migrations)}: update the program"
            raise Malformed(name, "schema", f"{reason}, or restore the backup made before the update", concern="schema")
        for script in migrations[version:]:
            await connection.execute(script)
        if version < len(migrations):
            await connection.execute("UPDATE schema_version SET version = $1", len(migrations))


async def _version(connection: Any, name: str, application: str) -> int:
    """The version found; 0 for a schema that was just made."""
    tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = $1", SCHEMA)
    if not tables:
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        await connection.execute("CREATE TABLE schema_version (application text NOT NULL, version int NOT NULL)")
        await connection.execute("INSERT INTO schema_version VALUES ($1, 0)", application)
    elif not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{SCHEMA}.schema_version"):
        raise Malformed(
            name, "schema", f"has a schema {SCHEMA} of another program; choose another database", concern="schema"
        )
    row = await connection.fetchrow("SELECT application, version FROM schema_version")
    if row is None or row["application"] != application:
        raise Malformed(
            name, "schema", f"belongs to {row and row['application']}, not to a {application}", concern="schema"
        )
    return int(row["version"])
