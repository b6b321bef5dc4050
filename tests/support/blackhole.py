"""A line between two processes that can go silent: what is sent into it is taken and lost, and nobody is told.

Unlike a reset or a refused connection, silence is noticed only by a deadline. Connections that were open meanwhile stay
silent after the line is healed, as behind a firewall that has forgotten them: bytes of theirs are missing. New ones pass.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

CHUNK_BYTES = 65_536
LOOPBACK = "127.0.0.1"


@dataclass(eq=False)
class _Connection:
    """Both directions of one accepted connection; `lost`: bytes of it have gone nowhere."""

    lost: bool
    writers: list[asyncio.StreamWriter] = field(default_factory=list)


class Line:
    """Listens on loopback and carries to `target` (host:port). Use as an async context manager."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._silent = False
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.swallowed = 0
        """Bytes that went nowhere."""
        self.accepted_in_silence = 0
        """Connections that were made while the line was silent."""

    async def __aenter__(self) -> Line:
        self._server = await asyncio.start_server(self._accepted, LOOPBACK, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> str:
        """Where to connect instead of to the target."""
        assert self._server is not None
        return f"{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"

    def silence(self) -> None:
        """From now on nothing passes, in either direction, on old and new connections."""
        self._silent = True
        for connection in self._connections:
            connection.lost = True

    def heal(self) -> None:
        """New connections pass again; those of the silence stay silent until an end closes them."""
        self._silent = False

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        connection = _Connection(lost=self._silent, writers=[writer])
        self._connections.add(connection)
        try:
            if connection.lost:
                self.accepted_in_silence += 1
                await self._carry(connection, reader, None)
                return
            inner_reader, inner_writer = await asyncio.open_connection(self._host, self._port)
            connection.writers.append(inner_writer)
            await asyncio.gather(
                self._carry(connection, reader, inner_writer), self._carry(connection, inner_reader, writer)
            )
        except (OSError, asyncio.CancelledError):  # the target is down, or the line is taken away: the connection ends
            return
        finally:
            self._connections.discard(connection)
            for one in connection.writers:
                one.close()

    async def _carry(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None
    ) -> None:
        """One direction until its sender ends. An end is told to the other side only where nothing was lost."""
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK_BYTES):
                if connection.lost or writer is None:
                    self.swallowed += len(data)
                    continue
                writer.write(data)
                await writer.drain()
        if writer is not None and not connection.lost:
            with suppress(OSError):
                writer.write_eof()
