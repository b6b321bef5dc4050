"""One small bundle for all tests of this folder."""

from __future__ import annotations

import pytest

from tests.support.bundles import Made, make_bundle


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three records with small payloads."""
    return make_bundle(tmp_path_factory.mktemp("evidence") / "home")
