"""The court gateway's memory in SQLite: checkpoints, receipts, the tag index, custody, bundles, and its mirror logs.

The tag index is derived from the mirror's entries and brought up to date before it is read, so it is on no hot path.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from relay.core.custody import custody_entry
from relay.core.dossier import RECORD_ENTRY
from relay.core.errors import Conflict, NotFound
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import TREE_SIZE_MAX
from relay.core.notices import OUTCOMES
from relay.durable.database import Database
from relay.durable.files import sync_folder
from relay.durable.packs import Pack
from relay.ports.court import WAITING_AT_ONCE, CourtCounts, HeldCheckpoint, NamedRetrieval
from relay.store import named
from relay.store.court_retrievals import ASKED_SIZES, RETRIEVALS, RetrievalRows
from relay.store.court_statements import STATEMENTS, StatementRows
from relay.store.court_time import TIMESTAMPS, TimestampRows
from relay.store.mirror_log import MIRROR_SCHEMA, Also, StoredMirrorLog
from relay.store.notices import NOTICES, SqliteNotices, Tell, tell, tell_nothing

APPLICATION: Final = 0x43524354  # "CRCT"
INDEX_BATCH: Final = 16_384
TAG_SLICE: Final = slice(1, 33)
CUSTODY: Final = "custody"
BUNDLES_MAX: Final = 8
"""Dossiers that may name one place of a log: one, unless a lender has given two the same."""

SCHEMA: Final = (
    MIRROR_SCHEMA
    + """
CREATE TABLE checkpoint (
    origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL,
    anchor_kind TEXT NOT NULL, anchor_ledger TEXT NOT NULL, anchor BLOB NOT NULL, anchored_ms INTEGER NOT NULL,
    cosigned BLOB NOT NULL DEFAULT x'',
    receipt_kind TEXT, receipt_ledger TEXT, receipt BLOB, receipted_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (origin, size)
) STRICT;
CREATE INDEX checkpoint_waiting ON checkpoint (origin, size) WHERE receipt IS NULL;
CREATE TABLE indexed (origin TEXT PRIMARY KEY, size INTEGER NOT NULL) STRICT;
CREATE TABLE tag (
    origin TEXT NOT NULL, tag BLOB NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (origin, tag, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE custody_event (position INTEGER PRIMARY KEY, event BLOB NOT NULL) STRICT;
CREATE TABLE bundle (
    id TEXT PRIMARY KEY, origin TEXT NOT NULL, dossier TEXT NOT NULL, bytes INTEGER NOT NULL, verdict BLOB NOT NULL
) STRICT;
"""
)

_IS_REQUEST: Final = "CASE WHEN json_valid(CAST(event AS TEXT)) THEN json_extract(CAST(event AS TEXT), '$.action') = 'request' ELSE 0 END"
"""As written in the partial index `custody_request`, which is used only for the same words; a damaged event is none."""

REQUESTS: Final = f"CREATE INDEX custody_request ON custody_event (position) WHERE {_IS_REQUEST};"

MIGRATIONS: Final = (SCHEMA, RETRIEVALS, named.SCHEMA, TIMESTAMPS, STATEMENTS, NOTICES, REQUESTS, ASKED_SIZES)

_HELD: Final = (
    "origin, size, root, note, anchor_kind, anchor_ledger, anchor, anchored_ms, cosigned,"
    " receipt_kind, receipt_ledger, receipt, receipted_ms"
)


def _held(
    row: tuple[str, int, bytes, bytes, str, str, bytes, int, bytes, str, str, bytes | None, int],
) -> HeldCheckpoint:
    receipt = None if row[11] is None else LedgerProof(kind=row[9], ledger=row[10], body=row[11])
    return HeldCheckpoint(
        origin=row[0],
        size=row[1],
        root=row[2],
        note=row[3],
        anchor=LedgerProof(kind=row[4], ledger=row[5], body=row[6]),
        anchored_ms=row[7],
        cosigned=row[8],
        receipt=receipt,
        receipted_ms=row[12],
    )


_ACCEPTED: Final = f"SELECT {_HELD} FROM checkpoint WHERE origin = ? AND receipt IS NOT NULL AND cosigned <> x''"


def _last_accepted(c: sqlite3.Connection, origin: str, upto: int = TREE_SIZE_MAX) -> Any:
    return c.execute(f"{_ACCEPTED} AND size <= ? ORDER BY size DESC LIMIT 1", (origin, upto)).fetchone()


def _accepted(c: sqlite3.Connection, origin: str, indices: Sequence[int], upto: int) -> list[Any]:
    last = _last_accepted(c, origin, upto)
    rows: list[Any] = []
    for index in sorted(indices):
        if rows and index < rows[-1][1]:
            continue  # the one before covers it, too
        row = c.execute(
            f"{_ACCEPTED} AND size > ? AND size <= ? ORDER BY size LIMIT 1", (origin, index, upto)
        ).fetchone()
        if row is None:
            break
        rows.append(row)
    return rows if last is None or (rows and rows[-1][1] == last[1]) else [*rows, last]


def _insert(c: sqlite3.Connection, held: HeldCheckpoint, old_size: int) -> None:
    """Compare-and-swap on the last size. Raises `Conflict`."""
    done = c.execute(
        "INSERT INTO checkpoint"
        " (origin, size, root, note, anchor_kind, anchor_ledger, anchor, anchored_ms, cosigned)"
        " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?"
        " WHERE (SELECT coalesce(max(size), 0) FROM checkpoint WHERE origin = ?) = ? AND ? > ?",
        (
            held.origin,
            held.size,
            held.root,
            held.note,
            held.anchor.kind,
            held.anchor.ledger,
            held.anchor.body,
            held.anchored_ms,
            held.cosigned,
            held.origin,
            old_size,
            held.size,
            old_size,
        ),
    )
    if done.rowcount != 1:
        raise Conflict(f"size {old_size} is not the last checkpoint of {held.origin} here")


class SqliteCourtStore(RetrievalRows, TimestampRows, StatementRows):
    """Implements relay.ports.court.CourtStore."""

    def __init__(
        self,
        database: Database,
        directory: Path,
        open_pack: Callable[[Path], Pack] = Pack,
        *,
        tell: Tell = tell_nothing,
    ) -> None:
        self._database = database
        self._tell = tell
        self.notices = SqliteNotices(database)
        self._directory = directory
        self._open_pack = open_pack
        self._logs: dict[str, StoredMirrorLog] = {}
        self._opening = asyncio.Lock()

    @classmethod
    async def open(cls, directory: Path, *, tells: bool = False) -> SqliteCourtStore:
        """Open or create the store in a folder of its own; leftovers that no kept retrieval needs are removed.

        `tells`: how retrievals end is written into the outbox of notices, too.
        """
        database = await Database.open(directory / "court.sqlite", application=APPLICATION, migrations=MIGRATIONS)
        for name in ("staging", "bundles", "logs"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        for leftover in (directory / "bundles").glob("*.part"):
            leftover.unlink()
        store = cls(database, directory, tell=tell if tells else tell_nothing)
        store.notices = await SqliteNotices.open(database, tells=tells)
        await store.sweep_staging()
        return store

    async def probe(self) -> None:
        """Whether the database can be written now. Raises `Unavailable`, `StorageFailed`."""
        await self._database.probe()

    async def close(self) -> None:
        """Close logs and database."""
        for log in self._logs.values():
            log.close()
        await self._database.close()

    async def log(self, origin: str) -> StoredMirrorLog:
        """See the port."""
        async with self._opening:
            if origin not in self._logs:
                opened = await StoredMirrorLog.open(self._database, self._directory / "logs", origin, self._open_pack)
                self._logs[origin] = opened
            return self._logs[origin]

    async def latest(self, origin: str) -> HeldCheckpoint | None:
        """See the port."""
        rows = await self._select("WHERE origin = ? ORDER BY size DESC LIMIT 1", (origin,))
        return rows[0] if rows else None

    async def newest_cosigned(self, origin: str) -> bytes | None:
        """See the port."""
        rows = await self._select("WHERE origin = ? AND cosigned <> x'' ORDER BY size DESC LIMIT 1", (origin,))
        return rows[0].cosigned if rows else None

    async def add_checkpoint(self, held: HeldCheckpoint, old_size: int) -> None:
        """See the port."""
        await self._database.write(lambda c: _insert(c, held, old_size))

    async def take_whole(
        self, held: HeldCheckpoint, old_size: int, entries: Sequence[bytes], cosign: Callable[[], bytes]
    ) -> bytes:
        """See the port."""
        cosigned = b""

        def seal() -> Also:
            nonlocal cosigned
            cosigned = cosign()
            return lambda c: _insert(c, replace(held, cosigned=cosigned), old_size)

        await (await self.log(held.origin)).append(entries, seal=seal)
        return cosigned

    async def save_cosigned(self, origin: str, size: int, cosigned: bytes) -> None:
        """See the port."""
        await self._database.write(
            lambda c: c.execute(
                "UPDATE checkpoint SET cosigned = ? WHERE origin = ? AND size = ? AND cosigned = x''",
                (cosigned, origin, size),
            )
        )

    async def save_receipt(self, origin: str, size: int, proof: LedgerProof, time_ms: int) -> None:
        """See the port."""
        await self._database.write(
            lambda c: c.execute(
                "UPDATE checkpoint SET receipt_kind = ?, receipt_ledger = ?, receipt = ?, receipted_ms = ?"
                " WHERE origin = ? AND size = ? AND receipt IS NULL",
                (proof.kind, proof.ledger, proof.body, time_ms, origin, size),
            )
        )

    async def without_receipt(self, after: tuple[str, int] = ("", 0)) -> list[HeldCheckpoint]:
        """See the port."""
        where = "WHERE receipt IS NULL AND cosigned <> x'' AND (origin, size) > (?, ?) ORDER BY origin, size LIMIT ?"
        return await self._select(where, (*after, WAITING_AT_ONCE))

    async def accepted(self, origin: str, indices: Sequence[int], upto: int = TREE_SIZE_MAX) -> list[HeldCheckpoint]:
        """See the port."""
        return await self._database.read(lambda c: [_held(row) for row in _accepted(c, origin, indices, upto)])

    async def receipted_size(self, origin: str) -> int:
        """See the port."""
        row = await self._database.read(lambda c: _last_accepted(c, origin))
        return int(row[1]) if row else 0

    async def covering(self, origin: str, index: int) -> HeldCheckpoint | None:
        """See the port."""
        where = "WHERE origin = ? AND size > ? AND cosigned <> x'' ORDER BY size LIMIT 1"
        rows = await self._select(where, (origin, index))
        return rows[0] if rows else None

    async def _select(self, where: str, values: tuple[object, ...]) -> list[HeldCheckpoint]:
        rows = await self._database.read(
            lambda c: c.execute(f"SELECT {_HELD} FROM checkpoint {where}", values).fetchall()
        )
        return [_held(row) for row in rows]

    async def find_tags(self, origin: str, tags: Sequence[bytes]) -> dict[bytes, list[int]]:
        """See the port."""
        await self._index(origin)

        def read(c: sqlite3.Connection) -> dict[bytes, list[int]]:
            found: dict[bytes, list[int]] = {}
            for tag in tags:
                rows = c.execute("SELECT position FROM tag WHERE origin = ? AND tag = ?", (origin, tag)).fetchall()
                if rows:
                    found[tag] = [int(row[0]) for row in rows]
            return found

        return await self._database.read(read)

    async def _index(self, origin: str) -> None:
        """Bring the tag index up to the mirror's size, a bounded batch a transaction."""
        mirror = await self.log(origin)
        while True:
            row = await self._database.read(
                lambda c: c.execute("SELECT size FROM indexed WHERE origin = ?", (origin,)).fetchone()
            )
            start = int(row[0]) if row else 0
            end = min(start + INDEX_BATCH, mirror.size)
            if start >= end:
                return
            entries = await asyncio.to_thread(mirror.files.entries, start, end)
            rows = sorted((e[TAG_SLICE], start + i) for i, e in enumerate(entries) if e[0] == RECORD_ENTRY)

            def write(c: sqlite3.Connection, rows: list[tuple[bytes, int]] = rows, end: int = end) -> None:
                c.executemany(
                    "INSERT INTO tag VALUES (?, ?, ?) ON CONFLICT DO NOTHING", ((origin, t, i) for t, i in rows)
                )
                c.execute(
                    "INSERT INTO indexed VALUES (?, ?) ON CONFLICT (origin) DO UPDATE SET size = excluded.size",
                    (origin, end),
                )

            await self._database.write(write)

    async def append_custody(self, events: Sequence[bytes]) -> list[int]:
        """See the port: the log entries first, then events and size in one transaction; entries without events are cut off."""
        log = await self.custody_log()
        first = 0

        def write(c: sqlite3.Connection) -> None:
            nonlocal first
            # the size of this very transaction: an append whose caller has gone may have moved it meanwhile
            size = c.execute("SELECT size FROM mirror_log WHERE origin = ?", (CUSTODY,)).fetchone()[0]
            first = size - len(events)
            c.executemany("INSERT INTO custody_event VALUES (?, ?)", enumerate(events, first))
            for outcome in filter(None, map(_retrieval_outcome, events)):
                self._tell(c, "retrieval", "", 0, outcome)

        await log.append([custody_entry(event) for event in events], write)
        return list(range(first, first + len(events)))

    async def custody_log(self) -> StoredMirrorLog:
        """See the port."""
        return await self.log(CUSTODY)

    async def new_bundle(self, bundle_id: str) -> Path:
        """See the port."""
        return self._directory / "bundles" / f"{bundle_id}.part"

    async def save_bundle(
        self, bundle_id: str, origin: str, dossier: str, verdict: bytes, request_id: bytes = b""
    ) -> int:
        """See the port."""
        part = self._directory / "bundles" / f"{bundle_id}.part"
        size = await asyncio.to_thread(_put_in_place, part)

        def write(c: sqlite3.Connection) -> None:
            c.execute("INSERT INTO bundle VALUES (?, ?, ?, ?, ?)", (bundle_id, origin, dossier, size, verdict))
            if request_id:
                named.finish(c, request_id, bundle_id)

        await self._database.write(write)
        return size

    async def begin_named(self, request_id: bytes, command: bytes) -> NamedRetrieval:
        """See the port."""
        return await self._database.write(lambda c: named.begin(c, request_id, command))

    async def bundle_dossier(self, bundle_id: str) -> str:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute("SELECT dossier FROM bundle WHERE id = ?", (bundle_id,)).fetchone()
        )
        if row is None:
            raise NotFound("no such bundle")
        return str(row[0])

    async def bundles_with(self, origin: str, index: int) -> list[tuple[str, str, str]]:
        """See the port."""
        rows = await self._database.read(
            lambda c: c.execute(
                "SELECT id, dossier, json_extract(CAST(verdict AS TEXT), '$.case'), max(rowid) FROM bundle"
                " WHERE origin = ? AND EXISTS (SELECT 1 FROM"
                " json_each(CAST(verdict AS TEXT), '$.records') WHERE json_extract(value, '$.log_index') = ?)"
                " GROUP BY 2, 3 ORDER BY 4 DESC LIMIT ?",
                (origin, index, BUNDLES_MAX),
            ).fetchall()
        )
        return [(str(row[0]), str(row[1]), str(row[2])) for row in rows]

    async def open_bundle(self, bundle_id: str) -> BinaryIO:
        """See the port."""
        await self.bundle_dossier(bundle_id)
        return (self._directory / "bundles" / f"{bundle_id}.zip").open("rb")

    async def counts(self) -> CourtCounts:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute(
                f"SELECT (SELECT count(*) FROM bundle), (SELECT count(*) FROM custody_event WHERE {_IS_REQUEST})"
            ).fetchone()
        )
        return CourtCounts(bundles=row[0], retrievals=row[1])


def _retrieval_outcome(event: bytes) -> str:
    """A word of a fixed set when a retrieval ended with this custody event, empty otherwise."""
    said = json.loads(event)
    return OUTCOMES.get((said.get("action"), said.get("outcome")), "")


def _put_in_place(part: Path) -> int:
    with part.open("rb") as f:
        os.fsync(f.fileno())
    part.rename(part.with_suffix(".zip"))
    sync_folder(part.parent)
    return part.with_suffix(".zip").stat().st_size
