"""A gRPC server that denies by default: every method has its roles, every unary call its deadline, every error its status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from relay.core.errors import Denied, Malformed, Unavailable
from relay.core.identity import Identity, Role
from relay.core.limits import DEADLINE_S_MAX, MESSAGE_BYTES_MAX
from relay.transport.credentials import TlsFiles, server_credentials
from relay.transport.peer import peer_identity, seconds_left
from relay.transport.status import to_status

GRACE_S: Final = 5.0
CONNECTION_AGE_MS: Final = 3_600_000
CONNECTION_GRACE_MS: Final = 600_000
METADATA_BYTES_MAX: Final = 16 * 1024
RPCS_MAX: Final = 256
HEALTH_METHODS: Final = ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch")

OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
    ("grpc.max_connection_age_grace_ms", CONNECTION_GRACE_MS),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
)

Context = grpc.aio.ServicerContext[Any, Any]
Register = Callable[[grpc.aio.Server], None]
"""Adds one servicer: `lambda server: add_XServicer_to_server(servicer, server)`."""
May = Callable[[str, Identity], bool]
"""A further condition on (method, caller), such as a list of named operators."""


class Gate(grpc.aio.ServerInterceptor):
    """Wraps every handler: identity and role first, then the deadline, then the call with its errors mapped."""

    def __init__(self, allow: Mapping[str, frozenset[Role]], long_lived: frozenset[str], may: May) -> None:
        self._allow = allow
        self._long_lived = long_lived
        self._may = may

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or method in HEALTH_METHODS:
            return handler
        if handler.response_streaming:
            return self._streaming(handler, method)
        return self._unary(handler, method)

    def _admit(self, method: str, context: Context) -> None:
        identity = peer_identity(context)
        if identity.role not in self._allow.get(method, frozenset()) or not self._may(method, identity):
            raise Denied(f"{identity} may not call {method}")
        remaining = context.time_remaining()
        if method in self._long_lived:
            return
        if remaining is None or remaining > DEADLINE_S_MAX:
            raise Malformed("call", "deadline", f"every call needs a deadline of at most {DEADLINE_S_MAX:.0f} s")

    def _unary(self, handler: Any, method: str) -> grpc.RpcMethodHandler[Any, Any]:
        inner = handler.stream_unary if handler.request_streaming else handler.unary_unary

        async def call(request: Any, context: Context) -> Any:
            try:
                self._admit(method, context)
                async with _while_valid(context):
                    return await inner(request, context)
            except Exception as error:
                await _abort(context, error, method)

        make = (
            grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
        )
        return make(call, handler.request_deserializer, handler.response_serializer)

    def _streaming(self, handler: Any, method: str) -> grpc.RpcMethodHandler[Any, Any]:
        inner = handler.stream_stream if handler.request_streaming else handler.unary_stream

        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                self._admit(method, context)
                async with _while_valid(context):
                    async for reply in inner(request, context):
                        yield reply
            except Exception as error:
                await _abort(context, error, method)

        make = (
            grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
        )
        return make(call, handler.request_deserializer, handler.response_serializer)


@asynccontextmanager
async def _while_valid(context: Context) -> AsyncIterator[None]:
    """Around a call: it ends with the certificate that it came in under, however long it was meant to live. Raises `Denied`."""
    limit = asyncio.timeout(seconds_left(context))
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise Denied("the caller's certificate expired during the call") from None


async def _abort(context: Context, error: Exception, method: str) -> None:
    if isinstance(error, asyncio.CancelledError):
        error = Unavailable("cancelled")
    code, details, trailer = to_status(error, method)
    await context.abort(code, details, trailer)


def _methods(services: Sequence[Register]) -> set[str]:
    """The full names of all methods, found by registering on a recorder."""
    found: set[str] = set()

    class Recorder:
        def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
            for handler in handlers:
                found.update(getattr(handler, "_method_handlers", {}))

        def add_registered_method_handlers(self, service: str, methods: Mapping[str, Any]) -> None:
            found.update(f"/{service}/{name}" for name in methods)

    for register in services:
        register(Recorder())  # type: ignore[arg-type]
    return found


@asynccontextmanager
async def serving(
    services: Sequence[Register],
    *,
    address: str,
    tls: TlsFiles,
    allow: Mapping[str, frozenset[Role]],
    long_lived: frozenset[str] = frozenset(),
    may: May = lambda _method, _identity: True,
) -> AsyncIterator[int]:
    """Serve while the body runs; yields the bound port. Every method must stand in `allow`.

    Raises `Malformed` when TLS files or the address cannot be used, RuntimeError for a method without roles.
    """
    missing = _methods(services) - set(allow)
    if missing:
        raise RuntimeError(f"no roles are given for {sorted(missing)}")
    gate = Gate(allow, long_lived, may)
    server = grpc.aio.server(interceptors=[gate], options=OPTIONS, maximum_concurrent_rpcs=RPCS_MAX)
    for register in services:
        register(server)
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    try:
        port = server.add_secure_port(address, server_credentials(tls))
    except RuntimeError:
        raise Malformed("configuration", "address", f"cannot listen on {address}; is it in use?") from None
    await server.start()
    await state.set("", health_pb2.HealthCheckResponse.SERVING)
    try:
        yield port
    finally:
        await state.enter_graceful_shutdown()
        await server.stop(GRACE_S)
