"""Take in what a custodian pushes: its signed checkpoint first, then the entries up to it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence

from relay.core.bundle import ledger_proof_bytes
from relay.core.errors import Conflict, RelayError, Unavailable, Unverified
from relay.core.limits import ORIGIN_CHARS_MAX
from relay.core.package import Package
from relay.ports.forwarding import RelayStore
from relay.ports.ledgers import Anchor, AnchorSource
from relay.services.forwarding.origins import OriginRoom, Origins
from relay.services.mirroring import PackageIntake

log = logging.getLogger(__name__)


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
        checkpoint = room.verify_checkpoint(note)
        halted = await self._store.halted(checkpoint.origin)
        if halted:
            raise Conflict(f"origin {checkpoint.origin} is halted: {halted}")
        item = await self._store.find_item(checkpoint.origin, checkpoint.size)
        if item is None:
            raise Unavailable(f"no anchor of {checkpoint.origin} at size {checkpoint.size} is seen on the ledger yet")
        if item.anchor.root != checkpoint.root:
            reason = (
                f"the checkpoint of size {checkpoint.size} and its anchor on {item.anchor.ledger} have different roots"
            )
            await self._store.halt(
                checkpoint.origin, reason, {"checkpoint": note, **await self._anchor_piece(item.anchor)}
            )
            raise Unverified("root", reason)
        if room.pushing.locked():
            raise Unavailable(f"another push of {checkpoint.origin} is running")
        async with room.pushing:
            await self._store.save_checkpoint(checkpoint.origin, checkpoint.size, note)
            intake = PackageIntake(await self._store.log(checkpoint.origin), checkpoint)
            yield await intake.take([])
            if not intake.done:
                async for group in groups:
                    yield await intake.take(group)
                    if intake.done:
                        break
            if intake.done:
                log.info("%s: all %d entries held", checkpoint.origin, checkpoint.size)
                room.wake.set()

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
