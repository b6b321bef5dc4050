"""Data of the schema before this one: it is migrated and goes on; of a later schema: it is refused with a line that says what to do."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from relay.app import desk
from relay.app.demo.network import Network
from relay.app.initialise import initialise
from relay.services.custodian.scopes import GrantCommand
from relay.store import court, custodian_schema, office, relay_schema
from relay.wire.desks import CustodianDeskClient
from tests.faults.lender import Business, all_through
from tests.support.command import courtrelay
from tests.support.compare import compare

DATABASES = {
    "custodian/data/custodian.sqlite": (custodian_schema.APPLICATION, custodian_schema.MIGRATIONS),
    "relay/data/relay.sqlite": (relay_schema.APPLICATION, relay_schema.MIGRATIONS),
    "court/data/court.sqlite": (court.APPLICATION, court.MIGRATIONS),
    "court/data/office/office.sqlite": (office.APPLICATION, office.MIGRATIONS),
}
RELEASED: dict[str, list[str]] = {
    "custodian/data/custodian.sqlite": [
        "e217764f6fd9ae78",
        "fb5e2a8f004d1a5b",
        "0fb664f87e285a02",
        "5e0ccb9c9104c15b",
        "d2bb08cebadaa0f1",
    ],
    "relay/data/relay.sqlite": ["01e8227e2c8973d8", "b7057213334708da", "1423abf8f003bade"],
    "court/data/court.sqlite": [
        "18b00b7a0ff462e4",
        "a61f5b0e785806ed",
        "3c9306c1e70cbbf1",
        "29f85efe52928e84",
        "26d38de17be63d0e",
    ],
    "court/data/office/office.sqlite": [
        "575120a8e0933ea7",
        "19a3edcd6fa945b7",
        "83599ff44b0efb08",
        "b1023af287b92485",
        "2f34bd99f1de9a1c",
    ],
}
"""The first digits of their SHA-256; a later one is added at the end when it is released."""


def downgrade(path: Path, application: int, migrations: Sequence[str]) -> int:
    """The same rows as the schema before held them: made by its own migrations. Returns its version."""
    old, version = path.with_suffix(".old"), len(migrations) - 1
    with closing(sqlite3.connect(old, isolation_level=None)) as made:
        made.executescript("".join(f"{script};\n" for script in migrations[:-1]))
        made.execute(f"PRAGMA application_id = {application}")
        made.execute(f"PRAGMA user_version = {version}")
        made.execute("ATTACH ? AS now", (str(path),))
        made.execute("BEGIN")
        for (table,) in made.execute(
            "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall():
            kept = {row[1] for row in made.execute(f"PRAGMA now.table_info({table})")}
            columns = [row[1] for row in made.execute(f"PRAGMA main.table_info({table})") if row[1] in kept]
            names = ", ".join(columns)
            made.execute(f"DELETE FROM main.{table}")
            if columns:
                made.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM now.{table}")
        made.execute("COMMIT")
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    old.replace(path)
    return version


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize("name", DATABASES)
def test_released_migrations_are_what_they_were(name: str) -> None:
    digests = [hashlib.sha256(script.encode()).hexdigest()[:16] for script in DATABASES[name][1]]
    assert digests[: len(RELEASED[name])] == RELEASED[name]


async def served_as_before(home: Path, business: Business) -> None:
    """A client of the version before sends no request names, and gets what it always got."""
    now_s = int(time.time())
    async with desk.open_desk(home, "lender-desk") as (opened, config):
        command = GrantCommand(
            court=config.court, case="(2026) no. 1", dossiers=(business.dossiers[0],), kinds=(), mode="retrieve", purpose="filing",
            not_before_s=now_s, expires_s=now_s + 86_400, uses=2, profile="full", members=(), purpose_class="trial",
        )  # fmt: skip
        token, digest = await CustodianDeskClient(opened).issue_grant(command)
    assert (bool(token), len(digest)) == (True, 32)


async def test_data_of_the_schema_before_is_migrated_and_goes_on(tmp_path: Path) -> None:
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1, anchor_interval_s=0.05).home
    business = Business(home, tmp_path, 2, 5)
    business.prepare()
    network = Network(home)
    try:
        await network.start()
        await business.deposit(0, "half")
        await network.until("the first half is confirmed", all_through(business.records))
        await network.end()
        for name, (application, migrations) in DATABASES.items():
            if (home / name).exists():
                assert version_of(home / name) == len(migrations)
                downgrade(home / name, application, migrations)
        await network.start()
        await business.deposit(0, "whole")
        await business.deposit(1, "whole")
        await network.until("all is confirmed", all_through(business.records))
        await served_as_before(home, business)
    finally:
        await network.end()
    assert business.complaints == []
    assert (await compare(home)).violations == []
    for name, (_, migrations) in DATABASES.items():
        assert not (home / name).exists() or version_of(home / name) == len(migrations)


@pytest.mark.parametrize("role", ["custodian", "relay", "court"])
def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path, role: str) -> None:
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1).home
    path = home / role / f"data/{role}.sqlite"
    application, migrations = DATABASES[f"{role}/data/{role}.sqlite"]
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            f"PRAGMA application_id = {application}; PRAGMA user_version = {len(migrations) + 1}; CREATE TABLE later (x);"
        )
    ran = courtrelay("serve", role, "--home", home)
    assert ran.code != 0
    assert f"version {len(migrations) + 1}; this program knows versions up to {len(migrations)}" in ran.err
    assert "update the program, or restore the backup made before the update" in ran.err
    assert version_of(path) == len(migrations) + 1
