"""What several attacks start from: one bundle for all of them, an open way and open ledgers for each, a development authority."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.evidence.conftest import made
from tests.ledgers.bench import Bench, open_bench
from tests.support.bundles import make_home, noon_of
from tests.support.way import Way, open_way
from tests.transport.conftest import authority

__all__ = ["authority", "bench", "made", "way"]


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    """Custodian, relay, court and two ledgers, nothing deposited yet."""
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="regression") as opened:
        yield opened


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A lender's and a court's ledger, three of four validators needed."""
    async with open_bench(tmp_path / "ledgers") as opened:
        yield opened
