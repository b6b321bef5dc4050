"""Any owner's ledgers through the remote adapter: each behind a server of its own, over mutual TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from adapters.remote.client import open_court, open_source
from adapters.remote.server import Offer
from relay.conformance import Owner
from relay.ports.ledgers import AnchorSource, CourtRegistry
from tests.ledgers.remote_bench import adapted, settings


@asynccontextmanager
async def through_wire(owner: Owner, home: Path, family: str, kind: str) -> AsyncIterator[Owner]:
    """The same ledgers, each opener through an adapter that only its own role may write through. `home` has the certificates."""
    async with AsyncExitStack() as stack:

        async def serve(writer: str, source: AnchorSource | None, court: CourtRegistry | None) -> dict[str, object]:
            """The settings of a connection to it."""
            opened = source or court
            assert opened is not None
            stack.push_async_callback(opened.close)
            offered = Offer(name="bench", version="1", family=family, proof_kind=kind, source=source, court=court)
            port = await stack.enter_async_context(adapted(home, offered, writer))
            return settings(home, writer, port, opened.ledger)

        async def registry(
            writer: str, opener: Callable[[], Awaitable[CourtRegistry]] | None
        ) -> Callable[[], Awaitable[CourtRegistry]] | None:
            if opener is None:
                return None
            table = await serve(writer, None, await opener())
            return lambda: open_court(table)

        changed = replace(
            owner,
            open_court=await registry("relay", owner.open_court),
            open_custody=await registry("court", owner.open_custody or owner.open_court),
        )
        if owner.open_source is not None:
            table = await serve("custodian", await owner.open_source(), None)
            changed = replace(changed, open_source=lambda: open_source(table))
        yield changed
