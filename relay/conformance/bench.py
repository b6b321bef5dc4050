"""What every check is given: the adapter under test, a second connection, fresh checkpoints, proofs and their verifier, hooks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from relay.conformance.check import Fault, NotRun, demand
from relay.conformance.owner import LEFT_OUT, Owner
from relay.conformance.watched import WatchedCourt, WatchedSource, watch
from relay.conformance.writing import GrantWriter, HeadWriter, LogWriter
from relay.core.checkpoint import Checkpoint
from relay.core.errors import NotFound
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.trust import LedgerRoot
from relay.ports.ledgers import Anchor, AnchorBlock

T = TypeVar("T")

PUSHES_MAX: Final = 64
"""Anchors written only to make a chain grow, where the owner has no `mine`."""
WAIT_S_MAX: Final = 2.0
COURT_TRIES: Final = 20
BLOCKS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A stretch of the lender's ledger with three anchors of one origin: sizes 1, 2, 3, unless the ledger's own log decides."""

    origin: str
    anchors: tuple[Anchor, ...]
    start: int
    end: int


class Bench:
    """Built by `open_bench`. Attributes of a port that the owner did not give must not be touched: checks say what they need."""

    source: WatchedSource
    second_source: WatchedSource
    court: WatchedCourt
    second_court: WatchedCourt
    custody: WatchedCourt
    log: LogWriter
    heads: HeadWriter
    grants: GrantWriter

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self._count = 0
        self._scene: Scene | None = None

    def missing(self, need: str) -> str:
        """Why a check that needs this cannot run; empty when it can."""
        owner = self.owner
        if need in LEFT_OUT:
            return LEFT_OUT[need] if need in owner.left_out else ""
        have: dict[str, tuple[object, str]] = {
            "source": (owner.open_source, "no lender's ledger is given"),
            "court": (owner.open_court, "no court's ledger is given"),
            "log": (owner.open_source and owner.log, "needs a lender's ledger and the key of a log to submit"),
            "witness": (owner.witness, "no key of a witness is given"),
            "custody": (owner.custody, "no key of a custody log is given"),
            "grants": (owner.lender, "no key of a lender for grants is given"),
            "source-proofs": (self._root("source"), "no verifier, or the lender's ledger is not in the trust roots"),
            "court-proofs": (self._root("court"), "no verifier, or the court's ledger is not in the trust roots"),
            "anchoring": (owner.publish is None, "this ledger anchors the checkpoints of its own log alone"),
            "mine": (owner.mine, "the owner gives no hook `mine`"),
            "reorganise": (owner.reorganise, "the owner gives no hook `reorganise`"),
            "restart": (owner.restart, "the owner gives no hook `restart`"),
        }
        there, reason = have[need]
        return "" if there else reason

    def _root(self, port: str) -> LedgerRoot | None:
        connection = getattr(self, port, None)
        root = self.owner.roots.get(connection.ledger) if connection is not None else None
        return root if root is not None and root.kind in self.owner.verifiers else None

    @property
    def lender_root(self) -> LedgerRoot:
        """The pinned root of the lender's ledger."""
        return there(self._root("source"))

    @property
    def court_root(self) -> LedgerRoot:
        """The pinned root of the court's ledger."""
        return there(self._root("court"))

    def verify(self, proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
        """What a proof shows under a pinned root, by the verifier of the root's family. Raises `Malformed`, `Unverified`."""
        return self.owner.verifiers[root.kind](proof, root)

    async def open_source(self) -> WatchedSource:
        """One more connection; the check that asks for it closes it."""
        return WatchedSource(await watch("open_source", there(self.owner.open_source)))

    async def open_court(self) -> WatchedCourt:
        """One more connection; the check that asks for it closes it."""
        return WatchedCourt(await watch("open_court", there(self.owner.open_court)))

    def origin(self) -> str:
        """An origin that was never used."""
        self._count += 1
        return f"{self.owner.origins}/{self.owner.run}/{self._count}"

    def checkpoint(self, size: int, origin: str, salt: str = "") -> Checkpoint:
        """A log's state; another salt is another root."""
        root = hashlib.sha256(f"{origin}\n{size}\n{salt}".encode()).digest()
        return Checkpoint(origin=origin, size=size, root=root)

    async def fresh(self) -> Checkpoint:
        """A checkpoint that was never anchored and can be: of a log of its own, or the next of the ledger's own log."""
        publish = self.owner.publish
        return self.checkpoint(6, self.origin()) if publish is None else await _hook("publish", publish())

    async def anchored(self, size: int | None = None, origin: str = "") -> Anchor:
        """A fresh anchor; with a size or an origin only for checks that need `anchoring`."""
        if size is None:
            return await self.source.anchor(await self.fresh())
        return await self.source.anchor(self.checkpoint(size, origin or self.origin()))

    async def mine(self) -> None:
        """One block more: by the owner's hook, else by an anchor that nobody asks about."""
        if self.owner.mine is not None:
            await _hook("mine", self.owner.mine())
        else:
            await self.anchored()

    async def reorganise(self, depth: int) -> None:
        """The owner's hook."""
        await _hook("reorganise", there(self.owner.reorganise)(depth))

    async def restart(self) -> None:
        """The owner's hook."""
        await _hook("restart", there(self.owner.restart)())

    async def proof(self, anchor: Anchor) -> LedgerProof:
        """The anchor's proof, as soon as it is final; the chain is made to grow until then. Ends with the check's deadline."""
        wait_s = 0.001
        for pushes in range(1_000_000):
            try:
                return await self.source.prove(anchor)
            except NotFound:
                if self.owner.mine is not None or pushes < PUSHES_MAX:
                    await self.mine()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, WAIT_S_MAX)
        raise Fault("the anchor never becomes final")

    async def court_proof(self, tx_id: bytes) -> LedgerProof:
        """Proof of a transaction on the court's ledger. It is due at once, which one check asks for; the others wait a little."""
        for tries in range(COURT_TRIES):
            try:
                return await self.court.prove(tx_id)
            except NotFound:
                await asyncio.sleep(0.01 * tries)
        return await self.court.prove(tx_id)

    async def scene(self) -> Scene:
        """The same for every check that reads; made at its first use."""
        if self._scene is None:
            origin = self.origin()
            made = []
            for size in (1, 2, 3):
                made.append(await self.anchored(None if self.owner.publish else size, origin))
                if self.owner.mine is not None:
                    await self.mine()
            heights = [anchor.height for anchor in made]
            demand(heights == sorted(heights), f"anchors written one after the other stand at heights {heights}")
            self._scene = Scene(
                origin=made[0].origin, anchors=tuple(made), start=max(1, heights[0] - 1), end=heights[-1]
            )
        return self._scene

    async def read(
        self, start: int, end: int, source: WatchedSource | None = None, pace: Callable[[], float] | None = None
    ) -> list[AnchorBlock]:
        """What the feed gives from `start` until a block of height `end` or more. `pace`: seconds to wait after each block."""
        blocks: list[AnchorBlock] = []
        feed = (source or self.source).blocks(start)
        try:
            async for block in feed:
                blocks.append(block)
                if block.height >= end:
                    return blocks
                demand(len(blocks) < BLOCKS_MAX, f"the feed gave {BLOCKS_MAX} blocks without reaching height {end}")
                if pace is not None:
                    await asyncio.sleep(pace())
        finally:
            await feed.aclose()
        raise Fault(f"the feed ended after {len(blocks)} blocks; it must be without end")

    async def read_scene(self) -> list[AnchorBlock]:
        """The blocks of the scene."""
        scene = await self.scene()
        return await self.read(scene.start, scene.end)


async def _hook(name: str, work: Awaitable[T]) -> T:
    """A hook that fails is the owner's matter, not the adapter's."""
    try:
        return await work
    except Exception as error:
        raise NotRun(f"the owner's hook `{name}` failed: {type(error).__name__}: {error}") from error


def there(value: T | None) -> T:
    """What a check said it needs. Raises `NotRun`."""
    if value is None:
        raise NotRun("the owner did not give what this check needs")
    return value


@asynccontextmanager
async def open_bench(owner: Owner) -> AsyncIterator[Bench]:
    """Connections for all checks, closed at the end. Raises what the openers raise, `Fault` for what is no domain error."""
    bench = Bench(owner)
    async with AsyncExitStack() as stack:
        if owner.open_source is not None:
            bench.source, bench.second_source = await bench.open_source(), await bench.open_source()
            stack.push_async_callback(bench.source.close)
            stack.push_async_callback(bench.second_source.close)
        if owner.open_court is not None:
            bench.court, bench.second_court = await bench.open_court(), await bench.open_court()
            stack.push_async_callback(bench.court.close)
            stack.push_async_callback(bench.second_court.close)
            bench.custody = bench.court
            if owner.open_custody is not None:
                bench.custody = WatchedCourt(await watch("open_court", owner.open_custody))
                stack.push_async_callback(bench.custody.close)
        bench.log, bench.heads, bench.grants = LogWriter(bench), HeadWriter(bench), GrantWriter(bench)
        yield bench
