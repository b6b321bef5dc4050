"""What telling others needs: an outbox in a role's store, and a broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.core.notices import Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxHead:
    """`seq`: the last number given. `sent`: the last that a broker has acknowledged."""

    epoch: str
    seq: int
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePage:
    """Notices above `after`, ascending. `after` is lower than was asked for when the numbers above it were given anew meanwhile.

    `first`: the smallest that is kept (0: none is), `last` the last that was given.
    """

    after: int
    notices: Sequence[Notice]
    first: int
    last: int


class NoticeStore(Protocol):
    """The outbox. A notice is written in the very transaction of the state it tells of; numbers have no gap and follow the order
    in which one origin's states came.
    """

    async def begin(self, epoch: str) -> None:
        """What is numbered from now on has this epoch."""

    async def head(self) -> OutboxHead:
        """How far it has come."""

    async def unsent(self, limit: int) -> list[Notice]:
        """What no broker has acknowledged, ascending."""

    async def sent(self, seq: int) -> None:
        """A broker has acknowledged everything up to that number."""

    async def after(self, seq: int, epoch: str, limit: int) -> NoticePage:
        """What follows the notice of that number and epoch; an empty epoch is any."""

    async def prune(self, keep: int, age_ms: int) -> Mapping[str, int]:
        """Forget the oldest: all but the last `keep`, and those older. How many of them, by event, no broker had acknowledged."""


class Broker(Protocol):
    """A connection to a broker while it lasts. Every method raises `Unavailable` once it has ended."""

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Returns when the broker has acknowledged (QoS 1). Raises `Denied` when it refuses."""

    async def rest(self, seconds: float) -> None:
        """Do nothing for a while."""
