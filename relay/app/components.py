"""What each role needs, and how its health looks at it."""

from __future__ import annotations

from collections.abc import Iterable

from relay.ports.ledgers import AnchorSource
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
