"""One development authority a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.setup.ca import make_authority
from tests.support.echo import NOW


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    folder = tmp_path / "authority"
    folder.mkdir()
    make_authority(folder, "a.example", NOW)
    return folder
