"""In front of every handler: who calls, whether that certificate still stands, what its role may, its share, its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from relay.core.errors import Denied, Malformed, RelayError, Unavailable
from relay.core.identity import Identity, Role
from relay.core.limits import DEADLINE_S_MAX
from relay.telemetry import metrics
from relay.telemetry.counting import stopwatch
from relay.telemetry.trace import HEADER, span, take_up
from relay.transport.limits import Shares
from relay.transport.peer import Peer, shown_peer
from relay.transport.revocation import RevocationLists
from relay.transport.status import to_status

LOOK_AGAIN_S: Final = 2.0
"""How often an open call's certificate is looked at; with the lists' own second a revoked caller is gone well within a minute."""

METADATA_BYTES_MAX: Final = 16 * 1024
MESSAGE_WITHIN_S: Final = 20.0

Context = grpc.aio.ServicerContext[Any, Any]
May = Callable[[str, Identity], bool]
"""A further condition on (method, caller), such as a list of named operators."""


class Gate(grpc.aio.ServerInterceptor):
    """Wraps every handler: certificate, share, role, deadline, then the call with its errors mapped."""

    def __init__(
        self,
        allow: Mapping[str, frozenset[Role]],
        long_lived: frozenset[str],
        may: May,
        lists: RevocationLists,
        shares: Shares,
    ) -> None:
        self._allow = allow
        self._long_lived = long_lived
        self._may = may
        self._lists = lists
        self._shares = shares

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """See grpc.aio.ServerInterceptor. A method that nobody wrote has no handler: gRPC answers UNIMPLEMENTED."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None:
            return None
        if handler.response_streaming:
            return self._streaming(handler, method)
        return self._unary(handler, method)

    @asynccontextmanager
    async def _admitted(self, method: str, context: Context) -> AsyncIterator[None]:
        """Around a call: it begins when everything permits it and ends with its certificate. Raises `Denied`, `Busy`, `Malformed`."""
        with _refusing("identity"):
            peer = shown_peer(context)
        with _refusing("certificate"):
            self._stands(peer)
        identity = peer.identity
        with self._shares.call(str(identity), method.split("/")[1].rpartition(".")[2]):
            with _refusing("role"):
                self._check_role(method, identity)
            with _refusing("too_large"):
                _check_metadata(context)
            with _refusing("no_deadline"):
                self._check_deadline(method, context)
            take_up(_said_trace(context))  # a stranger's word of it never comes so far
            with span(method.rpartition(".")[2]):
                async with self._while_it_stands(peer):
                    yield

    def _check_role(self, method: str, identity: Identity) -> None:
        if identity.role not in self._allow.get(method, frozenset()) or not self._may(method, identity):
            raise Denied(f"{identity} may not call {method}")

    def _check_deadline(self, method: str, context: Context) -> None:
        remaining = context.time_remaining()
        if method not in self._long_lived and (remaining is None or remaining > DEADLINE_S_MAX):
            raise Malformed("call", "deadline", f"every call needs a deadline of at most {DEADLINE_S_MAX:.0f} s")

    def _stands(self, peer: Peer) -> None:
        peer.check_time()
        self._lists.check(peer)

    @asynccontextmanager
    async def _while_it_stands(self, peer: Peer) -> AsyncIterator[None]:
        """A call ends with the certificate that it came in under, however long it was meant to live. Raises `Denied`."""
        loop = asyncio.get_running_loop()
        ended: list[Denied] = []
        waiting: asyncio.TimerHandle | None = None
        limit = asyncio.timeout(None)

        def wait() -> asyncio.TimerHandle:
            return loop.call_later(min(LOOK_AGAIN_S, max(0.0, peer.seconds_left())), look)

        def look() -> None:
            nonlocal waiting
            try:
                self._stands(peer)
                waiting = wait()
            except Denied as denied:
                ended.append(denied)
                limit.reschedule(loop.time())

        waiting = wait()
        try:
            async with limit:
                yield
        except TimeoutError:
            if not ended:
                raise
            raise Denied(f"ended during the call: {ended[0].reason}") from None
        finally:
            if waiting is not None:
                waiting.cancel()

    def _unary(self, handler: Any, method: str) -> grpc.RpcMethodHandler[Any, Any]:
        inner = handler.stream_unary if handler.request_streaming else _of_one(handler.unary_unary)

        async def call(requests: AsyncIterator[Any], context: Context) -> Any:
            with _measured(method, context):
                try:
                    async with self._admitted(method, context):
                        return await inner(requests, context)
                except Exception as error:
                    await _abort(context, error, method)

        return grpc.stream_unary_rpc_method_handler(call, handler.request_deserializer, handler.response_serializer)

    def _streaming(self, handler: Any, method: str) -> grpc.RpcMethodHandler[Any, Any]:
        inner = handler.stream_stream if handler.request_streaming else handler.unary_stream

        async def call(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            with _measured(method, context):
                try:
                    async with self._admitted(method, context):
                        replies = inner(requests if handler.request_streaming else await _first(requests), context)
                        async for reply in replies:
                            yield reply
                except Exception as error:
                    await _abort(context, error, method)

        return grpc.stream_stream_rpc_method_handler(call, handler.request_deserializer, handler.response_serializer)


@contextmanager
def _refusing(reason: str) -> Iterator[None]:
    """Around one condition of a call: who does not meet it is counted, and refused."""
    try:
        yield
    except RelayError:
        metrics.rpc_rejected.labels(reason).inc()
        raise


@contextmanager
def _measured(method: str, context: Context) -> Iterator[None]:
    """Around a call of a method that is served: how long it took, and the code that its caller gets."""
    seconds = stopwatch()
    code = "CANCELLED"
    try:
        yield
        code = "OK"
    except Exception:  # an abort: the code is the one that was set
        code = _code_name(context.code())
        raise
    finally:
        service, _, name = method.removeprefix("/").rpartition("/")
        metrics.rpc_server_duration.labels(service, name, code).observe(seconds())


def _code_name(code: object) -> str:
    """grpc.aio gives the code where it was set by name, and a number where it was not."""
    return next((one.name for one in grpc.StatusCode if code is one or code == one.value[0]), "UNKNOWN")


def _of_one(inner: Callable[[Any, Context], Awaitable[Any]]) -> Callable[[AsyncIterator[Any], Context], Awaitable[Any]]:
    async def call(requests: AsyncIterator[Any], context: Context) -> Any:
        return await inner(await _first(requests), context)

    return call


async def _first(requests: AsyncIterator[Any]) -> Any:
    """A call's only message. Raises `Malformed` when it does not come.

    gRPC would wait for it by itself, before anybody has looked at who is calling: calls that say nothing would be nobody's.
    What gRPC hands out is a generator behind `aiter`: left open, the loop would make a task to close it.
    """
    try:
        async with asyncio.timeout(MESSAGE_WITHIN_S), aclosing(aiter(requests)) as messages:  # type: ignore[type-var]
            async for request in messages:
                return request
    except TimeoutError:
        raise Malformed("call", "request", f"did not come within {MESSAGE_WITHIN_S:.0f} s") from None
    raise Malformed("call", "request", "is missing")


def _check_metadata(context: Context) -> None:
    """The bound that gRPC has of its own lets header blocks in CONTINUATION frames pass. Raises `Malformed`."""
    size = sum(len(name) + len(value) for name, value in context.invocation_metadata() or ())
    if size > METADATA_BYTES_MAX:
        raise Malformed("call", "metadata", f"{size} bytes; at most {METADATA_BYTES_MAX}")


def _said_trace(context: Context) -> object:
    """What the caller says of its trace; of several, gRPC hands out one."""
    return next((value for name, value in context.invocation_metadata() or () if name == HEADER), None)


async def _abort(context: Context, error: Exception, method: str) -> None:
    if isinstance(error, DecodeError):
        error = Malformed("call", "request", "is not a message of this method")
    if isinstance(error, asyncio.CancelledError):
        error = Unavailable("cancelled")
    code, details, trailer = to_status(error, method)
    await context.abort(code, details, trailer)
