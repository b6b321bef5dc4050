"""Take in what a custodian pushes: its signed checkpoint first, then the entries up to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final

from relay.core.bundle import ledger_proof_bytes
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, Malformed, NotFound, RelayError, Unavailable, Unverified
from relay.core.limits import ORIGIN_CHARS_MAX
from relay.core.package import Package
from relay.ports.forwarding import Item, RelayStore
from relay.ports.ledgers import Anchor, AnchorSource
from relay.services.ahead import given_up
from relay.services.forwarding.asking import Offer
from relay.services.forwarding.beside import both
from relay.services.forwarding.origins import OriginRoom, Origins, Whole
from relay.services.forwarding.tracing import observed
from relay.services.mirroring import Checked, PackageIntake
from relay.telemetry import metrics
from relay.telemetry.counting import proofs_of
from relay.telemetry.events import ANCHOR_LEFT_OUT, ENTRIES_HELD, EXHIBIT_WITHOUT_PROOF, log_event

log = logging.getLogger(__name__)

FEED_WAIT_S: Final = 0.5
"""How long a pusher waits for the feed to bring its anchor: it pushes while that is being written, or hears of it a moment earlier."""
FEED_SOON_S: Final = 0.02
"""How long before the node is asked for the anchor by name."""
READ_ENTRIES: Final = 4096
"""In one message: 266 KB."""
LOOK_AGAIN_S: Final = 0.05
"""The feed may be another worker's, which wakes nobody here."""


class LogIntake:
    """Serves `PushLog`. Only the owner of an origin may push it, one push at a time."""

    def __init__(self, store: RelayStore, origins: Origins, sources: Mapping[str, AnchorSource]) -> None:
        self._store = store
        self._origins = origins
        self._sources = sources

    async def push(self, caller: str, note: bytes, groups: AsyncIterator[Sequence[Package]]) -> AsyncIterator[int]:
        """Yield the next index wanted: at once, then after each group is durable.

        Raises `Denied` (not the owner), `Unavailable` (the ledger does not show this anchor yet), `Unverified` (signature or
        entries do not fit), `Conflict` (halted, or another push of this origin is running).
        """
        room = self._room_of(caller, note)
        async with aclosing(self._pushed(room, note, groups)) as indices:
            with proofs_of(room.config.origin):
                async for next_index in indices:
                    yield next_index

    async def _pushed(
        self, room: OriginRoom, note: bytes, groups: AsyncIterator[Sequence[Package]]
    ) -> AsyncGenerator[int, None]:
        checkpoint = room.verify_checkpoint(note)
        halted = await self._store.halted(checkpoint.origin)
        if halted:
            raise Conflict(f"origin {checkpoint.origin} is halted: {halted}")
        if room.pushing.locked():
            raise Unavailable(f"another push of {checkpoint.origin} is running")
        async with room.pushing:
            intake = PackageIntake(await self._store.log(checkpoint.origin), checkpoint)
            async with _first_of(intake, groups, note, checkpoint) as first:
                trace = await self._seen(room, note, checkpoint)
                yield await intake.take([])
                checked, room.whole = (None, None) if intake.done else await first
                if room.whole is not None:
                    room.wake.set()
                saving = self._store.save_checkpoint(checkpoint.origin, checkpoint.size, note, trace)
                # an index above the first answer is given only when the checkpoint is stored too
                _, next_index = await both(saving, intake.append(checked) if checked is not None else intake.take([]))
                if intake.done:
                    _all_held(room, checkpoint)
                if checked is not None:
                    yield next_index
                if intake.done:
                    return
                async for group in groups:
                    next_index = await intake.take(group)
                    if intake.done:
                        _all_held(room, checkpoint)
                    yield next_index
                    if intake.done:
                        return

    async def _seen(self, room: OriginRoom, note: bytes, checkpoint: Checkpoint) -> str:
        """The trace of the checkpoint's item, once the ledger shows its anchor. Halts the origin when that has another root."""
        item = await self._item_of(room, checkpoint)
        room.check_period(note, item.anchor.time_ms)
        trace = observed(room, item)
        if item.anchor.root != checkpoint.root:
            reason = (
                f"the checkpoint of size {checkpoint.size} and its anchor on {item.anchor.ledger} have different roots"
            )
            await self._store.halt(
                checkpoint.origin, reason, {"checkpoint": note, **await self._anchor_piece(item.anchor)}
            )
            metrics.equivocations.labels(checkpoint.origin).inc()
            raise Unverified("root", reason)
        return trace

    async def entries(self, caller: str, origin: str, start: int, end: int) -> AsyncIterator[list[bytes]]:
        """What is held of a log, for its owner, in groups. Raises `Denied` (not the owner), `Malformed`, `NotFound` (not held)."""
        self._origins.owned(origin, caller)
        if start > end:
            raise Malformed("log", "end", "must not be before the start")
        log_ = await self._store.log(origin)
        if end > log_.size:
            raise NotFound(f"{log_.size} entries of {origin} are held, not {end}")
        for at in range(start, end, READ_ENTRIES):
            yield await asyncio.to_thread(log_.files.entries, at, min(at + READ_ENTRIES, end))

    async def _item_of(self, room: OriginRoom, checkpoint: Checkpoint) -> Item:
        """The item of a checkpoint that its log has signed. Raises `Unavailable` while the ledger does not show its anchor."""
        item = await self._store.find_item(checkpoint.origin, checkpoint.size)
        if item is None:
            item = await self._brought(room, checkpoint, FEED_SOON_S) or await self._left_out(room, checkpoint)
        if item is None:
            raise Unavailable(f"no anchor of {checkpoint.origin} at size {checkpoint.size} is seen on the ledger yet")
        return item

    async def _left_out(self, room: OriginRoom, checkpoint: Checkpoint) -> Item | None:
        """The third detector: an anchor in a final block that the feed has passed without showing it. The item if it is recorded now.

        The node is asked for it by name. Whatever it answers is worth no more than what its feed gives: the entries
        must have the anchor's root, and the court checks the ledger's proof.
        """
        ledger = room.config.ledger
        source = self._sources[ledger]
        anchor = await source.find(checkpoint.origin, checkpoint.size)
        if anchor is None or (anchor.ledger, anchor.origin, anchor.size) != (
            ledger,
            checkpoint.origin,
            checkpoint.size,
        ):
            return None
        if anchor.height > (await self._store.cursor(ledger)).height:
            return await self._brought(room, checkpoint, FEED_WAIT_S)  # the feed has not come so far: it will bring it
        item = await self._store.find_item(checkpoint.origin, checkpoint.size)
        if item is not None:
            return item  # the feed has brought it meanwhile, in the transaction that moved the cursor
        try:
            await source.prove(anchor)
        except NotFound:
            return None  # its block is not final, and may leave the chain
        if await self._store.save_found(anchor):
            metrics.commitments_observed.labels(anchor.origin, "rescan").inc()
            log_event(log, ANCHOR_LEFT_OUT, ledger=ledger, origin=anchor.origin, size=anchor.size)
        return await self._store.find_item(checkpoint.origin, checkpoint.size)

    async def _brought(self, room: OriginRoom, checkpoint: Checkpoint, wait_s: float) -> Item | None:
        """Wait a moment for the feed. The item when it has brought the anchor."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while True:
                    room.seen.clear()
                    item = await self._store.find_item(checkpoint.origin, checkpoint.size)
                    if item is not None:
                        return item
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_AGAIN_S):
                            await room.seen.wait()
        return None

    async def _anchor_piece(self, anchor: Anchor) -> dict[str, bytes]:
        """The ledger's own proof of what it holds, where the anchor is final already."""
        try:
            return {"anchor": ledger_proof_bytes(await self._sources[anchor.ledger].prove(anchor))}
        except RelayError as error:
            log_event(log, EXHIBIT_WITHOUT_PROOF, origin=anchor.origin, reason=error)
            return {}

    def _room_of(self, caller: str, note: bytes) -> OriginRoom:
        """The room by the note's first line; the signature is checked before anything else of it is believed."""
        origin = note[: ORIGIN_CHARS_MAX * 4].split(b"\n", 1)[0].decode("utf-8", "replace")
        return self._origins.owned(origin, caller)


@asynccontextmanager
async def _first_of(
    intake: PackageIntake, groups: AsyncIterator[Sequence[Package]], note: bytes, checkpoint: Checkpoint
) -> AsyncIterator[Awaitable[tuple[Checked | None, Whole | None]]]:
    """The first group, read and checked while its anchor is waited for; if it holds all entries, what the court will ask, too.

    Nothing of it is stored here.
    """

    async def one() -> tuple[Checked | None, Whole | None]:
        group = await anext(groups, None)
        if group is None:
            return None, None
        checked = await intake.check(group, extending=True)
        return checked, _whole(note, checkpoint, checked, group) if checked.extension else None

    first = asyncio.create_task(one(), name="first group")
    try:
        yield first
    finally:
        await given_up(first)


def _whole(note: bytes, checkpoint: Checkpoint, checked: Checked, group: Sequence[Package]) -> Whole:
    return Whole(
        size=checkpoint.size,
        root=checkpoint.root,
        offer=Offer(checkpoint=note, old_size=checked.size, consistency=checked.extension),
        packages=[package for package in group if package.end > checked.size],
    )


def _all_held(room: OriginRoom, checkpoint: Checkpoint) -> None:
    log_event(log, ENTRIES_HELD, origin=checkpoint.origin, size=checkpoint.size)
    room.wake.set()
