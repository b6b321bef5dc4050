"""Take one origin's items, smallest first, from FINAL to CONFIRMED: prove, mirror, submit, confirm.

Each step stores its outcome before the next changes anything, but for the mirroring, which repeated changes nothing: it may begin while
entries are still being stored here (relay.services.forwarding.early_mirror), and PROVEN is stored beside it. And
each begins by asking what is already there, or with what the last receipt told, so that a step repeated after a crash changes
nothing. What a later step will ask is asked early, while something else is waited for: entries, the court, a commit. An early
answer is used once, and whatever is written on the strength of one that has become old is refused by court and court ledger,
which compare sizes themselves; then it is asked again. What a retry cannot mend is put aside with its reason (QUARANTINED), and
what contradicts itself stops the origin (halt) with the contradictory pieces kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from relay.core.bundle import ledger_proof_bytes
from relay.core.checkpoint import parse_checkpoint
from relay.core.errors import Conflict, Denied, Malformed, NotFound, RelayError, Unavailable, Uncertain, Unverified
from relay.core.lifecycle import ItemState
from relay.core.limits import PACKAGE_ENTRIES_MAX
from relay.ports.forwarding import Confirmation, CourtLink, CourtState, Item, RelayStore
from relay.ports.ledgers import AnchorSource, CourtRegistry, Receipt, Submission
from relay.services.forwarding.asking import (
    AnchorProofs,
    AtCourt,
    Early,
    Known,
    Offer,
    ask_court,
    ask_ledger,
    consistency,
    read_receipt,
)
from relay.services.forwarding.beside import both
from relay.services.forwarding.covering import cover_below
from relay.services.forwarding.early_mirror import fits, send
from relay.services.forwarding.leaping import leap_from
from relay.services.forwarding.origins import OriginRoom
from relay.services.forwarding.tracing import ItemSpans
from relay.services.mirroring import GROUP_PACKAGES_MAX, packages_of
from relay.telemetry import metrics
from relay.telemetry.counting import proof_failed, submitting
from relay.telemetry.events import ADVANCING_TROUBLE, ITEM_MOVED, ITEM_QUARANTINED, ITEMS_COVERED, log_event

log = logging.getLogger(__name__)

T = TypeVar("T")

TOGETHER_ENTRIES_MAX: Final = PACKAGE_ENTRIES_MAX * GROUP_PACKAGES_MAX
"""A checkpoint with so many new entries is announced with them, in one call; a larger one before, so that its entries may come in parts."""
GOES_ON: Final = (ItemState.PROVEN, ItemState.SUBMITTED)
"""The step that leads here and the one that follows are taken in one go: between them nobody is asked whether the origin is halted."""
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
        leap: int = 0,
    ) -> None:
        """`leap`: when so many items wait, the newest goes first (relay.services.forwarding.leaping); 0: never."""
        self._leap = leap
        self._room = room
        self._origin = room.config.origin
        self._store = store
        self._source = sources[room.config.ledger]
        self._proof = AnchorProofs(self._source, room.proving)
        self._court = court
        self._registry = registry
        self._sleep = sleep
        self._backoff = backoff
        self.problem = ""
        self._refusals: Counter[bytes] = Counter()
        self._early = Early()
        self._known: Known | None = None
        self._proven = b""
        self._written = b""
        self._spans = ItemSpans(room)

    async def run(self) -> None:
        """Advance until nothing is left, then wait for a wake-up; after trouble, wait a growing while and try again."""
        try:
            await self._run()
        finally:
            await self._early.mirroring.give_up()

    async def _run(self) -> None:
        waits = self._backoff()
        self._refusals.clear()
        await self._forget()  # another worker may have gone on meanwhile
        while True:
            self._room.wake.clear()
            try:
                if await self._advance_all():
                    waits = self._backoff()
                if self._room.wake.is_set():
                    continue
                reason = await self._store.halted(self._origin)
                self.problem = f"{self._origin}: {reason}" if reason else ""
            except (Unavailable, Uncertain) as error:
                self.problem = f"{self._origin}: {error}"
                log_event(log, ADVANCING_TROUBLE, origin=self._origin, reason=error)
                await self._forget()
                await self._sleep(next(waits))
                continue
            await self._room.wake.wait()

    async def _forget(self) -> None:
        await self._early.mirroring.give_up()
        self._early = Early()
        self._known = None
        self._proven = b""

    async def _advance_all(self) -> bool:
        moved = False
        while True:
            item = await self._store.next_item(self._origin)
            if item is None or item.state is ItemState.SEEN:
                return moved
            item = await leap_from(self._store, item, self._leap)
            try:
                state = await self._step(item)
                if state in GOES_ON:
                    item = replace(item, state=state)
                    await self._step(item)
            except Waiting:
                return moved
            except (Conflict, Denied, Malformed, NotFound, Unverified) as error:
                if isinstance(error, Unverified):
                    proof_failed(self._origin, error.step)
                await self._refused(item, error)
                return moved
            self._refusals.clear()
            moved = True

    async def _step(self, item: Item) -> ItemState:
        """One step; the state that the item has then."""
        step = {
            ItemState.FINAL: self._prove,
            ItemState.PROVEN: self._mirror,
            ItemState.MIRRORED: self._submit,
            ItemState.SUBMITTED: self._confirm,
        }[item.state]
        if item.state is ItemState.FINAL:
            began_ns = self._spans.now_ns()
            state = await step(item)
            with self._spans.step(item, began_ns):
                log_event(log, ITEM_MOVED, origin=self._origin, size=item.anchor.size, state=item.state.value)
            return state
        with self._spans.step(item):
            state = await step(item)
            log_event(log, ITEM_MOVED, origin=self._origin, size=item.anchor.size, state=item.state.value)
        return state

    async def _prove(self, item: Item) -> ItemState:
        """The pushed entries must have the ledger's root, whatever the custodian says of it."""
        mirror = await self._store.log(self._origin)
        if mirror.size < item.anchor.size:
            await both(
                self._early.at_court.ask_once(item.id, ask_court, self._court, self._proof, item, self._known),
                self._early.at_ledger.ask_once(item.id, ask_ledger, self._registry, item, self._known),
            )
        await self._begin_mirroring(item)
        if mirror.size < item.anchor.size:
            raise Waiting
        begins = self._early.at_court.look(item.id)
        offering = self._early.offer.ask_once(item.id, self._offered, item, begins.held.size if begins else 0)
        with metrics.proof_build_duration.labels(self._origin).time():
            root, _ = await both(asyncio.to_thread(mirror.files.root, item.anchor.size), offering)
        if root != item.anchor.root:
            await self._early.mirroring.give_up()
            note = await self._store.checkpoint(self._origin, item.anchor.size) or b""
            proof = await self._source.prove(item.anchor)
            reason = (
                f"root mismatch at size {item.anchor.size}: the ledger has {item.anchor.root.hex()},"
                f" the entries give {root.hex()}"
            )
            await self._store.halt(
                self._origin, reason, {"checkpoint": note, "anchor": ledger_proof_bytes(proof), "root": root}
            )
            metrics.root_mismatches.labels(self._origin).inc()
            raise Waiting
        self._proven = item.id
        return ItemState.PROVEN

    async def _begin_mirroring(self, item: Item) -> None:
        """Where all of it came in one group and goes on where the court stands, it is sent while it is stored here."""
        whole, begins = self._room.whole, self._early.at_court.look(item.id)
        if (
            whole is None
            or begins is None
            or self._early.mirroring.holds(item.id)
            or not fits(whole, item, begins.held)
        ):
            return
        self._room.whole = None
        self._early.offer.keep(item.id, whole.offer)
        call = send(self._court, self._origin, whole, begins.anchor, self._spans.trace_of(item))
        await self._early.mirroring.begin(item.id, call, "mirroring")

    async def _store_proven(self, item: Item) -> None:
        """Beside the mirroring, which changes nothing if it is repeated."""
        proven, self._proven = self._proven, b""
        if proven == item.id:
            await self._store.move(item.id, ItemState.FINAL, ItemState.PROVEN)

    async def _offered(self, item: Item, old_size: int) -> Offer:
        """The checkpoint as its log signed it, and that it extends the court's. Raises `NotFound` while none is here."""
        mirror = await self._store.log(self._origin)
        finding = self._store.checkpoint(self._origin, item.anchor.size)
        note, proof = await both(finding, consistency(mirror.files, old_size, item.anchor.size))
        if note is None:
            raise NotFound(f"no checkpoint of size {item.anchor.size} was offered")
        return Offer(checkpoint=note, old_size=old_size, consistency=proof)

    async def _store_and_ask(self, item: Item) -> None:
        await self._store_proven(item)
        await self._early.at_ledger.ask_once(item.id, ask_ledger, self._registry, item, self._known)

    async def _mirror(self, item: Item) -> ItemState:
        """Bring the court gateway up to this checkpoint; it rebuilds, compares and cosigns."""
        size = item.anchor.size
        if not self._early.offer.holds(item.id):
            # a log offers again what has no receipt: a court may be past a checkpoint without a note, whatever was told or asked before
            await self._store_proven(item)
            await self._forget()
        begins = self._early.at_court.take(item.id)
        if begins is None:
            await self._store_proven(item)  # a refusal below puts it aside from where it stands
            begins = await ask_court(self._court, self._proof, item, self._known)
        held = begins.held
        if held.size > size:
            await self._store_proven(item)
            return await self._cover(item, held.size, self._root_at_court(held))
        cosigned = held.cosigned
        if held.size < size or not cosigned:
            cosigned, _ = await both(self._bring_up(item, begins), self._store_and_ask(item))
        await self._store_proven(item)
        self._early.accepted.keep(item.id, begins.anchor)
        # stored together: an attempt that is counted and never made changes nothing
        saving = self._store.save_mirrored(item.id, cosigned)
        await both(saving, self._early.attempt.ask(item.id, self._store.begin_attempt, item.id))
        self._early.note.keep(item.id, cosigned)
        return ItemState.MIRRORED

    async def _bring_up(self, item: Item, begins: AtCourt) -> bytes:
        """Announce the checkpoint and send its entries, as far as the court has neither; the cosigned note."""
        size, held = item.anchor.size, begins.held
        begun = await self._early.mirroring.answer(item.id)
        if begun is not None:
            return begun
        mirror = await self._store.log(self._origin)
        announced = None
        if held.size < size:
            offer = self._early.offer.look(item.id)
            if offer is None or offer.old_size != held.size:
                try:
                    offer = await self._offered(item, held.size)
                except NotFound:
                    raise Waiting from None
                self._early.offer.keep(item.id, offer)
            announced = offer.announced(begins.anchor)
            if size - held.next_index > TOGETHER_ENTRIES_MAX:
                held, announced = await self._court.add_checkpoint(announced), None
                if held.cosigned:
                    return held.cosigned
        packages = packages_of(mirror.files, held.next_index, size)
        return await self._court.add_entries(self._origin, size, packages, announced)

    async def _submit(self, item: Item) -> ItemState:
        """Intent stored and ledger asked, then write what is not there: a crash anywhere is resolved by asking again."""
        attempt = self._early.attempt.take(item.id) or await self._store.begin_attempt(item.id)
        begins = self._early.at_ledger.take(item.id) or await ask_ledger(self._registry, item)
        told, latest = begins.found, begins.latest
        if told is None:
            if latest is not None and latest.size > item.anchor.size:
                return await self._cover(item, latest.size, latest.root)
            submission = await self._submission(item, latest, attempt)
            with submitting(self._registry.ledger):
                told = await self._registry.submit(submission)
            self._written = item.id
        moving = self._unless_overtaken(self._store.move(item.id, ItemState.MIRRORED, ItemState.SUBMITTED))
        await both(moving, self._early.receipt.ask(item.id, read_receipt, self._registry, item, told))
        return ItemState.SUBMITTED

    async def _unless_overtaken(self, storing: Awaitable[T]) -> T:
        """Store what an answer led to. Raises `Conflict` when another attempt has gone on meanwhile: then the answer counts for nothing."""
        try:
            return await storing
        except Conflict:
            metrics.stale_replies_ignored.labels(self._registry.ledger).inc()
            raise

    def _root_at_court(self, held: CourtState) -> bytes:
        if not held.cosigned:
            raise Unavailable(f"the court is taking in a larger checkpoint, of size {held.size}")
        return parse_checkpoint(held.cosigned)[0].root

    async def _cover(self, item: Item, size: int, root: bytes) -> ItemState:
        """The court is past this size already: an anchor that a node left out and a rescan found, or another relay was faster.

        Both anchors are of one log when our copy has both roots; then the larger checkpoint stands for the smaller.
        """
        mirror = await self._store.log(self._origin)
        if mirror.size < size:
            raise Waiting
        court = self._registry.ledger
        if await asyncio.to_thread(mirror.files.root, size) != root:
            metrics.reconcile_discrepancies.labels(court, "differs").inc()
            raise Conflict(f"the court's checkpoint of size {size} is not of the log that has this one")
        reason = f"the court's checkpoint of size {size} covers it"
        await self._store.move(item.id, item.state, ItemState.COVERED, reason=reason)
        if await self._store.find_item(self._origin, size) is None:
            metrics.reconcile_discrepancies.labels(court, "extra").inc()
        covered = 1 + await cover_below(self._store, self._origin, size, reason)
        metrics.commitments_forwarded.labels(self._origin, court, "covered").inc(covered)
        log_event(log, ITEMS_COVERED, origin=self._origin, count=covered, size=size)
        return ItemState.COVERED

    async def _submission(self, item: Item, latest: Receipt | None, attempt: int) -> Submission:
        old_size = latest.size if latest else 0
        return Submission(
            checkpoint=await self._cosigned(item),
            old_size=old_size,
            consistency=await self._extending(item, old_size),
            anchor=self._early.accepted.take(item.id) or await self._source.prove(item.anchor),
            attempt=attempt,
        )

    async def _extending(self, item: Item, old_size: int) -> tuple[bytes, ...]:
        """The court ledger mostly stands where the court did: then the proof is the one that was made for the court."""
        offer = self._early.offer.take(item.id)
        if offer is not None and offer.old_size == old_size:
            return tuple(offer.consistency)
        mirror = await self._store.log(self._origin)
        return tuple(await consistency(mirror.files, old_size, item.anchor.size))

    async def _confirm(self, item: Item) -> ItemState:
        """The receipt is read back from the court ledger with its proof, never assumed from the answer to a write."""
        receipt, proof = self._early.receipt.take(item.id) or await read_receipt(self._registry, item, None)
        court = self._registry.ledger
        cosigned = await self._cosigned(item)
        confirmation = Confirmation(receipt=receipt, proof=proof, cosigned=cosigned)
        way_s = await self._unless_overtaken(self._store.save_confirmed(item.id, confirmation))
        metrics.forward_duration.labels(self._origin, court).observe(way_s)
        outcome = "new" if self._written == item.id else "already_present"
        metrics.commitments_forwarded.labels(self._origin, court, outcome).inc()
        held = CourtState(size=item.anchor.size, next_index=item.anchor.size, cosigned=cosigned)
        self._known = Known(held=held, receipt=receipt)
        return ItemState.CONFIRMED

    async def _cosigned(self, item: Item) -> bytes:
        cosigned = self._early.note.look(item.id) or await self._store.cosigned(self._origin, item.anchor.size)
        if cosigned is None:
            raise Conflict(f"no cosigned checkpoint of size {item.anchor.size} is stored")
        return cosigned

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
        log_event(log, ITEM_QUARANTINED, origin=self._origin, size=item.anchor.size, reason=reason)
        await self._store.move(item.id, item.state, ItemState.QUARANTINED, reason=reason)
        await self._store.halt(self._origin, reason, {})
