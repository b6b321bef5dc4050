"""The operators' face of retention, holds, erasures and subject access: protobuf in, services called, protobuf out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

import grpc.aio

from relay.core.identity import Role
from relay.services.custodian.erasure import Erasures
from relay.services.custodian.report import SubjectReports
from relay.services.custodian.retention import DossierRetention, RecordRetention, Retention
from relay.transport.peer import peer_identity
from relay.wire.v1 import custodian_pb2, custodian_pb2_grpc

_METHODS: Final = (
    "ShowPolicy", "ShowDossier", "ListDue", "PlaceHold", "ReleaseHold", "PlanErasure", "Erase", "ListTombstones", "ReportDossier",
)  # fmt: skip
ALLOW: Final[Mapping[str, frozenset[Role]]] = {
    f"/relay.wire.v1.RetentionDesk/{method}": frozenset({Role.OPERATOR}) for method in _METHODS
}
CHUNK_BYTES: Final = 1024 * 1024
ROWS_MAX: Final = 10_000
"""Records, or seqs, in one reply."""

Context = grpc.aio.ServicerContext[Any, Any]


class RetentionDesk(custodian_pb2_grpc.RetentionDeskServicer):
    """What the lender's operators call; who they are stands in custody events and tombstones."""

    def __init__(self, retention: Retention, erasures: Erasures, reports: SubjectReports) -> None:
        self._retention = retention
        self._erasures = erasures
        self._reports = reports

    async def ShowPolicy(
        self, request: custodian_pb2.ShowPolicyRequest, context: Context
    ) -> custodian_pb2.ShowPolicyReply:
        """The policy in force."""
        policy = self._retention.policy
        return custodian_pb2.ShowPolicyReply(
            policy=policy.name,
            digest=policy.digest,
            classes=[
                custodian_pb2.RetentionClassRow(
                    name=one.name,
                    years=one.years,
                    jurisdiction=one.jurisdiction,
                    source=one.source,
                    note=one.note,
                    kinds=sorted(kind for kind, name in policy.kinds.items() if name == one.name),
                    **{"from": one.start.value},
                )
                for one in policy.classes.values()
            ],
        )

    async def ShowDossier(
        self, request: custodian_pb2.DossierRequest, context: Context
    ) -> AsyncIterator[custodian_pb2.DossierRetentionReply]:
        """One dossier."""
        for reply in _replies(await self._retention.look(request.dossier)):
            yield reply

    async def ListDue(
        self, request: custodian_pb2.ListDueRequest, context: Context
    ) -> AsyncIterator[custodian_pb2.DossierRetentionReply]:
        """Dossiers with records past their retention."""
        for dossier in await self._retention.due(request.limit):
            for reply in _replies(dossier):
                yield reply

    async def PlaceHold(
        self, request: custodian_pb2.PlaceHoldRequest, context: Context
    ) -> custodian_pb2.PlaceHoldReply:
        """Nothing of the dossier is erased from now on."""
        actor = str(peer_identity(context))
        number = await self._retention.place_hold(request.dossier, request.reason, request.authority, actor)
        return custodian_pb2.PlaceHoldReply(number=number)

    async def ReleaseHold(
        self, request: custodian_pb2.ReleaseHoldRequest, context: Context
    ) -> custodian_pb2.ReleaseHoldReply:
        """Lift one hold."""
        actor = str(peer_identity(context))
        await self._retention.release(request.dossier, request.number, request.reason, request.authority, actor)
        return custodian_pb2.ReleaseHoldReply()

    async def PlanErasure(
        self, request: custodian_pb2.EraseRequest, context: Context
    ) -> AsyncIterator[custodian_pb2.PlanErasureReply]:
        """What would be erased, and what stands against it."""
        plan = await self._retention.plan(
            request.dossier, _seqs(request), due=request.due, despite_grants=request.despite_grants
        )
        for start in range(0, max(1, len(plan.seqs)), ROWS_MAX):
            yield custodian_pb2.PlanErasureReply(
                dossier=plan.dossier.outline.id,
                reference=plan.dossier.outline.reference,
                whole=plan.whole,
                seqs=plan.seqs[start : start + ROWS_MAX],
                refusals=[] if start else plan.refusals,
            )

    async def Erase(
        self, request: custodian_pb2.EraseRequest, context: Context
    ) -> AsyncIterator[custodian_pb2.TombstoneChunk]:
        """The tombstone, when everything is destroyed."""
        token = await self._erasures.erase(
            request.dossier,
            _seqs(request),
            due=request.due,
            basis=request.basis,
            actor=str(peer_identity(context)),
            despite_grants=request.despite_grants,
        )
        for chunk in _tombstone(token, 0):
            yield chunk

    async def ListTombstones(
        self, request: custodian_pb2.DossierRequest, context: Context
    ) -> AsyncIterator[custodian_pb2.TombstoneChunk]:
        """All tombstones of a dossier."""
        for held in await self._erasures.tombstones(request.dossier):
            for chunk in _tombstone(held.token, held.done_ms):
                yield chunk

    async def ReportDossier(
        self, request: custodian_pb2.DossierRequest, context: Context
    ) -> AsyncIterator[custodian_pb2.ReportChunk]:
        """A subject-access report as JSON."""
        document = await self._reports.make(request.dossier, str(peer_identity(context)))
        data = json.dumps(document, ensure_ascii=False).encode()
        for start in range(0, len(data), CHUNK_BYTES):
            yield custodian_pb2.ReportChunk(data=data[start : start + CHUNK_BYTES])


def _seqs(request: custodian_pb2.EraseRequest) -> list[int] | None:
    return list(request.seqs) or None


def _tombstone(token: str, done_ms: int) -> Iterator[custodian_pb2.TombstoneChunk]:
    data = token.encode("ascii")
    for start in range(0, len(data), CHUNK_BYTES):
        last = start + CHUNK_BYTES >= len(data)
        yield custodian_pb2.TombstoneChunk(
            data=data[start : start + CHUNK_BYTES], last=last, done_ms=done_ms if last else 0
        )


def _replies(dossier: DossierRetention) -> Iterator[custodian_pb2.DossierRetentionReply]:
    outline = dossier.outline
    for start in range(0, max(1, len(dossier.records)), ROWS_MAX):
        reply = custodian_pb2.DossierRetentionReply(
            dossier=outline.id, records=[_row(row) for row in dossier.records[start : start + ROWS_MAX]]
        )
        if not start:
            reply.reference = outline.reference
            reply.holds.extend(
                custodian_pb2.HoldRow(
                    number=hold.number,
                    reason=hold.reason,
                    authority=hold.authority,
                    placed_ms=hold.placed_ms,
                    lifted_ms=hold.lifted_ms,
                )
                for hold in outline.holds
            )
        yield reply
    for grant in dossier.grants:  # a grant may name a thousand dossiers: one in each message
        yield custodian_pb2.DossierRetentionReply(dossier=outline.id, grants=[grant.jws.token.encode("ascii")])


def _row(row: RecordRetention) -> custodian_pb2.RetentionRow:
    return custodian_pb2.RetentionRow(
        seq=row.record.seq,
        kind=row.record.kind,
        event_time_s=row.record.event_time_s,
        retention=row.rule.name if row.rule else "",
        due_s=row.due_s,
        erased_s=row.record.erased_s,
    )
