"""Push anchored checkpoints and their entries to the relay, and check the receipts that come back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from relay.core.checks import check_witnesses
from relay.core.errors import RelayError, Unavailable, Unverified
from relay.core.ledgerproof import LedgerProofVerifier
from relay.core.note import parse_note
from relay.core.package import Package
from relay.core.trust import TrustRoots
from relay.ports.common import Clock
from relay.ports.custodian import CustodianStore, LogCheckpoint, ReceiptOffer, RelayLink
from relay.services.custodian.anchoring import Anchored
from relay.services.mirroring import packages_of
from relay.telemetry.counting import proofs_of
from relay.telemetry.events import (
    CHECKPOINT_LEFT_OUT,
    NEWEST_NOT_TAKEN,
    PUSH_TROUBLE,
    RECEIPT_HOLDS,
    RECEIPTS_TROUBLE,
    log_event,
)
from relay.telemetry.trace import span

log = logging.getLogger(__name__)

REPUSH_S: Final = 30.0
RECEIPT_POLL_S: Final = 0.5
RECEIPT_AFTER_S: Final = 0.1
"""What is pushed has its receipt shortly after: asked then, and not while it is still on its way."""
LAZY_AFTER_MS: Final = 600_000
MANY: Final = 16
"""When more checkpoints wait, the newest is pushed before the others."""
LOOK_AGAIN: Final = 16
"""After so many pushes of many: is the newest confirmed already, or, where the relay did not see its anchor, does it now?"""


class Pusher:
    """Sends every anchored checkpoint without a receipt, in order. `run` never returns."""

    def __init__(
        self,
        store: CustodianStore,
        relay: RelayLink,
        anchored: Anchored,
        backoff: Callable[[], Iterator[float]],
        many: int = MANY,
    ) -> None:
        """`many`: when more checkpoints wait, the newest is pushed before the others."""
        self._many = many
        self._store = store
        self._relay = relay
        self._anchored = anchored
        self._backoff = backoff
        self.pushed_size = 0
        self.pushed = asyncio.Event()
        self.problem = ""
        self.connected = False
        self._left_out = False

    async def run(self) -> None:
        """Push when something was anchored, and again after a while: a relay may have lost what it had."""
        waits = self._backoff()
        while True:
            self._anchored.clear()
            try:
                await self.push_all()
                waits = self._backoff()
                self.problem = ""
            except RelayError as error:
                self.connected = False
                self.problem = f"pushing to the relay: {error}"
                log_event(log, PUSH_TROUBLE, reason=error)
                await asyncio.sleep(next(waits))
                continue
            try:
                async with asyncio.timeout(REPUSH_S):
                    await self._anchored.wait()
            except TimeoutError:
                self.pushed_size = 0

    async def push_all(self) -> None:
        """One pass over what has no receipt yet; only what was anchored a moment ago, when all before it is at the relay."""
        coming, self._anchored.coming = self._anchored.coming, None
        if coming is not None and self.connected and self.pushed_size == coming.before:
            with suppress(Unavailable):  # the anchor did not come, or came late: it has its turn when it is there
                await self._push(coming.checkpoint)
                self.pushed_size = coming.checkpoint.size
            return
        newest, self._anchored.newest = self._anchored.newest, None
        if newest is not None and self.connected and self.pushed_size == newest.checkpoint.size:
            return
        if newest is not None and self.connected and self.pushed_size == newest.before:
            await self._push(newest.checkpoint)
            self.pushed_size = newest.checkpoint.size
            return
        await self._push_each([one for one in await self._store.unconfirmed() if one.size > self.pushed_size])
        self.connected = True

    async def _push_each(self, waiting: Sequence[LogCheckpoint]) -> None:
        """In order, but the newest of many first: a relay that lets it stand for the others is spared them, and has all entries at once.

        One whose anchor a reorganisation has taken is left out when the relay refuses it: the newest covers it. Until that has its
        receipt it is tried in every pass, for an anchor may come back. Any other refusal is waited out: the relay finds by an offer
        what its ledger's feed has left out.
        """
        left_out = ahead = False
        for place, checkpoint in enumerate(waiting):
            if len(waiting) > self._many and place % LOOK_AGAIN == 0:
                if await self._confirmed(waiting[-1]):
                    self.pushed_size, left_out = waiting[-1].size, False
                    break
                ahead = ahead or await self._ahead(waiting[-1])
            try:
                await self._push(checkpoint)
            except Unavailable as error:
                if checkpoint is waiting[-1] or checkpoint.size not in self._anchored.lost:
                    raise
                if not left_out:
                    left_out = self._left_out = True  # from here on the relay may hold more than `pushed_size`
                    await self._push(waiting[-1])  # raises when it is the relay that cannot be reached
                log_event(log, CHECKPOINT_LEFT_OUT, size=checkpoint.size, reason=error)
            else:
                if not left_out:
                    self.pushed_size = checkpoint.size
        if waiting:
            self._left_out = left_out

    async def _confirmed(self, newest: LogCheckpoint) -> bool:
        """Whether the court's ledger has it, or a larger one: then none below it is waited for."""
        return (await self._store.counts()).confirmed_size >= newest.size

    async def _ahead(self, newest: LogCheckpoint) -> bool:
        """Push it before its turn. False while the relay does not take it: the others go in their order then."""
        self._left_out = True  # whatever comes of it, the relay may hold more than `pushed_size`
        try:
            await self._push(newest)
        except Unavailable as error:
            log_event(log, NEWEST_NOT_TAKEN, size=newest.size, reason=error)
            return False
        return True

    async def _push(self, checkpoint: LogCheckpoint) -> None:
        def packages(next_index: int) -> AsyncIterator[Package]:
            return packages_of(self._store.files, next_index, checkpoint.size)

        # right after a push that succeeded it is known where the relay goes on; after trouble it says so itself
        expected = self.pushed_size if self.connected and self.pushed_size and not self._left_out else None
        held = 0
        with span("custodian.push", under=checkpoint.trace, root=True, size=checkpoint.size):
            async for next_index in self._relay.push(checkpoint.note, packages, expected):
                held = next_index
            if held < checkpoint.size:
                raise Unverified("push", f"the relay ended the push at {held} of {checkpoint.size} entries")
        self.pushed.set()


class ReceiptCheck:
    """Asks for receipts and believes only what the court ledger's own proof shows. `run` never returns."""

    def __init__(
        self,
        *,
        store: CustodianStore,
        relay: RelayLink,
        origin: str,
        trust: TrustRoots,
        verifiers: Mapping[str, LedgerProofVerifier],
        clock: Clock,
        pushed: asyncio.Event,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._store = store
        self._relay = relay
        self._pushed = pushed
        self._origin = origin
        self._trust = trust
        self._verifiers = verifiers
        self._clock = clock
        self._backoff = backoff
        self._waiting_since: dict[int, int] = {}
        self.problem = ""

    async def run(self) -> None:
        """Ask after each push, and poll while receipts are missing; one that does not verify stays a problem until a good one comes."""
        waits = self._backoff()
        while True:
            self._pushed.clear()
            try:
                missing = await self.check()
                waits = self._backoff()
                self.problem = self._lazy()
                with suppress(TimeoutError):
                    async with asyncio.timeout(RECEIPT_POLL_S if missing else REPUSH_S):
                        await self._pushed.wait()
                        await asyncio.sleep(RECEIPT_AFTER_S)
            except RelayError as error:
                self.problem = f"receipts from the relay: {error}"
                log_event(log, RECEIPTS_TROUBLE, reason=error)
                await asyncio.sleep(next(waits))

    async def check(self) -> int:
        """One pass: every offered receipt is verified before it is kept. Returns how many are still missing."""
        waiting = {checkpoint.size: checkpoint for checkpoint in await self._store.unconfirmed()}
        now = self._clock.now_ms()
        self._waiting_since = {size: self._waiting_since.get(size, now) for size in waiting}
        if not waiting:
            return 0
        for offer in await self._relay.receipts(self._origin, min(waiting) - 1):
            mine = waiting.get(offer.size)
            if mine is not None:
                with span("custodian.receipt", under=mine.trace, size=mine.size), proofs_of(self._origin):
                    self._verify(mine, offer)
                    await self._store.save_receipt(offer.size, offer.proof, offer.cosigned)
                    log_event(log, RECEIPT_HOLDS, size=offer.size, ledger=offer.proof.ledger)
                del waiting[offer.size]
        return len(waiting)

    def _verify(self, mine: LogCheckpoint, offer: ReceiptOffer) -> None:
        root = self._trust.ledger_root(offer.proof.ledger)
        verifier = self._verifiers.get(root.kind)
        if verifier is None or offer.proof.ledger not in {court.ledger for court in self._trust.courts}:
            raise Unverified("receipt", f"{offer.proof.ledger} is not the ledger of a court that is pinned here")
        fact = verifier(offer.proof, root)
        wanted = {"type": "checkpoint", "origin": self._origin, "size": mine.size, "root": mine.root.hex()}
        for name, value in wanted.items():
            if fact.fact.get(name) != value:
                raise Unverified(
                    "receipt", f"the court ledger's {name} is not that of our checkpoint of size {mine.size}"
                )
        ours, theirs = parse_note(mine.note), parse_note(offer.cosigned)
        # our own note, whichever key of ours signed it then
        if theirs.text != ours.text or not set(ours.signatures) & set(theirs.signatures):
            raise Unverified("receipt", f"the cosigned checkpoint of size {mine.size} is not the one we signed")
        check_witnesses(offer.cosigned, self._trust, anchored_ms=0)

    def _lazy(self) -> str:
        """A lender notices a lazy relay."""
        now = self._clock.now_ms()
        late = [size for size, since in self._waiting_since.items() if now - since > LAZY_AFTER_MS]
        if not late:
            return ""
        return f"no receipt for the checkpoint of size {min(late)} after {LAZY_AFTER_MS // 60_000} minutes"
