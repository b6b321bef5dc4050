"""docs/operate.md, followed: from keys to a verdict on hosts that share nothing but the network. `run.py operate` follows the rest, too."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from tests.operate.follow import follow, no_way
from tests.operate.guide import GUIDE, HOSTS, MAKING, ROOT, carried, steps
from tests.operate.hosts import Hosts, why_not


def test_every_host_of_the_guide_does_something_and_every_carried_file_has_both_ends() -> None:
    found = steps(GUIDE.read_text())
    assert {step.host for step in found} == {"", *HOSTS, *MAKING}
    for step in found:
        for one in carried(step) if not step.host else ():
            assert one.from_host in (*HOSTS, *MAKING), step
            assert one.to_host in (*HOSTS, *MAKING), step


def test_no_key_is_carried_anywhere() -> None:
    for step in steps(GUIDE.read_text()):
        for one in carried(step) if not step.host else ():
            assert not one.from_path.endswith(".key"), one
            assert "/keys/" not in one.from_path, one


def test_the_guide_and_the_image_name_the_version_that_there_is() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"clone:dist/courtrelay-{version}-py3-none-any.whl" in GUIDE.read_text()
    deployed = [path for path in (ROOT / "deploy").rglob("*") if path.suffix in (".yaml", ".md")]
    named = {found for path in deployed for found in re.findall(r"courtrelay:(\d+\.\d+\.\d+)", path.read_text())}
    assert named == {version}


def test_every_section_of_the_reference_that_the_guide_names_is_there() -> None:
    titles = re.findall(r"^#+ (.+)$", (ROOT / "docs/operate/reference.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    named = set(re.findall(r"operate/reference\.md#([a-z0-9-]+)", GUIDE.read_text()))
    assert named
    assert named <= anchors


@pytest.fixture(scope="module")
def hosts() -> Hosts:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    return Hosts(built=False)


def test_hosts_that_share_nothing_but_the_network_come_to_a_confirmed_anchor_and_a_verdict(hosts: Hosts) -> None:
    with hosts:
        followed = follow(hosts, built=False, say=print, until="10. ")
        assert no_way(hosts, "court", "lender")
        assert no_way(hosts, "court", "lender-ledger")
        seen = hosts.run("court", "ls -A .. ../hosts; cat /etc/hosts")
    assert len(followed.digests) == 1, "all hosts have the same trust roots"
    assert followed.verdict.startswith("CONSISTENT")
    assert followed.files > 20
    assert "custodian" not in seen.stdout, "a host sees nothing of another"
    assert subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout.count(hosts.mark) == 0
