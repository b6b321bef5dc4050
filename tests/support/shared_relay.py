"""A home folder whose relay is several workers on one PostgreSQL, and what only that arrangement can suffer."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from relay.app.demo.network import Network
from relay.app.processes import RoleProcess
from relay.core.tiles import encode_entries
from relay.store.postgres.relay import PostgresRelayStore
from tests.support.postgres import Cluster

LEASE_S = 1.0
WORKERS = 3


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
            while True:
                held = await store.database.read(
                    lambda c: c.fetchrow(
                        "SELECT holder, token FROM lease WHERE name LIKE $1 ORDER BY name LIMIT 1", job
                    )
                )
                pids = {str(network.roles[name].pid): name for name in self.workers}
                name = pids.get(held["holder"].split()[1]) if held else None
                if name is not None:
                    break
                await asyncio.sleep(0.05)  # the holder has just been killed, or nobody has begun
            os.kill(network.roles[name].pid, signal.SIGSTOP)
            try:
                while True:
                    now = await store.database.read(
                        lambda c: c.fetchval("SELECT token FROM lease WHERE name LIKE $1 ORDER BY name LIMIT 1", job)
                    )
                    if now > held["token"]:
                        return name
                    await asyncio.sleep(0.05)
            finally:
                os.kill(network.roles[name].pid, signal.SIGCONT)
        finally:
            await store.close()

    async def entries(self, origin: str) -> bytes:
        """All entries of a log, as the pack of a SQLite store would hold them."""
        store = await PostgresRelayStore.open(self.url)
        try:
            log = await store.log(origin)
            return encode_entries(await asyncio.to_thread(log.files.entries, 0, log.size))
        finally:
            await store.close()
