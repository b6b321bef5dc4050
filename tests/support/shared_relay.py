"""A home folder whose relay is several workers on one PostgreSQL, and what only that arrangement can suffer."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from relay.app.demo.network import Network
from relay.app.processes import RoleProcess
from relay.core.tiles import encode_entries
from relay.store.postgres.relay import PostgresRelayStore
from tests.support.postgres import Cluster

LEASE_S = 1.0
WORKERS = 3
POLL_S = 0.05
TAKEN_WITHIN_S = 120.0
"""Far above what a worker needs to take a free lease: beyond it, nobody ever will."""


class SharedRelay:
    """Worker 1 is the relay that custodian and court call; the others only share its jobs."""

    def __init__(self, home: Path, cluster: Cluster) -> None:
        self._home = home
        self._cluster = cluster
        self.url = cluster.new_database()
        folder = home / "relay"
        (folder / "database.url").write_text(self.url)
        (folder / "database.url").chmod(0o600)
        first = folder / "config.toml"
        store = f'[store]\nfamily = "postgresql"\nurl = "file:database.url"\nlease_s = {LEASE_S}\n'
        first.write_text(f"{first.read_text()}\n{store}")
        self.workers = {"relay": first}
        for number in range(2, WORKERS + 1):
            path = self.workers[f"relay-{number}"] = folder / f"worker-{number}.toml"
            lines = first.read_text().splitlines()
            path.write_text("\n".join('listen = "127.0.0.1:0"' if x.startswith("listen") else x for x in lines))

    def add_to(self, network: Network) -> None:
        """The further workers, as roles of their own."""
        for name, path in self.workers.items():
            if name not in network.roles:
                network.roles[name] = RoleProcess("relay", self._home, self._home / "relay" / f"{name}.jsonl", path)

    async def crash_database(self) -> None:
        """The server dies without writing anything down, and is started again."""
        await asyncio.to_thread(self._cluster.stop, "immediate")
        await asyncio.to_thread(self._cluster.start)

    async def pause_holder(self, network: Network, job: str) -> str:
        """SIGSTOP whoever holds a job's lease, until another worker has been given it; its name."""
        store = await PostgresRelayStore.open(self.url)
        try:
            name, token = await self._holder(store, network, job)
            os.kill(network.roles[name].pid, signal.SIGSTOP)
            try:
                await self._until_taken(store, job, token)
            finally:
                os.kill(network.roles[name].pid, signal.SIGCONT)
            return name
        finally:
            await store.close()

    async def _holder(self, store: PostgresRelayStore, network: Network, job: str) -> tuple[str, int]:
        """A running worker that holds the job; nobody does while one has just been killed, or before any has begun."""
        try:
            async with asyncio.timeout(TAKEN_WITHIN_S):
                while True:
                    held = await self._lease(store, job)
                    pids = {str(network.roles[name].pid): name for name in self.workers}
                    if held and held["holder"].split()[1] in pids:
                        return pids[held["holder"].split()[1]], held["token"]
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise AssertionError(f"no running worker holds {job}: {await self._state(store)}") from None

    async def _until_taken(self, store: PostgresRelayStore, job: str, token: int) -> None:
        try:
            async with asyncio.timeout(TAKEN_WITHIN_S):
                while (await self._lease(store, job))["token"] <= token:
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise AssertionError(f"nobody takes {job} from a worker that stands: {await self._state(store)}") from None

    async def _lease(self, store: PostgresRelayStore, job: str) -> Any:
        sql = "SELECT holder, token FROM lease WHERE name LIKE $1 ORDER BY name LIMIT 1"
        return await store.database.read(lambda c: c.fetchrow(sql, job))

    async def _state(self, store: PostgresRelayStore) -> str:
        """What the database shows of leases, workers and connections, for whoever reads that nobody works."""
        questions = (
            "SELECT *, expires_at - clock_timestamp() AS left FROM lease",
            "SELECT *, expires_at - clock_timestamp() AS left FROM worker",
            "SELECT pid, state, wait_event, now() - xact_start AS since, query FROM pg_stat_activity WHERE datname <> ''",
        )
        told = [await store.database.read(lambda c, sql=sql: c.fetch(sql)) for sql in questions]  # type: ignore[misc]
        return "\n".join(str(row) for rows in told for row in rows)

    async def entries(self, origin: str) -> bytes:
        """All entries of a log, as the pack of a SQLite store would hold them."""
        store = await PostgresRelayStore.open(self.url)
        try:
            log = await store.log(origin)
            return encode_entries(await asyncio.to_thread(log.files.entries, 0, log.size))
        finally:
            await store.close()
