"""For the whole suite: reproducible property tests, and no silent skips where CI says so."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("suite")

skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    if report.skipped:
        skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skipped test is a failure where COURTRELAY_NO_SKIPS=1."""
    if skipped and os.environ.get("COURTRELAY_NO_SKIPS") == "1":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
