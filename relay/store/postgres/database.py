"""One PostgreSQL database: a pool of connections, each checked before it is used; whole transactions, retried where they may be.

Every transaction is READ COMMITTED: what must hold at its end is written into the statements themselves (compare-and-swap,
row locks), so that the database's isolation level decides nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg
from asyncpg import exceptions as pg

from relay.core.errors import Malformed, Unavailable, Uncertain
from relay.durable.errors import StorageFailed
from relay.store.postgres.schema import SCHEMA, check_server, migrate
from relay.telemetry import metrics

T = TypeVar("T")
Connection = Any
"""An asyncpg connection."""

CONNECTIONS_MAX: Final = 8
CONNECT_S: Final = 5.0
STATEMENT_S: Final = 30.0
IDLE_MS: Final = 5000
"""How long a worker that stands still may hold its locks in the middle of a transaction; the server, or another worker, then ends it."""
TRIES: Final = 5
APPLICATION_NAME: Final = "courtrelay"
SETTINGS: Final = {
    "application_name": APPLICATION_NAME,
    "search_path": SCHEMA,
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": str(IDLE_MS),
    "lock_timeout": "10000",
    "timezone": "UTC",
}
_LOCAL: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})
_AGAIN: Final = (pg.SerializationError, pg.DeadlockDetectedError)
_DAMAGED: Final = (pg.PostgresIOError, pg.DataCorruptedError, pg.IndexCorruptedError)
_GONE: Final = (
    OSError,  # TimeoutError among them
    pg.PostgresConnectionError,
    pg.OperatorInterventionError,
    pg.InsufficientResourcesError,
    pg.IdleInTransactionSessionTimeoutError,
    pg.LockNotAvailableError,
    pg.ReadOnlySQLTransactionError,
    pg.InvalidAuthorizationSpecificationError,
    pg.InvalidCatalogNameError,
    pg.InternalClientError,
)


class PostgresDatabase:
    """Open with `open`, end with `close`. Functions handed to `read` and `write` get a connection and may be run twice."""

    def __init__(self, pool: Any, name: str) -> None:
        self._pool = pool
        self.name = name

    @classmethod
    async def open(cls, url: str, *, application: str, migrations: Sequence[str]) -> PostgresDatabase:
        """Connect, check the server's settings, bring the schema up to version `len(migrations)`.

        Raises `Malformed` (an address that is none or not encrypted, unsafe settings, a replica, a newer schema, missing rights;
        each says what to do), `Unavailable`, `StorageFailed`.
        """
        name = check_url(url)
        try:
            first = await asyncpg.connect(url, timeout=CONNECT_S, command_timeout=STATEMENT_S, server_settings=SETTINGS)
        except (pg.PostgresError, pg.InterfaceError, OSError, ValueError) as error:
            raise refused(name, error) from error
        try:
            await check_server(first, name)
            await migrate(first, name, application, migrations)
        except (pg.PostgresError, pg.InterfaceError, OSError) as error:
            raise refused(name, error) from error
        finally:
            with suppress(Exception):
                await first.close(timeout=CONNECT_S)

        async def check(connection: Connection) -> None:
            await check_server(connection, name)

        pool = await asyncpg.create_pool(
            url, min_size=0, max_size=CONNECTIONS_MAX, init=check, reset=_nothing_to_reset, timeout=CONNECT_S,
            command_timeout=STATEMENT_S, server_settings=SETTINGS,
        )  # fmt: skip
        return cls(pool, name)

    async def close(self) -> None:
        """Finish what runs, then close. Safe to call twice."""
        await self._pool.close()

    async def read(self, fn: Callable[[Connection], Awaitable[T]]) -> T:
        """Run one statement, or several of which each may see a newer state. Raises `Unavailable`, `StorageFailed`."""
        async with self._connection() as connection:
            try:
                return await fn(connection)
            except (pg.PostgresError, pg.InterfaceError, pg.InternalClientError, OSError) as error:
                raise self._told(error, connection) from error

    async def write(self, fn: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `fn` inside a transaction; return its result once COMMIT has been answered. What `fn` raises is raised here, undone.

        `fn` must let every error of a statement pass. Raises `Unavailable` (nothing happened), `Uncertain` (the
        connection broke during COMMIT), `StorageFailed`.
        """
        for _ in range(TRIES):
            try:
                return await self._once(fn)
            except _AGAIN:
                continue
        raise Unavailable(f"{self.name}: {TRIES} tries met other transactions")

    async def _once(self, fn: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._connection() as connection:
            try:
                await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
                result = await fn(connection)
            except _AGAIN:
                await _roll_back(connection)
                raise
            except (pg.PostgresError, pg.InterfaceError, pg.InternalClientError, OSError) as error:
                await _roll_back(connection)
                raise self._told(error, connection) from error
            except BaseException:
                await _roll_back(connection)
                raise
            with metrics.db_commit_duration.labels("postgresql").time():
                await self._commit(connection)
            return result

    async def _commit(self, connection: Connection) -> None:
        try:
            done = await connection.execute("COMMIT")
        except _AGAIN:
            raise
        except (pg.PostgresError, pg.InterfaceError, pg.InternalClientError, OSError) as error:
            told = self._told(error, connection)
            if isinstance(told, Unavailable):
                raise Uncertain(f"{self.name}: no answer to a COMMIT: {error}") from error
            raise told from error
        if done != "COMMIT":
            raise RuntimeError("a transaction went on after one of its statements had failed")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """A checked connection. Raises `Unavailable`, also when the server behind the address has become another."""
        try:
            connection = await self._pool.acquire(timeout=CONNECT_S)
        except Malformed as error:
            raise Unavailable(str(error)) from error
        except (pg.PostgresError, pg.InterfaceError, pg.InternalClientError, OSError) as error:
            raise Unavailable(f"{self.name}: {error or type(error).__name__}") from error
        try:
            yield connection
        finally:
            # a connection that breaks while it is given back is free already, and the pool calls giving it back its own mistake
            with suppress(pg.PostgresError, pg.InterfaceError, pg.InternalClientError, OSError):
                await self._pool.release(connection, timeout=CONNECT_S)

    def _told(self, error: Exception, connection: Connection) -> Exception:
        """What a driver's error means to a caller."""
        text = f"{self.name}: {error or type(error).__name__}"
        if isinstance(error, _DAMAGED):
            return StorageFailed(text)
        if isinstance(error, _GONE) or _is_closed(connection):
            return Unavailable(text)
        return RuntimeError(text)


def check_url(url: str) -> str:
    """`host/database` of an address that may be used. Raises `Malformed`; never shows the password."""
    try:
        parts = urlsplit(url)
        options = parse_qs(parts.query)
        host = parts.hostname or options.get("host", [""])[-1]
    except ValueError:
        raise Malformed("store", "url", "is no address; postgresql://user@host/database?sslmode=verify-full") from None
    if parts.scheme != "postgresql" or not parts.path.strip("/"):
        raise Malformed("store", "url", "must be postgresql://user@host/database?sslmode=verify-full")
    name = f"PostgreSQL database {parts.path.strip('/')} at {host or 'this machine'}"
    if host not in _LOCAL and not host.startswith("/") and options.get("sslmode") != ["verify-full"]:
        raise Malformed(name, "url", "a server elsewhere is used with sslmode=verify-full only")
    return name


def refused(name: str, error: Exception) -> Exception:
    """What a failed start says."""
    if isinstance(error, _DAMAGED):
        return StorageFailed(f"{name}: {error}")
    if isinstance(error, pg.InvalidCatalogNameError):
        return Malformed(name, "", "there is no such database; make it with createdb")
    if isinstance(error, pg.InvalidAuthorizationSpecificationError):
        return Malformed(name, "", f"does not let this user in ({error})", concern="access")
    if isinstance(error, pg.InsufficientPrivilegeError):
        return Malformed(
            name, "", f"{error}; for the first start and after an update: GRANT CREATE ON DATABASE", concern="access"
        )
    if isinstance(error, ValueError):
        return Malformed(name, "url", f"is refused by the driver ({error})")
    return Unavailable(f"{name}: {error or type(error).__name__}")


async def _roll_back(connection: Connection) -> None:
    """Leave the transaction; a connection that cannot is not used again."""
    try:
        await connection.execute("ROLLBACK")
    except (pg.PostgresError, pg.InterfaceError, pg.InternalClientError, OSError):
        with suppress(pg.InterfaceError):  # closed already, and the pool has taken it back
            connection.terminate()


def _is_closed(connection: Connection) -> bool:
    """Whether the connection is gone; one that broke has been taken back by the pool and answers nothing any more."""
    try:
        return bool(connection.is_closed())
    except pg.InterfaceError:
        return True


async def _nothing_to_reset(_connection: Connection) -> None:
    """No session state is ever changed: the driver's own round trip would be for nothing."""
