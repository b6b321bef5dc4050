"""Anchoring: sign a checkpoint of the evidence log on an interval or a count, store it, then write it to the lender's ledger."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from relay.core.checkpoint import Checkpoint, checkpoint_text
from relay.core.errors import Conflict, RelayError, Uncertain
from relay.core.note import Note, VerifierKey, format_note, parse_note, sign_note
from relay.ports.common import Signer
from relay.ports.custodian import CustodianStore, LogCheckpoint
from relay.ports.ledgers import Anchor, AnchorSource
from relay.telemetry.events import ANCHOR_LOOK_TROUBLE, ANCHOR_LOST, ANCHORED, ANCHORING_TROUBLE, log_event
from relay.telemetry.trace import span, traceparent

log = logging.getLogger(__name__)

QUICK_S: Final = 0.25
"""A ledger that took less time for the last anchor is worth pushing the next one beside it: a relay waits for it about twice as long."""
LOOK_AGAIN_S: Final = 5.0
"""How often the newest anchor is looked for while it has no receipt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorPolicy:
    """Anchor `interval_s` after something is new, at once when `count` entries are new."""

    interval_s: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """What has just been anchored, and the size of the checkpoint anchored before it."""

    before: int
    checkpoint: LogCheckpoint


class Anchored(asyncio.Event):
    """Set when something was anchored.

    `newest` may be pushed while it is being recorded here that it is anchored: the ledger has it, and a crash in between
    only asks the ledger again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.newest: Newest | None = None
        self.coming: Newest | None = None
        """Signed, stored and on its way to the ledger: a relay that has its entries already waits for nothing but the anchor."""
        self.lost: frozenset[int] = frozenset()
        """Sizes whose anchors the ledger had no more when it was last asked: a larger one that it has covers them."""


class Anchoring:
    """`run` never returns; it ends by cancellation. `now` may be called at any time beside it."""

    def __init__(
        self,
        *,
        store: CustodianStore,
        source: AnchorSource,
        log_key: VerifierKey,
        signer: Signer,
        policy: AnchorPolicy,
        grown: asyncio.Event,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._store = store
        self._source = source
        self._key = log_key
        self._signer = signer
        self._policy = policy
        self._grown = grown
        self._backoff = backoff
        self._anchoring = asyncio.Lock()
        self._signed_open = False
        self._took_s = math.inf
        self._last: LogCheckpoint | None = None
        """The last checkpoint as far as it is known. Only here are any made: a caller that hung up may have left one more, no less."""
        self.anchored = Anchored()
        self.problem = ""

    async def run(self) -> None:
        """Wait for new entries, then for the interval or the count, then anchor."""
        waits = self._backoff()
        while True:
            try:
                await self._sign_open()
                await self._until_due()
                await self.now()
                waits = self._backoff()
                self.problem = ""
            except RelayError as error:
                self.problem = f"anchoring on {self._source.ledger}: {error}"
                log_event(log, ANCHORING_TROUBLE, ledger=self._source.ledger, reason=error)
                await asyncio.sleep(next(waits))

    async def _until_due(self) -> None:
        while not self._new_entries():
            self._grown.clear()
            await self._grown.wait()
        try:
            async with asyncio.timeout(self._policy.interval_s):
                while self._new_entries() < self._policy.count:
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            return

    def _new_entries(self) -> int:
        last = self._last
        if last is None:
            return self._store.size
        return self._store.size - last.size if last.anchored_height else max(1, self._store.size - last.size)

    async def now(self) -> tuple[LogCheckpoint, Anchor] | None:
        """Anchor what is new; None when nothing is. A checkpoint signed before a crash is anchored first."""
        await self._sign_open()
        async with self._anchoring:
            last = self._last = await self._store.last_checkpoint()
            before = last.size if last is not None and last.anchored_height else 0
            if last is None or (last.anchored_height and last.size < self._store.size):
                if not self._store.size:
                    return None
                with span("custodian.anchor", root=True, origin=self._key.name):
                    return await self._anchor(await self._sign(), before)
            if last.anchored_height:
                return None
            # signed in an earlier life, or before the ledger failed: its way goes on
            with span("custodian.anchor", under=last.trace, root=True, links=(last.trace,), origin=self._key.name):
                return await self._anchor(last, before)

    async def _anchor(self, last: LogCheckpoint, before: int) -> tuple[LogCheckpoint, Anchor]:
        if before and self._took_s < QUICK_S:
            self.anchored.coming = Newest(before=before, checkpoint=last)
            self.anchored.set()
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            anchor = await self._write(last)
        finally:
            self.anchored.coming = None
        self._took_s = (
            loop.time() - began
        )  # one that fails says nothing: what failed is written again, and not pushed early
        if before:
            self.anchored.newest = Newest(before=before, checkpoint=last)
            self.anchored.set()
        await self._store.save_anchored(last.size, anchor)
        self._last = replace(last, anchored_height=anchor.height)
        log_event(log, ANCHORED, origin=self._key.name, size=last.size, height=anchor.height)
        self.anchored.set()
        return last, anchor

    async def keep(self) -> None:
        """Never returns. A chain may reorganise before an anchor is final: what it has lost is written again."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            try:
                await self.look_again()
            except RelayError as error:
                log_event(log, ANCHOR_LOOK_TROUBLE, ledger=self._source.ledger, reason=error)

    async def look_again(self) -> bool:
        """Whether the ledger had lost the newest anchor or moved it to another block, while it has no receipt yet.

        Older anchors that are lost need none of their own: the newest checkpoint covers theirs. `anchored.lost` has their sizes.
        """
        async with self._anchoring:
            open_ = await self._store.unconfirmed()
            self.anchored.lost = await self._lost(open_[:-1])
            if not open_:
                return False
            last = open_[-1]
            found = await self._source.find(self._key.name, last.size)
            if found is not None and found.height == last.anchored_height:
                return False
            if found is None:
                log_event(log, ANCHOR_LOST, ledger=self._source.ledger, origin=self._key.name, size=last.size)
                found = await self._write(last)
            await self._store.save_anchored(last.size, found)
            log_event(log, ANCHORED, origin=self._key.name, size=last.size, height=found.height)
            self.anchored.set()
            return True

    async def _lost(self, older: Sequence[LogCheckpoint]) -> frozenset[int]:
        """From the smallest on, which is where pushing stands, up to the first that the ledger has: there may be many."""
        lost: set[int] = set()
        for checkpoint in older:
            if await self._source.find(self._key.name, checkpoint.size) is not None:
                break
            lost.add(checkpoint.size)
        return frozenset(lost)

    async def _sign(self) -> LogCheckpoint:
        size = self._store.size
        root = await asyncio.to_thread(self._store.files.root, size)
        text = checkpoint_text(Checkpoint(origin=self._key.name, size=size, root=root))
        note = format_note(Note(text=text, signatures=(sign_note(text, self._key, self._signer.sign),)))
        trace = traceparent()
        await self._store.save_checkpoint(size, root, note, trace)
        return LogCheckpoint(size=size, root=root, note=note, anchored_height=0, trace=trace)

    async def _sign_open(self) -> None:
        """Once: checkpoints without a receipt that an older key signed get this key's signature beside the old one.

        Which of the two is valid is judged by the time of anchoring, which may be on either side of the change.
        """
        async with self._anchoring:
            if self._signed_open:
                return
            last = self._last = await self._store.last_checkpoint()
            waiting = [] if last is None or last.anchored_height else [last]
            for checkpoint in [*await self._store.unconfirmed(), *waiting]:
                note = parse_note(checkpoint.note)
                if not any(s.name == self._key.name and s.key_id == self._key.key_id for s in note.signatures):
                    signatures = (*note.signatures, sign_note(note.text, self._key, self._signer.sign))
                    both = format_note(Note(text=note.text, signatures=signatures))
                    await self._store.save_checkpoint(checkpoint.size, checkpoint.root, both)
            self._signed_open = True
            self.anchored.set()

    async def _write(self, last: LogCheckpoint) -> Anchor:
        checkpoint = Checkpoint(origin=self._key.name, size=last.size, root=last.root)
        try:
            return await self._source.anchor(checkpoint)
        except Uncertain:
            found = await self._source.find(checkpoint.origin, checkpoint.size)
            if found is None:
                raise
            if found.root != checkpoint.root:
                raise Conflict(f"{found.ledger} holds another root of size {found.size} under this origin") from None
            return found
