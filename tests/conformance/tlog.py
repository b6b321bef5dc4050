"""A tiled log in a folder as its owner gives it to the checks: it alone makes the checkpoints."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

from adapters.tlog.source import TlogSource, open_source
from relay.app.adapters import verifiers
from relay.conformance import Owner
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Unavailable
from relay.ports.ledgers import AnchorSource
from tests.tlog.bench import LEDGER, POLL_S, root_of, settings
from tests.tlog.writer import NOW_S, ORIGIN, folder_log

STEP = 3


def tlog_owner(folder: Path) -> Owner:
    """Every connection follows the log by itself, in a data folder of its own, and numbers what it has seen itself."""
    log = folder_log(folder / "log")
    log.publish(STEP)
    numbers, sizes = count(), count(2 * STEP, STEP)
    followers: list[TlogSource] = []

    async def follow() -> AnchorSource:
        """It has looked once, so that those opened before the first `publish` number alike."""
        follower = await open_source(settings(str(folder / "log"), folder / f"data-{next(numbers)}"))
        await follower.head()
        followers.append(follower)
        return follower

    async def seen(follower: TlogSource, size: int) -> None:
        try:
            while await follower.find(ORIGIN, size) is None:
                await asyncio.sleep(POLL_S)
        except Unavailable:  # closed
            followers.remove(follower)

    async def publish() -> Checkpoint:
        """The next one is not made before all have seen it: a follower may pass over what was shown for a moment."""
        size = next(sizes)
        log.publish(size, time_s=NOW_S + size)
        for follower in tuple(followers):
            await seen(follower, size)
        return Checkpoint(origin=ORIGIN, size=size, root=log.root(size))

    return Owner(
        open_source=follow,
        roots={LEDGER: root_of()},
        verifiers=verifiers(),
        publish=publish,
        left_out=frozenset({"heights", "names"}),  # docs/spec/ledger-tlog.md: a log has neither
        run="kit",
    )
