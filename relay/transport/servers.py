"""A gRPC server that denies by default: every method has its roles, every unary call its deadline, every error its status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc.aio
from grpc_health.v1 import health_pb2_grpc

from relay.core.errors import Malformed
from relay.core.identity import Role
from relay.core.limits import MESSAGE_BYTES_MAX
from relay.telemetry.health import Health
from relay.transport.credentials import TlsFiles, server_credentials
from relay.transport.gate import METADATA_BYTES_MAX, Gate, May
from relay.transport.health import HealthDesk
from relay.transport.limits import Limits, Shares
from relay.transport.ports import refuse_listening, why_taken
from relay.transport.revocation import Memory, NoMemory, RevocationLists

GRACE_S: Final = 5.0
CONNECTION_AGE_MS: Final = 3_600_000
CONNECTION_GRACE_MS: Final = 600_000
CONNECTION_IDLE_MS: Final = 900_000
HANDSHAKE_MS: Final = 10_000
CONNECTIONS_MAX: Final = 512
"""Below the number of files that a process may usually have open: the stores need theirs."""
STREAMS_A_CONNECTION_MAX: Final = 128
RPCS_MAX: Final = 512
IDENTITY_ONLY: Final = 1
"""Bit 0, no compression: nothing has to be unpacked before it is refused."""
HEALTH_CHECK: Final = "/grpc.health.v1.Health/Check"
HEALTH_WATCH: Final = "/grpc.health.v1.Health/Watch"

OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.compression_enabled_algorithms_bitset", IDENTITY_ONLY),
    ("grpc.max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.max_concurrent_streams", STREAMS_A_CONNECTION_MAX),
    ("grpc.max_allowed_incoming_connections", CONNECTIONS_MAX),
    ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
    ("grpc.max_connection_idle_ms", CONNECTION_IDLE_MS),
    ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
    ("grpc.max_connection_age_grace_ms", CONNECTION_GRACE_MS),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.enable_channelz", 0),
    ("grpc.so_reuseport", 0),
)

Register = Callable[[grpc.aio.Server], None]
"""Adds one servicer: `lambda server: add_XServicer_to_server(servicer, server)`."""


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


def _check(methods: set[str], allow: Mapping[str, frozenset[Role]], limits: Limits) -> None:
    missing = methods - set(allow)
    if missing:
        raise RuntimeError(f"no roles are given for {sorted(missing)}")
    groups = {method.split("/")[1].rpartition(".")[2] for method in methods} | {"Health"}
    unknown = sorted(set(limits.groups) - groups)
    if unknown:
        raise Malformed(
            "limits", unknown[0], f"is no service of this role; its services are {', '.join(sorted(groups))}"
        )


@asynccontextmanager
async def serving(
    services: Sequence[Register],
    *,
    address: str,
    tls: TlsFiles,
    allow: Mapping[str, frozenset[Role]],
    long_lived: frozenset[str] = frozenset(),
    may: May = lambda _method, _identity: True,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    lists_used: Memory = NoMemory(),  # noqa: B008  (holds nothing)
    health: Health | None = None,
) -> AsyncIterator[int]:
    """Serve while the body runs; yields the bound port. Every method must stand in `allow`.

    With `health`, gRPC's health service says of every service here whether the role is ready; without, that it serves while it does.

    Raises `Malformed` when TLS files, revocation lists, limits or the address cannot be used, RuntimeError for a method without roles.
    """
    methods = _methods(services)
    _check(methods, allow, limits)
    everyone = {HEALTH_CHECK: frozenset(Role), HEALTH_WATCH: frozenset(Role)}
    lists = RevocationLists.open(tls, lists_used)
    gate = Gate({**allow, **everyone}, long_lived | {HEALTH_WATCH}, may, lists, Shares(limits))
    server = grpc.aio.server(interceptors=[gate], options=OPTIONS, maximum_concurrent_rpcs=RPCS_MAX)
    for register in services:
        register(server)
    state = HealthDesk(sorted({method.split("/")[1] for method in methods}), serving=health is None)
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    if why_taken(address):  # gRPC would write a line of its own
        raise refuse_listening("configuration", "listen", address)
    try:
        port = server.add_secure_port(address, server_credentials(tls))
    except RuntimeError:
        raise refuse_listening("configuration", "listen", address) from None
    watching = asyncio.create_task(lists.watch(), name="revocation lists")
    await server.start()
    if health is not None:
        health.follow(state.turn)
    try:
        yield port
    finally:
        watching.cancel()
        await state.end()
        await server.stop(GRACE_S)
