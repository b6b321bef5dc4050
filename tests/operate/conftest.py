"""Where a machine cannot make namespaces at all, its suite says so by a deselected test; a missing tool is a skip, as everywhere."""

from __future__ import annotations

import os

import pytest

from tests.operate.hosts import missing_tools, why_not


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Under COURTRELAY_NO_SKIPS a skip is a failure, and no installation gives an ordinary user namespaces of the kernel."""
    wanting = [item for item in items if "hosts" in getattr(item, "fixturenames", ())]
    if wanting and os.environ.get("COURTRELAY_NO_SKIPS") == "1" and not missing_tools() and why_not():
        config.hook.pytest_deselected(items=wanting)
        items[:] = [item for item in items if item not in wanting]
