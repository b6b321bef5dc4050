"""The embedded family behind a remote adapter against the same contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ledgers.bench import Bench
from tests.ledgers.contract import CourtContract, SourceContract
from tests.ledgers.remote_bench import open_remote_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_remote_bench(tmp_path) as opened:
        yield opened


class TestRemoteSource(SourceContract):
    """A lender's ledger."""


class TestRemoteCourt(CourtContract):
    """A court's ledger."""
