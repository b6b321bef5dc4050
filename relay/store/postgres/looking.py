"""Looking at a shared database without changing anything in it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import asyncpg
from asyncpg import exceptions as pg

from relay.core.errors import Malformed
from relay.store.postgres.database import CONNECT_S, SETTINGS, STATEMENT_S, check_url, refused
from relay.store.postgres.schema import APPLICATION, MIGRATIONS, SCHEMA, check_server


@dataclass(frozen=True, slots=True)
class Server:
    """`version` 0: the schema is made at the first start."""

    name: str
    version: int
    newest: int


async def look_at_server(url: str) -> Server:
    """Raises what opening the store raises, `Malformed` for a newer schema or another program's as well."""
    name = check_url(url)
    try:
        connection = await asyncpg.connect(
            url,
            timeout=CONNECT_S,
            command_timeout=STATEMENT_S,
            server_settings={**SETTINGS, "default_transaction_read_only": "on"},
        )
    except (pg.PostgresError, pg.InterfaceError, OSError, ValueError) as error:
        raise refused(name, error) from error
    try:
        await check_server(connection, name)
        if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{SCHEMA}.schema_version"):
            return Server(name, 0, len(MIGRATIONS))
        row = await connection.fetchrow("SELECT application, version FROM schema_version")
    except (pg.PostgresError, pg.InterfaceError, OSError) as error:
        raise refused(name, error) from error
    finally:
        with suppress(Exception):
            await connection.close(timeout=CONNECT_S)
    if row is None or row["application"] != APPLICATION:
        reason = f"belongs to {row and row['application']}, not to a {APPLICATION}"
        raise Malformed(name, "schema", reason, concern="schema")
    version = int(row["version"])
    if version > len(MIGRATIONS):
        reason = f"version {version}; this program knows versions up to {len(MIGRATIONS)}: run the newer version"
        raise Malformed(name, "schema", reason, concern="schema")
    return Server(name, version, len(MIGRATIONS))
