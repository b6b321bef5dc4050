"""A whole dossier retrieved against a bare gRPC byte stream: same run, same size, same chunks, mutual TLS, real processes.

The bare stream is two processes and no hop: one sends chunks it has in memory, the other counts them; and once more with a third process
that passes them on. The retrieval is custodian (decrypts at rest, seals), relay (routes), court gateway (opens, judges every record,
stages on disk).

Both once as fast as this machine's memory lets them, where the bare stream has both cores and the retrieval's three processes share them;
and once over lines of 1 Gbit/s, as institutions have them: one to the relay and one from it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.line import line
from bench.process import process, ready
from bench.table import Row
from bench.way import peak_rss_mb, receipted
from relay.app import desk
from relay.app.demo.network import Network
from relay.app.initialise import initialise
from relay.config.roles import read_court, read_relay
from relay.core.identity import Role
from relay.core.limits import CHUNK_PLAINTEXT_BYTES
from relay.core.sealing import TAG_BYTES
from relay.sample import heavy_dossier
from relay.transport.channels import channel
from relay.transport.servers import serving
from relay.wire.desks import CourtDeskClient
from relay.wire.relay_client import GrpcRetrievalLink
from relay.wire.v1 import relay_pb2, relay_pb2_grpc

SEED: Final = 1
RECORDS: Final = 250
PAYLOAD_BYTES: Final = 300_000_000
RUNS: Final = 3
SHARE: Final = 60.0
RELAY_MB: Final = 32.0
GIGABIT: Final = 125_000_000
"""Bytes a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """MB a second. `stream`: until every chunk is judged and staged; `whole`: until the verified bundle is on the clerk's disk."""

    bare: float
    hop: float
    stream: float
    whole: float
    relay_mb: float
    """Peak resident memory of the relay over what it had before."""


class _Sender(relay_pb2_grpc.CourtPortServicer):
    """Sends chunks of the same bytes."""

    def __init__(self, total: int) -> None:
        self._total = total

    async def Retrieve(  # noqa: N802  # the name of the method in the contract
        self, request: relay_pb2.RetrieveRequest, context: Any
    ) -> AsyncIterator[relay_pb2.SealedChunk]:
        """Header, then chunks."""
        chunk = os.urandom(CHUNK_PLAINTEXT_BYTES + TAG_BYTES)
        yield relay_pb2.SealedChunk(header=b"{}")
        for _ in range(-(-self._total // CHUNK_PLAINTEXT_BYTES)):
            yield relay_pb2.SealedChunk(chunk=chunk)


class _Hop(relay_pb2_grpc.CourtPortServicer):
    """Passes on what another sends."""

    def __init__(self, link: GrpcRetrievalLink) -> None:
        self._link = link

    async def Retrieve(  # noqa: N802  # the name of the method in the contract
        self, request: relay_pb2.RetrieveRequest, context: Any
    ) -> AsyncIterator[relay_pb2.SealedChunk]:
        """Header, then chunks."""
        async with self._link.retrieve(request.custodian, request.request) as pieces:
            yield relay_pb2.SealedChunk(header=await anext(pieces))
            async for piece in pieces:
                yield relay_pb2.SealedChunk(chunk=piece)


async def hop(home: Path, address: str) -> None:
    """The process in the middle: serve until killed."""
    async with channel(address, read_court(home / "court/config.toml").common.tls) as opened:
        await serve(home, _Hop(GrpcRetrievalLink(opened)))


async def serve(home: Path, sender: relay_pb2_grpc.CourtPortServicer) -> None:
    """The bare stream's first process: serve until killed."""
    async with serving(
        [lambda server: relay_pb2_grpc.add_CourtPortServicer_to_server(sender, server)],
        address="127.0.0.1:0",
        tls=read_relay(home / "relay/config.toml").common.tls,
        allow={"/relay.wire.v1.CourtPort/Retrieve": frozenset({Role.COURT})},
    ) as port:
        ready(port)
        await asyncio.Event().wait()


async def bare(home: Path, total: int, *, rate: int = 0, hop: bool = False) -> float:
    """MB a second from a process of its own to this one, perhaps through a third; over lines of `rate` bytes a second."""
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(process("bench.stream", str(home), str(total)))
        address = await stack.enter_async_context(line(address, rate))
        if hop:
            address = await stack.enter_async_context(process("bench.stream", str(home), address))
            address = await stack.enter_async_context(line(address, rate))
        async with channel(address, read_court(home / "court/config.toml").common.tls) as opened:
            link = GrpcRetrievalLink(opened)
            await _count(link)  # the first connection and its TLS handshake are not the stream
            began = time.perf_counter()
            received = await _count(link)
            return received / 1e6 / (time.perf_counter() - began)


async def _count(link: GrpcRetrievalLink) -> int:
    received = 0
    async with link.retrieve("", b"") as pieces:
        async for piece in pieces:
            received += len(piece)
    return received


async def _retrieval(home: Path, wish: desk.RetrieveWish, out: Path) -> tuple[float, float, str]:
    """(seconds until the last chunk is judged, seconds until the bundle is here, verdict)."""
    token = desk.read_grant_file(wish.grant)
    async with desk.open_desk(home, "court-desk") as (opened, _):
        client = CourtDeskClient(opened)
        began = time.perf_counter()
        judged = 0.0
        async for event in client.retrieve(token, "", wish.officer, wish.purpose):
            part = event.WhichOneof("event")
            if part == "progress" and event.progress.bytes == event.progress.bytes_total:
                judged = time.perf_counter() - began
            elif part == "done":
                await client.fetch_bundle(event.done.bundle_id, out)
                return judged, time.perf_counter() - began, json.loads(event.done.verdict)["verdict"]
    raise SystemExit("the retrieval ended without a result")


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _reset_peak(pid: int) -> None:
    """The high-water mark begins anew (Linux)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@asynccontextmanager
async def _network(home: Path, relay: str, rate: int) -> AsyncIterator[Network]:
    """All roles; custodian and court reach the relay over a line each."""
    network = Network(home)
    async with AsyncExitStack() as stack:
        for role in ("custodian", "court"):
            near = await stack.enter_async_context(line(relay, rate))
            config = home / role / "config.toml"
            config.write_text(config.read_text().replace(f'address = "{relay}"', f'address = "{near}"'))
        stack.push_async_callback(network.end)
        await network.start()
        yield network


async def measure(folder: Path, payload_bytes: int, scratch: Path, rate: int) -> list[Run]:
    """Bare stream and retrieval in turn, so that both meet the same machine."""
    made = initialise(scratch / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.2)
    home, runs = made.home, []
    async with _network(home, f"127.0.0.1:{made.ports['relay']}", rate) as network:
        report = await desk.deposit(home, folder, lambda _done, _total: None)
        await desk.anchor(home)
        await network.until("the court has read its ledger", lambda s: receipted(s) == RECORDS)
        grant = desk.GrantWish(
            court="", case="Bench 2", dossiers=[report.stored[0].reference], kinds=["*"], mode="retrieve",
            purpose="bench", days=1, uses=RUNS,
        )  # fmt: skip
        await desk.issue_grant(home, grant, scratch / "grant.jwt")
        wish = desk.RetrieveWish(grant=scratch / "grant.jwt", dossier="", officer="bench", purpose="bench")
        for _ in range(RUNS):
            plain = await bare(home, payload_bytes, rate=rate)
            hopped = await bare(home, payload_bytes, rate=rate, hop=True)
            pid = network.roles["relay"].pid
            idle = _rss_mb(pid)
            _reset_peak(pid)
            judged, whole, verdict = await _retrieval(home, wish, scratch / "bundle.zip")
            if verdict != "CONSISTENT":
                raise SystemExit(f"a verdict was {verdict}")
            size = payload_bytes / 1e6
            peak = peak_rss_mb(pid) * 1024 * 1024 / 1e6
            runs.append(Run(bare=plain, hop=hopped, stream=size / judged, whole=size / whole, relay_mb=peak - idle))
    return runs


def stream_rows() -> list[Row]:
    """The section of the table."""
    rows = []
    for rate, where in ((0, "in memory"), (GIGABIT, "1 Gbit/s")):
        with tempfile.TemporaryDirectory(prefix="courtrelay-bench-") as scratch:
            made = heavy_dossier(Path(scratch) / "heavy", RECORDS, PAYLOAD_BYTES, SEED)
            runs = asyncio.run(measure(Path(scratch) / "heavy", made["payload_bytes"], Path(scratch), rate))
        rows += _rows(runs, where)
    return rows


def _rows(runs: list[Run], where: str) -> list[Row]:
    what = f"dossier of {RECORDS} records, {PAYLOAD_BYTES // 10**6} MB"
    shares = tuple(100 * run.stream / run.bare for run in runs)
    hop_shares = tuple(100 * run.stream / run.hop for run in runs)
    peak = (max(run.relay_mb for run in runs),)
    return [
        Row(name=f"{where}: bare gRPC stream, no hop", values=tuple(run.bare for run in runs), unit="MB/s"),
        Row(name="  bare gRPC stream, one hop", values=tuple(run.hop for run in runs), unit="MB/s"),
        Row(name=f"  {what}, every chunk judged and staged", values=tuple(run.stream for run in runs), unit="MB/s"),
        Row(name="    against the bare stream without a hop, same run", values=shares, unit="%", target=SHARE),
        Row(name="    against the bare stream with a hop, same run", values=hop_shares, unit="%"),
        Row(name="  bundle verified and fetched", values=tuple(run.whole for run in runs), unit="MB/s"),
        Row(name="  relay memory over idle, peak", values=peak, unit="MB", target=RELAY_MB, below=True),
    ]


if __name__ == "__main__":
    home_folder, what_to_send = Path(sys.argv[1]), sys.argv[2]
    asyncio.run(
        serve(home_folder, _Sender(int(what_to_send))) if what_to_send.isdecimal() else hop(home_folder, what_to_send)
    )
