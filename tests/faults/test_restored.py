"""A custodian and its ledger alone: a backup of the running custodian, what restoring it refuses, and what an older one may not do."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relay.app import backup, desk
from relay.app.custodian import run_custodian
from relay.app.demo.network import Network
from relay.app.exits import EXIT_BEHIND
from relay.app.initialise import initialise
from relay.core.errors import Conflict, Malformed, Unavailable
from relay.services.standing import Behind
from tests.faults.lender import Business
from tests.support.command import courtrelay

CONFIG = "custodian/config.toml"
SERVES_S = 30.0
"""After so long a custodian that serves would have begun to."""


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A stopped home, and a backup of its custodian from before its last deposit and anchor."""
    folder = tmp_path_factory.mktemp("restored")
    home = initialise(folder / "home", base_port=0, validators=1, threshold=1, anchor_interval_s=3600).home

    async def business() -> None:
        b, network = Business(home, folder, 1, 3), Network(home)
        b.prepare()
        try:
            await network.roles["lender-ledger"].start()
            await network.roles["custodian"].start()
            await b.deposit(0, "half")
            await b.issue(0)
            await desk.anchor(home)
            ran = await asyncio.to_thread(courtrelay, "backup", "custodian", "--home", home, "--out", folder / "backup")
            assert (ran.code, "read back and whole" in ran.out) == (0, True)
            await b.deposit(0, "whole")
            await desk.anchor(home)
        finally:
            await network.end()
        assert b.complaints == []

    asyncio.run(business())
    return home, folder / "backup"


def copied(taken: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    home, made = taken
    shutil.copytree(home, tmp_path / "home")
    shutil.copytree(made, tmp_path / "backup")
    return tmp_path / "home", tmp_path / "backup"


def count(home: Path, sql: str) -> int:
    with closing(sqlite3.connect(home / "custodian/data/custodian.sqlite")) as database:
        return int(database.execute(sql).fetchone()[0])


def test_a_backup_holds_no_private_key_unless_asked(taken: tuple[Path, Path], tmp_path: Path) -> None:
    home, made = taken
    keys = {path.read_bytes() for path in (home / "custodian").rglob("keys/*") if path.is_file()}
    assert keys
    assert not any(key in path.read_bytes() for path in made.rglob("*") if path.is_file() for key in keys)
    backup.back_up("custodian", home / CONFIG, tmp_path / "with", 1_700_000_000, with_keys=True)
    held = {path.read_bytes() for path in (tmp_path / "with/keys").rglob("*") if path.is_file()}
    assert keys <= held
    assert json.loads((made / "manifest.json").read_bytes())["role"] == "custodian"


def test_every_key_is_kept_under_the_path_where_it_belongs(taken: tuple[Path, Path], tmp_path: Path) -> None:
    home, _ = copied(taken, tmp_path)
    config, keys = home / CONFIG, home / "custodian/keys"
    held = {path: path.read_bytes() for path in keys.iterdir() if path.name != "record.pem"}
    held[keys / "other/log.pem"] = (keys / "record.pem").read_bytes()
    (keys / "other").mkdir()
    shutil.move(keys / "record.pem", keys / "other/log.pem")
    config.write_text(config.read_text().replace('"keys/record.pem"', '"keys/other/log.pem"'))
    backup.back_up("custodian", config, tmp_path / "with", 1_700_000_000, with_keys=True)
    assert {path: (tmp_path / "with/keys" / path.relative_to("/")).read_bytes() for path in held} == held


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda b: (b / "data/custodian.sqlite").write_bytes(b"x" * 4096), "is not the file that was backed up"),
        (lambda b: next((b / "data/vault").iterdir()).unlink(), "is missing"),
        (lambda b: (b / "data/more").write_bytes(b"x"), "is not in the manifest"),
        (lambda b: (b / "manifest.json").unlink(), "is this a backup?"),
    ],
)
def test_a_backup_that_changed_is_refused(taken: tuple[Path, Path], tmp_path: Path, harm: object, words: str) -> None:
    home, made = copied(taken, tmp_path)
    shutil.rmtree(home / "custodian/data")
    harm(made)  # type: ignore[operator]
    ran = courtrelay("restore", "custodian", "--home", home, "--from", made)
    assert (ran.code, words in ran.err) == (2, True), ran.err
    assert not (home / "custodian/data").exists()


def test_nothing_is_restored_over_what_is_there_nor_from_another_role(taken: tuple[Path, Path], tmp_path: Path) -> None:
    home, made = copied(taken, tmp_path)
    with pytest.raises(Conflict, match="is not empty"):
        backup.restore("custodian", home / CONFIG, made)
    with pytest.raises(Malformed, match="is a backup of custodian"):
        backup.restore("relay", home / "relay/config.toml", made)
    with pytest.raises(Conflict, match="never overwritten"):
        backup.back_up("custodian", home / CONFIG, made, 1_700_000_000, with_keys=False)


async def test_a_restored_custodian_appends_nothing_to_a_log_that_was_anchored_further(
    taken: tuple[Path, Path], tmp_path: Path
) -> None:
    """Without the comparison at its start it would serve until the test's patience ends, and fork its log at the next deposit."""
    home, made = copied(taken, tmp_path)
    shutil.rmtree(home / "custodian/data")
    backup.restore("custodian", home / CONFIG, made)
    assert count(home, "SELECT min(uses_spent) FROM grant_record") == 3
    before = count(home, "SELECT sum(size) FROM mirror_log")
    network = Network(home)
    try:
        await network.roles["lender-ledger"].start()
        with pytest.RaisesGroup(pytest.RaisesExc(Behind, match="catch-up --config"), flatten_subgroups=True):
            async with asyncio.timeout(SERVES_S):
                await run_custodian(home / CONFIG)
    finally:
        await network.end()
    assert count(home, "SELECT sum(size) FROM mirror_log") == before


async def test_a_copy_of_an_older_folder_gives_no_use_of_a_grant_again(
    taken: tuple[Path, Path], tmp_path: Path
) -> None:
    """Put back by hand, not by `restore`."""
    home, made = copied(taken, tmp_path)
    shutil.rmtree(home / "custodian/data")
    shutil.copytree(made / "data", home / "custodian/data")
    assert count(home, "SELECT max(uses_spent) FROM grant_record") == 0
    network = Network(home)
    try:
        await network.roles["lender-ledger"].start()
        with pytest.raises(Unavailable, match=f"ended with code {EXIT_BEHIND}"):
            await network.roles["custodian"].start()
    finally:
        await network.end()
    assert count(home, "SELECT min(uses_spent) FROM grant_record") == 3
