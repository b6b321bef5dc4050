"""The relay's memory in SQLite: cursors, items, checkpoints, confirmations, halts, and its mirror logs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from relay.core.errors import Conflict
from relay.core.lifecycle import OPEN_STATES, ItemState, check_move
from relay.durable.database import Database
from relay.durable.packs import Pack
from relay.ports.forwarding import Confirmation, Cursor, Exhibit, Item, Waiting
from relay.ports.ledgers import Anchor, AnchorBlock
from relay.store.halts import Halts
from relay.store.mirror_log import StoredMirrorLog
from relay.store.notices import SqliteNotices, Tell, tell, tell_nothing
from relay.store.relay_schema import APPLICATION, MIGRATIONS, NOW_MS
from relay.store.rows import (
    BLOCKS_REMEMBERED,
    CONFIRMATION_COLUMNS,
    FINAL_WORDS,
    ITEM_COLUMNS,
    NEW_ITEM_ENDS,
    OPEN_WORDS,
    confirmation_from,
    confirmation_values,
    item_from,
    new_item_values,
    of_all,
    state_in,
    tally,
    waiting_from,
    waiting_sql,
)


class SqliteRelayStore:
    """Implements relay.ports.forwarding.RelayStore."""

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
        self._directory = directory
        self._open_pack = open_pack
        self._logs: dict[str, StoredMirrorLog] = {}
        self._opening = asyncio.Lock()
        self._halts = Halts(database, tell)
        self.notices = SqliteNotices(database)

    @classmethod
    async def open(cls, directory: Path, *, check: bool = False, tells: bool = False) -> SqliteRelayStore:
        """Open or create the store in a folder of its own; `check` reads the whole database first.

        `tells`: what happens is written into the outbox of notices, too.
        """
        path = directory / "relay.sqlite"
        database = await Database.open(path, application=APPLICATION, migrations=MIGRATIONS, check=check)
        store = cls(database, directory / "logs", tell=tell if tells else tell_nothing)
        store.notices = await SqliteNotices.open(database, tells=tells)
        return store

    async def probe(self) -> None:
        """Whether the database can be written now. Raises `Unavailable`, `StorageFailed`."""
        await self._database.probe()

    async def close(self) -> None:
        """Close logs and database."""
        for log in self._logs.values():
            log.close()
        await self._database.close()

    async def cursor(self, ledger: str) -> Cursor:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute("SELECT height, block_hash FROM cursor WHERE ledger = ?", (ledger,)).fetchone()
        )
        return Cursor(height=row[0], block_hash=row[1]) if row else Cursor(height=0, block_hash=b"")

    async def take_block(self, ledger: str, block: AnchorBlock) -> Counter[str]:
        """See the port. The safety condition (the block extends the cursor) stands in the transaction."""

        def write(c: sqlite3.Connection) -> Counter[str]:
            row = c.execute("SELECT height, block_hash FROM cursor WHERE ledger = ?", (ledger,)).fetchone()
            height, last = row or (0, b"")
            if block.height != height + 1 or (height and block.parent_hash != last):
                raise Conflict(f"block {block.height} of {ledger} does not extend block {height} as recorded")
            new = self._insert_anchors(c, block.anchors, state_in(block))
            c.execute(
                "INSERT INTO cursor VALUES (?, ?, ?)"
                " ON CONFLICT (ledger) DO UPDATE SET height = excluded.height, block_hash = excluded.block_hash",
                (ledger, block.height, block.block_hash),
            )
            c.execute("INSERT OR REPLACE INTO block VALUES (?, ?, ?)", (ledger, block.height, block.block_hash))
            c.execute("DELETE FROM block WHERE ledger = ? AND height <= ?", (ledger, block.height - BLOCKS_REMEMBERED))
            return new

        return await self._database.write(write)

    async def rewind(self, ledger: str, height: int) -> Counter[str]:
        """See the port."""

        def write(c: sqlite3.Connection) -> Counter[str]:
            row = c.execute("SELECT block_hash FROM block WHERE ledger = ? AND height = ?", (ledger, height)).fetchone()
            c.execute(
                "UPDATE cursor SET height = ?, block_hash = ? WHERE ledger = ?",
                (height if row else 0, row[0] if row else b"", ledger),
            )
            c.execute("DELETE FROM block WHERE ledger = ? AND height > ?", (ledger, height))
            done = c.execute(
                "UPDATE item SET state = ? WHERE ledger = ? AND height > ? AND state = ? RETURNING origin",
                (ItemState.ORPHANED.value, ledger, height, ItemState.SEEN.value),
            )
            return Counter(origin for (origin,) in done)

        return await self._database.write(write)

    async def block_hash(self, ledger: str, height: int) -> bytes | None:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute(
                "SELECT block_hash FROM block WHERE ledger = ? AND height = ?", (ledger, height)
            ).fetchone()
        )
        return row[0] if row else None

    async def mark_final(self, ledger: str, final_height: int) -> Counter[str]:
        """See the port."""
        seen = (ItemState.SEEN.value, ledger, final_height)
        waiting = await self._database.read(
            lambda c: c.execute(
                "SELECT count(*) FROM item WHERE state = ? AND ledger = ? AND height <= ?", seen
            ).fetchone()
        )
        if not waiting[0]:
            return Counter()
        sql = (
            f"UPDATE item SET state = ?, final_ms = {NOW_MS} WHERE state = ? AND ledger = ? AND height <= ?"
            " RETURNING origin"
        )
        return await self._database.write(
            lambda c: Counter(origin for (origin,) in c.execute(sql, (ItemState.FINAL.value, *seen)))
        )

    async def taken_for_final(self, ledger: str, block: Cursor) -> list[Item]:
        """See the port."""
        rows = await self._database.read(
            lambda c: c.execute(
                f"SELECT {ITEM_COLUMNS} FROM item WHERE ledger = ? AND state IN ({FINAL_WORDS}) AND height = ?"
                " AND block_hash = ?",
                (ledger, block.height, block.block_hash),
            ).fetchall()
        )
        return [item_from(row) for row in rows]

    async def find_item(self, origin: str, size: int) -> Item | None:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute(
                f"SELECT {ITEM_COLUMNS} FROM item WHERE origin = ? AND size = ? AND state <> ? ORDER BY height LIMIT 1",
                (origin, size, ItemState.ORPHANED.value),
            ).fetchone()
        )
        return item_from(row) if row else None

    async def next_item(self, origin: str) -> Item | None:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute(
                f"SELECT {ITEM_COLUMNS} FROM item WHERE origin = ? AND state IN ({OPEN_WORDS})"
                " AND NOT EXISTS (SELECT 1 FROM exhibit WHERE origin = ? AND resumed = '') ORDER BY size, height LIMIT 1",
                (origin, origin),
            ).fetchone()
        )
        return item_from(row) if row else None

    async def move(self, item: bytes, old: ItemState, new: ItemState, *, reason: str = "") -> None:
        """See the port."""
        check_move(old, new)
        await self._database.write(lambda c: _move(c, item, old, new, reason))

    async def begin_attempt(self, item: bytes) -> int:
        """See the port."""

        def write(c: sqlite3.Connection) -> int:
            row = c.execute("UPDATE item SET attempt = attempt + 1 WHERE id = ? RETURNING attempt", (item,)).fetchone()
            return int(row[0])

        return await self._database.write(write)

    async def save_checkpoint(self, origin: str, size: int, note: bytes, trace: str = "") -> None:
        """See the port. The first note of a size stays: its signature was checked, and its root is the ledger's."""

        def write(c: sqlite3.Connection) -> None:
            c.execute(
                "INSERT INTO checkpoint (origin, size, note) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (origin, size, note),
            )
            if trace:
                c.execute(
                    "UPDATE item SET trace = ? WHERE origin = ? AND size = ? AND trace = ''", (trace, origin, size)
                )

        await self._database.write(write)

    async def checkpoint(self, origin: str, size: int) -> bytes | None:
        """See the port."""
        return await self._one("SELECT note FROM checkpoint WHERE origin = ? AND size = ?", (origin, size))

    async def save_mirrored(self, item: bytes, cosigned: bytes) -> None:
        """See the port."""

        def write(c: sqlite3.Connection) -> None:
            _move(c, item, ItemState.PROVEN, ItemState.MIRRORED, "")
            c.execute(
                "INSERT INTO checkpoint (origin, size, note, cosigned) SELECT origin, size, ?, ? FROM item WHERE id = ?"
                " ON CONFLICT (origin, size) DO UPDATE SET cosigned = excluded.cosigned",
                (cosigned, cosigned, item),
            )

        await self._database.write(write)

    async def cosigned(self, origin: str, size: int) -> bytes | None:
        """See the port."""
        return await self._one("SELECT cosigned FROM checkpoint WHERE origin = ? AND size = ?", (origin, size))

    async def save_confirmed(self, item: bytes, confirmation: Confirmation) -> float:
        """See the port."""

        def write(c: sqlite3.Connection) -> float:
            _move(c, item, ItemState.SUBMITTED, ItemState.CONFIRMED, "")
            c.execute(
                f"INSERT INTO confirmation ({CONFIRMATION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                confirmation_values(confirmation),
            )
            self._tell(c, "confirmed", confirmation.receipt.origin, confirmation.receipt.size, "")
            return _age_s(c.execute(f"SELECT {NOW_MS} - final_ms FROM item WHERE id = ?", (item,)).fetchone())

        return await self._database.write(write)

    async def confirmations(self, origin: str, above_size: int, limit: int) -> list[Confirmation]:
        """See the port."""
        rows = await self._database.read(
            lambda c: c.execute(
                f"SELECT {CONFIRMATION_COLUMNS} FROM confirmation WHERE origin = ? AND size > ? ORDER BY size LIMIT ?",
                (origin, above_size, limit),
            ).fetchall()
        )
        return [confirmation_from(row) for row in rows]

    async def last_confirmed(self, origin: str) -> int:
        """Size of the largest confirmed checkpoint, 0 before the first."""
        row = await self._database.read(
            lambda c: c.execute(
                "SELECT coalesce(max(size), 0) FROM confirmation WHERE origin = ?", (origin,)
            ).fetchone()
        )
        return int(row[0])

    async def halt(self, origin: str, reason: str, exhibit: Mapping[str, bytes]) -> None:
        """See the port. The first reason stays."""
        await self._halts.halt(origin, reason, exhibit)

    async def halted(self, origin: str) -> str:
        """See the port."""
        return await self._halts.reason(origin)

    async def resume(self, origin: str, reason: str) -> None:
        """See the port."""
        await self._halts.resume(origin, reason)

    async def exhibits(self, origin: str) -> list[Exhibit]:
        """See the port."""
        return await self._halts.exhibits(origin)

    async def items(self, states: Collection[ItemState], origin: str, limit: int) -> list[Item]:
        """See the port."""
        marks = ", ".join("?" for _ in states)
        where = f"state IN ({marks})" + (" AND origin = ?" if origin else "")
        if OPEN_STATES.issuperset(states):
            where += (
                f" AND state IN ({OPEN_WORDS})"  # says nothing new, and lets the index of what is under way be used
            )
        values = (*(state.value for state in states), *((origin,) if origin else ()), limit)
        rows = await self._database.read(
            lambda c: c.execute(
                f"SELECT {ITEM_COLUMNS} FROM item WHERE {where} ORDER BY origin, size LIMIT ?", values
            ).fetchall()
        )
        return [item_from(row) for row in rows]

    async def item(self, item: bytes) -> Item | None:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute(f"SELECT {ITEM_COLUMNS} FROM item WHERE id = ?", (item,)).fetchone()
        )
        return item_from(row) if row else None

    async def rescanned(self, ledger: str) -> Cursor:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute("SELECT height, block_hash FROM rescan WHERE ledger = ?", (ledger,)).fetchone()
        )
        return Cursor(height=row[0], block_hash=row[1]) if row else Cursor(height=0, block_hash=b"")

    async def save_rescan(self, ledger: str, upto: Cursor, anchors: Sequence[Anchor]) -> Counter[str]:
        """See the port."""

        def write(c: sqlite3.Connection) -> Counter[str]:
            found = self._insert_anchors(c, anchors, ItemState.SEEN)
            c.execute(
                "INSERT INTO rescan VALUES (?, ?, ?)"
                " ON CONFLICT (ledger) DO UPDATE SET height = excluded.height, block_hash = excluded.block_hash",
                (ledger, upto.height, upto.block_hash),
            )
            return found

        return await self._database.write(write)

    async def save_found(self, anchor: Anchor) -> bool:
        """See the port."""
        return bool(await self._database.write(lambda c: self._insert_anchors(c, (anchor,), ItemState.SEEN)))

    async def log(self, origin: str) -> StoredMirrorLog:
        """See the port."""
        async with self._opening:
            if origin not in self._logs:
                self._logs[origin] = await StoredMirrorLog.open(
                    self._database, self._directory, origin, self._open_pack
                )
            return self._logs[origin]

    async def counts(self) -> dict[str, int]:
        """See the port."""
        return of_all(await self.counts_by_origin())

    async def counts_by_origin(self) -> dict[str, dict[str, int]]:
        """See the port."""
        rows = await self._database.read(lambda c: c.execute("SELECT origin, state, items FROM item_count").fetchall())
        return tally(rows)

    async def waiting(self, origin: str) -> Waiting:
        """See the port."""
        sql = waiting_sql("?1", NOW_MS)
        return waiting_from(await self._database.read(lambda c: c.execute(sql, (origin,)).fetchone()))

    async def _one(self, sql: str, values: tuple[object, ...]) -> bytes | None:
        row = await self._database.read(lambda c: c.execute(sql, values).fetchone())
        return row[0] if row else None

    def _insert_anchors(self, c: sqlite3.Connection, anchors: Sequence[Anchor], state: ItemState) -> Counter[str]:
        """How many are new, by origin; each of them is told."""
        new = _insert_anchors(c, anchors, state)
        for anchor in new:
            self._tell(c, "anchored", anchor.origin, anchor.size, "")
        return Counter(anchor.origin for anchor in new)


def _insert_anchors(c: sqlite3.Connection, anchors: Sequence[Anchor], state: ItemState) -> list[Anchor]:
    """Those that are new items; one that was orphaned and is now in another block comes back."""
    final_ms = NOW_MS if state is ItemState.FINAL else "0"
    sql = (
        f"INSERT INTO item ({ITEM_COLUMNS}, final_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {NEW_ITEM_ENDS}, {final_ms})"
        " ON CONFLICT (id) DO UPDATE SET height = excluded.height, block_hash = excluded.block_hash,"
        " tx_id = excluded.tx_id, time_ms = excluded.time_ms, state = excluded.state, final_ms = excluded.final_ms"
        " WHERE item.state = ?"
    )
    return [
        anchor
        for anchor in anchors
        if c.execute(sql, (*new_item_values(anchor, state), ItemState.ORPHANED.value)).rowcount
    ]


def _age_s(row: tuple[int | None]) -> float:
    """Milliseconds in seconds; never below 0, for a clock may be set back. Nothing is 0."""
    return max(0, row[0] or 0) / 1000


def _move(c: sqlite3.Connection, item: bytes, old: ItemState, new: ItemState, reason: str) -> None:
    done = c.execute(
        "UPDATE item SET state = ?, reason = ? WHERE id = ? AND state = ?", (new.value, reason, item, old.value)
    )
    if done.rowcount != 1:
        raise Conflict(f"the item is not {old.value} any more")
