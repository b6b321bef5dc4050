"""Follow a publisher's notices without holes or repeats: what the broker brings is a hint, what is missing is read over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from relay.core.errors import Malformed
from relay.core.notices import Notice, Place, Step, parse_notice, parse_place
from relay.core.topics import HEALTH
from relay.ports.notices import NoticePage

PAGE: Final = 500

Ask = Callable[[int, str, int], Awaitable[NoticePage]]
"""(after, epoch, limit) → what the publisher's outbox has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What cannot be had. `restored`: the publisher gave the numbers above `after` anew, for its database is an older one; otherwise
    those up to `upto` are pruned.
    """

    after: int
    upto: int
    restored: bool


class Follower:
    """Keeps the place. Feed what comes, and call `refill` when that is asked for."""

    def __init__(self, ask: Ask, after: int = 0) -> None:
        self._ask = ask
        self.place = Place(seq=after)

    def heard(self, payload: bytes) -> Notice | bool:
        """The next notice, or whether others are missing. What is no notice says nothing."""
        try:
            event, epoch, seq = parse_place(payload)
            if event == HEALTH:
                return self.place.behind(epoch, seq)
            step = self.place.step(epoch, seq)
            if step is not Step.NEXT:
                return step is Step.GAP
            notice = parse_notice(payload)
        except Malformed:
            return False
        self.place = Place(seq=seq, epoch=epoch)
        return notice

    async def refill(self) -> AsyncIterator[Notice | Missing]:
        """Everything that the publisher has beyond the place. Raises what `ask` raises; what was given until then counts."""
        while True:
            page = await self._ask(self.place.seq, self.place.epoch, PAGE)
            if page.after < self.place.seq:
                yield Missing(after=page.after, upto=self.place.seq, restored=True)
                self.place = Place(seq=page.after)
            for notice in page.notices:
                if notice.seq > self.place.seq + 1:
                    yield Missing(after=self.place.seq, upto=notice.seq - 1, restored=False)
                self.place = Place(seq=notice.seq, epoch=notice.epoch)
                yield notice
            if len(page.notices) < PAGE:
                return
