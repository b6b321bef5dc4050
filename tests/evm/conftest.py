"""A chain of each test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.anvil import Anvil, find_anvil


@pytest.fixture
def needs_anvil() -> None:
    """For tests that start anvil in their own way."""
    if find_anvil() is None:
        pytest.skip("anvil is not installed; `python3 run.py test` installs it from its lock file")


@pytest.fixture
async def anvil(needs_anvil: None) -> AsyncIterator[Anvil]:
    """A fresh chain that makes a block for every transaction."""
    async with Anvil() as chain:
        yield chain
