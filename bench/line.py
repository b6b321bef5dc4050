"""A line of a given rate between two processes: what comes in at one end goes out at the other, so many bytes a second each way.

Two programs on one machine have a line as fast as its memory. What two institutions have between them is slower, and there a stream is to
be judged by how much of the line it fills.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Final

from bench.process import process, ready

PIECE_BYTES: Final = 256 * 1024
BURST_S: Final = 0.02
"""So much of what a late wake-up has missed is made good."""


class _Way:
    """One direction: bytes leave at the rate, however many connections there are."""

    def __init__(self, bytes_per_s: int) -> None:
        self._rate = bytes_per_s
        self._free_at = 0.0

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the sender ends or either side is gone."""
        now = asyncio.get_running_loop().time
        with suppress(OSError), closing(writer):
            while data := await reader.read(PIECE_BYTES):
                self._free_at = max(self._free_at, now() - BURST_S) + len(data) / self._rate
                await asyncio.sleep(self._free_at - now())
                writer.write(data)
                await writer.drain()


async def serve(port: int, bytes_per_s: int) -> None:
    """Pass on to a port of this machine until killed."""
    there, back = _Way(bytes_per_s), _Way(bytes_per_s)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port, limit=PIECE_BYTES)
        except OSError:  # nobody is there yet: the caller tries again
            writer.close()
            return
        await asyncio.gather(there.pass_on(reader, far_writer), back.pass_on(far_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=PIECE_BYTES)
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


@asynccontextmanager
async def line(address: str, bytes_per_s: int) -> AsyncIterator[str]:
    """The near end of a line to an address, in a process of its own; the address itself where the rate is 0."""
    if not bytes_per_s:
        yield address
        return
    async with process("bench.line", address.rpartition(":")[2], str(bytes_per_s)) as near:
        yield near


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
