"""The relay's memory in PostgreSQL: cursors, items, checkpoints, confirmations and its mirror logs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from relay.core.lifecycle import OPEN_STATES, ItemState, check_move
from relay.ports.forwarding import Confirmation, Cursor, Exhibit, Item, Waiting
from relay.ports.ledgers import Anchor, AnchorBlock
from relay.ports.sharing import Lease
from relay.store.postgres import statements
from relay.store.postgres.database import Connection, PostgresDatabase
from relay.store.postgres.halts import PostgresHalts
from relay.store.postgres.leases import check_fence
from relay.store.postgres.mirror_log import PostgresMirrorLog
from relay.store.postgres.notices import PostgresNotices, Tell, tell, tell_nothing
from relay.store.postgres.schema import APPLICATION, MIGRATIONS
from relay.store.rows import (
    CONFIRMATION_COLUMNS,
    FINAL_WORDS,
    ITEM_COLUMNS,
    OPEN_WORDS,
    confirmation_from,
    confirmation_values,
    item_from,
    of_all,
    tally,
    waiting_from,
    waiting_sql,
)

T = TypeVar("T")


class PostgresRelayStore:
    """Implements relay.ports.forwarding.RelayStore. With a lease, its writes count only while nobody has a higher number."""

    def __init__(self, database: PostgresDatabase, lease: Lease | None = None, *, tell: Tell = tell_nothing) -> None:
        self._database = database
        self._lease = lease
        self._tell = tell
        self._logs: dict[str, PostgresMirrorLog] = {}
        self._opening = asyncio.Lock()
        self._halts = PostgresHalts(database, self._write, tell)
        self.notices = PostgresNotices(database)

    @classmethod
    async def open(cls, url: str, *, tells: bool = False) -> PostgresRelayStore:
        """`tells`: what happens is written into the outbox of notices, too. Raises what `PostgresDatabase.open` raises."""
        database = await PostgresDatabase.open(url, application=APPLICATION, migrations=MIGRATIONS)
        return cls(database, tell=tell if tells else tell_nothing)

    def fenced(self, lease: Lease) -> PostgresRelayStore:
        """The same memory, written under a lease. Its writes raise `Fenced` once another worker has taken that."""
        view = PostgresRelayStore(self._database, lease, tell=self._tell)
        view._logs, view._opening = self._logs, self._opening
        return view

    @property
    def database(self) -> PostgresDatabase:
        """For leases beside this store."""
        return self._database

    async def probe(self) -> None:
        """Whether the database can be written now. Raises `Unavailable`, `StorageFailed`."""
        await self._database.write(lambda c: c.execute("SELECT txid_current()"))

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()

    async def _write(self, fn: Callable[[Connection], Awaitable[T]]) -> T:
        lease = self._lease
        if lease is None:
            return await self._database.write(fn)

        async def under_lease(c: Connection) -> T:
            await check_fence(c, lease)
            return await fn(c)

        return await self._database.write(under_lease)

    async def cursor(self, ledger: str) -> Cursor:
        """See the port."""
        return await self._cursor("SELECT height, block_hash FROM cursor WHERE ledger = $1", ledger)

    async def rescanned(self, ledger: str) -> Cursor:
        """See the port."""
        return await self._cursor("SELECT height, block_hash FROM rescan WHERE ledger = $1", ledger)

    async def _cursor(self, sql: str, ledger: str) -> Cursor:
        row = await self._database.read(lambda c: c.fetchrow(sql, ledger))
        return Cursor(height=row[0], block_hash=row[1]) if row else Cursor(height=0, block_hash=b"")

    async def take_block(self, ledger: str, block: AnchorBlock) -> Counter[str]:
        """See the port. The safety condition (the block extends the cursor) stands in the SQL."""
        return await self._write(lambda c: statements.take_block(c, ledger, block, self._tell))

    async def rewind(self, ledger: str, height: int) -> Counter[str]:
        """See the port."""
        return await self._write(lambda c: statements.rewind(c, ledger, height))

    async def block_hash(self, ledger: str, height: int) -> bytes | None:
        """See the port."""
        return await self._one("SELECT block_hash FROM block WHERE ledger = $1 AND height = $2", ledger, height)

    async def mark_final(self, ledger: str, final_height: int) -> Counter[str]:
        """See the port."""
        where = "state = $1 AND ledger = $2 AND height <= $3"
        values = (ItemState.SEEN.value, ledger, final_height)
        waiting = await self._database.read(lambda c: c.fetchval(f"SELECT count(*) FROM item WHERE {where}", *values))
        if not waiting:
            return Counter()
        sql = f"UPDATE item SET state = $4, final_ms = {statements.NOW_MS} WHERE {where} RETURNING origin"
        return await self._write(lambda c: statements.by_origin(c, sql, *values, ItemState.FINAL.value))

    async def taken_for_final(self, ledger: str, block: Cursor) -> list[Item]:
        """See the port."""
        where = f"ledger = $1 AND state IN ({FINAL_WORDS}) AND height = $2 AND block_hash = $3"
        rows = await self._database.read(
            lambda c: c.fetch(f"SELECT {ITEM_COLUMNS} FROM item WHERE {where}", ledger, block.height, block.block_hash)
        )
        return [item_from(row) for row in rows]

    async def find_item(self, origin: str, size: int) -> Item | None:
        """See the port."""
        return await self._item("origin = $1 AND size = $2 AND state <> 'orphaned' ORDER BY height", origin, size)

    async def next_item(self, origin: str) -> Item | None:
        """See the port."""
        standing = "SELECT 1 FROM exhibit WHERE origin = $1 AND resumed = ''"
        where = f"origin = $1 AND state IN ({OPEN_WORDS}) AND NOT EXISTS ({standing}) ORDER BY size, height"
        return await self._item(where, origin)

    async def item(self, item: bytes) -> Item | None:
        """See the port."""
        return await self._item("id = $1", item)

    async def _item(self, where: str, *values: object) -> Item | None:
        sql = f"SELECT {ITEM_COLUMNS} FROM item WHERE {where} LIMIT 1"
        row = await self._database.read(lambda c: c.fetchrow(sql, *values))
        return item_from(row) if row else None

    async def items(self, states: Collection[ItemState], origin: str, limit: int) -> list[Item]:
        """See the port."""
        # the second condition says nothing new, and lets the index of what is under way be used
        under_way = f" AND state IN ({OPEN_WORDS})" if OPEN_STATES.issuperset(states) else ""
        sql = (
            f"SELECT {ITEM_COLUMNS} FROM item WHERE state = ANY($1) AND ($2 = '' OR origin = $2){under_way}"
            " ORDER BY origin, size LIMIT $3"
        )
        names = [state.value for state in states]
        return [item_from(row) for row in await self._database.read(lambda c: c.fetch(sql, names, origin, limit))]

    async def move(self, item: bytes, old: ItemState, new: ItemState, *, reason: str = "") -> None:
        """See the port."""
        check_move(old, new)
        await self._write(lambda c: statements.move(c, item, old, new, reason))

    async def begin_attempt(self, item: bytes) -> int:
        """See the port."""
        sql = "UPDATE item SET attempt = attempt + 1 WHERE id = $1 RETURNING attempt"
        return int(await self._write(lambda c: c.fetchval(sql, item)))

    async def save_checkpoint(self, origin: str, size: int, note: bytes, trace: str = "") -> None:
        """See the port. The first note of a size stays: its signature was checked, and its root is the ledger's."""

        async def write(c: Connection) -> None:
            await c.execute(
                "INSERT INTO checkpoint (origin, size, note) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                *(origin, size, note),
            )
            if trace:
                await c.execute(
                    "UPDATE item SET trace = $3 WHERE origin = $1 AND size = $2 AND trace = ''", origin, size, trace
                )

        await self._write(write)

    async def checkpoint(self, origin: str, size: int) -> bytes | None:
        """See the port."""
        return await self._one("SELECT note FROM checkpoint WHERE origin = $1 AND size = $2", origin, size)

    async def save_mirrored(self, item: bytes, cosigned: bytes) -> None:
        """See the port."""

        async def write(c: Connection) -> None:
            await statements.move(c, item, ItemState.PROVEN, ItemState.MIRRORED, "")
            await c.execute(
                "INSERT INTO checkpoint (origin, size, note, cosigned)"
                " SELECT origin, size, $2::bytea, $2::bytea FROM item WHERE id = $1"
                " ON CONFLICT (origin, size) DO UPDATE SET cosigned = excluded.cosigned",
                item,
                cosigned,
            )

        await self._write(write)

    async def cosigned(self, origin: str, size: int) -> bytes | None:
        """See the port."""
        return await self._one("SELECT cosigned FROM checkpoint WHERE origin = $1 AND size = $2", origin, size)

    async def save_confirmed(self, item: bytes, confirmation: Confirmation) -> float:
        """See the port."""
        marks = ", ".join(f"${n}" for n in range(1, 11))
        sql = f"INSERT INTO confirmation ({CONFIRMATION_COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING"

        async def write(c: Connection) -> float:
            await statements.move(c, item, ItemState.SUBMITTED, ItemState.CONFIRMED, "")
            await c.execute(sql, *confirmation_values(confirmation))
            await self._tell(c, "confirmed", confirmation.receipt.origin, confirmation.receipt.size)
            return _age_s(await c.fetchval(f"SELECT {statements.NOW_MS} - final_ms FROM item WHERE id = $1", item))

        return await self._write(write)

    async def confirmations(self, origin: str, above_size: int, limit: int) -> list[Confirmation]:
        """See the port."""
        sql = f"SELECT {CONFIRMATION_COLUMNS} FROM confirmation WHERE origin = $1 AND size > $2 ORDER BY size LIMIT $3"
        rows = await self._database.read(lambda c: c.fetch(sql, origin, above_size, limit))
        return [confirmation_from(row) for row in rows]

    async def last_confirmed(self, origin: str) -> int:
        """See the port."""
        sql = "SELECT coalesce(max(size), 0) FROM confirmation WHERE origin = $1"
        return int(await self._database.read(lambda c: c.fetchval(sql, origin)))

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

    async def save_rescan(self, ledger: str, upto: Cursor, anchors: Sequence[Anchor]) -> Counter[str]:
        """See the port."""

        async def write(c: Connection) -> Counter[str]:
            found = await statements.insert_anchors(c, anchors, self._tell)
            await c.execute(
                "INSERT INTO rescan VALUES ($1, $2, $3)"
                " ON CONFLICT (ledger) DO UPDATE SET height = excluded.height, block_hash = excluded.block_hash",
                *(ledger, upto.height, upto.block_hash),
            )
            return found

        return await self._write(write)

    async def save_found(self, anchor: Anchor) -> bool:
        """See the port."""
        return bool(await self._write(lambda c: statements.insert_anchors(c, (anchor,), self._tell)))

    async def log(self, origin: str) -> PostgresMirrorLog:
        """See the port; as far as all workers have brought it."""
        async with self._opening:
            if origin not in self._logs:
                self._logs[origin] = await PostgresMirrorLog.open(self._database, origin)
                return self._logs[origin]
        await self._logs[origin].refresh()
        return self._logs[origin]

    async def counts(self) -> dict[str, int]:
        """See the port."""
        return of_all(await self.counts_by_origin())

    async def counts_by_origin(self) -> dict[str, dict[str, int]]:
        """See the port."""
        sql = "SELECT origin, state, sum(items)::bigint FROM item_count GROUP BY origin, state"
        return tally(await self._database.read(lambda c: c.fetch(sql)))

    async def waiting(self, origin: str) -> Waiting:
        """See the port."""
        sql = waiting_sql("$1", statements.NOW_MS)
        return waiting_from(await self._database.read(lambda c: c.fetchrow(sql, origin)))

    async def _one(self, sql: str, *values: object) -> bytes | None:
        found: bytes | None = await self._database.read(lambda c: c.fetchval(sql, *values))
        return found


def _age_s(milliseconds: int | None) -> float:
    """In seconds; never below 0, for a clock may be set back. Nothing is 0."""
    return max(0, milliseconds or 0) / 1000
