"""Opens the store that a relay's configuration names."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from relay.config.roles import RelayConfig, SharedStore
from relay.core.errors import Malformed
from relay.ports.forwarding import RelayStore
from relay.ports.notices import NoticeStore
from relay.ports.sharing import Lease, Leases
from relay.store.relay import SqliteRelayStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedMemory:
    """What other workers have to do with a store: the leases, and the store as one lease's holder writes it."""

    leases: Leases
    lease_s: float
    under: Callable[[Lease], RelayStore]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A relay's store. `shared` None: no other process can use it (SQLite, whose folder is locked)."""

    store: RelayStore
    close: Callable[[], Awaitable[None]]
    probe: Callable[[], Awaitable[None]]
    """Raises when the store cannot be written now."""
    notices: NoticeStore
    shared: SharedMemory | None = None


async def open_memory(config: RelayConfig, *, check: bool = False) -> Memory:
    """The relay's store; `check` reads a SQLite file through first. Raises what the store's `open` raises."""
    if config.store is not None:
        return await _open_postgres(config.store, tells=config.common.mqtt is not None)
    store = await SqliteRelayStore.open(config.common.data, check=check, tells=config.common.mqtt is not None)
    return Memory(store=store, close=store.close, probe=store.probe, notices=store.notices)


async def _open_postgres(shared: SharedStore, *, tells: bool) -> Memory:
    try:  # an extra: a relay with SQLite needs no driver
        from relay.store.postgres.leases import PostgresLeases
        from relay.store.postgres.relay import PostgresRelayStore
    except ImportError as error:
        raise Malformed("relay", "store.family", f"postgresql needs the extra courtrelay[postgres] ({error})") from None
    store = await PostgresRelayStore.open(shared.url, tells=tells)
    worker = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(4)}"
    leases = PostgresLeases(store.database, worker, shared.lease_s)
    under = SharedMemory(leases=leases, lease_s=shared.lease_s, under=store.fenced)
    return Memory(store=store, close=store.close, probe=store.probe, notices=store.notices, shared=under)
