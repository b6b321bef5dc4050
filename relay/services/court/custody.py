"""The court's custody log: every request, receipt and verification is logged for good; its heads stand on the court ledger."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from relay.core.checkpoint import Checkpoint, checkpoint_text
from relay.core.custody import CustodyAction, make_event
from relay.core.errors import Conflict, RelayError
from relay.core.limits import REASON_CHARS_MAX
from relay.core.note import Note, VerifierKey, format_note, sign_note
from relay.core.tlogproof import TlogProof, format_tlog_proof
from relay.ports.common import Clock, LogFiles, RandomBytes, Signer
from relay.ports.court import CourtStore
from relay.ports.custody import LedgerWord
from relay.ports.ledgers import CourtRegistry
from relay.telemetry.counting import keeping

log = logging.getLogger(__name__)

HEAD_INTERVAL_S: Final = 5.0


class CustodyKeeper:
    """Writes events, signs heads, and puts heads on the court ledger. `run` never returns."""

    def __init__(
        self,
        *,
        identity: str,
        store: CourtStore,
        registry: CourtRegistry,
        key: VerifierKey,
        signer: Signer,
        clock: Clock,
        random_bytes: RandomBytes,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._identity = identity
        self._store = store
        self._registry = registry
        self._key = key
        self._signer = signer
        self._clock = clock
        self._random = random_bytes
        self._backoff = backoff
        self._written_size = -1
        self.problem = ""

    async def note(
        self, action: CustodyAction, subject: Mapping[str, str], outcome: str, detail: str, actor: str = ""
    ) -> tuple[bytes, int]:
        """Log one event durably, of this gateway unless another `actor` is named; returns it and its log index."""
        event = make_event(
            at_ms=self._clock.now_ms(),
            actor=actor or self._identity,
            action=action,
            subject=subject,
            outcome=outcome,
            detail=detail[:REASON_CHARS_MAX].strip(),
            random_bytes=self._random,
        )
        with keeping("custody"):
            (index,) = await self._store.append_custody([event])
        return event, index

    async def head(self) -> tuple[bytes, int]:
        """The log's state now as a signed checkpoint, and its size."""
        custody = await self._store.custody_log()
        size = custody.size
        return await self._signed(custody.files, size), size

    async def _signed(self, files: LogFiles, size: int) -> bytes:
        root = await asyncio.to_thread(files.root, size)
        text = checkpoint_text(Checkpoint(origin=self._key.name, size=size, root=root))
        return format_note(Note(text=text, signatures=(sign_note(text, self._key, self._signer.sign),)))

    async def proofs(self, indices: Sequence[int]) -> tuple[bytes, list[bytes]]:
        """A signed checkpoint and the tlog-proof of each event under it."""
        custody = await self._store.custody_log()
        note, size = await self.head()
        made = []
        for index in indices:
            hashes = await asyncio.to_thread(custody.files.inclusion_proof, index, size)
            made.append(format_tlog_proof(TlogProof(index=index, hashes=tuple(hashes), checkpoint=note)))
        return note, made

    async def proof_under(self, index: int, size: int) -> bytes:
        """The tlog-proof of an event under the log's head of an earlier size, as the ledger may hold it."""
        custody = await self._store.custody_log()
        note = await self._signed(custody.files, size)
        hashes = await asyncio.to_thread(custody.files.inclusion_proof, index, size)
        return format_tlog_proof(TlogProof(index=index, hashes=tuple(hashes), checkpoint=note))

    async def ledger_word(self) -> LedgerWord | None:
        """The newest head of this log on the court ledger, with its proof."""
        last = await self._registry.latest(self._key.name)
        if last is None:
            return None
        return LedgerWord(size=last.size, proof=await self._registry.prove(last.tx_id))

    async def run(self) -> None:
        """Put the newest head on the court ledger whenever the log has grown."""
        waits = self._backoff()
        while True:
            try:
                await self.publish()
                waits = self._backoff()
                self.problem = ""
                await asyncio.sleep(HEAD_INTERVAL_S)
            except RelayError as error:
                self.problem = f"custody head: {error}"
                log.warning(self.problem)
                await asyncio.sleep(next(waits))

    async def publish(self) -> None:
        """One head, extending the one the ledger holds."""
        custody = await self._store.custody_log()
        if self._written_size < 0:
            last = await self._registry.latest(self._key.name)
            self._written_size = last.size if last else 0
        if custody.size <= self._written_size:
            return
        note, size = await self.head()
        old = self._written_size
        consistency: tuple[bytes, ...] = ()
        if old:
            consistency = tuple(await asyncio.to_thread(custody.files.consistency_proof, old, size))
        try:
            await self._registry.append_custody_head(note, old, consistency)
        except Conflict:
            self._written_size = -1  # another size stands there: ask before the next try
            raise
        self._written_size = size
