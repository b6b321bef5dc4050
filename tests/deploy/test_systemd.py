"""deploy/systemd: the unit stands before systemd's own checks, where that is installed."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from relay.app.exits import EXIT_BEHIND, EXIT_CONFIG, EXIT_KEY, EXIT_SCHEMA, EXIT_STORAGE, EXIT_USAGE
from tests.deploy.manifests import DEPLOY

UNIT = DEPLOY / "systemd/courtrelay@.service"
EXPOSURE_MAX = 2.0
"""Of 10, as `systemd-analyze security` counts; below 2 it says "OK"."""


def service() -> dict[str, str]:
    """The unit's [Service]; of a key that stands twice, both values."""
    found: dict[str, str] = {}
    section = UNIT.read_text().partition("[Service]\n")[2].partition("[Install]")[0]
    for name, value in re.findall(r"^(\w+)=(.*)$", section, re.MULTILINE):
        found[name] = f"{found[name]} {value}" if name in found else value
    return found


def test_what_the_unit_may_write_is_its_own_data_alone() -> None:
    unit = service()
    assert unit["ProtectSystem"] == "strict"
    assert unit["ReadWritePaths"] == "/var/lib/courtrelay/%i"
    assert unit["NoNewPrivileges"] == unit["MemoryDenyWriteExecute"] == "yes"
    assert unit["CapabilityBoundingSet"] == ""
    assert unit["SystemCallFilter"].startswith("@system-service")
    assert unit["User"] not in ("", "root")


def test_what_a_person_must_mend_is_not_started_again() -> None:
    unit = service()
    assert unit["Restart"] == "on-failure"
    prevented = {int(code) for code in unit["RestartPreventExitStatus"].split()}
    assert {EXIT_USAGE, EXIT_CONFIG, EXIT_KEY, EXIT_SCHEMA, EXIT_BEHIND} <= prevented
    assert EXIT_STORAGE not in prevented, "a disk that is full gets room again; a start reads what is really there"
    assert 1 not in prevented, "a crash is started again"
    assert int(unit["TimeoutStopSec"]) > 10, "a role ends within ten seconds"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A root folder with the unit in it and what it names."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed; on Debian: apt install systemd")
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    shutil.copy(UNIT, units)
    program = tmp_path / "opt/courtrelay/bin/courtrelay"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    around = {**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "", "TERM": "dumb"}
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, env=around)


def test_systemd_understands_every_line(installed: Path) -> None:
    done = analyze("verify", "--recursive-errors=no", f"--root={installed}", "courtrelay@relay.service")
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "courtrelay@" in line]
    assert not ours
    assert done.returncode == 0, done.stderr


def test_systemd_finds_little_left_to_take_away(installed: Path) -> None:
    done = analyze("security", "--offline=true", f"--root={installed}", "--no-pager", "courtrelay@relay.service")
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= EXPOSURE_MAX, done.stdout


def test_the_unit_is_plain_enough_for_any_reader() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    assert set(parser.sections()) == {"Unit", "Service", "Install"}
