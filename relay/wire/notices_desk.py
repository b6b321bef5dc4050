"""Notices by gRPC: what an outbox holds, for operators whose broker lost some of it; both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import grpc.aio

from relay.core.errors import Malformed, NotFound
from relay.core.identity import Role
from relay.core.notices import EPOCH, parse_notice
from relay.ports.notices import NoticePage, NoticeStore
from relay.transport.channels import CALL_DEADLINE_S, call
from relay.wire.v1 import notices_pb2, notices_pb2_grpc

NOTICES_MAX: Final = 1000
SEQ_MAX: Final = (1 << 53) - 1
ALLOW: Final[Mapping[str, frozenset[Role]]] = {"/relay.wire.v1.NoticeDesk/Notices": frozenset({Role.OPERATOR})}


class NoticeDesk(notices_pb2_grpc.NoticeDeskServicer):
    """A role's outbox; None: its configuration has no broker."""

    def __init__(self, store: NoticeStore | None) -> None:
        self._store = store

    async def Notices(
        self, request: notices_pb2.NoticesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> notices_pb2.NoticesReply:
        """What follows a number."""
        if self._store is None:
            raise NotFound("this role keeps no notices: its configuration has no [mqtt]")
        if request.after_seq > SEQ_MAX:
            raise Malformed("notices", "after_seq", f"must be at most {SEQ_MAX}")
        if request.epoch and EPOCH.fullmatch(request.epoch) is None:
            raise Malformed("notices", "epoch", "must be 16 hex digits, as a notice has it")
        limit = max(1, min(request.limit or NOTICES_MAX, NOTICES_MAX))
        page = await self._store.after(request.after_seq, request.epoch, limit)
        return notices_pb2.NoticesReply(
            notices=[notice.to_json() for notice in page.notices],
            after_seq=page.after,
            first_seq=page.first,
            last_seq=page.last,
        )


def serve_notices(store: NoticeStore | None, server: grpc.aio.Server) -> None:
    """Add the desk to a role's server."""
    notices_pb2_grpc.add_NoticeDeskServicer_to_server(NoticeDesk(store), server)


class NoticesClient:
    """An operator's side."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: notices_pb2_grpc.NoticeDeskAsyncStub = notices_pb2_grpc.NoticeDeskStub(channel)

    async def after(self, seq: int, epoch: str, limit: int) -> NoticePage:
        """One page. Raises `NotFound`, `Denied`, `Unavailable`, `Malformed`."""
        request = notices_pb2.NoticesRequest(after_seq=seq, epoch=epoch, limit=limit)
        reply = await call(self._stub.Notices(request, timeout=CALL_DEADLINE_S))
        return NoticePage(
            after=reply.after_seq,
            notices=[parse_notice(data) for data in reply.notices],
            first=reply.first_seq,
            last=reply.last_seq,
        )
