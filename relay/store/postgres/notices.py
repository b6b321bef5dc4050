"""The outbox of notices in PostgreSQL.

A transaction that adds one takes no number: workers would wait for each other. The committed ones are numbered when they are read, in
the order in which they were added, under one row's lock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from relay.core.notices import Notice
from relay.ports.notices import NoticePage, OutboxHead
from relay.store.notices import NOTICE_COLUMNS, PRUNED_AT_ONCE, notice_from, too_old
from relay.store.postgres.database import Connection, PostgresDatabase

NUMBERED_AT_ONCE: Final = 1000
_NOW_MS: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

Tell = Callable[[Connection, str, str, int], Awaitable[None]]
"""(connection within the state's transaction, event, origin, size)."""


async def tell(c: Connection, event: str, origin: str, size: int) -> None:
    """Add a notice to what the transaction does."""
    sql = f"INSERT INTO notice (time_ms, event, origin, size, outcome) VALUES ({_NOW_MS}, $1, $2, $3, '')"
    await c.execute(sql, event, origin, size)


async def tell_nothing(_c: Connection, _event: str, _origin: str, _size: int) -> None:
    """Of a relay that has no broker: its transactions are as they were."""


async def _number(c: Connection) -> None:
    epoch, seq = await c.fetchrow("SELECT epoch, seq FROM notice_head FOR UPDATE")
    if not epoch:
        return  # no publisher has ever begun
    given = await c.fetch(
        "UPDATE notice SET seq = $1 + fresh.n, epoch = $2 FROM"
        " (SELECT id, row_number() OVER (ORDER BY id) AS n FROM"
        f" (SELECT id FROM notice WHERE seq IS NULL ORDER BY id LIMIT {NUMBERED_AT_ONCE}) AS first) AS fresh"
        " WHERE notice.id = fresh.id RETURNING 1",
        seq,
        epoch,
    )
    await c.execute("UPDATE notice_head SET seq = seq + $1", len(given))


class PostgresNotices:
    """Implements relay.ports.notices.NoticeStore."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def _give_numbers(self) -> None:
        """To all that are committed by now; nothing is written where there are none."""
        while await self._database.read(lambda c: c.fetchval("SELECT EXISTS (SELECT 1 FROM notice WHERE seq IS NULL)")):
            await self._database.write(_number)
            if not (await self._head()).epoch:
                return

    async def begin(self, epoch: str) -> None:
        """See the port."""
        await self._database.write(lambda c: c.execute("UPDATE notice_head SET epoch = $1", epoch))

    async def head(self) -> OutboxHead:
        """See the port."""
        await self._give_numbers()
        return await self._head()

    async def _head(self) -> OutboxHead:
        row = await self._database.read(lambda c: c.fetchrow("SELECT epoch, seq, sent FROM notice_head"))
        return OutboxHead(epoch=row["epoch"], seq=row["seq"], sent=row["sent"])

    async def unsent(self, limit: int) -> list[Notice]:
        """See the port."""
        await self._give_numbers()
        sql = f"SELECT {NOTICE_COLUMNS} FROM notice WHERE seq > (SELECT sent FROM notice_head) ORDER BY seq LIMIT $1"
        return [notice_from(row) for row in await self._database.read(lambda c: c.fetch(sql, limit))]

    async def sent(self, seq: int) -> None:
        """See the port."""
        await self._database.write(lambda c: c.execute("UPDATE notice_head SET sent = greatest(sent, $1)", seq))

    async def after(self, seq: int, epoch: str, limit: int) -> NoticePage:
        """See the port. What no publisher has numbered yet is not there yet."""

        async def read(c: Connection) -> NoticePage:
            first = await c.fetchval("SELECT coalesce(min(seq), 0) FROM notice WHERE seq IS NOT NULL")
            last = await c.fetchval("SELECT seq FROM notice_head")
            since = seq
            if epoch and seq >= (first or last + 1):
                same = await c.fetchval("SELECT 1 FROM notice WHERE seq = $1 AND epoch = $2", seq, epoch)
                if same is None:
                    found = await c.fetchval("SELECT max(seq) FROM notice WHERE epoch = $1 AND seq < $2", epoch, seq)
                    since = found or max(0, (first or last + 1) - 1)
            sql = f"SELECT {NOTICE_COLUMNS} FROM notice WHERE seq > $1 ORDER BY seq LIMIT $2"
            rows = await c.fetch(sql, since, limit)
            return NoticePage(after=since, notices=[notice_from(row) for row in rows], first=first, last=last)

        return await self._database.read(read)

    async def prune(self, keep: int, age_ms: int) -> Mapping[str, int]:
        """See the port."""
        dropped: Counter[str] = Counter()
        sql = f"SELECT seq, time_ms, event FROM notice WHERE seq IS NOT NULL ORDER BY seq LIMIT {PRUNED_AT_ONCE}"
        while True:
            rows = await self._database.read(lambda c: c.fetch(sql))
            seq, sent, now_ms = await self._database.read(
                lambda c: c.fetchrow(f"SELECT seq, sent, {_NOW_MS} FROM notice_head")
            )
            gone = too_old(((row[0], row[1], row[2]) for row in rows), seq, keep, now_ms - age_ms)
            if not gone:
                return dropped
            upto = gone[-1][0]
            await self._database.write(lambda c, upto=upto: c.execute("DELETE FROM notice WHERE seq <= $1", upto))  # type: ignore[misc]
            dropped.update(event for number, event in gone if number > sent)
