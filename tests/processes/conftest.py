"""One running network for the tests that do no harm to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import courtrelay, serving
from tests.support.ports import base_port


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A development network, serving."""
    folder = tmp_path_factory.mktemp("network") / "home"
    assert courtrelay("init", folder, "--base-port", base_port()).code == 0
    with serving(folder):
        yield folder
