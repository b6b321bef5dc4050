"""Client side: channels with limits, calls with deadlines, and statuses turned back into domain errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Protocol, TypeVar

import grpc
import grpc.aio

from relay.core.errors import Unavailable, Uncertain
from relay.core.limits import MESSAGE_BYTES_MAX
from relay.telemetry.trace import HEADER, traceparent
from relay.transport.credentials import TlsFiles, channel_credentials
from relay.transport.status import from_status
from relay.transport.told import Told

T = TypeVar("T")

CALL_DEADLINE_S: Final = 20.0
STREAM_DEADLINE_S: Final = 3000.0

OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.compression_enabled_algorithms_bitset", 1),  # none: nothing has to be unpacked before it is refused
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # the one that ends a silent connection; a minute unless it is set
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # what one attempt may take, TLS handshake included; no delay
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_http_proxy", 0),
)


def outgoing() -> tuple[tuple[str, str], ...] | None:
    """Metadata of a call: the trace that it belongs to, where there is one."""
    text = traceparent()
    return ((HEADER, text),) if text else None


class Cancellable(Protocol):
    """A call that can be cancelled."""

    def cancel(self) -> bool:
        """End the call."""


@asynccontextmanager
async def channel(target: str, tls: TlsFiles) -> AsyncIterator[grpc.aio.Channel]:
    """One channel a peer, opened once and closed by its owner. Raises `Malformed` for unreadable TLS files."""
    made = grpc.aio.secure_channel(target, channel_credentials(tls), options=OPTIONS)
    try:
        yield made
    finally:
        await made.close()


@contextmanager
def errors(told: Told | None = None, *, writing: bool = False) -> Iterator[None]:
    """Around any use of a stub: statuses become domain errors, and so does the end of a call whose channel was closed meanwhile."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_status(told.instead_of(error) if told else error, writing=writing) from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # nobody cancelled this task: gRPC ended the call, as it does to those under way when their channel is closed
        kind = Uncertain if writing else Unavailable
        raise kind("the call was ended here: its channel was closed") from None


async def call(awaitable: Awaitable[T], *, writing: bool = False) -> T:
    """Await a unary call. With `writing`, no answer means `Uncertain`."""
    with errors(Told(awaitable), writing=writing):
        return await awaitable


async def stream(calling: Any) -> AsyncIterator[Any]:
    """Replies of a streaming call; leaving early cancels it, and errors in the middle are translated too."""
    try:
        with errors(Told(calling)):
            async for reply in calling:
                yield reply
    finally:
        calling.cancel()
