"""`courtrelay relay …` on running processes, and `fsck` on a stopped relay's disk."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from relay.app.initialise import ORIGIN
from tests.support.command import all_confirmed, await_status, courtrelay, serving, write_folder
from tests.support.lines import STATED, repayment_fields
from tests.support.ports import base_port


def line(seq: int) -> dict[str, object]:
    return {
        "dossier": "L", "seq": seq, "kind": "repayment", "kind_version": 1, "event_time": "2025-03-05T09:00:00Z",
        "provenance": STATED, "fields": repayment_fields(), "payloads": [],
    }  # fmt: skip


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose relay has confirmed three entries and is stopped again."""
    folder = tmp_path_factory.mktemp("confirmed")
    home = folder / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    with serving(home):
        assert courtrelay("relay", "backlog", "--home", home).out == "nothing is under way\n"
        assert courtrelay("deposit", write_folder(folder / "f", [line(i) for i in range(3)]), "--home", home).code == 0
        await_status(home, "confirmed", all_confirmed(3))
        rescanned = courtrelay("relay", "rescan", "--from-start", "--home", home, "--json").json()
        assert [row["missing"] for row in rescanned] == [0]
        busy = courtrelay("relay", "fsck", "--home", home)
        assert (busy.code, "in use by process" in busy.err) == (1, True)
    return home


@pytest.fixture
def stopped(confirmed: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return shutil.copytree(confirmed, tmp_path / "home")


def test_tools_say_what_they_did_and_refuse_what_is_not_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    with serving(home):
        assert courtrelay("relay", "quarantine", "list", "--home", home, "--json").json() == []
        halted = courtrelay("relay", "halt", ORIGIN, "--reason", "a pause", "--home", home)
        assert (halted.code, halted.out) == (0, f"{ORIGIN} is halted\n")
        assert f"{ORIGIN} HALTED" in courtrelay("status", "--home", home, "--json").json()["relay"]
        assert courtrelay("relay", "resume", ORIGIN, "--reason", "go on", "--home", home).code == 0
        again = courtrelay("relay", "resume", ORIGIN, "--reason", "go on", "--home", home)
        assert (again.code, "is not halted" in again.err) == (1, True)
        saved = courtrelay("relay", "exhibit", "save", ORIGIN, "--out", tmp_path / "x", "--home", home, "--json").json()
        assert [(row["reason"], row["resumed"]) for row in saved] == [("by hand: a pause", "go on")]
        unknown = courtrelay("relay", "halt", "other.example/log", "--reason", "x", "--home", home)
        assert (unknown.code, "is not served" in unknown.err) == (1, True)
        bad = courtrelay("relay", "quarantine", "show", "zz", "--home", home)
        assert (bad.code, "64 hex digits" in bad.err) == (2, True)
    nothing = courtrelay("relay", "exhibit", "check", tmp_path / "x/0001", "--trust", home / "trust.json")
    assert (nothing.code, "missing" in nothing.err) == (1, True)


def test_fsck_finds_nothing_on_a_healthy_disk_and_names_what_is_wrong(stopped: Path) -> None:
    assert courtrelay("relay", "fsck", "--home", stopped, "--json").json() == []
    database = sqlite3.connect(stopped / "relay/data/relay.sqlite")
    database.execute("UPDATE item SET root = zeroblob(32)")
    database.commit()
    ran = courtrelay("relay", "fsck", "--home", stopped)
    assert ran.code == 1
    assert "do not have the anchored root" in ran.err
    database.execute("DELETE FROM confirmation")
    database.commit()
    database.close()
    assert "its receipt says otherwise" in courtrelay("relay", "fsck", "--home", stopped).err


def test_fsck_sees_a_changed_entry(stopped: Path) -> None:
    (pack,) = (stopped / "relay/data/logs").rglob("entries.pack")
    data = bytearray(pack.read_bytes())
    data[40] ^= 1
    pack.write_bytes(bytes(data))
    ran = courtrelay("relay", "fsck", "--home", stopped)
    assert ran.code == 1
    assert "do not have the anchored root" in ran.err


def test_fsck_sees_tiles_that_are_not_of_the_entries(stopped: Path) -> None:
    """A mark that claims more than the disk kept: opening trusts the tiles below it, `fsck` does not."""
    assert courtrelay("relay", "fsck", "--home", stopped).code == 0
    (tiles,) = (stopped / "relay/data/logs").rglob("tiles-0.pack")
    data = bytearray(tiles.read_bytes())
    data[0] ^= 1
    tiles.write_bytes(bytes(data))
    ran = courtrelay("relay", "fsck", "--home", stopped)
    assert ran.code == 1
    assert "different roots" in ran.err


def test_newer_schema_is_refused_with_what_to_do(stopped: Path) -> None:
    database = sqlite3.connect(stopped / "relay/data/relay.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.commit()
    database.close()
    ran = courtrelay("relay", "fsck", "--home", stopped)
    assert ran.code in (1, 2)
    assert "newer" in ran.err
