"""A keeper's custody desk over gRPC: the same for custodian and court gateway, for their own people only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import grpc.aio

from relay.core.errors import Malformed
from relay.core.identity import Role
from relay.ports.custody import CustodyFilter
from relay.services.custodian.seen import DossierSeen
from relay.services.custody_reading import CustodyReading, ReadHead, ReadRow
from relay.wire.convert import evidence_to
from relay.wire.v1 import custody_pb2, custody_pb2_grpc

ALLOW: Final[Mapping[str, frozenset[Role]]] = {
    f"/relay.wire.v1.CustodyDesk/{method}": frozenset({Role.OPERATOR}) for method in ("Find", "Read", "Seen")
}

Context = grpc.aio.ServicerContext[Any, Any]


class CustodyDesk(custody_pb2_grpc.CustodyDeskServicer):
    """`seen` is None where no dossiers are kept."""

    def __init__(self, reading: CustodyReading, seen: DossierSeen | None) -> None:
        self._reading = reading
        self._seen = seen

    async def Find(self, request: custody_pb2.FindCustodyRequest, context: Context) -> custody_pb2.FindCustodyReply:
        """One page."""
        rows, upto = await self._reading.find(_filter(request.filter), request.start, request.limit)
        return custody_pb2.FindCustodyReply(rows=_rows(rows), next=upto)

    async def Read(
        self, request: custody_pb2.ReadCustodyRequest, context: Context
    ) -> AsyncIterator[custody_pb2.CustodyPart]:
        """Head, then rows."""
        wanted = _filter(request.filter)
        head = await self._reading.head()
        yield custody_pb2.CustodyPart(head=_head(head))
        async for group in self._reading.read(wanted, head.size, proofs=request.proofs):
            yield custody_pb2.CustodyPart(rows=custody_pb2.CustodyRows(rows=_rows(group)))

    async def Seen(
        self, request: custody_pb2.SeenCustodyRequest, context: Context
    ) -> AsyncIterator[custody_pb2.SeenCustodyPart]:
        """Who saw one dossier."""
        if self._seen is None:
            raise Malformed("custody seen", "", "a court keeps no dossiers; ask at the lender's desk")
        dossier, head = await self._seen.begin(request.dossier)
        yield custody_pb2.SeenCustodyPart(begin=custody_pb2.SeenCustodyBegin(dossier=dossier, head=_head(head)))
        async for seen in self._seen.rows(dossier, head.size):
            yield custody_pb2.SeenCustodyPart(
                row=custody_pb2.SeenCustodyRow(
                    row=_rows([seen.row])[0], court=seen.court, case_number=seen.case, purpose=seen.purpose
                )
            )


def _filter(message: custody_pb2.CustodyFilter) -> CustodyFilter:
    return CustodyFilter(
        action=message.action,
        outcome=message.outcome,
        actor=message.actor,
        dossier=message.dossier,
        grant=message.grant,
        request=message.request,
        from_ms=message.from_ms,
        to_ms=message.to_ms,
    )


def _rows(rows: Sequence[ReadRow]) -> list[custody_pb2.CustodyRow]:
    return [custody_pb2.CustodyRow(index=row.index, event=row.event, entry=row.entry, proof=row.proof) for row in rows]


def _head(head: ReadHead) -> custody_pb2.CustodyHead:
    return custody_pb2.CustodyHead(
        keeper=head.keeper,
        checkpoint=head.checkpoint,
        ledger=evidence_to(head.ledger.proof) if head.ledger else None,
        ledger_size=head.ledger.size if head.ledger else 0,
        consistency=head.consistency,
        ledger_problem=head.problem,
    )
