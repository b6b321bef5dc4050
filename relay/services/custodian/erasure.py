"""Erase a dossier or some of its records, for good, and leave a tombstone.

Intent first: tombstone, custody event and the list of what goes are durable before anything is destroyed, and from then on nothing of
it is disclosed. Whatever happens after that, the erasure goes on to its end, at the next start if need be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence

from relay.core.custody import make_event
from relay.core.errors import Conflict, NotFound, RelayError
from relay.core.fields import check_plain
from relay.core.limits import REASON_CHARS_MAX
from relay.core.tombstone import make_tombstone, tombstone_digest
from relay.ports.common import Clock, RandomBytes, Signer
from relay.ports.custodian import PayloadVault
from relay.ports.erasure import ErasureStore, HeldTombstone, NewErasure, RetentionStore
from relay.services.custodian.retention import ErasurePlan, Retention
from relay.telemetry.events import ERASING_TROUBLE, ERASURE_BEGUN, ERASURE_COMPLETE, log_event

log = logging.getLogger(__name__)

AppendCustody = Callable[[bytes], Awaitable[int]]


class Erasures:
    """Serves the lender's operators; `run` brings to an end what a crash or a foreign reader has interrupted, and never returns."""

    def __init__(
        self,
        *,
        identity: str,
        origin: str,
        store: ErasureStore,
        tombstones: RetentionStore,
        retention: Retention,
        vault: PayloadVault,
        quiet: Callable[[str], Awaitable[None]],
        append_custody: AppendCustody,
        signer: Signer,
        clock: Clock,
        random_bytes: RandomBytes,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        """`quiet` waits until no answer about a dossier is under way."""
        self._identity = identity
        self._origin = origin
        self._store = store
        self._tombstones = tombstones
        self._retention = retention
        self._vault = vault
        self._quiet = quiet
        self._append_custody = append_custody
        self._signer = signer
        self._clock = clock
        self._random = random_bytes
        self._backoff = backoff
        self._completing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[str]] = set()
        self.problem = ""

    async def run(self) -> None:
        """Complete what has begun; then sleep until woken."""
        waits = self._backoff()
        while True:
            self._wake.clear()
            try:
                await self.resume()
                waits = self._backoff()
                self.problem = ""
            except RelayError as error:
                self.problem = f"erasing: {error}"
                log_event(log, ERASING_TROUBLE, reason=error)
                await asyncio.sleep(next(waits))
                continue
            await self._wake.wait()

    async def resume(self) -> int:
        """One pass over all erasures that are not complete; returns how many there were."""
        async with self._completing:
            unfinished = await self._store.unfinished()
            for held in unfinished:
                await self._complete(held)
            return len(unfinished)

    async def erase(
        self, name: str, seqs: Sequence[int] | None, *, due: bool, basis: str, actor: str, despite_grants: bool
    ) -> str:
        """The tombstone, once everything is destroyed. Raises `Malformed`, `NotFound`, `Conflict` (each reason), `Unavailable`.

        A caller that hangs up does not stop it half way.
        """
        check_plain(basis, "erasure", "basis", chars_max=REASON_CHARS_MAX)
        plan = await self._retention.plan(name, seqs, due=due, despite_grants=despite_grants)
        if plan.refusals:
            await self._append_custody(self._event("refused", plan.dossier.outline.id, None, actor, plan.refusals[0]))
            raise Conflict(f"nothing is erased: {'; '.join(plan.refusals)}")
        task = asyncio.create_task(self._erase(plan, basis, actor), name="erase")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _erase(self, plan: ErasurePlan, basis: str, actor: str) -> str:
        outline = plan.dossier.outline
        now_ms = self._clock.now_ms()
        gone = set(plan.seqs)
        token = make_tombstone(
            iss=self._identity,
            origin=self._origin,
            dossier=outline.id,
            scope="dossier" if plan.whole else "records",
            places=[(r.seq, r.index) for r in outline.records if plan.whole or r.seq in gone],
            actor=actor,
            basis=basis,
            policy=self._retention.policy.name,
            policy_sha256=self._retention.policy.digest.hex(),
            iat=now_ms // 1000,
            public_key=self._signer.public_key,
            sign=self._signer.sign,
        )
        erasure = NewErasure(
            dossier=outline.id,
            whole=plan.whole,
            seqs=plan.seqs,
            count=len(outline.records),
            token=token,
            erased_s=now_ms // 1000,
            basis=basis,
        )
        await self._store.begin(erasure, now_ms, self._event("begun", outline.id, token, actor, basis))
        log_event(log, ERASURE_BEGUN, records=len(plan.seqs))
        try:
            await self.resume()
        finally:
            self._wake.set()  # whatever stopped it, the worker goes on
        return token

    async def _complete(self, held: HeldTombstone) -> None:
        """Every step is harmless when repeated. Files go after the keys: without them they are noise."""
        await self._quiet(held.dossier)
        blobs = await self._store.remove(held.number)
        await asyncio.to_thread(self._forget, blobs)
        await self._store.scrub()
        event = self._event("erased", held.dossier, held.token, self._identity, "")
        await self._store.finish(held.number, self._clock.now_ms(), event)
        log_event(log, ERASURE_COMPLETE)

    def _forget(self, blobs: Sequence[str]) -> None:
        for blob in blobs:
            self._vault.forget(blob)
        self._vault.sync()

    async def tombstones(self, name: str) -> list[HeldTombstone]:
        """Of a dossier, by id or reference. Raises `NotFound` when nothing of it was erased."""
        outline = await self._tombstones.outline(name)
        found = await self._tombstones.tombstones(outline.id if outline else name)
        if not found:
            raise NotFound(f"nothing of a dossier {name[:64]!a} was erased here")
        return found

    def _event(self, outcome: str, dossier: str, token: str | None, actor: str, detail: str) -> bytes:
        return make_event(
            at_ms=self._clock.now_ms(),
            actor=actor,
            action="erase",
            subject={"dossier": dossier} | ({"tombstone": tombstone_digest(token).hex()} if token else {}),
            outcome=outcome,
            detail=detail[:REASON_CHARS_MAX].strip(),
            random_bytes=self._random,
        )
