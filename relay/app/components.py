"""What each role needs, and how its health looks at it."""

from __future__ import annotations

from collections.abc import Iterable

from relay.ports.ledgers import AnchorSource
from relay.services.notices.publishing import Publisher
from relay.telemetry.health import Component


def ledger(source: AnchorSource, *, needed: bool = True) -> Component:
    """A lender's ledger: its node tells a head."""

    async def look() -> str:
        await source.head()
        return ""

    return Component(kind="ledger", name=source.ledger, look=look, needed=needed)


def ledgers(sources: Iterable[AnchorSource]) -> list[Component]:
    """All that a relay follows. It waits safely for a node that is silent, and says so."""
    return [ledger(source, needed=False) for source in sources]


def broker(publisher: Publisher | None) -> list[Component]:
    """The broker that is told what happens, where there is one. A role without its broker is ready: others learn a little later."""
    if publisher is None:
        return []

    async def look() -> str:
        return publisher.problem

    return [Component(kind="broker", name="mqtt", look=look, needed=False)]
