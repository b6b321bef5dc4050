"""What an operator may do by hand: look at the backlog, re-drive or discard what is quarantined, rescan, halt, resume.

Nothing here makes evidence or changes an anchor: the court's ledger decides what extends what, whatever an operator wishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from relay.core.errors import Conflict, NotFound
from relay.core.fields import check_plain
from relay.core.lifecycle import OPEN_STATES, ItemState
from relay.core.limits import REASON_CHARS_MAX
from relay.ports.forwarding import Exhibit, Item, RelayStore
from relay.services.forwarding.origins import Origins
from relay.services.forwarding.rescan import Rescan, Rescanned

ITEMS_MAX: Final = 1000


class Hands:
    """Serves the operator's tools. Every method raises `NotFound` for an origin, ledger or item that is not here."""

    def __init__(self, store: RelayStore, origins: Origins, rescans: Sequence[Rescan]) -> None:
        self._store = store
        self._origins = origins
        self._rescans = {rescan.ledger: rescan for rescan in rescans}

    async def backlog(self, origin: str, limit: int) -> list[Item]:
        """Items under way, by origin and size, at most 1,000."""
        return await self._items(OPEN_STATES, origin, limit)

    async def quarantined(self, origin: str, limit: int) -> list[Item]:
        """Items a retry could not mend, with their reasons."""
        return await self._items({ItemState.QUARANTINED}, origin, limit)

    async def _items(self, states: frozenset[ItemState] | set[ItemState], origin: str, limit: int) -> list[Item]:
        if origin:
            self._origins.room(origin)
        return await self._store.items(states, origin, max(1, min(limit, ITEMS_MAX)))

    async def show(self, item: bytes) -> Item:
        """One item."""
        found = await self._store.item(item)
        if found is None:
            raise NotFound("no item of that id; `courtrelay relay backlog` shows ids")
        return found

    async def retry(self, item: bytes, reason: str) -> Item:
        """Back to FINAL, and its origin goes on. Raises `Conflict` when it is not quarantined."""
        return await self._drive(item, ItemState.FINAL, reason)

    async def discard(self, item: bytes, reason: str) -> Item:
        """Give up a checkpoint for good: a later, larger one covers its entries. Raises `Conflict` when it is not quarantined."""
        return await self._drive(item, ItemState.DISCARDED, reason)

    async def _drive(self, item: bytes, state: ItemState, reason: str) -> Item:
        self._check_reason(reason)
        found = await self.show(item)
        if found.state is not ItemState.QUARANTINED:
            raise Conflict(f"the item is {found.state.value}, not quarantined")
        await self._store.move(item, ItemState.QUARANTINED, state, reason=reason)
        origin = found.anchor.origin
        if await self._store.halted(origin) == found.reason:
            await self._store.resume(origin, reason)
        self._wake(origin)
        return await self.show(item)

    async def halt(self, origin: str, reason: str) -> None:
        """Stop an origin by hand; others go on. Raises `Conflict` when it is halted already."""
        self._check_reason(reason)
        self._origins.room(origin)
        standing = await self._store.halted(origin)
        if standing:
            raise Conflict(f"{origin} is halted already: {standing}")
        await self._store.halt(origin, f"by hand: {reason}", {})

    async def resume(self, origin: str, reason: str) -> None:
        """Let an origin go on. What halted it stays on record with this reason; if it still contradicts, it halts again."""
        self._check_reason(reason)
        self._origins.room(origin)
        await self._store.resume(origin, reason)
        self._wake(origin)

    async def exhibits(self, origin: str) -> list[Exhibit]:
        """What halted an origin, then and now."""
        self._origins.room(origin)
        return await self._store.exhibits(origin)

    async def rescan(self, ledger: str, *, from_start: bool) -> list[Rescanned]:
        """Compare one ledger, or all when none is named, with what is recorded."""
        if ledger and ledger not in self._rescans:
            raise NotFound(f"{ledger} is no source of this relay; sources are {', '.join(sorted(self._rescans))}")
        chosen = [self._rescans[ledger]] if ledger else list(self._rescans.values())
        done = [await rescan.now(from_start=from_start) for rescan in chosen]
        for room in self._origins:
            room.wake.set()
        return done

    def _wake(self, origin: str) -> None:
        self._origins.room(origin).wake.set()

    def _check_reason(self, reason: str) -> None:
        check_plain(reason, "relay", "reason", chars_max=REASON_CHARS_MAX)
