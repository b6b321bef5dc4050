"""One gateway for the tests of the interface, in one event loop with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.caller import Caller
from tests.api.gateway import Gateway, open_gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with open_gateway(Path(tmp_path_factory.mktemp("gateway"))) as opened:
        yield opened


@pytest.fixture
def caller(gateway: Gateway) -> Caller:
    """Somebody with every role."""
    return Caller(gateway.url, gateway.tokens["all"])
