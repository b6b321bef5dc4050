"""Programs from npm that the suite runs, in `.venv/tools`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / ".venv" / "tools" / "node_modules"


def solc_folder() -> Path:
    """The folder that holds the npm package solc, with Node there to run it; skips the test otherwise."""
    if shutil.which("node") is None or not (TOOLS / "solc").is_dir():
        pytest.skip("no Solidity compiler: it needs Node, and the npm package solc under .venv/tools")
    return TOOLS
