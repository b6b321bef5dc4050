"""The retention desk as people's tools call it: plain values in, plain values out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc.aio

from relay.core.errors import Malformed
from relay.core.tombstone import TOMBSTONE_BYTES_MAX
from relay.transport.channels import CALL_DEADLINE_S, STREAM_DEADLINE_S, call, stream
from relay.wire.v1 import custodian_pb2, custodian_pb2_grpc

REPORT_BYTES_MAX: Final = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureWish:
    """What to erase: these records, or (`due`) what is past its retention, or else the whole dossier."""

    dossier: str
    seqs: Sequence[int]
    due: bool
    basis: str
    despite_grants: bool


@dataclass(slots=True, kw_only=True)
class ShownDossier:
    """A dossier's retention, put together again. `grants`: compact JWS."""

    dossier: str
    reference: str
    holds: list[custodian_pb2.HoldRow] = field(default_factory=list)
    grants: list[bytes] = field(default_factory=list)
    records: list[custodian_pb2.RetentionRow] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class ShownPlan:
    """What an erasure would do."""

    dossier: str = ""
    reference: str = ""
    whole: bool = False
    seqs: list[int] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


class RetentionDeskClient:
    """The operators' desk at a custodian."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: custodian_pb2_grpc.RetentionDeskAsyncStub = custodian_pb2_grpc.RetentionDeskStub(channel)

    async def policy(self) -> custodian_pb2.ShowPolicyReply:
        """The policy in force."""
        return await call(self._stub.ShowPolicy(custodian_pb2.ShowPolicyRequest(), timeout=CALL_DEADLINE_S))

    async def show(self, dossier: str) -> ShownDossier:
        """One dossier."""
        request = custodian_pb2.DossierRequest(dossier=dossier)
        shown = [one async for one in _dossiers(self._stub.ShowDossier(request, timeout=STREAM_DEADLINE_S))]
        return shown[0]

    async def due(self, limit: int) -> list[ShownDossier]:
        """Dossiers with records past their retention."""
        request = custodian_pb2.ListDueRequest(limit=limit)
        return [one async for one in _dossiers(self._stub.ListDue(request, timeout=STREAM_DEADLINE_S))]

    async def hold(self, dossier: str, reason: str, authority: str) -> int:
        """Place a hold; its number."""
        request = custodian_pb2.PlaceHoldRequest(dossier=dossier, reason=reason, authority=authority)
        return (await call(self._stub.PlaceHold(request, timeout=CALL_DEADLINE_S), writing=True)).number

    async def release(self, dossier: str, number: int, reason: str, authority: str) -> None:
        """Lift a hold."""
        request = custodian_pb2.ReleaseHoldRequest(dossier=dossier, number=number, reason=reason, authority=authority)
        await call(self._stub.ReleaseHold(request, timeout=CALL_DEADLINE_S), writing=True)

    async def plan(self, wish: ErasureWish) -> ShownPlan:
        """What it would do."""
        plan = ShownPlan()
        async for reply in stream(self._stub.PlanErasure(_request(wish), timeout=STREAM_DEADLINE_S)):
            plan.dossier, plan.reference, plan.whole = reply.dossier, reply.reference, reply.whole
            plan.seqs += reply.seqs
            plan.refusals += reply.refusals
        return plan

    async def erase(self, wish: ErasureWish) -> str:
        """Erase; the tombstone."""
        calling: Any = self._stub.Erase(_request(wish), timeout=STREAM_DEADLINE_S)
        found = [token async for token, _ in _tombstones(calling)]
        return found[0]

    async def tombstones(self, dossier: str) -> list[tuple[str, int]]:
        """(tombstone, when the erasure was complete in ms or 0) of a dossier, oldest first."""
        request = custodian_pb2.DossierRequest(dossier=dossier)
        calling: Any = self._stub.ListTombstones(request, timeout=STREAM_DEADLINE_S)
        return [one async for one in _tombstones(calling)]

    async def report(self, dossier: str) -> bytes:
        """A subject-access report as JSON."""
        request = custodian_pb2.DossierRequest(dossier=dossier)
        data = bytearray()
        async for chunk in stream(self._stub.ReportDossier(request, timeout=STREAM_DEADLINE_S)):
            data += chunk.data
            if len(data) > REPORT_BYTES_MAX:
                raise Malformed("report", "", f"has more than {REPORT_BYTES_MAX} bytes")
        return bytes(data)


def _request(wish: ErasureWish) -> custodian_pb2.EraseRequest:
    return custodian_pb2.EraseRequest(
        dossier=wish.dossier, seqs=wish.seqs, due=wish.due, basis=wish.basis, despite_grants=wish.despite_grants
    )


async def _dossiers(calling: Any) -> AsyncIterator[ShownDossier]:
    shown: ShownDossier | None = None
    async for reply in stream(calling):
        if shown is None or reply.dossier != shown.dossier:
            if shown is not None:
                yield shown
            shown = ShownDossier(dossier=reply.dossier, reference=reply.reference)
        shown.holds += reply.holds
        shown.grants += reply.grants
        shown.records += reply.records
    if shown is not None:
        yield shown


async def _tombstones(calling: Any) -> AsyncIterator[tuple[str, int]]:
    data = bytearray()
    async for chunk in stream(calling):
        data += chunk.data
        if len(data) > TOMBSTONE_BYTES_MAX:
            raise Malformed("tombstone", "", f"has more than {TOMBSTONE_BYTES_MAX} bytes")
        if chunk.last:
            yield data.decode("ascii"), chunk.done_ms
            data = bytearray()
