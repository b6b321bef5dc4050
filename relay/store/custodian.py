"""The custodian's memory in SQLite: dossiers, records, checkpoints, receipts, grants, disclosures; and its two logs.

Record texts, dossier keys and payload keys are encrypted at rest. Each dossier has a data key of its own, wrapped with the master
key, so that a dossier can be erased by forgetting one row.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.core.custody import custody_entry
from relay.core.errors import NotFound
from relay.durable.database import Database
from relay.ports.custodian import (
    CustodianCounts,
    DossierState,
    GrantRecord,
    IssueRequest,
    NewRecord,
    PendingStatement,
    StoredRecord,
)
from relay.ports.erasure import HeldTombstone
from relay.store.at_rest import KEY_BYTES, DossierKeys, MasterKey, seal
from relay.store.custodian_checkpoints import CheckpointRows
from relay.store.custodian_erasure import SqliteErasures
from relay.store.custodian_projection import SqliteProjection
from relay.store.custodian_rows import LIVING, PAYLOADS, RECORDS, check_takes_records, open_records
from relay.store.custodian_schema import APPLICATION, MIGRATIONS
from relay.store.disclosures import DisclosureRows
from relay.store.grant_terms import active_grants, fill, terms
from relay.store.log_files import LogPacks
from relay.store.mirror_log import StoredMirrorLog
from relay.telemetry.counting import keeping


class _RevokedBefore(Exception):
    """Inside this file: nothing to do, and when it was done. Takes the custody event of the second revocation back."""

    def __init__(self, at_ms: int) -> None:
        super().__init__(at_ms)
        self.at_ms = at_ms


class SqliteCustodianStore(CheckpointRows, DisclosureRows):
    """Implements relay.ports.custodian.CustodianStore."""

    def __init__(self, database: Database, log: StoredMirrorLog, custody: StoredMirrorLog, master_key: bytes) -> None:
        super().__init__(database)
        self._log = log
        self._custody = custody
        self._master = MasterKey(master_key)
        self._writing = asyncio.Lock()
        self.erasures = SqliteErasures(database, self._master, self._writing, self._append_custody)
        self.projections = SqliteProjection(database, log, self._writing)

    @classmethod
    async def open(cls, directory: Path, master_key: bytes) -> SqliteCustodianStore:
        """Open or create the store in a folder of its own. Raises `Malformed` for the wrong master key."""
        async with AsyncExitStack() as stack:
            database = await Database.open(
                directory / "custodian.sqlite", application=APPLICATION, migrations=MIGRATIONS
            )
            stack.push_async_callback(database.close)
            row = await database.read(lambda c: c.execute("SELECT id, sealed_keys FROM dossier LIMIT 1").fetchone())
            if row is not None:
                MasterKey(master_key).unwrap(row[0], row[1])
            await database.write(fill)
            log = await StoredMirrorLog.open(database, directory / "logs", "evidence")
            stack.callback(log.close)
            custody = await StoredMirrorLog.open(database, directory / "logs", "custody")
            stack.pop_all()
            return cls(database, log, custody, master_key)

    async def probe(self) -> None:
        """Whether the database can be written now. Raises `Unavailable`, `StorageFailed`."""
        await self._database.probe()

    async def close(self) -> None:
        """Close logs and database."""
        self._log.close()
        self._custody.close()
        await self._database.close()

    @property
    def size(self) -> int:
        """See the port."""
        return self._log.size

    @property
    def files(self) -> LogPacks:
        """See the port."""
        return self._log.files

    @property
    def custody_size(self) -> int:
        """See the port."""
        return self._custody.size

    @property
    def custody_files(self) -> LogPacks:
        """See the port."""
        return self._custody.files

    async def find_dossier(self, reference: str) -> DossierState | None:
        """See the port."""
        return await self._dossier("reference = ?", self._master.blinded(reference))

    async def dossier(self, dossier: str) -> DossierState | None:
        """See the port."""
        return await self._dossier("id = ?", dossier)

    async def tombstones(self, name: str) -> list[HeldTombstone]:
        """See the port."""
        return await self.erasures.tombstones(name)

    async def _dossier(self, where: str, value: object) -> DossierState | None:
        def read(c: sqlite3.Connection) -> tuple[str, bytes, list[bytes], int] | None:
            row = c.execute(f"SELECT id, sealed_keys FROM dossier WHERE {where} AND {LIVING}", (value,)).fetchone()
            if row is None:
                return None
            digests = c.execute("SELECT input_digest FROM record WHERE dossier = ? ORDER BY seq", (row[0],)).fetchall()
            erasures = c.execute("SELECT count(*) FROM tombstone WHERE dossier = ?", (row[0],)).fetchone()[0]
            return row[0], row[1], [d[0] for d in digests], erasures

        found = await self._database.read(read)
        if found is None:
            return None
        keys = self._master.unwrap(found[0], found[1])
        return DossierState(id=found[0], key=keys.dossier, digests=tuple(found[2]), erasures=found[3])

    async def append_records(
        self, reference: str, dossier: DossierState, records: Sequence[NewRecord], custody: bytes
    ) -> list[int]:
        """See the port."""
        async with self._writing:
            held, keys = await self._keys_of(dossier)
            sealed_keys = self._master.wrap(dossier.id, keys)
            sealed_reference = self._master.seal_reference(dossier.id, reference)
            blinded = self._master.blinded(reference)
            data = AESGCM(keys.data)
            rows = [self._record_row(data, dossier.id, r) for r in records]
            first = 0
            payloads = [row for r in records for row in self._payload_rows(data, dossier.id, r)]

            def also(c: sqlite3.Connection) -> None:
                nonlocal first
                # the size of this very transaction: an append whose caller has gone may have moved it meanwhile
                size = c.execute("SELECT size FROM mirror_log WHERE origin = 'evidence'").fetchone()[0]
                first = size - len(rows)
                check_takes_records(c, dossier.id, blinded, held)
                c.execute(
                    "INSERT INTO dossier VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                    (dossier.id, blinded, sealed_reference, sealed_keys),
                )
                c.executemany(
                    "INSERT INTO record (position, dossier, seq, kind, event_time_s, confidentiality, sealed_text, input_digest)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    ((position, *row) for position, row in enumerate(rows, first)),
                )
                c.executemany("INSERT INTO payload VALUES (?, ?, ?, ?, ?, ?, ?, ?)", payloads)
                _insert_event(c, custody)

            event = (self._custody, [custody_entry(custody)])
            await self._log.append([r.entry for r in records], also, beside=event)
            return list(range(first, first + len(records)))

    async def _keys_of(self, dossier: DossierState) -> tuple[bytes | None, DossierKeys]:
        """As wrapped in the database (None: a new dossier), and opened."""
        row = await self._database.read(
            lambda c: c.execute("SELECT sealed_keys FROM dossier WHERE id = ?", (dossier.id,)).fetchone()
        )
        if row is None:
            return None, DossierKeys(dossier=dossier.key, data=secrets.token_bytes(KEY_BYTES))
        return row[0], self._master.unwrap(dossier.id, row[0])

    def _record_row(self, data: AESGCM, dossier: str, r: NewRecord) -> tuple[object, ...]:
        sealed = seal(data, r.text.encode(), f"{dossier}/{r.seq}".encode())
        return dossier, r.seq, r.kind, r.event_time_s, r.confidentiality, sealed, r.input_digest

    def _payload_rows(self, data: AESGCM, dossier: str, r: NewRecord) -> list[tuple[object, ...]]:
        return [
            (dossier, r.seq, place, name, p.blob, p.size, p.sha256, seal(data, p.key, p.blob.encode()))
            for place, (name, p) in enumerate(r.payloads)
        ]

    async def append_entries(self, entries: Sequence[bytes]) -> int:
        """Entries made elsewhere; returns the new size."""
        async with self._writing:
            return await self._log.append(entries)

    async def indices(self, dossier: str) -> list[int]:
        """See the port."""
        rows = await self._database.read(
            lambda c: c.execute("SELECT position FROM record WHERE dossier = ? ORDER BY seq", (dossier,)).fetchall()
        )
        return [row[0] for row in rows]

    async def records(self, dossier: str) -> list[StoredRecord]:
        """See the port."""

        def read(c: sqlite3.Connection) -> tuple[bytes, list[tuple[object, ...]], list[tuple[object, ...]]] | None:
            keys = c.execute(f"SELECT sealed_keys FROM dossier WHERE id = ? AND {LIVING}", (dossier,)).fetchone()
            if keys is None:
                return None
            return keys[0], c.execute(RECORDS, (dossier,)).fetchall(), c.execute(PAYLOADS, (dossier,)).fetchall()

        found = await self._database.read(read)
        if found is None:
            raise NotFound("no such dossier")
        data = AESGCM(self._master.unwrap(dossier, found[0]).data)
        return await asyncio.to_thread(open_records, data, dossier, *found[1:])

    async def known_blobs(self) -> set[str]:
        """Every payload file that a record refers to."""
        rows = await self._database.read(lambda c: c.execute("SELECT blob FROM payload").fetchall())
        return {row[0] for row in rows}

    async def append_custody(self, event: bytes) -> int:
        """See the port."""
        return await self._append_custody(event, None)

    async def _append_custody(self, event: bytes, also: Callable[[sqlite3.Connection], None] | None) -> int:
        place = []

        def write(c: sqlite3.Connection) -> None:
            place.append(_insert_event(c, event))
            if also is not None:
                also(c)

        with keeping("custody", _RevokedBefore):
            await self._custody.append([custody_entry(event)], write)
        return place[-1]

    async def counts(self) -> CustodianCounts:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute(
                "SELECT (SELECT count(*) FROM dossier),"
                " (SELECT coalesce(max(size), 0) FROM checkpoint WHERE anchored_height > 0),"
                " (SELECT coalesce(max(size), 0) FROM checkpoint WHERE receipt IS NOT NULL)"
            ).fetchone()
        )
        return CustodianCounts(dossiers=row[0], anchored_size=row[1], confirmed_size=row[2])

    async def save_grant(
        self, digest: bytes, token: str, statement: str, custody: bytes, request: IssueRequest | None = None
    ) -> None:
        """See the port."""
        asked = (request.id, request.command) if request else (None, None)

        def also(c: sqlite3.Connection) -> None:
            c.execute(
                "INSERT INTO grant_record (digest, token, request_id, command, nbf_s, exp_s, uses, number)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT count(*) FROM grant_record))",
                (digest, token, *asked, *terms(token)),
            )
            c.execute("INSERT INTO statement (digest, action, token) VALUES (?, 'register', ?)", (digest, statement))

        await self._append_custody(custody, also)

    async def grant(self, digest: bytes) -> GrantRecord | None:
        """See the port."""
        rows = await self._grants("WHERE digest = ?", (digest,))
        return rows[0] if rows else None

    async def issued(self, request_id: bytes) -> GrantRecord | None:
        """See the port."""
        rows = await self._grants("WHERE request_id = ?", (request_id,))
        return rows[0] if rows else None

    async def grants(self) -> list[GrantRecord]:
        """See the port."""
        return await self._grants("ORDER BY number DESC", ())

    async def active_grants(self, now_s: int) -> int:
        """See the port."""
        return await active_grants(self._database, now_s)

    async def _grants(self, where: str, values: tuple[object, ...]) -> list[GrantRecord]:
        rows = await self._database.read(
            lambda c: c.execute(
                f"SELECT digest, token, uses_spent, registered_ms, revoked_ms, command FROM grant_record {where}",
                values,
            ).fetchall()
        )
        names = ("digest", "token", "uses_spent", "registered_ms", "revoked_ms", "command")
        return [GrantRecord(**dict(zip(names, row, strict=True))) for row in rows]

    async def revoke_grant(self, digest: bytes, at_ms: int, statement: str, custody: bytes) -> int:
        """See the port."""

        def also(c: sqlite3.Connection) -> None:
            row = c.execute("SELECT revoked_ms FROM grant_record WHERE digest = ?", (digest,)).fetchone()
            if row is None:
                raise NotFound("no such grant")
            if row[0]:
                raise _RevokedBefore(row[0])
            c.execute("UPDATE grant_record SET revoked_ms = ? WHERE digest = ?", (at_ms, digest))
            c.execute("INSERT INTO statement (digest, action, token) VALUES (?, 'revoke', ?)", (digest, statement))

        try:
            await self._append_custody(custody, also)
        except _RevokedBefore as before:
            return before.at_ms
        return at_ms

    async def pending_statements(self) -> list[PendingStatement]:
        """See the port."""
        rows = await self._database.read(
            lambda c: c.execute(
                "SELECT digest, action, token FROM statement WHERE recorded_ms = 0 ORDER BY number"
            ).fetchall()
        )
        return [PendingStatement(grant=r[0], action=r[1], token=r[2]) for r in rows]

    async def statement_recorded(self, grant: bytes, action: str, at_ms: int) -> None:
        """See the port."""

        def write(c: sqlite3.Connection) -> None:
            c.execute("UPDATE statement SET recorded_ms = ? WHERE digest = ? AND action = ?", (at_ms, grant, action))
            if action == "register":
                c.execute("UPDATE grant_record SET registered_ms = ? WHERE digest = ?", (at_ms, grant))

        await self._database.write(write)


def _insert_event(c: sqlite3.Connection, event: bytes) -> int:
    """The event whose entry is the last that this transaction counts; its index."""
    position = int(c.execute("SELECT size - 1 FROM mirror_log WHERE origin = 'custody'").fetchone()[0])
    c.execute("INSERT INTO custody_event VALUES (?, ?)", (position, event))
    return position
