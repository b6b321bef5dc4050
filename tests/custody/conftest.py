"""Both keepers' logs of one real retrieval, made once."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.custody import Kept, keep


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Stopped; every test works on a copy."""
    return asyncio.run(keep(tmp_path_factory.mktemp("custody") / "home"))
