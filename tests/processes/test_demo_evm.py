"""The same story on two real EVM nodes, one of which drops its newest blocks in the middle; and what init says where there is no node."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.anvil import find_anvil
from tests.support.command import courtrelay
from tests.support.ports import base_port


@pytest.fixture(autouse=True)
def needs_anvil() -> None:
    if find_anvil() is None:
        pytest.skip("anvil is not installed; `python3 run.py test` installs it from its lock file")


def test_demo_on_evm_chains_tells_its_story_to_the_end(tmp_path: Path) -> None:
    ran = courtrelay("demo", "--ledger", "evm", "--dir", tmp_path / "story", "--loans", "4", patience_s=300)
    assert ran.code == 0, ran.out + ran.err
    assert "FAILED" not in ran.out
    assert "3 blocks up to height" in ran.out
    assert "ok: every ledger proof in the verdict is of kind evm-attested" in ran.out
    assert ran.out.count("     ok: ") >= 10
    relay = (tmp_path / "story/home/relay/log.jsonl").read_text()
    assert "evm:lender-1 reorganised" in relay


def test_unknown_family_makes_nothing(tmp_path: Path) -> None:
    ran = courtrelay("init", tmp_path / "home", "--ledger", "fabric")
    assert (ran.code, (tmp_path / "home").exists()) == (2, False)
    assert "must be one of embedded, evm" in ran.err


def test_node_whose_program_is_gone_says_so_in_one_line(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert courtrelay("init", home, "--ledger", "evm", "--base-port", base_port()).code == 0
    config = home / "lender-ledger" / "config.toml"
    lines = ['binary = "nowhere/anvil"' if x.startswith("binary") else x for x in config.read_text().splitlines()]
    config.write_text(os.linesep.join(lines))
    ran = courtrelay("serve", "lender-ledger", "--home", home)
    assert ran.code == 78
    assert "is no program that can be run" in ran.err
    assert "Traceback" not in ran.err
