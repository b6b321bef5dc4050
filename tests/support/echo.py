"""A service of all four shapes of call, bytes in and bytes out, behind the real gate: what tests of the transport call."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from relay.core.identity import Identity, Role
from relay.setup.ca import issue
from relay.transport.channels import OPTIONS, call, channel, stream
from relay.transport.credentials import TlsFiles
from relay.transport.servers import serving

SERVICE = "tests.Echo"
SAY, COUNT, GATHER, TALK = (f"/{SERVICE}/{name}" for name in ("Say", "Count", "Gather", "Talk"))
METHODS = (SAY, COUNT, GATHER, TALK)
NOW = datetime.datetime.now(datetime.UTC)


def tls(folder: Path) -> TlsFiles:
    return TlsFiles(ca=folder / "ca.pem", certificate=folder / "tls.pem", key=folder / "tls.key")


def issued(authority: Path, to: Path, role: Role, name: str = "x", **options: Any) -> TlsFiles:
    """A leaf of an authority in a folder."""
    to.mkdir(exist_ok=True)
    issue(authority, Identity(trust_domain="a.example", role=role, name=name), to, options.pop("now", NOW), **options)
    return tls(to)


class Echo:
    """Answers with what it was sent; raises `error` instead, in streams after `before` replies."""

    def __init__(self, error: BaseException | None = None, before: int = 0) -> None:
        self.error = error
        self.before = before
        self.calls = 0

    async def say(self, request: bytes, _context: Any) -> bytes:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return request

    async def count(self, request: bytes, _context: Any) -> AsyncIterator[bytes]:
        self.calls += 1
        for number in range(len(request)):
            if self.error is not None and number == self.before:
                raise self.error
            yield request[: number + 1]

    async def gather(self, requests: AsyncIterator[bytes], _context: Any) -> bytes:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return b"".join([piece async for piece in requests])

    async def talk(self, requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        self.calls += 1
        number = 0
        async for piece in requests:
            if self.error is not None and number == self.before:
                raise self.error
            number += 1
            yield piece

    def register(self, server: grpc.aio.Server) -> None:
        handlers: dict[str, Any] = {
            "Say": grpc.unary_unary_rpc_method_handler(self.say),
            "Count": grpc.unary_stream_rpc_method_handler(self.count),
            "Gather": grpc.stream_unary_rpc_method_handler(self.gather),
            "Talk": grpc.stream_stream_rpc_method_handler(self.talk),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


@asynccontextmanager
async def served(authority: Path, echo: Echo, folder: Path, **options: Any) -> AsyncIterator[str]:
    """The service behind the gate, for operators; yields its address."""
    files = issued(authority, folder / "server", Role.RELAY)
    allow = options.pop("allow", {method: frozenset({Role.OPERATOR}) for method in METHODS})
    async with serving([echo.register], address="127.0.0.1:0", tls=files, allow=allow, **options) as port:
        yield f"127.0.0.1:{port}"


async def say(opened: Any, data: bytes = b"hello", *, timeout: float | None = 5.0) -> bytes:
    """One unary call."""
    return bytes(await call(opened.unary_unary(SAY)(data, timeout=timeout)))


async def ask(target: str, files: TlsFiles, data: bytes = b"hello", **options: Any) -> bytes:
    """One unary call on a channel of its own."""
    async with channel(target, files) as opened:
        return await say(opened, data, **options)


async def streamed(
    opened: Any, method: str, data: Sequence[bytes], *, timeout: float | None = 5.0, held: bool = False
) -> AsyncIterator[bytes]:
    """A call with streamed replies; `held` as in `sending`."""
    async with sending(data, held=held) as requests:
        if method == COUNT:
            calling: Any = opened.unary_stream(COUNT)(b"".join(data), timeout=timeout)
        else:
            calling = opened.stream_stream(TALK)(requests, timeout=timeout)
        async for reply in stream(calling):
            yield reply


@asynccontextmanager
async def sending(data: Sequence[bytes], *, held: bool) -> AsyncIterator[AsyncIterator[bytes]]:
    """Requests of a stream. `held`: they do not end before the call does, for calls that stay open."""
    over = asyncio.Event()

    async def requests() -> AsyncIterator[bytes]:
        for piece in data:
            yield piece
        if held:
            await over.wait()

    try:
        yield requests()
    finally:
        over.set()


def unlimited() -> list[tuple[str, Any]]:
    """Our channel's options without bounds on what it sends, for a client that is not ours."""
    return [(name, value) for name, value in OPTIONS if name != "grpc.max_send_message_length"]
