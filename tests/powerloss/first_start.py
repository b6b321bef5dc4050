"""The first start of a store in an empty folder, and the first start of this program on a file of an older version with rows in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from relay.core.errors import RelayError
from relay.durable.database import Database
from relay.durable.errors import StorageFailed
from relay.store import court, custodian_schema, relay_schema
from relay.store.court import SqliteCourtStore
from relay.store.relay import SqliteRelayStore
from tests.powerloss.disk import Life, PowerDisk
from tests.powerloss.system import path_of
from tests.simulation.process import Crash

RELAY_FIRST, RELAY_OLD = "first start of a relay", "relay's file of version 1"
COURT_FIRST, CUSTODIAN_FIRST = "first start of a court", "first start of a custodian's file"
SCENARIOS = (RELAY_FIRST, RELAY_OLD, COURT_FIRST, CUSTODIAN_FIRST)
ORIGIN = "lender-0.example/log"
LIVES_MAX = 5

OLD_ROWS = tuple(
    [f"INSERT INTO cursor VALUES ('ledger-{n}', {n}, x'0{n}')" for n in range(1, 4)]
    + [f"INSERT INTO checkpoint VALUES ('{ORIGIN}', {n}, zeroblob(1500), NULL)" for n in range(1, 12)]
    + [f"INSERT INTO halt VALUES ('halted-{n}.example/log', 'reason {n}', '{{}}')" for n in range(1, 4)]
)
KEPT = {
    "SELECT ledger, height, block_hash FROM cursor": [(f"ledger-{n}", n, bytes([n])) for n in range(1, 4)],
    "SELECT size, length(note) FROM checkpoint ORDER BY size": [(n, 1500) for n in range(1, 12)],
    "SELECT origin, reason, resumed FROM exhibit ORDER BY number": [
        (f"halted-{n}.example/log", f"reason {n}", "") for n in range(1, 4)
    ],
}


async def relay_store(life: Life) -> SqliteRelayStore:
    """The store and one log."""
    store = await SqliteRelayStore.open(path_of(life, "data", "relay"))
    await store.log(ORIGIN)
    return store


async def court_store(life: Life) -> SqliteCourtStore:
    """The store and its custody log."""
    store = await SqliteCourtStore.open(path_of(life, "data", "court"))
    await store.custody_log()
    return store


async def custodian_file(life: Life) -> Database:
    """The database alone: its vault has tests of its own."""
    schema = custodian_schema
    return await Database.open(
        path_of(life, "data", "custodian.sqlite"), application=schema.APPLICATION, migrations=schema.MIGRATIONS
    )


OPEN: dict[str, Callable[[Life], Any]] = {
    RELAY_FIRST: relay_store, RELAY_OLD: relay_store, COURT_FIRST: court_store, CUSTODIAN_FIRST: custodian_file,
}  # fmt: skip
NEWEST = {
    RELAY_FIRST: len(relay_schema.MIGRATIONS),
    RELAY_OLD: len(relay_schema.MIGRATIONS),
    COURT_FIRST: len(court.MIGRATIONS),
    CUSTODIAN_FIRST: len(custodian_schema.MIGRATIONS),
}
APPLICATION = {
    RELAY_FIRST: relay_schema.APPLICATION, RELAY_OLD: relay_schema.APPLICATION, COURT_FIRST: court.APPLICATION,
    CUSTODIAN_FIRST: custodian_schema.APPLICATION,
}  # fmt: skip


async def play(scenario: str, disk: PowerDisk) -> list[str]:
    """Open and close; after every loss of power again, until it has gone well; then once more."""
    if scenario == RELAY_OLD:
        await _make_old(disk)
    found: list[str] = []
    done = 0
    for _ in range(LIVES_MAX):
        life = disk.life()
        try:
            opened = await OPEN[scenario](life)
            found += _wrong(scenario, life)
            await opened.close()
            done += 1
        except (Crash, StorageFailed) as error:
            if life.on:
                return [*found, f"the disk has power and yet: {error}"]
        except RelayError as error:
            return [*found, f"cannot start again: {error}"]
        life.end()
        disk.after_death()
        if done == 2:
            return found
    return [*found, f"not open after {LIVES_MAX} lives"]


async def _make_old(disk: PowerDisk) -> None:
    """All of it durable; its operations are not counted."""
    targets, lies = disk.targets, disk.lies
    disk.targets, disk.lies = [], lambda _name: False
    life = disk.life()
    path = path_of(life, "data", "relay", "relay.sqlite")
    database = await Database.open(path, application=relay_schema.APPLICATION, migrations=relay_schema.MIGRATIONS[:1])
    await database.write(lambda c: [c.execute(row) for row in OLD_ROWS])
    await database.close()
    life.end()
    disk.forget_the_past(targets, lies)


def _wrong(scenario: str, life: Life) -> list[str]:
    """What an opened file is not as it must be."""
    (connection,) = life.connections.values()
    wanted = {"integrity_check": "ok", "user_version": NEWEST[scenario], "application_id": APPLICATION[scenario],
              "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # fmt: skip
    got = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    found = [f"{name} is {got[name]}" for name in wanted if got[name] != wanted[name]]
    for sql, rows in KEPT.items() if scenario == RELAY_OLD else ():
        held = connection.execute(sql).fetchall()
        if held != rows:
            found.append(f"{sql}: {held}")
    return found
