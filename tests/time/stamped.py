"""A bundle whose checkpoint two real authorities have stamped, made by the whole way at the present time."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path

from relay.app.trust import read_trust
from relay.services.court.timestamps import Timestamps
from relay.setup.keys import load_signing_key
from relay.wire.timestamp_http import HttpTimestampAuthority
from tests.support.bundles import Made, make_home
from tests.support.frozen import SeededBytes, no_waits
from tests.support.lines import small_dossier
from tests.support.way import open_way
from tests.time.authority import Authority, pin, stamping


async def _retrieve(home: Path, count: int, later_ms: int, *authorities: HttpTimestampAuthority) -> bytes:
    async with open_way(home, now_ms=int(time.time() * 1000), seed="stamped") as way:
        stored = await way.deposit("loan 1", small_dossier(count))
        await way.anchoring.now()
        way.clock.ms += later_ms  # nothing goes on to the court before its entries are pushed
        await way.forward()
        keeper = Timestamps(
            store=way.court_store,
            authorities=authorities,
            trust=read_trust(home / "trust.json"),
            clock=way.clock,
            random_bytes=SeededBytes("nonces"),
            backoff=no_waits,
        )
        for authority in reversed(authorities):
            await keeper.stamp(authority)
        _, _, data = await way.retrieve(await way.grant(stored.dossier))
        return data


def make_stamped(folder: Path, *authorities: Authority, quorum: int, count: int = 3, later_ms: int = 0) -> Made:
    """Sealed by the court under trust roots that pin these authorities, each asked over HTTP.

    With `later_ms` the court's clocks run so far ahead, and nobody is asked: what the court takes for now is in the future.
    """
    home = make_home(folder)
    pin(home, *authorities, quorum=quorum)
    with ExitStack() as stack:
        servers = [(authority, stack.enter_context(stamping(authority))) for authority in authorities]
        clients = (
            []
            if later_ms
            else [HttpTimestampAuthority(authority.root.name, url, "sha256") for authority, url in servers]
        )
        data = asyncio.run(_retrieve(home, count, later_ms, *clients))
    return Made(
        data=data,
        trust=read_trust(home / "trust.json"),
        seal=load_signing_key(home / "court/keys/seal.pem"),
        home=home,
    )
