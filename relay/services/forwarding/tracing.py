"""The spans of one origin's items. The way of an item is one trace, whichever process took each step."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

from relay.core.lifecycle import ItemState
from relay.ports.forwarding import Item
from relay.services.forwarding.origins import OriginRoom
from relay.telemetry.trace import now_ns, span, traceparent

STEPS: Final = {
    ItemState.FINAL: "relay.prove",
    ItemState.PROVEN: "relay.mirror",
    ItemState.MIRRORED: "relay.submit",
    ItemState.SUBMITTED: "relay.confirm",
}
"""By the state that a step begins in."""


def observed(room: OriginRoom, item: Item) -> str:
    """The trace of an item that is pushed: its own, or else it begins here, under the custodian's where that has begun one.

    The span reaches from the block that holds the anchor to now, when it is known here whose it is.
    """
    trace = item.trace
    if not trace:
        with span(
            "relay.observe",
            root=True,
            start_ns=item.anchor.time_ms * 1_000_000,
            origin=item.anchor.origin,
            ledger=item.anchor.ledger,
            size=item.anchor.size,
            height=item.anchor.height,
        ):
            trace = traceparent()
    room.trace = (item.anchor.size, trace)
    return trace


class ItemSpans:
    """A span around each step. What an earlier life of the process has begun is linked when it is taken up again."""

    def __init__(self, room: OriginRoom) -> None:
        self._room = room
        self._begun = b""

    def now_ns(self) -> int:
        """When a step begins whose trace is not known yet."""
        return now_ns()

    def trace_of(self, item: Item) -> str:
        """The trace may have come after the item was read, with the entries it waits for."""
        size, pushed = self._room.trace
        return item.trace or (pushed if size == item.anchor.size else "")

    def step(self, item: Item, start_ns: int | None = None) -> AbstractContextManager[None]:
        """Around the step from the item's state."""
        trace = self.trace_of(item)
        again = item.state is not ItemState.FINAL and self._begun != item.id
        self._begun = item.id
        return span(
            STEPS[item.state],
            under=trace,
            links=(trace,) if again else (),
            start_ns=start_ns,
            origin=item.anchor.origin,
            size=item.anchor.size,
            attempt=item.attempt,
            taken_up_again=again,
        )
