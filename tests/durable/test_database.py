"""SQLite in its thread: durable or not at all, one writer, one owner, and a clear word for every file that is not ours."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Conflict, Malformed
from relay.durable.database import GROUP_WRITES_MAX, Database
from relay.durable.errors import StorageFailed

APPLICATION = 0x54455354
FIRST = "CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
SECOND = "ALTER TABLE thing ADD COLUMN more TEXT;"


async def opened(path: Path, *migrations: str, **options: Any) -> Database:
    return await Database.open(path, application=APPLICATION, migrations=migrations or (FIRST,), **options)


def insert(name: str) -> Any:
    return lambda c: c.execute("INSERT INTO thing (name) VALUES (?)", (name,)).lastrowid


def names(c: sqlite3.Connection) -> list[str]:
    return [row[0] for row in c.execute("SELECT name FROM thing ORDER BY id")]


async def test_what_was_written_is_read_and_stays(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite")
    assert await database.write(insert("x")) == 1
    assert await database.read(names) == ["x"]
    await database.close()
    again = await opened(tmp_path / "a.sqlite", check=True)
    assert await again.read(names) == ["x"]
    await again.close()


async def test_settings_are_those_of_durability(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite")
    got = await database.write(
        lambda c: [c.execute(f"PRAGMA {p}").fetchone()[0] for p in ("journal_mode", "synchronous", "foreign_keys")]
    )
    assert got == ["wal", 2, 1]
    await database.close()


async def test_failing_write_is_undone_alone(tmp_path: Path) -> None:
    """Writes that share a commit do not share a fate."""
    database = await opened(tmp_path / "a.sqlite")

    def half(c: sqlite3.Connection) -> None:
        c.execute("INSERT INTO thing (name) VALUES ('half')")
        raise Conflict("no")

    results = await asyncio.gather(
        *(database.write(insert(f"n{i}")) for i in range(20)),
        database.write(half),
        database.write(insert("n0")),
        *(database.write(insert(f"m{i}")) for i in range(20)),
        return_exceptions=True,
    )
    assert isinstance(results[20], Conflict)
    assert isinstance(results[21], RuntimeError)
    held = await database.read(names)
    assert sorted(held) == sorted([f"n{i}" for i in range(20)] + [f"m{i}" for i in range(20)])
    await database.close()


async def test_second_owner_of_a_folder_is_refused(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite")
    with pytest.raises(Conflict, match="in use"):
        await opened(tmp_path / "a.sqlite")
    await database.close()
    again = await opened(tmp_path / "a.sqlite")
    await again.close()


async def test_schema_moves_forward_once(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite")
    await database.write(insert("x"))
    await database.close()
    for _ in range(2):
        later = await opened(tmp_path / "a.sqlite", FIRST, SECOND)
        assert await later.read(lambda c: c.execute("SELECT name, more FROM thing").fetchall()) == [("x", None)]
        await later.close()


async def test_newer_schema_is_not_touched(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite", FIRST, SECOND)
    await database.close()
    with pytest.raises(Malformed, match="newer"):
        await opened(tmp_path / "a.sqlite")


@pytest.mark.parametrize("content", [b"not a database at all, but a long enough text" * 100, b"\x00" * 8192])
async def test_file_that_is_no_database_is_malformed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.sqlite").write_bytes(content)
    with pytest.raises(Malformed):
        await opened(tmp_path / "a.sqlite")
    assert (tmp_path / "a.sqlite").read_bytes() == content


async def test_database_of_another_program_is_malformed(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.sqlite")
    connection.execute("CREATE TABLE other (x)")
    connection.execute("PRAGMA application_id = 7")
    connection.commit()
    connection.close()
    with pytest.raises(Malformed):
        await opened(tmp_path / "a.sqlite")


async def test_closing_twice_and_using_after(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite")
    await database.close()
    await database.close()
    with pytest.raises(RuntimeError, match="closed"):
        await database.write(insert("x"))


async def test_reader_cannot_write(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite")
    with pytest.raises(StorageFailed, match="readonly"):
        await database.read(insert("x"))
    await database.close()


async def test_more_writes_than_one_commit_takes_all_happen_in_order(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite")
    count = 2 * GROUP_WRITES_MAX + 7
    numbers = await asyncio.gather(*(database.write(insert(f"n{i}")) for i in range(count)))
    assert numbers == list(range(1, count + 1))
    await database.close()


async def test_cancelled_writer_harms_nobody(tmp_path: Path) -> None:
    """Its own write may or may not have happened; its neighbours' did."""
    database = await opened(tmp_path / "a.sqlite")
    tasks = [asyncio.create_task(database.write(insert(f"n{i}"))) for i in range(30)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    held = set(await database.read(names))
    assert {f"n{i}" for i in range(30) if i % 3} <= held <= {f"n{i}" for i in range(30)}
    await database.close()


async def test_close_finishes_what_waits(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite")
    tasks = [asyncio.create_task(database.write(insert(f"n{i}"))) for i in range(50)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*tasks)
    again = await opened(tmp_path / "a.sqlite")
    assert len(await again.read(names)) == 50
    await again.close()


async def test_write_that_ends_the_transaction_is_a_mistake_and_nobody_is_told_that_he_wrote(tmp_path: Path) -> None:
    """A function that commits on its own breaks every promise made to those that share its commit."""
    database = await opened(tmp_path / "a.sqlite")
    results = await asyncio.gather(
        database.write(insert("a")),
        database.write(lambda c: c.execute("COMMIT")),
        database.write(insert("b")),
        return_exceptions=True,
    )
    assert all(isinstance(r, (RuntimeError, StorageFailed)) for r in results[1:])
    await database.close()
    again = await opened(tmp_path / "a.sqlite", check=True)
    told = [name for name, r in (("a", results[0]), ("b", results[2])) if not isinstance(r, Exception)]
    assert set(told) <= set(await again.read(names))
    await again.close()


async def test_constraint_seen_only_at_commit_fails_its_own_write(tmp_path: Path) -> None:
    child = "CREATE TABLE child (thing INTEGER REFERENCES thing DEFERRABLE INITIALLY DEFERRED) STRICT;"
    database = await opened(tmp_path / "a.sqlite", FIRST, child)
    results = await asyncio.gather(
        database.write(insert("a")),
        database.write(lambda c: c.execute("INSERT INTO child VALUES (999)").rowcount),
        database.write(insert("b")),
        return_exceptions=True,
    )
    assert [type(r) for r in results] == [int, RuntimeError, int]
    assert await database.read(names) == ["a", "b"]
    await database.close()


async def test_reader_sees_one_state_throughout(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite")
    started, go_on = threading.Event(), threading.Event()

    def twice(c: sqlite3.Connection) -> tuple[int, int]:
        first = len(names(c))
        started.set()
        assert go_on.wait(30)
        return first, len(names(c))

    await database.write(insert("a"))
    reading = asyncio.create_task(database.read(twice))
    await asyncio.to_thread(started.wait, 30)
    await database.write(insert("b"))
    go_on.set()
    assert await reading == (1, 1)
    assert await database.read(names) == ["a", "b"]
    await database.close()


async def test_full_disk_ends_everything_and_loses_nothing_that_was_promised(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite")
    await database.write(insert("kept"))
    await database.write(lambda c: c.execute("PRAGMA max_page_count = 8").fetchone())
    with pytest.raises(StorageFailed):
        await database.write(insert("x" * 1_000_000))
    for use in (database.write(insert("later")), database.read(names), database.empty_log()):
        with pytest.raises(StorageFailed):
            await use
    await database.close()
    again = await opened(tmp_path / "a.sqlite", check=True)
    assert await again.read(names) == ["kept"]
    await again.close()


async def test_what_was_deleted_is_gone_from_every_file(tmp_path: Path) -> None:
    """An erased key must not linger in a free page or in the write-ahead log."""
    database = await opened(tmp_path / "a.sqlite")
    await database.write(insert("KEY-THAT-MUST-GO"))
    await database.write(lambda c: c.execute("DELETE FROM thing"))
    await database.empty_log()
    assert not [p.name for p in tmp_path.iterdir() if b"KEY-THAT-MUST-GO" in p.read_bytes()]
    await database.close()


async def test_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite")
    await database.write(insert("x"))
    await database.close()
    broken = "CREATE TABLE more (x); DELETE FROM thing; INSERT INTO nowhere VALUES (1);"
    with pytest.raises(Malformed, match=r"migration 2.*nothing was changed"):
        await opened(tmp_path / "a.sqlite", FIRST, broken)
    again = await opened(tmp_path / "a.sqlite")
    assert await again.read(names) == ["x"]
    await again.close()


async def test_stored_text_that_is_no_text_any_more_is_malformed_and_the_rest_is_served(tmp_path: Path) -> None:
    database = await opened(tmp_path / "a.sqlite")
    await database.write(insert("x"))
    await database.write(lambda c: c.execute("INSERT INTO thing (name) VALUES (CAST(x'f265' AS TEXT))"))
    with pytest.raises(Malformed, match="damaged"):
        await database.read(names)
    assert await database.read(lambda c: c.execute("SELECT count(*) FROM thing").fetchone()[0]) == 2
    await database.close()
