"""Projects a ledger's own events into the evidence log: in ledger order, final ones only, each exactly once.

Entries and the place up to which the ledger was read are one transaction, so that a crash at any point neither loses nor doubles one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Final

from relay.core.errors import Malformed, RelayError
from relay.core.projection import dossier_id, project
from relay.ports.projection import LedgerEvents, Place, ProjectedStep, ProjectionStore, Stretch
from relay.telemetry.events import (
    EVENT_NOT_PROJECTED,
    EVENTS_NOT_PROJECTED,
    EVENTS_PROJECTED,
    PROJECTING_TROUBLE,
    log_event,
)

log = logging.getLogger(__name__)

KEPT_BLOCKS: Final = 256
"""So many blocks without an event may be read again after a crash: their place is written down only now and then."""
REFUSALS_SHOWN: Final = 8
"""Refused events of one stretch that are logged each by itself."""


class Projector:
    """Call `prepare` once, then `run`, which never returns; it ends by cancellation."""

    def __init__(
        self,
        *,
        store: ProjectionStore,
        events: LedgerEvents,
        grown: asyncio.Event,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._store = store
        self._events = events
        self._grown = grown
        self._backoff = backoff
        self._place = Place(height=0, block_hash=b"")
        self._refused = 0
        self._trouble = ""

    @property
    def problem(self) -> str:
        """What stands in the way, or that some events could not be projected; empty when all is well."""
        if self._trouble or not self._refused:
            return self._trouble
        return f"projecting {self._events.ledger}: {self._refused} events were refused; the log says which"

    async def prepare(self) -> None:
        """The mappings are those of before, and new ones begin above what is read.

        Raises `Malformed`: the log would not be what a reader of the ledger makes of it.
        """
        state = await self._store.projection()
        configured = {source.text: source for source in self._events.sources}
        for text, start in state.sources.items():
            if text not in configured:
                reason = (
                    f"lacks or changes a mapping that entries were made with from block {start} on; put it back: {text}"
                )
                raise Malformed("configuration", "projection", reason)
        new = [source for source in self._events.sources if source.text not in state.sources]
        for source in new:
            if state.sources and source.start <= state.upto.height:
                reason = f"must be above {state.upto.height}, up to where events are in the log already: {source.text}"
                raise Malformed("configuration", "projection.from_block", reason)
        if new:
            await self._store.add_sources(new)
        self._refused = state.refused

    async def run(self) -> None:
        """Follow the ledger from the durable place on."""
        waits = self._backoff()
        while True:
            try:
                self._place = (await self._store.projection()).upto
                async with aclosing(self._events.stretches(self._place)) as feed:
                    async for stretch in feed:
                        await self.take(stretch)
                        waits = self._backoff()
                        self._trouble = ""
            except RelayError as error:
                self._trouble = f"projecting {self._events.ledger}: {error}"
                log_event(log, PROJECTING_TROUBLE, ledger=self._events.ledger, reason=error)
                await asyncio.sleep(next(waits))

    async def take(self, stretch: Stretch) -> None:
        """Append what a stretch holds; without an event its place is remembered in memory alone, until there are many blocks."""
        events, refused = stretch.events, stretch.refused
        if not events and not refused and stretch.upto.height - self._place.height < KEPT_BLOCKS:
            return
        for refusal in refused[:REFUSALS_SHOWN]:
            log_event(log, EVENT_NOT_PROJECTED, reason=refusal.words())
        if len(refused) > REFUSALS_SHOWN:
            log_event(log, EVENTS_NOT_PROJECTED, count=len(refused) - REFUSALS_SHOWN, height=stretch.upto.height)
        known = await self._store.projected_dossiers(sorted({dossier_id(event) for event in events}))
        entries, dossiers = project(events, known)
        await self._store.append_projected(
            ProjectedStep(
                entries=tuple(entries),
                dossiers=dossiers,
                refused=len(refused),
                before=self._place,
                upto=stretch.upto,
            )
        )
        self._place = stretch.upto
        self._refused += len(refused)
        if entries:
            log_event(log, EVENTS_PROJECTED, count=len(entries), height=stretch.upto.height)
            self._grown.set()
