"""The outbox of notices in a role's SQLite file: written in the transaction of the state that it tells of."""

from __future__ import annotations

import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from relay.core.notices import Notice
from relay.durable.database import Database
from relay.ports.notices import NoticePage, OutboxHead

NOTICES: Final = """
CREATE TABLE notice (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, epoch TEXT NOT NULL, time_ms INTEGER NOT NULL, event TEXT NOT NULL,
    origin TEXT NOT NULL, size INTEGER NOT NULL, outcome TEXT NOT NULL
) STRICT;
CREATE TABLE notice_head (one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT NOT NULL, sent INTEGER NOT NULL) STRICT;
INSERT INTO notice_head VALUES (1, '', 0);
"""
NOTICE_COLUMNS: Final = "seq, epoch, time_ms, event, origin, size, outcome"
PRUNED_AT_ONCE: Final = 1000
_NOW_MS: Final = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
_LAST: Final = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'notice'), 0)"

Tell = Callable[[sqlite3.Connection, str, str, int, str], None]
"""(connection within the state's transaction, event, origin, size, outcome)."""


def tell(c: sqlite3.Connection, event: str, origin: str, size: int, outcome: str) -> None:
    """Add a notice to what the transaction does."""
    c.execute(
        "INSERT INTO notice (epoch, time_ms, event, origin, size, outcome)"
        f" SELECT epoch, {_NOW_MS}, ?, ?, ?, ? FROM notice_head",
        (event, origin, size, outcome),
    )


def tell_nothing(_c: sqlite3.Connection, _event: str, _origin: str, _size: int, _outcome: str) -> None:
    """Of a role that has no broker: its transactions are as they were."""


def notice_from(row: Iterable[object]) -> Notice:
    """From NOTICE_COLUMNS."""
    seq, epoch, time_ms, event, origin, size, outcome = row
    return Notice(
        seq=int(str(seq)),
        epoch=str(epoch),
        time_ms=int(str(time_ms)),
        event=str(event),
        origin=str(origin),
        size=int(str(size)),
        outcome=str(outcome),
    )


def too_old(rows: Iterable[tuple[int, int, str]], last: int, keep: int, before_ms: int) -> list[tuple[int, str]]:
    """(seq, event) of the oldest that are to go, out of (seq, time_ms, event) ascending: never one behind one that stays."""
    gone = []
    for seq, time_ms, event in rows:
        if seq > last - keep and time_ms >= before_ms:
            break
        gone.append((seq, event))
    return gone


class SqliteNotices:
    """Implements relay.ports.notices.NoticeStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, database: Database, *, tells: bool) -> SqliteNotices:
        """Where states will be told of, a new epoch begins before the first: the file may be an older one than at the last start."""
        notices = cls(database)
        if tells:
            await notices.begin(secrets.token_hex(8))
        return notices

    async def begin(self, epoch: str) -> None:
        """See the port."""
        await self._database.write(lambda c: c.execute("UPDATE notice_head SET epoch = ?", (epoch,)))

    async def head(self) -> OutboxHead:
        """See the port."""
        row = await self._database.read(lambda c: c.execute(f"SELECT epoch, {_LAST}, sent FROM notice_head").fetchone())
        return OutboxHead(epoch=row[0], seq=row[1], sent=row[2])

    async def unsent(self, limit: int) -> list[Notice]:
        """See the port."""
        rows = await self._database.read(
            lambda c: c.execute(
                f"SELECT {NOTICE_COLUMNS} FROM notice WHERE seq > (SELECT sent FROM notice_head) ORDER BY seq LIMIT ?",
                (limit,),
            ).fetchall()
        )
        return [notice_from(row) for row in rows]

    async def sent(self, seq: int) -> None:
        """See the port."""
        await self._database.write(lambda c: c.execute("UPDATE notice_head SET sent = max(sent, ?)", (seq,)))

    async def after(self, seq: int, epoch: str, limit: int) -> NoticePage:
        """See the port."""

        def read(c: sqlite3.Connection) -> NoticePage:
            first = c.execute("SELECT coalesce(min(seq), 0) FROM notice").fetchone()[0]
            last = c.execute(f"SELECT {_LAST}").fetchone()[0]
            since = seq
            if epoch and seq >= (first or last + 1):
                same = c.execute("SELECT 1 FROM notice WHERE seq = ? AND epoch = ?", (seq, epoch)).fetchone()
                if same is None:
                    found = c.execute(
                        "SELECT max(seq) FROM notice WHERE epoch = ? AND seq < ?", (epoch, seq)
                    ).fetchone()
                    since = found[0] or max(0, (first or last + 1) - 1)
            rows = c.execute(
                f"SELECT {NOTICE_COLUMNS} FROM notice WHERE seq > ? ORDER BY seq LIMIT ?", (since, limit)
            ).fetchall()
            return NoticePage(after=since, notices=[notice_from(row) for row in rows], first=first, last=last)

        return await self._database.read(read)

    async def prune(self, keep: int, age_ms: int) -> Mapping[str, int]:
        """See the port."""
        dropped: Counter[str] = Counter()
        while True:
            last, sent, now_ms, rows = await self._database.read(
                lambda c: (
                    *c.execute(f"SELECT {_LAST}, sent, {_NOW_MS} FROM notice_head").fetchone(),
                    c.execute(
                        "SELECT seq, time_ms, event FROM notice ORDER BY seq LIMIT ?", (PRUNED_AT_ONCE,)
                    ).fetchall(),
                )
            )
            gone = too_old(rows, last, keep, now_ms - age_ms)
            if not gone:
                return dropped
            upto = gone[-1][0]
            await self._database.write(lambda c, upto=upto: c.execute("DELETE FROM notice WHERE seq <= ?", (upto,)))  # type: ignore[misc]
            dropped.update(event for seq, event in gone if seq > sent)
