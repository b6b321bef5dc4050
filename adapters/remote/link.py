"""One channel to one remote adapter: its handshake, its calls, and what each way of failing means.

A status is a verdict only with the adapter's word beside it. Without one there was no answer: `Unavailable`, and after a write
`Uncertain`, however the connection broke. After either the handshake is done again before anything else is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from adapters.remote.messages import VERSIONS, Greeting, greeting_from
from adapters.remote.v1 import adapter_pb2 as pb
from adapters.remote.v1 import adapter_pb2_grpc
from relay.core.errors import (
    Busy,
    Conflict,
    Denied,
    Malformed,
    NotFound,
    RelayError,
    Unavailable,
    Uncertain,
    Unverified,
)
from relay.core.fields import IDENTIFIER, TOKEN
from relay.transport.channels import CALL_DEADLINE_S, channel
from relay.transport.credentials import TlsFiles
from relay.transport.status import KIND_KEY, KINDS, from_status

M = TypeVar("M")
T = TypeVar("T")
Service = Literal["source", "court"]
SERVICES: Final[Mapping[Service, str]] = {"source": "AnchorSource", "court": "CourtRegistry"}

_KEYS: Final = ("address", "ledger", "ca", "certificate", "key")
READS: Final = (Unavailable,)
"""What the port lets out of a question: a refusal of the question itself says nothing of the ledger."""
PROVES: Final = (Unavailable, NotFound)
WRITES: Final = (Unavailable, Uncertain, Conflict, Unverified, Denied, Malformed)
_NEVER_BEGUN: Final = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAUTHENTICATED)
"""Statuses that gRPC itself gives before any handler runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a call, a write and a stream without any message are waited for, in seconds.

    A write answers once a block holds it, which on some chains takes minutes; a dead connection is noticed much earlier.
    """

    call_s: float = CALL_DEADLINE_S
    write_s: float = 120.0
    silence_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A ledger's table of family `remote`. `kind` empty: whatever kind of proof the adapter gives."""

    address: str
    ledger: str
    kind: str
    tls: TlsFiles


def read_settings(config: Mapping[str, object]) -> Settings:
    """Raises `Malformed` naming the key."""

    def text(name: str) -> str:
        value = config.get(name)
        if not isinstance(value, str) or not value:
            raise Malformed("configuration", f"ledger.{name}", "must be given as a string")
        return value

    known = (*_KEYS, "kind", "family")
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise Malformed("configuration", f"ledger.{unknown[0]}", f"is unknown; known are {', '.join(known)}")
    kind = text("kind") if "kind" in config else ""
    if kind and TOKEN.fullmatch(kind) is None:
        raise Malformed("configuration", "ledger.kind", "must be a proof format's name, such as evm-attested")
    if IDENTIFIER.fullmatch(text("ledger")) is None:
        raise Malformed("configuration", "ledger.ledger", "must be 1 to 255 visible ASCII characters")
    tls = TlsFiles(ca=Path(text("ca")), certificate=Path(text("certificate")), key=Path(text("key")))
    return Settings(address=text("address"), ledger=text("ledger"), kind=kind, tls=tls)


class _Careful:
    """A channel for stubs whose replies are None where they are no message; gRPC would log each with a trace."""

    def __init__(self, inner: grpc.aio.Channel) -> None:
        self._inner = inner

    def unary_unary(self, method: str, *, response_deserializer: Any, **rest: Any) -> Any:
        return self._inner.unary_unary(method, response_deserializer=_or_none(response_deserializer), **rest)

    def unary_stream(self, method: str, *, response_deserializer: Any, **rest: Any) -> Any:
        return self._inner.unary_stream(method, response_deserializer=_or_none(response_deserializer), **rest)


def _or_none(read: Callable[[bytes], M]) -> Callable[[bytes], M | None]:
    def careful(data: bytes) -> M | None:
        try:
            return read(data)
        except DecodeError:
            return None

    return careful


class Link:
    """Built by `open`; `source` and `court` are the stubs of the two services."""

    def __init__(
        self, settings: Settings, service: Service, opened: grpc.aio.Channel, stack: AsyncExitStack, patience: Patience
    ) -> None:
        careful: Any = _Careful(opened)
        self._settings = settings
        self._service = service
        self._stack = stack
        self._patience = patience
        self._adapter: adapter_pb2_grpc.AdapterAsyncStub = adapter_pb2_grpc.AdapterStub(careful)
        self.source: adapter_pb2_grpc.AnchorSourceAsyncStub = adapter_pb2_grpc.AnchorSourceStub(careful)
        self.court: adapter_pb2_grpc.CourtRegistryAsyncStub = adapter_pb2_grpc.CourtRegistryStub(careful)
        self._greeting: Greeting | None = None
        self._closed = False
        self.proof_kind = ""
        """What the adapter announced last; empty before the first handshake."""

    @classmethod
    async def open(cls, config: Mapping[str, object], service: Service, patience: Patience) -> Link:
        """Asks nothing yet. Raises `Malformed` for wrong settings and unreadable TLS files."""
        settings = read_settings(config)
        stack = AsyncExitStack()
        opened = await stack.enter_async_context(channel(settings.address, settings.tls))
        return cls(settings, service, opened, stack, patience)

    @property
    def ledger(self) -> str:
        """The configured ledger's id."""
        return self._settings.ledger

    @property
    def what(self) -> str:
        """How an answer is called in an error."""
        return f"the answer of the adapter at {self._settings.address}"

    async def greet(self) -> Greeting:
        """The handshake, once. Raises `Unavailable`: another version, ledger or proof format, or a service that is not offered."""
        self._check_open()
        if self._greeting is None:
            request = pb.HelloRequest(versions=VERSIONS)
            greeting = await self._call(self._adapter.Hello, request, lambda m: greeting_from(m, self.what), may=())
            self._accept(greeting)
            self._greeting, self.proof_kind = greeting, greeting.proof_kind
        return self._greeting

    def _accept(self, greeting: Greeting) -> None:
        place = f"the adapter at {self._settings.address}"
        if greeting.version not in VERSIONS:
            spoken = ", ".join(map(str, VERSIONS))
            raise Unavailable(f"{place} chose protocol version {greeting.version}; this side speaks {spoken}")
        if greeting.ledger != self.ledger:
            raise Unavailable(f"{place} is of ledger {greeting.ledger}, configured is {self.ledger}")
        if not (greeting.source if self._service == "source" else greeting.court):
            raise Unavailable(f"{place} does not offer {SERVICES[self._service]}")
        if self._settings.kind and greeting.proof_kind != self._settings.kind:
            raise Unavailable(
                f"{place} gives proofs of kind {greeting.proof_kind}, configured is {self._settings.kind}"
            )

    async def ask(
        self,
        method: Callable[..., Awaitable[M]],
        request: Any,
        read: Callable[[M], T],
        *,
        may: tuple[type[RelayError], ...] = READS,
    ) -> T:
        """One question. `read` raises `Malformed` for an answer that cannot be: `Unavailable` here."""
        await self.greet()
        return await self._call(method, request, read, may=may)

    async def write(self, method: Callable[..., Awaitable[M]], request: Any, read: Callable[[M], T]) -> T:
        """One write. Raises `Unavailable` when it did not happen and `Uncertain` when it may have."""
        await self.greet()
        return await self._call(method, request, read, may=WRITES, writing=True)

    async def _call(
        self,
        method: Callable[..., Awaitable[M]],
        request: Any,
        read: Callable[[M], T],
        *,
        may: tuple[type[RelayError], ...],
        writing: bool = False,
    ) -> T:
        self._check_open()
        try:
            reply = await method(request, timeout=self._patience.write_s if writing else self._patience.call_s)
            return self._read(reply, read)
        except grpc.aio.AioRpcError as error:
            raise self._meant(error, may, writing=writing) from None
        except Malformed as error:
            raise self._no_answer(str(error), writing=writing) from None
        except asyncio.CancelledError:
            raise self._ended_here(writing=writing) from None

    async def feed(
        self, method: Callable[..., Any], request: Any, read: Callable[[Any], T | None]
    ) -> AsyncGenerator[T, None]:
        """What `read` makes of a stream's messages, None being a heartbeat. Raises `Unavailable` when it breaks, ends or is silent."""
        await self.greet()
        self._check_open()
        calling = method(request)
        replies = aiter(calling)
        try:
            while True:
                async with asyncio.timeout(self._patience.silence_s):
                    reply = await anext(replies)
                made = self._read(reply, read)
                if made is not None:
                    yield made
        except TimeoutError:
            raise self._no_answer(f"no message for {self._patience.silence_s:g} s, not even a heartbeat") from None
        except StopAsyncIteration:
            raise self._no_answer("the feed has ended") from None
        except grpc.aio.AioRpcError as error:
            raise self._meant(error, READS) from None
        except Malformed as error:
            raise self._no_answer(str(error)) from None
        except asyncio.CancelledError:
            raise self._ended_here() from None
        finally:
            calling.cancel()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"the connection to the adapter at {self._settings.address} was closed here")

    def _ended_here(self, *, writing: bool = False) -> BaseException:
        """What a cancellation means: the task's own goes on; without one, gRPC ended a call because its channel was closed."""
        task = asyncio.current_task()
        if task is None or task.cancelling():
            return asyncio.CancelledError()
        return self._no_answer("the call was ended here: its connection was closed", writing=writing)

    def _read(self, reply: M | None, read: Callable[[M], T]) -> T:
        if reply is None:
            raise Malformed(self.what, "", "is not a message of this method")
        return read(reply)

    def _meant(
        self, error: grpc.aio.AioRpcError, may: tuple[type[RelayError], ...], *, writing: bool = False
    ) -> RelayError:
        said = from_status(error, writing=writing)
        worded = str(dict(error.trailing_metadata() or ()).get(KIND_KEY, "")) in KINDS
        worded = worded or isinstance(said, Denied)  # nobody but the adapter refuses a caller
        if worded and isinstance(said, may):
            if isinstance(said, Unavailable | Uncertain) and not isinstance(said, Busy):
                self._greeting = None
            return said
        begun = worded or error.code() not in _NEVER_BEGUN
        reason = f"{error.code().name.lower()}: {said}" if worded else str(said)
        return self._no_answer(reason, writing=writing and begun)

    def _no_answer(self, reason: str, *, writing: bool = False) -> RelayError:
        self._greeting = None
        place = f"the adapter at {self._settings.address}"
        return Uncertain(f"{place}, asked to write: {reason}") if writing else Unavailable(f"{place}: {reason}")

    async def close(self) -> None:
        """Close the channel: what is under way ends with `Unavailable`, a write with `Uncertain`. Safe to call twice."""
        self._closed = True
        await self._stack.aclose()
