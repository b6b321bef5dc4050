"""Take in what a custodian pushes: its signed checkpoint first, then the entries up to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Final

from relay.core.bundle import ledger_proof_bytes
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, NotFound, RelayError, Unavailable, Unverified
from relay.core.limits import ORIGIN_CHARS_MAX
from relay.core.package import Package
from relay.ports.forwarding import Item, RelayStore
from relay.ports.ledgers import Anchor, AnchorSource
from relay.services.forwarding.beside import both
from relay.services.forwarding.origins import OriginRoom, Origins
from relay.services.mirroring import PackageIntake
from relay.telemetry import metrics
from relay.telemetry.counting import proofs_of

log = logging.getLogger(__name__)

FEED_WAIT_S: Final = 0.5
"""How long a pusher waits for the feed that is about to bring its anchor: it often learns of the anchor a moment before the relay does."""
FEED_SOON_S: Final = 0.02
"""How long before the node is asked for the anchor by name."""
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
        item = await self._item_of(room, checkpoint)
        room.check_period(note, item.anchor.time_ms)
        if item.anchor.root != checkpoint.root:
            reason = (
                f"the checkpoint of size {checkpoint.size} and its anchor on {item.anchor.ledger} have different roots"
            )
            await self._store.halt(
                checkpoint.origin, reason, {"checkpoint": note, **await self._anchor_piece(item.anchor)}
            )
            metrics.equivocations.labels(checkpoint.origin).inc()
            raise Unverified("root", reason)
        if room.pushing.locked():
            raise Unavailable(f"another push of {checkpoint.origin} is running")
        async with room.pushing:
            intake = PackageIntake(await self._store.log(checkpoint.origin), checkpoint)
            yield await intake.take([])
            saved = False
            if not intake.done:
                async for group in groups:
                    if saved:
                        next_index = await intake.take(group)
                    else:  # an index above the first answer is given only when the checkpoint is stored too
                        saving = self._store.save_checkpoint(checkpoint.origin, checkpoint.size, note)
                        _, next_index = await both(saving, intake.take(group))
                        saved = True
                    if intake.done:
                        _all_held(room, checkpoint)
                    yield next_index
                    if intake.done:
                        break
            if not saved:
                await self._store.save_checkpoint(checkpoint.origin, checkpoint.size, note)
                if intake.done:
                    _all_held(room, checkpoint)

    async def _item_of(self, room: OriginRoom, checkpoint: Checkpoint) -> Item:
        """The item of a checkpoint that its log has signed. Raises `Unavailable` while the ledger does not show its anchor."""
        item = await self._store.find_item(checkpoint.origin, checkpoint.size)
        if item is None and (
            await self._brought(room, checkpoint, FEED_SOON_S) or await self._left_out(room, checkpoint)
        ):
            item = await self._store.find_item(checkpoint.origin, checkpoint.size)
        if item is None:
            raise Unavailable(f"no anchor of {checkpoint.origin} at size {checkpoint.size} is seen on the ledger yet")
        return item

    async def _left_out(self, room: OriginRoom, checkpoint: Checkpoint) -> bool:
        """The third detector: an anchor in a final block that the feed has passed without showing it. True when it is recorded now.

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
            return False
        if anchor.height > (await self._store.cursor(ledger)).height:
            return await self._brought(room, checkpoint, FEED_WAIT_S)  # the feed has not come so far: it will bring it
        if await self._store.find_item(checkpoint.origin, checkpoint.size) is not None:
            return True  # the feed has brought it meanwhile, in the transaction that moved the cursor
        try:
            await source.prove(anchor)
        except NotFound:
            return False  # its block is not final, and may leave the chain
        found = await self._store.save_found(anchor)
        if found:
            metrics.commitments_observed.labels(anchor.origin, "rescan").inc()
            log.error("%s left out the anchor of %s at size %d", ledger, anchor.origin, anchor.size)
        return found

    async def _brought(self, room: OriginRoom, checkpoint: Checkpoint, wait_s: float) -> bool:
        """Wait a moment for the feed. True when it has brought the anchor."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while True:
                    room.seen.clear()
                    if await self._store.find_item(checkpoint.origin, checkpoint.size) is not None:
                        return True
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_AGAIN_S):
                            await room.seen.wait()
        return False

    async def _anchor_piece(self, anchor: Anchor) -> dict[str, bytes]:
        """The ledger's own proof of what it holds, where the anchor is final already."""
        try:
            return {"anchor": ledger_proof_bytes(await self._sources[anchor.ledger].prove(anchor))}
        except RelayError as error:
            log.warning("the exhibit has no ledger proof: %s", error)
            return {}

    def _room_of(self, caller: str, note: bytes) -> OriginRoom:
        """The room by the note's first line; the signature is checked before anything else of it is believed."""
        origin = note[: ORIGIN_CHARS_MAX * 4].split(b"\n", 1)[0].decode("utf-8", "replace")
        return self._origins.owned(origin, caller)


def _all_held(room: OriginRoom, checkpoint: Checkpoint) -> None:
    log.info("%s: all %d entries held", checkpoint.origin, checkpoint.size)
    room.wake.set()
