"""What a role tells its operators, asked at a desk."""

from __future__ import annotations

from typing import Any, Final, get_args

import grpc.aio

from relay.core.errors import Malformed
from relay.telemetry.health import Kind, State
from relay.telemetry.overview import Ending, Figure, OriginView, Overview
from relay.transport.channels import call
from relay.wire.v1 import operations_pb2, operations_pb2_grpc

ASK_S: Final = 8.0
KINDS: Final[dict[str, Kind]] = {kind: kind for kind in get_args(Kind)}
_KNOWN: Final = ("latest", "final", "proven", "compared", "held", "confirmed", "backlog", "oldest_s", "quarantined")


async def ask_overview(channel: grpc.aio.Channel) -> Overview:
    """Raises `Malformed`, `Denied`, `Unavailable`."""
    stub: operations_pb2_grpc.OperationsAsyncStub = operations_pb2_grpc.OperationsStub(channel)
    return overview_from(await call(stub.Overview(operations_pb2.OverviewRequest(), timeout=ASK_S)))


def overview_from(reply: operations_pb2.OverviewReply) -> Overview:
    """Raises `Malformed` for a component of a kind that this program does not know."""
    return Overview(
        role=reply.role,
        identity=reply.identity,
        version=reply.version,
        taken_ms=reply.taken_ms,
        ready=reply.ready,
        stopping=reply.stopping,
        problem=reply.problem,
        components=tuple(_state(one) for one in reply.components),
        origins=tuple(_origin(one) for one in reply.origins),
        endings=tuple(
            Ending(kind=one.kind, name=one.name, begins_ms=one.begins_ms, ends_ms=one.ends_ms)
            for one in reply.credentials
        ),
        figures=tuple(Figure(name=one.name, value=one.value) for one in reply.figures),
    )


def _state(one: operations_pb2.ComponentView) -> State:
    kind = KINDS.get(one.kind)
    if kind is None:
        raise Malformed(
            "overview", "components.kind", f"{one.kind[:40]!a} is not known here; use the role's own version"
        )
    return State(kind=kind, name=one.name, problem=one.problem, needed=one.needed, since_ms=one.since_ms)


def _origin(one: operations_pb2.OriginView) -> OriginView:
    known: dict[str, Any] = {name: getattr(one, name) for name in _KNOWN if one.HasField(name)}
    return OriginView(origin=one.origin, halted=one.halted, **known)
