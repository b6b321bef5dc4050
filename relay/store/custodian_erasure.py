"""Legal holds and erasures in the custodian's database.

A dossier as a whole is erased by forgetting the row with its wrapped keys. Single records are erased by giving the dossier a new data
key: what remains is sealed under it, and the old one, under which the erased records may still lie in a backup's pages, is forgotten.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Collection
from json import dumps

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.core.errors import Conflict, NotFound
from relay.durable.database import Database
from relay.ports.erasure import DossierOutline, HeldTombstone, Hold, NewErasure, OutlinedRecord
from relay.store.at_rest import KEY_BYTES, DossierKeys, MasterKey, seal, unseal
from relay.store.custodian_rows import LIVING

AppendCustody = Callable[[bytes, Callable[[sqlite3.Connection], None]], Awaitable[int]]
"""Appends a custody event and runs the function in the same transaction."""


class SqliteErasures:
    """Implements relay.ports.erasure.RetentionStore and ErasureStore."""

    def __init__(self, database: Database, master: MasterKey, writing: asyncio.Lock, append: AppendCustody) -> None:
        self._database = database
        self._master = master
        self._writing = writing
        self._append = append

    async def outline(self, name: str) -> DossierOutline | None:
        """See the port."""
        rows = await self._outlines("reference = ?", (self._master.blinded(name),), 1)
        rows = rows or await self._outlines("id = ?", (name,), 1)
        return rows[0] if rows else None

    async def outlines(self, after_row: int, limit: int) -> list[DossierOutline]:
        """See the port."""
        return await self._outlines("rowid > ?", (after_row,), limit)

    async def _outlines(self, where: str, values: tuple[object, ...], limit: int) -> list[DossierOutline]:
        def read(c: sqlite3.Connection) -> list[DossierOutline]:
            rows = c.execute(
                f"SELECT rowid, id, sealed_reference FROM dossier WHERE {where} AND {LIVING} ORDER BY rowid LIMIT ?",
                (*values, limit),
            ).fetchall()
            return [self._outline(c, *row) for row in rows]

        return await self._database.read(read)

    def _outline(self, c: sqlite3.Connection, row: int, dossier: str, sealed_reference: bytes) -> DossierOutline:
        records = c.execute(
            "SELECT r.seq, r.position, r.kind, r.event_time_s, coalesce(t.erased_s, 0) FROM record r"
            " LEFT JOIN erased e ON e.dossier = r.dossier AND e.seq = r.seq LEFT JOIN tombstone t ON t.number = e.tombstone"
            " WHERE r.dossier = ? ORDER BY r.seq",
            (dossier,),
        )
        holds = c.execute(
            "SELECT number, reason, authority, placed_ms, lifted_ms FROM hold WHERE dossier = ? ORDER BY number",
            (dossier,),
        )
        return DossierOutline(
            row=row,
            id=dossier,
            reference=self._master.open_reference(dossier, sealed_reference),
            records=tuple(
                OutlinedRecord(seq=r[0], index=r[1], kind=r[2], event_time_s=r[3], erased_s=r[4]) for r in records
            ),
            holds=tuple(Hold(number=h[0], reason=h[1], authority=h[2], placed_ms=h[3], lifted_ms=h[4]) for h in holds),
        )

    async def tombstones(self, name: str) -> list[HeldTombstone]:
        """See the port."""
        return await self._tombstones("dossier = ? OR reference = ?", (name, self._master.blinded(name)))

    async def unfinished(self) -> list[HeldTombstone]:
        """See the port."""
        return await self._tombstones("done_ms = 0", ())

    async def _tombstones(self, where: str, values: tuple[object, ...]) -> list[HeldTombstone]:
        rows = await self._database.read(
            lambda c: c.execute(
                f"SELECT number, dossier, whole, token, begun_ms, done_ms FROM tombstone WHERE {where} ORDER BY number",
                values,
            ).fetchall()
        )
        return [
            HeldTombstone(number=r[0], dossier=r[1], whole=r[2] == 1, token=r[3], begun_ms=r[4], done_ms=r[5])
            for r in rows
        ]

    async def place_hold(self, dossier: str, reason: str, authority: str, at_ms: int, custody: bytes) -> int:
        """See the port."""
        placed: list[int] = []

        def also(c: sqlite3.Connection) -> None:
            if c.execute(f"SELECT 1 FROM dossier WHERE id = ? AND {LIVING}", (dossier,)).fetchone() is None:
                raise NotFound("no such dossier")
            if c.execute("SELECT 1 FROM tombstone WHERE dossier = ? AND done_ms = 0", (dossier,)).fetchone():
                raise Conflict(
                    "an erasure of records of this dossier has begun; place the hold again when it is complete"
                )
            done = c.execute(
                "INSERT INTO hold (dossier, reason, authority, placed_ms) VALUES (?, ?, ?, ?) RETURNING number",
                (dossier, reason, authority, at_ms),
            )
            placed.append(int(done.fetchone()[0]))

        await self._append(custody, also)
        return placed[-1]

    async def lift_hold(self, number: int, at_ms: int, custody: bytes) -> None:
        """See the port."""

        def also(c: sqlite3.Connection) -> None:
            done = c.execute("UPDATE hold SET lifted_ms = ? WHERE number = ? AND lifted_ms = 0", (at_ms, number))
            if done.rowcount != 1:
                raise NotFound(f"no hold {number} is in force")

        await self._append(custody, also)

    async def custody_events(self, names: Collection[bytes]) -> list[tuple[int, bytes]]:
        """See the port."""
        wanted = dumps([name.decode("ascii") for name in names])
        return await self._database.read(
            lambda c: c.execute(
                "SELECT position, event FROM custody_event WHERE EXISTS"
                " (SELECT 1 FROM json_each(?) n WHERE instr(event, CAST(n.value AS BLOB)) > 0) ORDER BY position",
                (wanted,),
            ).fetchall()
        )

    async def begin(self, erasure: NewErasure, at_ms: int, custody: bytes) -> int:
        """See the port. The conditions stand in the transaction that stores the intent."""
        made: list[int] = []

        def also(c: sqlite3.Connection) -> None:
            reference = _check_erasable(c, erasure)
            done = c.execute(
                "INSERT INTO tombstone (dossier, whole, reference, token, erased_s, basis, begun_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING number",
                (erasure.dossier, int(erasure.whole), reference if erasure.whole else None, erasure.token,
                 erasure.erased_s, erasure.basis, at_ms),
            )  # fmt: skip
            number = int(done.fetchone()[0])
            if not erasure.whole:
                c.executemany(
                    "INSERT INTO erased VALUES (?, ?, ?)", ((erasure.dossier, s, number) for s in erasure.seqs)
                )
            c.execute(
                "INSERT INTO erased_payload SELECT blob, ? FROM payload p WHERE dossier = ? AND (? OR EXISTS"
                " (SELECT 1 FROM erased e WHERE e.dossier = p.dossier AND e.seq = p.seq))",
                (number, erasure.dossier, int(erasure.whole)),
            )
            # what was begun shows records that go now: it is not taken up again
            c.execute("DELETE FROM disclosure WHERE dossier = ?", (erasure.dossier,))
            made.append(number)

        await self._append(custody, also)
        return made[-1]

    async def remove(self, number: int) -> list[str]:
        """See the port."""

        def write(c: sqlite3.Connection) -> list[str]:
            dossier, whole = c.execute("SELECT dossier, whole FROM tombstone WHERE number = ?", (number,)).fetchone()
            if whole:
                for table, column in (("payload", "dossier"), ("record", "dossier"), ("dossier", "id")):
                    c.execute(f"DELETE FROM {table} WHERE {column} = ?", (dossier,))
            else:
                self._rekey(c, dossier, number)
            return [r[0] for r in c.execute("SELECT blob FROM erased_payload WHERE tombstone = ?", (number,))]

        async with self._writing:
            return await self._database.write(write)

    def _rekey(self, c: sqlite3.Connection, dossier: str, number: int) -> None:
        """Forget the records of this tombstone, and the data key they were sealed under."""
        erased = "EXISTS (SELECT 1 FROM erased e WHERE e.dossier = ? AND e.tombstone = ? AND e.seq = {}.seq)"
        c.execute(f"DELETE FROM payload WHERE dossier = ? AND {erased.format('payload')}", (dossier, dossier, number))
        c.execute(
            f"UPDATE record SET sealed_text = x'', input_digest = x'' WHERE dossier = ? AND {erased.format('record')}",
            (dossier, dossier, number),
        )
        sealed = c.execute("SELECT sealed_keys FROM dossier WHERE id = ?", (dossier,)).fetchone()[0]
        keys = self._master.unwrap(dossier, sealed)
        fresh = DossierKeys(dossier=keys.dossier, data=secrets.token_bytes(KEY_BYTES))
        old, new = AESGCM(keys.data), AESGCM(fresh.data)
        for (seq,) in c.execute(
            "SELECT seq FROM record WHERE dossier = ? AND length(sealed_text) > 0", (dossier,)
        ).fetchall():
            row = c.execute("SELECT sealed_text FROM record WHERE dossier = ? AND seq = ?", (dossier, seq)).fetchone()
            context = f"{dossier}/{seq}".encode()
            again = seal(new, unseal(old, row[0], context), context)
            c.execute("UPDATE record SET sealed_text = ? WHERE dossier = ? AND seq = ?", (again, dossier, seq))
        for blob, sealed_key in c.execute(
            "SELECT blob, sealed_key FROM payload WHERE dossier = ?", (dossier,)
        ).fetchall():
            again = seal(new, unseal(old, sealed_key, blob.encode()), blob.encode())
            c.execute("UPDATE payload SET sealed_key = ? WHERE blob = ?", (again, blob))
        # disclosures begun since the intent: they show nothing of what goes
        for request, kept in c.execute(
            "SELECT request, sealed FROM disclosure WHERE dossier = ?", (dossier,)
        ).fetchall():
            again = seal(new, unseal(old, kept, request), request)
            c.execute("UPDATE disclosure SET sealed = ? WHERE request = ?", (again, request))
        c.execute("UPDATE dossier SET sealed_keys = ? WHERE id = ?", (self._master.wrap(dossier, fresh), dossier))

    async def scrub(self) -> None:
        """See the port. Deleted bytes are overwritten in their pages (`secure_delete`); the log still has the pages as they were."""
        await self._database.empty_log()

    async def finish(self, number: int, at_ms: int, custody: bytes) -> None:
        """See the port."""

        def also(c: sqlite3.Connection) -> None:
            done = c.execute("UPDATE tombstone SET done_ms = ? WHERE number = ? AND done_ms = 0", (at_ms, number))
            if done.rowcount != 1:
                raise Conflict("this erasure was completed before")
            c.execute("DELETE FROM erased_payload WHERE tombstone = ?", (number,))

        await self._append(custody, also)


def _check_erasable(c: sqlite3.Connection, erasure: NewErasure) -> bytes:
    """The blinded reference of a dossier that may be erased as planned. Raises `NotFound`, `Conflict`."""
    row = c.execute(f"SELECT reference FROM dossier WHERE id = ? AND {LIVING}", (erasure.dossier,)).fetchone()
    if row is None:
        raise NotFound("no such dossier")
    if c.execute("SELECT 1 FROM tombstone WHERE dossier = ? AND done_ms = 0", (erasure.dossier,)).fetchone():
        raise Conflict("another erasure of this dossier is not complete; it goes on by itself, ask again in a moment")
    held = c.execute("SELECT number FROM hold WHERE dossier = ? AND lifted_ms = 0", (erasure.dossier,)).fetchone()
    if held is not None:
        raise Conflict(f"the dossier is under legal hold {held[0]}")
    count = c.execute("SELECT count(*) FROM record WHERE dossier = ?", (erasure.dossier,)).fetchone()[0]
    gone = {r[0] for r in c.execute("SELECT seq FROM erased WHERE dossier = ?", (erasure.dossier,))}
    if count != erasure.count or gone & set(erasure.seqs):
        raise Conflict("the dossier has changed since the erasure was planned; look again and repeat it")
    reference: bytes = row[0]
    return reference
