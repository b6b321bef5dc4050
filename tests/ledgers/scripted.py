"""An adapter that says what a test tells it to: any bytes, any status, any stream, at any method of adapter.proto."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from adapters.remote.client import RemoteCourt, RemoteSource, open_court, open_source
from adapters.remote.link import Patience
from adapters.remote.server import ALLOW, LONG_LIVED
from adapters.remote.v1 import adapter_pb2 as pb
from relay.app.initialise import COURT_LEDGER, LENDER_LEDGER, ORIGIN, initialise
from relay.core.checkpoint import Checkpoint
from relay.ports.ledgers import Anchor, AnchorBlock
from relay.transport.servers import serving
from tests.ledgers.remote_bench import settings, tls_of

Answer = Message | bytes | BaseException | grpc.StatusCode | Sequence[Message | bytes]
"""A message; bytes in its place; an error raised in the handler; a bare status; for streams, what comes before the silence."""

ROOT = bytes(range(32))
CHECKPOINT = Checkpoint(origin=ORIGIN, size=3, root=ROOT)
GOOD = pb.Anchor(
    ledger=LENDER_LEDGER, origin=ORIGIN, size=3, root=ROOT, height=5, block_hash=b"b" * 32, tx_id=b"t" * 32, time_ms=7
)
RECEIPT = pb.Receipt(ledger=COURT_LEDGER, origin=ORIGIN, size=3, root=ROOT, height=5, tx_id=b"t" * 32, time_ms=7)
BLOCK = pb.Block(height=5, block_hash=b"b" * 32, parent_hash=b"p" * 32, time_ms=7, anchors=[GOOD], final_height=4)
HEAD = pb.LedgerHead(height=9, block_hash=b"b" * 32, final_height=8)
ANCHOR = Anchor(
    ledger=LENDER_LEDGER, origin=ORIGIN, size=3, root=ROOT, height=5, block_hash=b"b" * 32, tx_id=b"t" * 32, time_ms=7
)

PATIENCE = Patience(call_s=20.0, write_s=20.0, silence_s=20.0)
STREAM = "AnchorSource/Blocks"


def make_home(folder: Path) -> Path:
    """Certificates of every role."""
    return initialise(folder / "home", base_port=0, validators=1, threshold=1).home


def hello(**changes: Any) -> pb.HelloReply:
    """A greeting that the lender's clients accept, but for the changes."""
    good = {
        "version": 1,
        "name": "scripted",
        "adapter_version": "1",
        "family": "embedded",
        "proof_kind": "quorum",
        "ledger": LENDER_LEDGER,
        "source": True,
        "court": True,
    }
    return pb.HelloReply(**{**good, **changes})


class Script:
    """`answers` by service and method, such as `AnchorSource/Head`; `asked` counts the calls of each."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers: dict[str, Answer] = {"Adapter/Hello": hello(), **answers}
        self.asked: dict[str, list[bytes]] = {}

    async def one(self, name: str, request: bytes, context: Any) -> bytes:
        self.asked.setdefault(name, []).append(request)
        answer = self.answers[name]
        if isinstance(answer, grpc.StatusCode):
            await context.abort(answer, "no word with it")
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, bytes) else answer.SerializeToString()  # type: ignore[union-attr]

    async def many(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        answer: Any = self.answers[STREAM]
        if isinstance(answer, grpc.StatusCode | BaseException):
            yield await self.one(STREAM, request, context)
        for message in answer:
            yield message if isinstance(message, bytes) else message.SerializeToString()
        await asyncio.Event().wait()

    def register(self, server: Any) -> None:
        services: dict[str, dict[str, Any]] = {}
        for name in self.answers:
            service, method = name.split("/")
            if name == STREAM:
                handler = grpc.unary_stream_rpc_method_handler(self.many)
            else:

                async def one(request: bytes, context: Any, name: str = name) -> bytes:
                    return await self.one(name, request, context)

                handler = grpc.unary_unary_rpc_method_handler(one)
            services.setdefault(service, {})[method] = handler
        for service, handlers in services.items():
            full = f"adapters.remote.v1.{service}"
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(full, handlers),))


@asynccontextmanager
async def scripted(home: Path, script: Script) -> AsyncIterator[int]:
    """The script behind the real gate; its port."""
    tls = tls_of(home, "lender-ledger")
    async with serving([script.register], address="127.0.0.1:0", tls=tls, allow=ALLOW, long_lived=LONG_LIVED) as port:
        yield port


@asynccontextmanager
async def source_of(
    home: Path, answers: dict[str, Answer] | Script, role: str = "custodian", **more: object
) -> AsyncIterator[RemoteSource]:
    """A role's client of a scripted adapter of the lender's ledger."""
    script = answers if isinstance(answers, Script) else Script(answers)
    async with scripted(home, script) as port, client(home, role, port, **more) as opened:
        yield opened


@asynccontextmanager
async def client(home: Path, role: str, port: int, **more: object) -> AsyncIterator[RemoteSource]:
    """A role's client of whatever is at that port."""
    opened = await open_source(settings(home, role, port, LENDER_LEDGER, **more), PATIENCE)
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def court_of(home: Path, answers: dict[str, Answer], role: str = "relay") -> AsyncIterator[RemoteCourt]:
    """A role's client of a scripted adapter of the court's ledger."""
    answers = {"Adapter/Hello": hello(ledger=COURT_LEDGER), **answers}
    async with scripted(home, Script(answers)) as port:
        opened = await open_court(settings(home, role, port, COURT_LEDGER), PATIENCE)
        try:
            yield opened
        finally:
            await opened.close()


def changed(message: Any, **changes: Any) -> Any:
    made = type(message)()
    made.CopyFrom(message)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


async def first_block(source: Any, start: int = 1) -> AnchorBlock:
    """The feed is closed at once, as a caller that has seen enough does."""
    feed = source.blocks(start)
    try:
        return await anext(feed)  # type: ignore[no-any-return]
    finally:
        await feed.aclose()
