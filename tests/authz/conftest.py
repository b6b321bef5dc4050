"""One wired network for the tests of a file: each denial has a dossier of its own in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.authz.denials import DENIALS
from tests.authz.stage import Stage, other_court
from tests.support.bundles import make_home, noon_of
from tests.support.wired import open_wired

PLAIN = ("allowed", "honest", "long")
LONG_BYTES = 48 * 1024 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Every dossier deposited, anchored and confirmed."""
    home = make_home(tmp_path_factory.mktemp("authz") / "home")
    async with open_wired(home, now_ms=noon_of(home), seed="authz") as way, other_court(way) as elsewhere:
        made = Stage(way)
        made.elsewhere = elsewhere
        for name in (*PLAIN, *(denial.name for denial in DENIALS)):
            await made.deposit(name, **({"payload_bytes": LONG_BYTES} if name == "long" else {}))
        await way.forward()
        yield made
