"""Before a custodian does anything: its logs are compared with what is anchored of them, however long the ledger takes to answer."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from relay.app.runtime import backoff
from relay.config.roles import CustodianConfig
from relay.core.errors import RelayError
from relay.ports.ledgers import Anchor, AnchorSource
from relay.services.standing import Behind, check_standing, newest_anchors
from relay.store.custodian import SqliteCustodianStore
from relay.telemetry.events import LEDGER_AWAITED, log_event

log = logging.getLogger(__name__)


async def read_anchors(config: CustodianConfig, store: SqliteCustodianStore, source: AnchorSource) -> dict[str, Anchor]:
    """The newest anchors of both logs. Raises `Unavailable`."""
    known = await store.known_height()
    return await newest_anchors(source, (config.origin, config.custody_origin), known)


async def await_standing(
    path: Path, config: CustodianConfig, store: SqliteCustodianStore, source: AnchorSource
) -> None:
    """Returns once the ledger has answered and nothing of it contradicts the logs here. Raises `Behind`, `StorageFailed`.

    An older data folder does not know what its grants were used for since: they are spent before anything else is decided.
    """
    waits = backoff()
    while True:
        try:
            anchors = await read_anchors(config, store, source)
            break
        except RelayError as error:
            log_event(log, LEDGER_AWAITED, ledger=source.ledger, reason=error)
            await asyncio.sleep(next(waits))
    try:
        await check_standing(config.origin, store.files, store.size, anchors.get(config.origin))
        await check_standing(
            config.custody_origin, store.custody_files, store.custody_size, anchors.get(config.custody_origin)
        )
    except Behind as behind:
        await store.spend_all_uses()
        reason = (
            "this data folder is older than what was done with it, as after restoring a backup; nothing was appended"
        )
        todo = f"restore a newer backup, or run `courtrelay catch-up --config {path}` (docs/backup.md)"
        raise Behind(f"{behind}: {reason}; {todo}") from None
