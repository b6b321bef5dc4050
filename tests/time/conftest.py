"""Authorities are made once: keys take time."""

from __future__ import annotations

import pytest

from tests.time.authority import Authority, make_authority


@pytest.fixture(scope="session")
def one(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority with an RSA key."""
    return make_authority(tmp_path_factory.mktemp("authorities") / "one", "one")


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority with an ECDSA key."""
    return make_authority(tmp_path_factory.mktemp("authorities") / "two", "two", kind="ec")
