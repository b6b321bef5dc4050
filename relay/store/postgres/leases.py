"""Who does which job: leases with fencing numbers, by the database's clock."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from relay.core.errors import Unavailable, Uncertain
from relay.ports.sharing import Beat, Lease
from relay.store.postgres.database import Connection, PostgresDatabase
from relay.store.postgres.standing import end_standing

TAKING_MS: Final = 2000
"""How long a free lease's new worker waits for a transaction of the old one that has not ended."""


class Fenced(Unavailable):
    """The job has been given to another worker: nothing was written."""


class PostgresLeases:
    """Implements relay.ports.sharing.Leases. A number once given is never given again."""

    def __init__(self, database: PostgresDatabase, worker: str, lease_s: float) -> None:
        self._database = database
        self._worker = worker
        self._lease_s = lease_s

    async def beat(self, held: Collection[Lease]) -> Beat:
        """See the port."""
        names, tokens = [lease.name for lease in held], [lease.token for lease in held]

        async def write(c: Connection) -> Beat:
            await c.execute(
                "INSERT INTO worker VALUES ($1, clock_timestamp() + make_interval(secs => $2))"
                " ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at",
                self._worker,
                self._lease_s,
            )
            # one that stands still in the middle of its own beat has locked its row, and must not hold up the others
            await c.execute(
                "DELETE FROM worker WHERE name IN"
                " (SELECT name FROM worker WHERE expires_at < clock_timestamp() FOR UPDATE SKIP LOCKED)"
            )
            rows = await c.fetch(
                "UPDATE lease SET expires_at = clock_timestamp() + make_interval(secs => $1)"
                " FROM unnest($2::text[], $3::bigint[]) AS mine (name, token)"
                " WHERE lease.name = mine.name AND lease.token = mine.token RETURNING lease.name",
                self._lease_s,
                names,
                tokens,
            )
            workers = await c.fetchval("SELECT count(*) FROM worker WHERE expires_at >= clock_timestamp()")
            return Beat(kept=frozenset(row["name"] for row in rows), workers=workers)

        await end_standing(self._database)  # first: what follows may wait for the locks of one that stands
        return await self._database.write(write)

    async def take(self, wanted: Sequence[Lease], limit: int) -> list[Lease]:
        """See the port."""
        taken: list[Lease] = []
        for lease in wanted:
            if len(taken) == limit:
                break
            try:
                token = await self._database.write(lambda c, name=lease.name: self._take(c, name))  # type: ignore[misc]
            except (Unavailable, Uncertain):
                if not taken:
                    raise
                break  # what has been taken is to be done
            if token:
                lease.token = token
                taken.append(lease)
        return taken

    async def _take(self, c: Connection, name: str) -> int:
        """The new number, 0 when another worker holds the lease."""
        await c.execute(f"SET LOCAL lock_timeout = {TAKING_MS}")
        return int(
            await c.fetchval(
                "INSERT INTO lease VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))"
                " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = lease.token + 1,"
                " expires_at = excluded.expires_at WHERE lease.expires_at < clock_timestamp() RETURNING token",
                name,
                self._worker,
                self._lease_s,
            )
            or 0
        )

    async def give_back(self, lease: Lease) -> None:
        """See the port."""
        token, lease.token = lease.token, 0
        await self._database.write(
            lambda c: c.execute(
                "UPDATE lease SET expires_at = clock_timestamp() WHERE name = $1 AND token = $2", lease.name, token
            )
        )

    async def leave(self) -> None:
        """See the port."""
        await self._database.write(lambda c: c.execute("DELETE FROM worker WHERE name = $1", self._worker))


async def check_fence(connection: Any, lease: Lease) -> None:
    """Inside a transaction: nobody takes the lease before it ends. Raises `Fenced` when somebody has."""
    number = await connection.fetchval(
        "SELECT token FROM lease WHERE name = $1 AND token = $2 FOR SHARE", lease.name, lease.token
    )
    if number is None:
        raise Fenced(f"another worker does {lease.name} now; nothing was written")
