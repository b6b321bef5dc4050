"""For the whole suite: reproducible property tests, and no silent skips where CI says so."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.ports import narrow
from tests.support.postgres import Cluster, find_programs, running_cluster
from tests.support.softhsm import SoftHsm, find_module, running_softhsm

settings.register_profile("suite", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("suite")

LONG = (
    "processes/test_kill_loop.py",
    "planted/test_planted.py",
    "simulation/test_crashes.py",
    "powerloss/test_powerloss.py",
    "processes/test_rotate_a_key.py",
    "processes/test_operator_tools.py",
    "load/test_outage.py",
    "regression/test_24_sync_error_that_is_retried.py",
)
"""Files that take minutes each. They come first, so that no worker waits at the end for another's long one."""
LONG_S = 1800
"""After which such a test hangs: a busy machine takes three times as long as a free one."""

skipped: list[str] = []


def pytest_configure() -> None:
    """Each worker gives its networks ports of its own."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        narrow(os.environ["PYTEST_XDIST_WORKER"], int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first and with more time, everything else as it was."""

    def place(item: pytest.Item) -> int:
        return next((i for i, name in enumerate(LONG) if item.path.as_posix().endswith(name)), len(LONG))

    items.sort(key=place)
    for item in items:
        if place(item) < len(LONG):
            item.add_marker(pytest.mark.timeout(LONG_S))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    if report.skipped:
        skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skipped test is a failure where COURTRELAY_NO_SKIPS=1."""
    if skipped and os.environ.get("COURTRELAY_NO_SKIPS") == "1":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server of the suite's own; each test makes its own database in it."""
    if find_programs() is None:
        pytest.skip("PostgreSQL is not installed; on Debian: apt install postgresql")
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def softhsm() -> Iterator[SoftHsm]:
    """A SoftHSM2 of the suite's own; each test makes its own tokens in it."""
    if find_module() is None:
        pytest.skip("SoftHSM2 is not installed; on Debian: apt install softhsm2")
    with running_softhsm() as hsm:
        yield hsm
