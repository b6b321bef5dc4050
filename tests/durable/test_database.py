"""SQLite in its thread: durable or not at all, one writer, one owner, and a clear word for every file that is not ours."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Conflict, Malformed
from relay.durable.database import Database
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
