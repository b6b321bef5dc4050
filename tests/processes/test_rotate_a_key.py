"""The operator's own pages, followed to the letter: a key is changed, and a stolen one revoked, between two runs of a network."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.processes.test_readme import shell
from tests.support.command import ROOT, all_confirmed, await_status, courtrelay, serving, write_folder
from tests.support.lines import small_dossier
from tests.support.ports import base_port


def blocks(title: str) -> list[str]:
    """The shell blocks of one section of docs/operate/reference.md."""
    section = (ROOT / "docs/operate/reference.md").read_text().split(f"### {title}\n", 1)[1].split("\n### ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def deposit(home: Path, loan: str) -> None:
    lines = [{"dossier": loan, **line, "payloads": []} for line, _ in small_dossier(2)]
    assert courtrelay("deposit", write_folder(home.parent / loan, lines), "--home", home).code == 0


def consistent(home: Path, *loans: str) -> None:
    """Each is granted and retrieved with a good verdict."""
    for loan in loans:
        grant, bundle = home.parent / f"{loan}.grant", home.parent / f"{loan}.zip"
        words = ("--case", "Case 1", "--dossier", loan, "--out", grant, "--home", home)
        assert courtrelay("grant", "issue", *words).code == 0
        done = courtrelay("retrieve", "--home", home, "--grant", grant, "--out", bundle)
        assert (done.code, "CONSISTENT: All" in done.out) == (0, True), done.out + done.err


def identity_is_revoked(home: Path) -> None:
    """A desk is let in until its certificate is on the list."""
    assert courtrelay("identity", "revoke", "relay-desk", "--home", home).code == 0
    status = await_status(home, "refused", lambda status: "not permitted" in status["relay"].get("reason", ""))
    assert "entries" in status["custodian"]
    assert courtrelay("identity", "revoke", "relay-desk", "--home", home).code == 1
    missing = courtrelay("identity", "revoke", "nobody", "--home", home)
    assert (missing.code, "relay-desk" in missing.err) == (2, True)


def test_an_operator_changes_the_logs_key_and_then_it_is_stolen(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    with serving(home):
        deposit(home, "LOAN-1")
        await_status(home, "confirmed", all_confirmed(2))
    pin, switch = blocks("Rotate a key")
    pinned = shell(pin, tmp_path)
    assert pinned.returncode == 0, pinned.stderr
    with serving(home):  # everyone has the new trust roots, the log still signs with its old key
        deposit(home, "LOAN-2")
        await_status(home, "confirmed", all_confirmed(4))
        consistent(home, "LOAN-1", "LOAN-2")
    switched = shell(switch, tmp_path)
    assert switched.returncode == 0, switched.stderr
    kid = switched.stdout.split()[-1]
    assert kid in pinned.stdout
    with serving(home):
        deposit(home, "LOAN-3")
        await_status(home, "confirmed", all_confirmed(6))
        consistent(home, "LOAN-3")
        identity_is_revoked(home)
    (stolen,) = blocks("A stolen key")
    since = json.loads((home / "trust.json").read_text())["keys"][-1]["valid_from"]
    revoked = shell(stolen.replace("KID", kid).replace("2026-03-01T00:00:00Z", since), tmp_path)
    assert revoked.returncode == 0, revoked.stderr
    outcomes = {}
    for loan in ("LOAN-1", "LOAN-2", "LOAN-3"):
        done = courtrelay("verify", tmp_path / f"{loan}.zip", "--trust", home / "trust.json", "--json")
        outcomes[loan] = (done.json()["verdict"], "is revoked from" in done.out)
    assert outcomes == {
        "LOAN-1": ("CONSISTENT", False),
        "LOAN-2": ("CONSISTENT", False),
        "LOAN-3": ("INCONSISTENT", True),
    }


def test_key_tools_say_what_is_wrong(tmp_path: Path) -> None:
    """In one sentence, with nothing changed."""
    home = tmp_path / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    files = ("--trust", home / "trust.json", "--genesis", home / "court-ledger/genesis.json")
    before = [path.read_bytes() for path in files[1::2] if isinstance(path, Path)]
    old, new = home / "court/keys/witness.pem", tmp_path / "new.pem"
    assert courtrelay("key", "new", new).code == 0
    for words, said in (
        (("key", "new", new), "exists; it is never overwritten"),
        (("key", "rotate", "--use", "sealing", "--new", new, *files), "'sealing' is none of record, log"),
        (
            ("key", "rotate", "--use", "log", "--party", "spiffe://a/custodian/b", "--new", new, *files),
            "no key of this use",
        ),
        (("key", "rotate", "--use", "witness", "--new", old, *files), "is pinned already"),
        (("key", "rotate", "--use", "log", "--new", new, "--from", "tomorrow", *files), "must be a UTC time"),
        (("key", "revoke", "nothing", *files), "no key nothing is pinned"),
        (("key", "show", tmp_path / "none.pem"), "cannot be read"),
    ):
        ran = courtrelay(*words)
        assert ran.code in (1, 2), words
        assert said in ran.err, ran.err
    assert [path.read_bytes() for path in files[1::2] if isinstance(path, Path)] == before
