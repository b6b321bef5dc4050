"""The custody desk as people's tools call it: plain values in, plain values out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc.aio

from relay.core.custody_export import ExportHead
from relay.core.errors import Malformed
from relay.ports.custody import CustodyFilter
from relay.services.custodian.seen import SeenRow
from relay.services.custody_reading import ReadRow
from relay.transport.channels import CALL_DEADLINE_S, STREAM_DEADLINE_S, call, stream
from relay.wire.convert import bounded_note, evidence_from
from relay.wire.v1 import custody_pb2, custody_pb2_grpc


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskHead:
    """The head as an export carries it, and why it has no ledger's word (empty when it has one)."""

    head: ExportHead
    problem: str


class CustodyDeskClient:
    """One keeper's custody desk."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: custody_pb2_grpc.CustodyDeskAsyncStub = custody_pb2_grpc.CustodyDeskStub(channel)

    async def find(self, wanted: CustodyFilter, start: int, limit: int) -> tuple[list[ReadRow], int]:
        """One page, and where the next begins (0 after the last)."""
        request = custody_pb2.FindCustodyRequest(filter=_filter(wanted), start=start, limit=limit)
        reply = await call(self._stub.Find(request, timeout=CALL_DEADLINE_S))
        return [_row(row) for row in reply.rows], reply.next

    async def read(self, wanted: CustodyFilter, *, proofs: bool) -> AsyncIterator[DeskHead | list[ReadRow]]:
        """The head first, then groups of rows. Raises `Malformed` when it does not come first."""
        request = custody_pb2.ReadCustodyRequest(filter=_filter(wanted), proofs=proofs)
        begun = False
        async for part in stream(self._stub.Read(request, timeout=STREAM_DEADLINE_S)):
            if (part.WhichOneof("part") == "head") is begun:
                raise Malformed("custody", "head", "must come first, and once")
            if begun:
                yield [_row(row) for row in part.rows.rows]
            else:
                begun = True
                yield _head(part.head, complete=wanted.everything)
        if not begun:
            raise Malformed("custody", "head", "is missing")

    async def seen(self, dossier: str) -> AsyncIterator[tuple[str, DeskHead] | SeenRow]:
        """(dossier's id, head) first, then rows."""
        request = custody_pb2.SeenCustodyRequest(dossier=dossier)
        async for part in stream(self._stub.Seen(request, timeout=STREAM_DEADLINE_S)):
            if part.WhichOneof("part") == "begin":
                yield part.begin.dossier, _head(part.begin.head, complete=False)
            else:
                seen = part.row
                yield SeenRow(row=_row(seen.row), court=seen.court, case=seen.case_number, purpose=seen.purpose)


def _filter(wanted: CustodyFilter) -> custody_pb2.CustodyFilter:
    return custody_pb2.CustodyFilter(
        action=wanted.action,
        outcome=wanted.outcome,
        actor=wanted.actor,
        dossier=wanted.dossier,
        grant=wanted.grant,
        request=wanted.request,
        from_ms=wanted.from_ms,
        to_ms=wanted.to_ms,
    )


def _row(message: custody_pb2.CustodyRow) -> ReadRow:
    return ReadRow(index=message.index, event=message.event, entry=message.entry, proof=tuple(message.proof))


def _head(message: custody_pb2.CustodyHead, *, complete: bool) -> DeskHead:
    head = ExportHead(
        keeper=message.keeper,
        complete=complete,
        checkpoint=bounded_note(message.checkpoint, "custody head"),
        ledger=evidence_from(message.ledger) if message.HasField("ledger") else None,
        consistency=tuple(message.consistency),
    )
    return DeskHead(head=head, problem=message.ledger_problem)
