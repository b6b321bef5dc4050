"""Take one origin's items, smallest first, from FINAL to CONFIRMED: prove, mirror, submit, confirm.

Each step stores its outcome before the next begins, and each begins by asking what is already there, so that a step
repeated after a crash changes nothing. What a retry cannot mend is put aside with its reason (QUARANTINED), and what
contradicts itself stops the origin (halt) with the contradictory pieces kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final

from relay.core.bundle import ledger_proof_bytes
from relay.core.checkpoint import parse_checkpoint
from relay.core.errors import Conflict, Denied, Malformed, NotFound, RelayError, Unavailable, Uncertain, Unverified
from relay.core.lifecycle import ItemState
from relay.ports.forwarding import Confirmation, CourtLink, CourtState, Item, RelayStore
from relay.ports.ledgers import AnchorSource, CourtRegistry, Receipt, Submission
from relay.services.forwarding.origins import OriginRoom
from relay.services.mirroring import packages_of

log = logging.getLogger(__name__)

REFUSALS_MAX: Final = 5
"""Refusals in a row after which an item is put aside."""


class Waiting(Exception):
    """The item cannot go on until something else happens; a wake-up of the origin will come."""


class Advancer:
    """Drives one origin. `run` never returns; it ends by cancellation."""

    def __init__(
        self,
        room: OriginRoom,
        store: RelayStore,
        sources: Mapping[str, AnchorSource],
        court: CourtLink,
        registry: CourtRegistry,
        *,
        sleep: Callable[[float], Awaitable[None]],
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._room = room
        self._origin = room.config.origin
        self._store = store
        self._source = sources[room.config.ledger]
        self._court = court
        self._registry = registry
        self._sleep = sleep
        self._backoff = backoff
        self.problem = ""
        self._refusals: Counter[bytes] = Counter()

    async def run(self) -> None:
        """Advance until nothing is left, then wait for a wake-up; after trouble, wait a growing while and try again."""
        waits = self._backoff()
        self._refusals.clear()
        while True:
            self._room.wake.clear()
            try:
                if await self._advance_all():
                    waits = self._backoff()
                reason = await self._store.halted(self._origin)
                self.problem = f"{self._origin}: {reason}" if reason else ""
            except (Unavailable, Uncertain) as error:
                self.problem = f"{self._origin}: {error}"
                log.warning(self.problem)
                await self._sleep(next(waits))
                continue
            await self._room.wake.wait()

    async def _advance_all(self) -> bool:
        moved = False
        while not await self._store.halted(self._origin):
            item = await self._store.next_item(self._origin)
            if item is None or item.state is ItemState.SEEN:
                break
            try:
                await self._step(item)
            except Waiting:
                break
            except (Conflict, Denied, Malformed, NotFound, Unverified) as error:
                await self._refused(item, error)
                break
            self._refusals.clear()
            moved = True
        return moved

    async def _step(self, item: Item) -> None:
        step = {
            ItemState.FINAL: self._prove,
            ItemState.PROVEN: self._mirror,
            ItemState.MIRRORED: self._submit,
            ItemState.SUBMITTED: self._confirm,
        }[item.state]
        await step(item)
        log.info("%s size %d: past %s", self._origin, item.anchor.size, item.state.value)

    async def _prove(self, item: Item) -> None:
        """The pushed entries must have the ledger's root, whatever the custodian says of it."""
        mirror = await self._store.log(self._origin)
        if mirror.size < item.anchor.size:
            raise Waiting
        root = await asyncio.to_thread(mirror.files.root, item.anchor.size)
        if root != item.anchor.root:
            note = await self._store.checkpoint(self._origin, item.anchor.size) or b""
            proof = await self._source.prove(item.anchor)
            reason = (
                f"root mismatch at size {item.anchor.size}: the ledger has {item.anchor.root.hex()},"
                f" the entries give {root.hex()}"
            )
            await self._store.halt(
                self._origin, reason, {"checkpoint": note, "anchor": ledger_proof_bytes(proof), "root": root}
            )
            raise Waiting
        await self._store.move(item.id, ItemState.FINAL, ItemState.PROVEN)

    async def _mirror(self, item: Item) -> None:
        """Bring the court gateway up to this checkpoint; it rebuilds, compares and cosigns."""
        size = item.anchor.size
        held = await self._court.latest(self._origin)
        if held.size == size and held.cosigned:
            await self._store.save_mirrored(item.id, held.cosigned)
            return
        if held.size > size:
            await self._cover(item, held.size, self._root_at_court(held))
            return
        note = await self._store.checkpoint(self._origin, size)
        if note is None:
            raise Waiting
        mirror = await self._store.log(self._origin)
        if held.size < size:
            consistency: list[bytes] = []
            if held.size:
                consistency = await asyncio.to_thread(mirror.files.consistency_proof, held.size, size)
            proof = await self._source.prove(item.anchor)
            held = await self._court.add_checkpoint(note, held.size, consistency, proof)
        cosigned = held.cosigned
        if not cosigned:
            packages = packages_of(mirror.files, held.next_index, size)
            cosigned = await self._court.add_entries(self._origin, size, packages)
        await self._store.save_mirrored(item.id, cosigned)

    async def _submit(self, item: Item) -> None:
        """Intent first, then ask, then write: a crash anywhere is resolved by asking again."""
        attempt = await self._store.begin_attempt(item.id)
        anchor = item.anchor
        if await self._registry.find(anchor.origin, anchor.size, anchor.root) is None:
            cosigned = await self._store.cosigned(self._origin, anchor.size)
            if cosigned is None:
                raise Conflict(f"no cosigned checkpoint of size {anchor.size} is stored")
            latest = await self._registry.latest(anchor.origin)
            if latest is not None and latest.size > anchor.size:
                await self._cover(item, latest.size, latest.root)
                return
            await self._registry.submit(await self._submission(item, cosigned, latest, attempt))
        await self._store.move(item.id, ItemState.MIRRORED, ItemState.SUBMITTED)

    def _root_at_court(self, held: CourtState) -> bytes:
        if not held.cosigned:
            raise Unavailable(f"the court is taking in a larger checkpoint, of size {held.size}")
        return parse_checkpoint(held.cosigned)[0].root

    async def _cover(self, item: Item, size: int, root: bytes) -> None:
        """The court is past this size already: an anchor that a node left out and a rescan found, or another relay was faster.

        Both anchors are of one log when our copy has both roots; then the larger checkpoint stands for the smaller.
        """
        mirror = await self._store.log(self._origin)
        if mirror.size < size:
            raise Waiting
        if await asyncio.to_thread(mirror.files.root, size) != root:
            raise Conflict(f"the court's checkpoint of size {size} is not of the log that has this one")
        reason = f"the court's checkpoint of size {size} covers it"
        await self._store.move(item.id, item.state, ItemState.COVERED, reason=reason)

    async def _submission(self, item: Item, cosigned: bytes, latest: Receipt | None, attempt: int) -> Submission:
        old_size = latest.size if latest else 0
        consistency: list[bytes] = []
        if old_size:
            mirror = await self._store.log(self._origin)
            consistency = await asyncio.to_thread(mirror.files.consistency_proof, old_size, item.anchor.size)
        return Submission(
            checkpoint=cosigned,
            old_size=old_size,
            consistency=tuple(consistency),
            anchor=await self._source.prove(item.anchor),
            attempt=attempt,
        )

    async def _confirm(self, item: Item) -> None:
        """The receipt is read back from the court ledger with its proof, never assumed from the answer to a write."""
        anchor = item.anchor
        receipt = await self._registry.find(anchor.origin, anchor.size, anchor.root)
        if receipt is None:
            raise Unavailable(f"the court ledger does not show the checkpoint of size {anchor.size} yet")
        proof = await self._registry.prove(receipt.tx_id)
        cosigned = await self._store.cosigned(self._origin, anchor.size)
        if cosigned is None:
            raise Conflict(f"no cosigned checkpoint of size {anchor.size} is stored")
        await self._store.save_confirmed(item.id, Confirmation(receipt=receipt, proof=proof, cosigned=cosigned))

    async def _refused(self, item: Item, error: RelayError) -> None:
        """A node that lags behind refuses what is right: only what is refused again and again is put aside."""
        self._refusals[item.id] += 1
        if self._refusals[item.id] < REFUSALS_MAX:
            raise Unavailable(f"refused, trying again: {error}") from error
        del self._refusals[item.id]
        await self._put_aside(item, error)

    async def _put_aside(self, item: Item, error: RelayError) -> None:
        """A refusal that a retry cannot mend. Later items of this origin wait: they would not extend anything."""
        reason = f"{item.state.value}: {error}"
        log.error("%s size %d quarantined: %s", self._origin, item.anchor.size, reason)
        await self._store.move(item.id, item.state, ItemState.QUARANTINED, reason=reason)
        await self._store.halt(self._origin, reason, {})
