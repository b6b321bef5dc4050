"""The operator's face of a relay: status and hand tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import grpc.aio

from relay.core.identity import Role
from relay.ports.forwarding import Item
from relay.services.forwarding.hands import Hands
from relay.services.forwarding.status import RelayStatus
from relay.wire.v1 import relay_pb2, relay_pb2_grpc

_METHODS: Final = (
    "Status", "Backlog", "Quarantined", "ShowItem", "RetryItem", "DiscardItem", "HaltOrigin", "ResumeOrigin", "Exhibits",
    "Rescan",
)  # fmt: skip
ALLOW: Final[Mapping[str, frozenset[Role]]] = {
    f"/relay.wire.v1.RelayAdmin/{method}": frozenset({Role.OPERATOR}) for method in _METHODS
}

Context = grpc.aio.ServicerContext[Any, Any]


class RelayAdmin(relay_pb2_grpc.RelayAdminServicer):
    """What the operator asks."""

    def __init__(self, status: RelayStatus, hands: Hands) -> None:
        self._status = status
        self._hands = hands

    async def Status(self, request: relay_pb2.RelayStatusRequest, context: Context) -> relay_pb2.RelayStatusReply:
        """Counts by state, origins, heights, connections."""
        report = await self._status.report()
        return relay_pb2.RelayStatusReply(
            counts=[relay_pb2.ItemCount(state=state, items=items) for state, items in report.counts.items()],
            origins=[
                relay_pb2.OriginStatus(
                    origin=o.origin,
                    mirrored_size=o.mirrored_size,
                    confirmed_size=o.confirmed_size,
                    halted=bool(o.halt_reason),
                    halt_reason=o.halt_reason,
                )
                for o in report.origins
            ],
            scanned_height=report.scanned_height,
            final_height=report.final_height,
            custodians_connected=report.custodians,
            last_problem=report.problem,
            jobs=report.jobs,
        )

    async def Backlog(self, request: relay_pb2.ListItemsRequest, context: Context) -> relay_pb2.ListItemsReply:
        """Items under way."""
        items = await self._hands.backlog(request.origin, request.limit)
        return relay_pb2.ListItemsReply(items=[_row(item) for item in items])

    async def Quarantined(self, request: relay_pb2.ListItemsRequest, context: Context) -> relay_pb2.ListItemsReply:
        """Items that a retry could not mend."""
        items = await self._hands.quarantined(request.origin, request.limit)
        return relay_pb2.ListItemsReply(items=[_row(item) for item in items])

    async def ShowItem(self, request: relay_pb2.ItemRequest, context: Context) -> relay_pb2.ItemRow:
        """One item."""
        return _row(await self._hands.show(request.id))

    async def RetryItem(self, request: relay_pb2.ItemRequest, context: Context) -> relay_pb2.ItemRow:
        """Re-drive a quarantined item."""
        return _row(await self._hands.retry(request.id, request.reason))

    async def DiscardItem(self, request: relay_pb2.ItemRequest, context: Context) -> relay_pb2.ItemRow:
        """Give up a quarantined item."""
        return _row(await self._hands.discard(request.id, request.reason))

    async def HaltOrigin(self, request: relay_pb2.OriginRequest, context: Context) -> relay_pb2.OriginReply:
        """Stop an origin."""
        await self._hands.halt(request.origin, request.reason)
        return relay_pb2.OriginReply()

    async def ResumeOrigin(self, request: relay_pb2.OriginRequest, context: Context) -> relay_pb2.OriginReply:
        """Let an origin go on."""
        await self._hands.resume(request.origin, request.reason)
        return relay_pb2.OriginReply()

    async def Exhibits(self, request: relay_pb2.OriginRequest, context: Context) -> relay_pb2.ExhibitsReply:
        """What halted an origin."""
        return relay_pb2.ExhibitsReply(
            exhibits=[
                relay_pb2.ExhibitRow(
                    number=exhibit.number,
                    reason=exhibit.reason,
                    pieces=[relay_pb2.ExhibitPiece(name=n, data=d) for n, d in sorted(exhibit.pieces.items())],
                    resumed=exhibit.resumed,
                )
                for exhibit in await self._hands.exhibits(request.origin)
            ]
        )

    async def Rescan(self, request: relay_pb2.RescanRequest, context: Context) -> relay_pb2.RescanReply:
        """Compare ledgers with what is recorded."""
        done = await self._hands.rescan(request.ledger, from_start=request.from_start)
        return relay_pb2.RescanReply(
            ledgers=[
                relay_pb2.RescanRow(ledger=row.ledger, blocks=row.blocks, height=row.height, missing=row.missing)
                for row in done
            ]
        )


def _row(item: Item) -> relay_pb2.ItemRow:
    anchor = item.anchor
    return relay_pb2.ItemRow(
        id=item.id,
        ledger=anchor.ledger,
        origin=anchor.origin,
        size=anchor.size,
        root=anchor.root,
        height=anchor.height,
        state=item.state.value,
        attempt=item.attempt,
        reason=item.reason,
    )
