"""`courtrelay adapter new`: the package as it is written passes every check, in a process of its own, and stays small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import adapters.embedded
from relay.app.adapter_new import write_skeleton
from relay.conformance import CHECKS
from relay.core.errors import Conflict, Malformed
from relay.core.trust import parse_trust_roots
from tests.conformance import __main__ as table
from tests.support.command import courtrelay

ADAPTER_LINES_MAX = 150


def test_skeleton_as_written_passes_every_check(tmp_path: Path) -> None:
    made = courtrelay("adapter", "new", "acme", "--out", tmp_path / "acme")
    assert made.code == 0, made.err
    ran = courtrelay("adapter", "check", "--config", tmp_path / "acme/check.toml", "--json")
    assert ran.code == 0, ran.out + ran.err
    report = json.loads(ran.out)
    assert [row["name"] for row in report["checks"]] == list(CHECKS)
    assert (report["failed"], report["passed"] + report["not_run"]) == (0, len(CHECKS))
    not_run = {row["name"] for row in report["checks"] if row["outcome"] == "not run"}
    assert not_run == {name for name in CHECKS if ".restart." in name}


def test_adapters_are_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The skeleton's adapter by its bound; both line counts are printed."""
    made = write_skeleton("acme", tmp_path / "acme")
    folder = Path(adapters.embedded.__path__[0])
    embedded = {path.name: path.read_text().count("\n") for path in sorted(folder.glob("*.py"))}
    with capsys.disabled():
        print(f"\nlines: skeleton adapter {made.adapter_lines}, its package {made.lines};", end=" ")
        print(f"embedded adapter {embedded['adapter.py']}, with node, ledger and proofs {sum(embedded.values())}")
    assert made.adapter_lines <= ADAPTER_LINES_MAX
    assert (tmp_path / "acme/README.md").read_text().count("\n") <= 10


def test_table_of_all_adapters_has_a_row_for_each_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert table.main(["skeleton"]) == 0
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[:2] for row in rows] == [["skeleton", "in"], ["skeleton", "remote"]]
    assert table.main(["unheard-of"]) == 2


def test_skeleton_carries_its_own_name_everywhere(tmp_path: Path) -> None:
    write_skeleton("acme", tmp_path / "acme")
    for path in (tmp_path / "acme").rglob("*"):
        if path.is_file():
            assert "skeleton" not in path.read_text(), path
    roots = parse_trust_roots((tmp_path / "acme/trust.json").read_bytes())
    assert [(root.ledger, root.kind) for root in roots.ledgers] == [("acme:lender", "acme"), ("acme:court", "acme")]


@pytest.mark.parametrize("name", ["", "Acme", "a-b", "1a", "a" * 33, "embedded", "remote", "../x", "a\n"])
def test_name_that_no_family_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Malformed, match="NAME"):
        write_skeleton(name, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(Conflict):
        write_skeleton("acme", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
