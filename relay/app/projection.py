"""Wires the projection of a lender's own events: none where the configuration has no `[[projection]]`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from relay.app.adapters import load_adapter
from relay.app.runtime import backoff
from relay.config.roles import LedgerConfig
from relay.core.errors import Malformed
from relay.ports.projection import LedgerEvents
from relay.services.custodian.projection import Projector
from relay.store.custodian import SqliteCustodianStore


async def open_ledger_events(ledger: LedgerConfig, tables: Sequence[Mapping[str, object]]) -> LedgerEvents:
    """Raises `Malformed`: a wrong key, or a family whose ledgers have no contracts."""
    opener = load_adapter(ledger.family).open_events
    if opener is None:
        reason = f"needs a ledger with contracts of the lender's own; family {ledger.family} has none"
        raise Malformed("configuration", "projection", reason)
    return await opener(ledger.settings, tables)


async def open_projector(
    stack: AsyncExitStack,
    ledger: LedgerConfig,
    tables: Sequence[Mapping[str, object]],
    store: SqliteCustodianStore,
    grown: asyncio.Event,
) -> Projector | None:
    """Ready to run. Raises `Malformed` for mappings that are wrong, or not those that the log was made with."""
    if not tables:
        projected = (await store.projections.projection()).sources
        if projected:
            reason = f"is gone, but the log holds events of {len(projected)} mappings; put the tables back"
            raise Malformed("configuration", "projection", reason)
        return None
    events = await open_ledger_events(ledger, tables)
    stack.push_async_callback(events.close)
    projector = Projector(store=store.projections, events=events, grown=grown, backoff=backoff)
    await projector.prepare()
    return projector
