"""What a user gets wrong at a terminal: one line that says what, where, and what to do next; never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import courtrelay
from tests.support.ports import base_port


def test_init_never_overwrites(tmp_path: Path) -> None:
    assert courtrelay("init", tmp_path / "home", "--base-port", base_port()).code == 0
    ran = courtrelay("init", tmp_path / "home")
    assert ran.code == 1
    assert "nothing is ever overwritten" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("init", "h", "--threshold", "9"), 2, "--threshold"),
        (("init", "h", "--base-port", "80"), 2, "--base-port"),
        (("serve", "nonsense", "--home", "nowhere"), 2, "none of all"),
        (("serve", "relay", "--home", "nowhere"), 78, "courtrelay init"),
        (("deposit", "nowhere", "--home", "nowhere"), 2, "records.jsonl"),
        (("status", "--home", "nowhere"), 2, "courtrelay init"),
        (("verify", "nowhere.zip", "--trust", "nowhere.json"), 2, "no such file"),
        (("inspect", "nowhere"), 2, "cannot be read"),
        (("grant", "revoke", "xyz", "--home", "nowhere"), 2, "64 lower-case hex"),
        (("retrieve", "--grant", "nowhere", "--home", "nowhere"), 2, "cannot be read"),
        (("no-such-verb",), 2, "No such command"),
    ],
)
def test_usage_errors_are_one_line(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    ran = courtrelay(*arguments, cwd=tmp_path)
    assert (ran.code, words in ran.err) == (code, True), ran.err


def test_role_that_is_not_running_is_said(tmp_path: Path) -> None:
    assert courtrelay("init", tmp_path / "home", "--base-port", base_port()).code == 0
    status = courtrelay("status", "--home", tmp_path / "home", "--json")
    assert status.code == 3
    assert status.json()["relay"]["state"] == "cannot be asked"
    anchored = courtrelay("anchor", "--home", tmp_path / "home")
    assert anchored.code == 1
    assert "error:" in anchored.err


@pytest.mark.parametrize(
    ("role", "old", "new", "words"),
    [
        ("custodian", "interval_s = 2.0", 'interval_s = "soon"', "anchoring.interval_s"),
        ("custodian", "[relay]", "[relay]\nsurprise = 1", "relay.surprise"),
        ("relay", 'family = "embedded"', 'family = "nonesuch"', "not an installed ledger family"),
        ("relay", "operators = [", "operators = [] # [", "nobody"),
        ("court", "/court/court", "/relay/court", "must be the id of a court"),
        ("court", 'seal = "keys/seal.pem"', 'seal = "keys/none.pem"', "cannot be read"),
        ("court", "[keys]", "[[keys", "is not TOML"),
    ],
)
def test_wrong_configuration_names_file_and_key(tmp_path: Path, role: str, old: str, new: str, words: str) -> None:
    assert courtrelay("init", tmp_path / "home", "--base-port", base_port()).code == 0
    config = tmp_path / "home" / role / "config.toml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new, 1))
    ran = courtrelay("serve", role, "--home", tmp_path / "home")
    assert ran.code == (79 if words == "cannot be read" else 78)
    assert words in ran.err


def test_trust_roots_that_trust_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"x")
    for content in (b"{}", b"", b"not json", b'{"format": "courtrelay-trust/v1"}'):
        (tmp_path / "t.json").write_bytes(content)
        ran = courtrelay("verify", tmp_path / "b.zip", "--trust", tmp_path / "t.json")
        assert ran.code == 2
        assert "t.json" in ran.err


def test_garbage_instead_of_a_bundle_is_inconsistent_and_explained(tmp_path: Path) -> None:
    assert courtrelay("init", tmp_path / "home", "--base-port", base_port()).code == 0
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04 this is not a bundle" * 10)
    ran = courtrelay("verify", tmp_path / "b.zip", "--trust", tmp_path / "home/trust.json")
    assert ran.code == 1
    assert "step  1" in ran.out


def test_sample_never_overwrites_and_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert courtrelay("sample", "--loans", "2", "--seed", "3", "--out", tmp_path / name).code == 0
    first = {p.relative_to(tmp_path / "a"): p.read_bytes() for p in (tmp_path / "a").rglob("*") if p.is_file()}
    second = {p.relative_to(tmp_path / "b"): p.read_bytes() for p in (tmp_path / "b").rglob("*") if p.is_file()}
    assert first == second
    assert len(first) > 20
    ran = courtrelay("sample", "--out", tmp_path / "a")
    assert ran.code == 1
    assert "nothing is overwritten" in ran.err
