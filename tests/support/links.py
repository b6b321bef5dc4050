"""Links between the roles without a wire: each calls the other side's services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

from relay.core.ledgerproof import LedgerProof
from relay.core.package import Package
from relay.ports.custodian import PackageMaker, ReceiptOffer
from relay.ports.forwarding import Announcement, CourtState
from relay.services.court.mirror import CourtMirror
from relay.services.forwarding.intake import LogIntake
from relay.services.forwarding.receipts import Receipts
from relay.services.forwarding.route import Router


class DirectRelayLink:
    """relay.ports.custodian.RelayLink, straight into the relay's services."""

    def __init__(self, custodian: str, intake: LogIntake, receipts: Receipts, router: Router) -> None:
        self._custodian = custodian
        self._intake = intake
        self._receipts = receipts
        self._router = router

    async def push(self, checkpoint: bytes, packages: PackageMaker, expected: int | None = None) -> AsyncIterator[int]:
        start: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def groups() -> AsyncIterator[Sequence[Package]]:
            async for package in packages(expected if expected is not None else await start):
                yield [package]

        async for next_index in self._intake.push(self._custodian, checkpoint, groups()):
            if not start.done():
                start.set_result(next_index)
            yield next_index

    async def receipts(self, origin: str, above_size: int) -> list[ReceiptOffer]:
        rows = await self._receipts.above(self._custodian, origin, above_size)
        return [
            ReceiptOffer(size=r.receipt.size, root=r.receipt.root, proof=r.proof, cosigned=r.cosigned) for r in rows
        ]

    async def record_grant(self, statement: str) -> LedgerProof:
        return await self._receipts.record_grant(statement.encode())

    @asynccontextmanager
    async def requests(self, origin: str) -> AsyncIterator[AsyncIterator[tuple[bytes, bytes, str]]]:
        async with self._router.subscribed(self._custodian) as queue:

            async def items() -> AsyncIterator[tuple[bytes, bytes, str]]:
                yield b"", b"", ""
                while True:
                    yield await queue.get()

            yield items()

    async def answer(self, request_id: bytes, header: bytes, chunks: AsyncIterator[bytes]) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield header
            async for chunk in chunks:
                yield chunk

        await self._router.answer(self._custodian, request_id, pieces())

    async def refuse(self, request_id: bytes) -> None:
        await self._router.refuse(self._custodian, request_id)


def announced(checkpoint: bytes, old_size: int, consistency: Sequence[bytes], anchor: LedgerProof) -> Announcement:
    """What a relay announces."""
    return Announcement(checkpoint=checkpoint, old_size=old_size, consistency=consistency, anchor=anchor)


class DirectCourtLink:
    """relay.ports.forwarding.CourtLink, straight into the court's mirror."""

    def __init__(self, mirror: CourtMirror) -> None:
        self._mirror = mirror

    async def latest(self, origin: str) -> CourtState:
        return await self._mirror.latest(origin)

    async def add_checkpoint(self, announced: Announcement) -> CourtState:
        return await self._mirror.add_checkpoint(announced)

    async def add_entries(
        self, origin: str, size: int, packages: AsyncIterator[Package], announced: Announcement | None = None
    ) -> bytes:
        async def groups() -> AsyncIterator[Sequence[Package]]:
            async for package in packages:
                yield [package]

        cosigned = b""
        async for state in self._mirror.add_entries(origin, size, groups(), announced):
            cosigned = state.cosigned
        return cosigned


class DirectRetrievalLink:
    """relay.ports.court.RetrievalLink, straight into the relay's router. `tamper` may change what passes."""

    def __init__(self, court: str, router: Router) -> None:
        self._court = court
        self._router = router
        self.tamper: Callable[[int, bytes], bytes | None] = lambda _number, piece: piece

    @asynccontextmanager
    async def retrieve(self, custodian: str, request: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        async def pieces() -> AsyncIterator[bytes]:
            number = 0
            async with aclosing(self._router.retrieve(self._court, custodian, request)) as routed:
                async for piece in routed:
                    changed = self.tamper(number, piece)
                    number += 1
                    if changed is not None:
                        yield changed

        yield pieces()
