"""A development home, made once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.app.initialise import initialise


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `init` makes it; nothing runs in it. Not to be changed."""
    home = tmp_path_factory.mktemp("doctor") / "home"
    return initialise(home, base_port=0, validators=1, threshold=1).home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(made, tmp_path / "home")


@pytest.fixture
def change(home: Path) -> Callable[[str, str, str], Path]:
    """Replaces a text that stands in a role's file."""

    def replace(role: str, old: str, new: str) -> Path:
        path = home / role / "config.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return path

    return replace
