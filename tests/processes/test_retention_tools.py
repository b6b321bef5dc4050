"""`courtrelay retention …` and `courtrelay dossier report` on a running network, as an operator uses them; and kill -9 in the middle."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relay.cli import main
from tests.support.command import Ran, all_confirmed, await_status, courtrelay, environment, serving, write_folder
from tests.support.ports import base_port
from tests.support.retaining import BASIS, PERSONAL, old_dossier, raw


def folder(path: Path, *references: str) -> Path:
    """A deposit folder of old dossiers."""
    lines, files = [], {}
    for reference in references:
        for line, payloads in old_dossier(files=(b"CANARY one", b"CANARY two")):
            listed = []
            for number, (declared, data) in enumerate(zip(line["payloads"], payloads, strict=True)):
                name = f"{reference}-{line['seq']}-{number}"
                files[name] = data
                listed.append({**declared, "file": name})
            lines.append({"dossier": reference, **line, "payloads": listed})
    return write_folder(path, lines, files)


Command = Callable[..., Ran]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command's own `main`; only the start of a process for every call is spared."""

    def ran(*arguments: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["courtrelay", *map(str, arguments)])
        capsys.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        told = capsys.readouterr()
        return Ran(int(code), told.out, told.err)

    return ran


def test_operator_holds_erases_and_reports(home: Path, tmp_path: Path, command: Command) -> None:
    def tool(*arguments: str | Path) -> tuple[int, str, str]:
        ran = command(*arguments, "--home", home)
        return ran.code, ran.out, ran.err

    assert command("deposit", folder(tmp_path / "f", "LOAN-7", "LOAN-8"), "--home", home).code == 0
    await_status(home, "confirmed", all_confirmed(8))
    policy = command("retention", "show", "--home", home, "--json").json()
    assert (policy["policy"], len(policy["classes"])) == ("cn-2025", 5)
    assert "identity-10y: 10 years from closure; CN: Anti-Money Laundering Law" in tool("retention", "show")[1]
    assert [r["reference"] for r in command("retention", "due", "--home", home, "--json").json()] == [
        "LOAN-7",
        "LOAN-8",
    ]
    hold = ("retention", "hold", "LOAN-7", "--reason", "discovery", "--authority", "Riverside court")
    assert tool(*hold)[:2] == (0, "hold 1 is in force on LOAN-7\n")
    erase = ("retention", "erase", "LOAN-7", "--basis", BASIS)
    for yes in ((), ("--yes",)):
        code, _, err = tool(*erase, *yes)
        assert (code, "under legal hold 1" in err) == (1, True)
    assert "hold 1 IN FORCE" in tool("retention", "show", "LOAN-7")[1]
    release = ("retention", "release", "LOAN-7", "--hold", "1", "--reason", "closed", "--authority", "Riverside court")
    assert tool(*release)[0] == 0
    assert tool(*release)[0] == 1
    grant = tmp_path / "loan-7.grant"
    assert tool("grant", "issue", "--case", "(2026) No. 7", "--dossier", "LOAN-7", "--out", grant)[0] == 0
    assert tool("retrieve", "--grant", grant, "--out", tmp_path / "before.zip")[0] == 0
    code, out, err = tool(*erase)
    assert (code, "for case (2026) No. 7 opens it" in err, "nothing was changed" in out) == (1, True, True)
    code, out, _ = tool(*erase, "--despite-grants")
    assert (code, "would erase the whole dossier of LOAN-7" in out, "seq 0-3" in out) == (0, True, True)
    assert tool(*erase, "--seq", "1", "--despite-grants", "--yes")[0] == 0
    assert tool("retrieve", "--grant", grant, "--out", tmp_path / "half.zip")[0] == 0
    half = command("verify", tmp_path / "half.zip", "--trust", home / "trust.json")
    assert half.code == 0
    assert "CONSISTENT (erased)" in half.out
    assert BASIS in half.out
    report = command("dossier", "report", "LOAN-7", "--home", home, "--json").json()
    assert {"disclose", "hold", "release", "erase", "report"} <= {e["action"] for e in report["access"]}
    assert tool("dossier", "report", "LOAN-7", "--out", tmp_path / "report")[0] == 0
    assert PERSONAL[0] in (tmp_path / "report/report.txt").read_text()
    assert json.loads((tmp_path / "report/report.json").read_text())["dossier"] == report["dossier"]
    assert tool(*erase, "--despite-grants", "--yes")[0] == 0
    code, _, err = tool("retrieve", "--grant", grant, "--out", tmp_path / "after.zip")
    assert (code, "erased" in err) == (1, False)
    assert command("verify", tmp_path / "before.zip", "--trust", home / "trust.json").code == 0


def test_what_is_left_is_a_statement_that_anybody_can_check(home: Path, tmp_path: Path, command: Command) -> None:
    for reference in ("LOAN-9", "LOAN-10"):
        assert command("deposit", folder(tmp_path / reference, reference), "--home", home).code == 0
    assert command("retention", "erase", "LOAN-9", "--basis", BASIS, "--yes", "--home", home).code == 0
    again = command("deposit", folder(tmp_path / "again", "LOAN-9"), "--home", home)
    assert (again.code, "was erased on" in again.err) == (1, True)
    rows = command("retention", "tombstone", "LOAN-9", "--out", tmp_path / "t", "--home", home, "--json").json()
    assert [(r["scope"], r["seqs"], r["complete"]) for r in rows] == [("dossier", [0, 1, 2, 3], True)]
    (file,) = (tmp_path / "t").iterdir()
    checked = command("retention", "check", file, "--trust", home / "trust.json")
    assert (checked.code, "signed by the lender" in checked.out) == (0, True)
    token = file.read_text()
    file.write_text(token[:-3] + ("AA" if token[-3:-1] != "AA" else "BB") + "\n")
    assert command("retention", "check", file, "--trust", home / "trust.json").code in (1, 2)
    for code, *wrong in (
        (1, "retention", "show", "nobody's"),
        (1, "retention", "tombstone", "LOAN-10"),
        (1, "dossier", "report", "nobody's"),
        (2, "retention", "erase", "LOAN-10", "--basis", "", "--yes"),
        (2, "retention", "erase", "LOAN-10", "--basis", BASIS, "--seq", "0", "--due"),
    ):
        ran = command(*map(str, wrong), "--home", home)
        assert (ran.code, ran.err.startswith("error: ")) == (code, True)


def test_custodian_killed_in_the_middle_goes_on_at_its_next_start(tmp_path: Path) -> None:
    """A foreign reader keeps the erasure from its end; kill -9; at the next start it is completed without anybody asking."""
    home = tmp_path / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    data = home / "custodian/data"
    with serving(home, "lender-ledger"):
        with serving(home, "custodian") as custodian:
            assert courtrelay("deposit", folder(tmp_path / "f", "LOAN-7"), "--home", home).code == 0
            on_disk = raw(
                data
            )  # not while the reader below is open: closing any file of a database drops this process's locks on it
            database = sqlite3.connect(f"file:{data}/custodian.sqlite?mode=ro", uri=True, isolation_level=None)
            database.execute("BEGIN")
            (text,) = database.execute("SELECT sealed_text FROM record WHERE seq = 0").fetchone()
            assert text[:48] in on_disk
            erase = [sys.executable, "-m", "relay.cli", "retention", "erase", "LOAN-7", "--basis", BASIS, "--yes",
                       "--home", str(home)]  # fmt: skip
            erasing = subprocess.Popen(
                erase, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            while list((data / "vault").iterdir()):  # the step before the pages
                assert erasing.poll() is None
            os.kill(custodian.pid, signal.SIGKILL)
            custodian.wait()
            assert erasing.wait(60) == 1
            database.close()
        assert text[:48] in raw(data)
        with serving(home, "custodian"):
            done = courtrelay("retention", "tombstone", "LOAN-7", "--home", home, "--json").json()
            for _ in range(20):  # each try is a process: the worker has long been started
                if done[0]["complete"]:
                    break
                done = courtrelay("retention", "tombstone", "LOAN-7", "--home", home, "--json").json()
        assert done[0]["complete"]
        assert text[:48] not in raw(data)
