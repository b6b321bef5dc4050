"""A TCP proxy on loopback that counts what passes to the server, and cuts every connection once so many bytes have."""

from __future__ import annotations

import asyncio
from contextlib import suppress

PIECE_BYTES = 256 * 1024


class Proxy:
    """Start, point a client at `port`, read `sent`; `cut_after` is used once."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.sent = 0
        """Bytes from clients to the server."""
        self.cut_after: int | None = None
        self.cuts = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def end(self) -> None:
        assert self._server is not None
        self._server.close()
        self._cut()
        await self._server.wait_closed()

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(back)
        try:
            await asyncio.gather(self._pump(reader, back, counted=True), self._pump(there, writer, counted=False))
        finally:
            for one in (writer, back):
                one.transport.abort()
                self._writers.discard(one)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, counted: bool) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            while data := await source.read(PIECE_BYTES):
                if counted:
                    self.sent += len(data)
                    if self.cut_after is not None and self.sent > self.cut_after:
                        self.cut_after = None
                        self.cuts += 1
                        self._cut()
                        return
                sink.write(data)
                await sink.drain()
        sink.close()
