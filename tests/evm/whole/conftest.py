"""A whole way of each test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.evm.whole.bench import Whole, open_whole


@pytest.fixture
async def whole(tmp_path: Path, needs_anvil: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Whole]:
    """Custodian, relay and court on two chains; nothing is deposited."""
    async with open_whole(tmp_path, "reorganisations", monkeypatch) as opened:
        yield opened
