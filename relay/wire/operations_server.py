"""Every role's face to its operators: what it tells of itself in one piece."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import grpc.aio

from relay.core.identity import Role
from relay.telemetry.overview import OriginView, Overview
from relay.wire.v1 import operations_pb2, operations_pb2_grpc

ALLOW: Final[Mapping[str, frozenset[Role]]] = {"/relay.wire.v1.Operations/Overview": frozenset({Role.OPERATOR})}

Context = grpc.aio.ServicerContext[Any, Any]
Tell = Callable[[], Awaitable[Overview]]


class OperationsDesk(operations_pb2_grpc.OperationsServicer):
    """`tell` takes a new look each time."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def register(self, server: grpc.aio.Server) -> None:
        """As `serving` wants it."""
        operations_pb2_grpc.add_OperationsServicer_to_server(self, server)

    async def Overview(self, request: operations_pb2.OverviewRequest, context: Context) -> operations_pb2.OverviewReply:
        """Health, origins, credentials, counts."""
        return overview_reply(await self._tell())


def overview_reply(seen: Overview) -> operations_pb2.OverviewReply:
    """On the wire."""
    return operations_pb2.OverviewReply(
        role=seen.role,
        identity=seen.identity,
        version=seen.version,
        taken_ms=seen.taken_ms,
        ready=seen.ready,
        stopping=seen.stopping,
        problem=seen.problem,
        components=[
            operations_pb2.ComponentView(
                kind=one.kind, name=one.name, problem=one.problem, needed=one.needed, since_ms=one.since_ms
            )
            for one in seen.components
        ],
        origins=[_origin(one) for one in seen.origins],
        credentials=[
            operations_pb2.CredentialView(kind=one.kind, name=one.name, begins_ms=one.begins_ms, ends_ms=one.ends_ms)
            for one in seen.endings
        ],
        figures=[operations_pb2.FigureView(name=one.name, value=one.value) for one in seen.figures],
    )


def _origin(one: OriginView) -> operations_pb2.OriginView:
    return operations_pb2.OriginView(
        origin=one.origin,
        latest=one.latest,
        final=one.final,
        proven=one.proven,
        compared=one.compared,
        held=one.held,
        confirmed=one.confirmed,
        backlog=one.backlog,
        oldest_s=one.oldest_s,
        quarantined=one.quarantined,
        halted=one.halted,
    )
