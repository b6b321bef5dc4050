"""A confirmed old dossier on the whole way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.bundles import copy_home, make_home, noon_of
from tests.support.retaining import old_dossier
from tests.support.way import Way, open_way


@pytest.fixture(scope="session")
def fresh_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and configuration, made once; every test works on a copy."""
    return make_home(tmp_path_factory.mktemp("fresh") / "home")


@pytest.fixture
async def way(fresh_home: Path, tmp_path: Path) -> AsyncIterator[Way]:
    """Four records under the reference "old", past their retention, receipted by the court's ledger."""
    home = copy_home(fresh_home, tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="retention") as opened:
        await opened.deposit("old", old_dossier(files=(b"CANARY one", b"CANARY two")))
        await opened.forward()
        yield opened
