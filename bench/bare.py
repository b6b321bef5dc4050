"""What a bare call costs on the same machine at the same moment: the baseline of bench/latency.py.

Two processes of their own, as relay and court gateway are: a plain grpc.aio server that answers one unary method with the bytes
it was sent, and a plain grpc.aio client. Mutual TLS with certificates of the network's own authority, 1 KiB each way, no
interceptor, no deadline, no store. Calls begin at fixed points of time whatever became of those before, so that a stall delays
every call that falls into it and not only one. A call counts from the moment it is made to the moment its answer is there: the
client's own lateness in making it is left out, for it would only flatter whatever is compared with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from bench.schedule import until_due
from relay.app.runtime import until_signalled
from relay.transport.credentials import TlsFiles, channel_credentials, server_credentials

METHOD: Final = "/bench.Bare/Say"
MESSAGE_BYTES: Final = 1024
CALLS_PER_S: Final = 100
ROOT: Final = Path(__file__).resolve().parents[1]


def tls_of(folder: Path) -> TlsFiles:
    """The certificate of a role of a home folder."""
    return TlsFiles(ca=folder / "ca.pem", certificate=folder / "tls.pem", key=folder / "tls.key")


async def _serve(folder: Path) -> None:
    async def say(request: bytes, _context: Any) -> bytes:
        return request

    server = grpc.aio.server()
    handlers: dict[str, Any] = {"Say": grpc.unary_unary_rpc_method_handler(say)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Bare", handlers),))
    port = server.add_secure_port("127.0.0.1:0", server_credentials(tls_of(folder)))
    await server.start()
    print(port, flush=True)
    await until_signalled()
    await server.stop(None)


async def _call(folder: Path, port: int, begins: float, calls: int) -> list[float]:
    """Milliseconds of every call."""
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", channel_credentials(tls_of(folder))) as channel:
        say: Any = channel.unary_unary(METHOD)
        message = bytes(MESSAGE_BYTES)
        await say(message)  # the handshake is none of the calls

        async def one(number: int) -> float:
            await until_due(begins, number, CALLS_PER_S)
            made = time.perf_counter()
            await say(message)
            return (time.perf_counter() - made) * 1000

        return await asyncio.gather(*(one(number) for number in range(calls)))


class BareCalls:
    """The two processes beside a running network. `measure` gives the milliseconds of every call."""

    def __init__(self, home: Path, port: int) -> None:
        self._home = home
        self._port = port

    async def measure(self, begins: float, seconds: float) -> list[float]:
        """Calls from the wall-clock time `begins` on, for so long."""
        more = ("--port", str(self._port), "--begins", str(begins), "--calls", str(int(seconds * CALLS_PER_S)))
        client = await _start("call", self._home / "relay", *more)
        try:
            answer, _ = await client.communicate()
        finally:
            await _end(client)
        if client.returncode:
            raise RuntimeError(f"the client of the bare calls ended with code {client.returncode}")
        values: list[float] = json.loads(answer)
        return values


@asynccontextmanager
async def bare_calls(home: Path) -> AsyncIterator[BareCalls]:
    """Serve as the court gateway's certificate; the client shows the relay's."""
    server = await _start("serve", home / "court")
    try:
        assert server.stdout is not None
        yield BareCalls(home, int(await server.stdout.readline()))
    finally:
        await _end(server)


async def _start(*arguments: object) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "bench.bare", *map(str, arguments)]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


def main() -> None:
    """`serve FOLDER` prints its port and stays; `call FOLDER` prints a JSON list of milliseconds."""
    parser = argparse.ArgumentParser(prog="bench.bare")
    parser.add_argument("what", choices=("serve", "call"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--begins", type=float, default=0.0)
    parser.add_argument("--calls", type=int, default=0)
    wanted = parser.parse_args()
    if wanted.what == "serve":
        asyncio.run(_serve(wanted.folder))
    else:
        print(json.dumps(asyncio.run(_call(wanted.folder, wanted.port, wanted.begins, wanted.calls))))


if __name__ == "__main__":
    main()
