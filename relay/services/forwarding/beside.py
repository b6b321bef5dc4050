"""Two things at once: a commit, and beside it what the next step will ask anyway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, ParamSpec, TypeVar

from relay.core.errors import RelayError
from relay.services.ahead import given_up

A = TypeVar("A")
B = TypeVar("B")
P = ParamSpec("P")


async def both(first: Awaitable[A], second: Awaitable[B]) -> tuple[A, B]:
    """Both results. Neither is left running: when one fails the other is waited for, and the first one's error counts first."""
    one, two = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(two, BaseException):
        raise two
    return one, two


class Ahead(Generic[A]):
    """An answer that was asked for before its step began. It serves the item that it was asked for, and `take` gives it away."""

    def __init__(self) -> None:
        self._held: tuple[bytes, A] | None = None

    async def ask(self, item: bytes, question: Callable[P, Awaitable[A]], *args: P.args, **named: P.kwargs) -> None:
        """Keep the answer. What cannot be answered is forgotten: the step asks again, and meets the trouble itself."""
        self.forget()
        try:
            self.keep(item, await question(*args, **named))
        except RelayError:
            return

    async def ask_once(
        self, item: bytes, question: Callable[P, Awaitable[A]], *args: P.args, **named: P.kwargs
    ) -> None:
        """As `ask`, unless there is an answer for this item."""
        if not self.holds(item):
            await self.ask(item, question, *args, **named)

    def keep(self, item: bytes, answer: A) -> None:
        """Keep an answer that is here already."""
        self._held = (item, answer)

    def forget(self) -> None:
        """As if nothing had been asked."""
        self._held = None

    def holds(self, item: bytes) -> bool:
        """Whether there is an answer for this item."""
        return self._held is not None and self._held[0] == item

    def look(self, item: bytes) -> A | None:
        """The answer, if there is one for this item; it stays."""
        return self._held[1] if self._held is not None and self._held[0] == item else None

    def take(self, item: bytes) -> A | None:
        """The answer, if there is one for this item; it is given away."""
        held, self._held = self._held, None
        return held[1] if held is not None and held[0] == item else None


class Begun(Generic[A]):
    """A call that was begun before its step, and may still be under way. It serves the item that it was begun for."""

    def __init__(self) -> None:
        self._held: tuple[bytes, asyncio.Task[A]] | None = None

    async def begin(self, item: bytes, call: Coroutine[Any, Any, A], name: str) -> None:
        """One at a time: what was begun for another item is given up."""
        await self.give_up()
        task = asyncio.create_task(call, name=name)
        task.add_done_callback(_heard)
        self._held = (item, task)

    @property
    def waits(self) -> bool:
        """Whether something was begun whose answer nobody has yet."""
        return self._held is not None

    def holds(self, item: bytes) -> bool:
        """Whether it was begun for this item, and nobody has its answer yet."""
        return self._held is not None and self._held[0] == item

    async def answer(self, item: bytes) -> A | None:
        """Its answer, or what it raises; None unless it was begun for this item, and when it was given up meanwhile.

        Who waits here is not ended by somebody else's giving up. When the caller is cancelled, the call goes on until it is given up.
        """
        held = self._held
        if held is None or held[0] != item:
            return None
        call = held[1]
        await asyncio.wait({call})
        if self._held is held:
            self._held = None
        return None if call.cancelled() else call.result()

    async def give_up(self) -> None:
        """Ended when this returns; what it was told or raised is not wanted any more."""
        held, self._held = self._held, None
        if held is not None:
            await given_up(held[1])


def _heard(task: asyncio.Task[Any]) -> None:
    """What it raised is no news to anybody if nobody asks."""
    if not task.cancelled():
        task.exception()
