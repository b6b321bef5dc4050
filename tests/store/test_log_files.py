"""One log on disk and its committed size: after cut files, cut transactions and cancelled callers it answers as a tree in memory does."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Conflict, Malformed, NotFound
from relay.core.limits import ENTRY_BYTES
from relay.core.merkle import MemoryTree, leaf_hash
from relay.durable.database import Database
from relay.durable.errors import StorageFailed
from relay.durable.packs import Pack
from relay.store.log_files import ROW_BYTES, SYNC_ENTRIES, LogPacks
from relay.store.mirror_log import MIRROR_SCHEMA, StoredMirrorLog

APPLICATION = 0x54455354


def entries(count: int, start: int = 0) -> list[bytes]:
    return [n.to_bytes(8, "big") * 8 + b"\x01" for n in range(start, start + count)]


def tree(size: int) -> MemoryTree:
    return MemoryTree([leaf_hash(e) for e in entries(size)])


def check(log: LogPacks, size: int) -> None:
    """Everything a log answers, against a tree in memory."""
    expected = tree(size)
    assert log.size == size
    assert log.entries(0, size) == entries(size)
    assert log.root(size) == expected.root(size)
    for smaller in {1, size // 2, size - 1} & set(range(1, size)):
        assert log.root(smaller) == expected.root(smaller)
        assert log.consistency_proof(smaller, size) == expected.consistency_proof(smaller, size)
        assert log.extension_proof(smaller, entries(size)[smaller:]) == expected.consistency_proof(smaller, size)
        assert log.inclusion_proof(smaller, size) == expected.inclusion_proof(smaller, size)
    more = tree(size + 300)
    assert log.extension_proof(size, entries(size + 300)[size:]) == more.consistency_proof(size, size + 300)


def test_every_file_cut_anywhere_is_made_whole_from_the_entries(tmp_path: Path) -> None:
    """Tile packs are not synced: a power cut may take any end of any of them, but no committed entry."""
    size = 3000
    log = LogPacks.open(tmp_path / "whole", 0)
    log.append(entries(size))
    log.close()
    dice = random.Random(7)
    derived = [p.name for p in (tmp_path / "whole").iterdir() if p.name != "entries.pack" and p.stat().st_size]
    assert {"tiles-0.pack", "tiles-1.pack", "upper-0.pack"} <= set(derived)
    for number in range(30):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        for name in dice.sample(derived, dice.randint(1, len(derived))):
            path = folder / name
            cut = dice.choice([0, 1, 31, 32, 33, path.stat().st_size - 1, dice.randrange(path.stat().st_size)])
            path.write_bytes(path.read_bytes()[:cut])
        again = LogPacks.open(folder, size)
        check(again, size)
        again.append(entries(700, size))
        check(again, size + 700)
        again.close()


@pytest.mark.parametrize("synced", [0, 3, 300, 700])
def test_zeros_where_tile_hashes_were_not_synced_yet_are_made_again(tmp_path: Path, synced: int) -> None:
    """A power cut may keep a file's length and lose what was written: the length is no proof of the content."""
    size = 900
    LogPacks.open(tmp_path, 0).append(entries(synced))
    log = LogPacks.open(tmp_path, synced)
    log.append(entries(size - synced, synced))
    log.close()
    path = tmp_path / "tiles-0.pack"
    path.write_bytes(path.read_bytes()[: 32 * synced] + bytes(32 * (size - synced)))
    path = tmp_path / "upper-0.pack"
    kept = 192 * (synced // 256)
    path.write_bytes(path.read_bytes()[:kept] + bytes(192 * (size // 256) - kept))
    again = LogPacks.open(tmp_path, size)
    check(again, size)
    again.append(entries(100, size))
    check(again, size + 100)
    again.close()


def test_tiles_are_synced_before_the_mark_that_vouches_for_them(tmp_path: Path) -> None:
    """And a mark is made of committed entries alone: those of the append before."""
    synced: list[tuple[str, int]] = []

    class Watched(Pack):
        def sync(self) -> None:
            synced.append((self.path.name, self.size))
            super().sync()

    log = LogPacks.open(tmp_path, 0, Watched)
    for start in range(0, 2 * SYNC_ENTRIES, SYNC_ENTRIES):
        synced.clear()
        log.append(entries(SYNC_ENTRIES, start))
    names = [name for name, _ in synced]
    assert names[-2:] == ["synced.pack", "entries.pack"]
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(("tiles", "upper"))} == set(names[:-2])
    assert (tmp_path / "synced.pack").read_bytes() == SYNC_ENTRIES.to_bytes(8, "big")
    log.close()


def test_changed_mark_changes_no_answer(tmp_path: Path) -> None:
    LogPacks.open(tmp_path, 0).append(entries(300))
    LogPacks.open(tmp_path, 300).close()
    path = tmp_path / "synced.pack"
    data = path.read_bytes()
    assert data == (300).to_bytes(8, "big")
    for changed in (
        b"",
        data[:5],
        data + b"\x00" * 8,
        data + b"\xff" * 3,
        b"\xff" * 8,
        *(bytes([*data[:7], n]) for n in range(256)),
    ):
        path.write_bytes(changed)
        log = LogPacks.open(tmp_path, 300)
        assert log.root(300) == tree(300).root(300)
        assert path.read_bytes()[-8:] == data
        log.close()


async def test_entries_stay_when_nobody_knows_whether_they_were_committed(tmp_path: Path) -> None:
    """A failed sync of a commit: after the restart the commit may be there, and what it counts must be there too."""

    async def opened() -> tuple[Database, StoredMirrorLog]:
        path = tmp_path / "relay.sqlite"
        database = await Database.open(path, application=APPLICATION, migrations=[MIRROR_SCHEMA])
        return database, await StoredMirrorLog.open(database, tmp_path / "logs", "a.example/log")

    database, log = await opened()
    write = database.write

    async def committed_and_yet_failed(fn: Any) -> Any:
        await write(fn)
        raise StorageFailed("the sync failed")

    database.write = committed_and_yet_failed  # type: ignore[method-assign]
    with pytest.raises(StorageFailed):
        await log.append(entries(3))
    log.close()
    await database.close()
    database, log = await opened()
    assert (log.size, log.files.entries(0, 3)) == (3, entries(3))
    log.close()
    await database.close()


class FailingPack(Pack):
    """A pack whose syncs fail once they are told to."""

    fails = False

    def sync(self) -> None:
        if self.fails:
            raise self._fail(OSError("no space"))
        super().sync()


async def test_two_logs_of_one_transaction_grow_together_or_not_at_all(tmp_path: Path) -> None:
    """Refused by the transaction, or by the second log's disk: what the first had on disk already is cut back."""
    database = await Database.open(
        tmp_path / "relay.sqlite", application=APPLICATION, migrations=[MIRROR_SCHEMA, "CREATE TABLE kept (n)"]
    )
    first = await StoredMirrorLog.open(database, tmp_path / "logs", "a.example/log")
    second = await StoredMirrorLog.open(database, tmp_path / "logs", "b.example/log", FailingPack)

    def sizes() -> list[int]:
        return [first.size, first.files.size, second.size, second.files.size]

    def also(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO kept SELECT sum(size) FROM mirror_log")

    def refuses(connection: sqlite3.Connection) -> None:
        also(connection)
        raise Conflict("no")

    assert await second.append(entries(3), also, beside=(first, entries(2))) == 3
    assert sizes() == [2, 2, 3, 3]
    for refused, why in ((entries(1), "no"), ([b"short"], "65 bytes")):
        with pytest.raises((Conflict, Malformed), match=why):
            await second.append(refused, refuses, beside=(first, entries(4)))
        assert sizes() == [2, 2, 3, 3]
    await asyncio.gather(  # one after the other, whichever log they begin with
        *(second.append(entries(1), beside=(first, entries(1))) for _ in range(3)), first.append(entries(1)),
        second.append(entries(1)),
    )  # fmt: skip
    assert sizes() == [6, 6, 7, 7]
    FailingPack.fails = True
    try:
        with pytest.raises(StorageFailed):
            await second.append(entries(1), also, beside=(first, entries(1)))
    finally:
        FailingPack.fails = False
    assert sizes()[:3] == [6, 6, 7]
    assert await database.read(lambda c: c.execute("SELECT n FROM kept").fetchall()) == [(5,)]
    first.close()
    second.close()
    await database.close()


@pytest.mark.parametrize("committed", [0, 1, 255, 256, 257, 600])
def test_what_was_never_committed_is_cut_off(tmp_path: Path, committed: int) -> None:
    """A crash between the entries and the size that counts them; half an entry at the end does not matter."""
    log = LogPacks.open(tmp_path, 0)
    log.append(entries(600))
    log.append([b"\xee" * ENTRY_BYTES] * 300)
    log.close()
    with (tmp_path / "entries.pack").open("ab") as file:
        file.write(b"half")
    again = LogPacks.open(tmp_path, committed)
    assert again.size == committed
    again.append(entries(700 - committed, committed))
    check(again, 700)
    again.close()


def test_lost_entries_are_damage_not_a_shorter_log(tmp_path: Path) -> None:
    log = LogPacks.open(tmp_path, 0)
    log.append(entries(10))
    log.close()
    path = tmp_path / "entries.pack"
    for data in (path.read_bytes()[:-1], path.read_bytes()[: 5 * ROW_BYTES], b""):
        path.write_bytes(data)
        with pytest.raises(Malformed, match=r"entries\.pack.*10 are committed"):
            LogPacks.open(tmp_path, 10)
        assert path.read_bytes() == data


def test_entry_with_another_length_on_disk_is_damage(tmp_path: Path) -> None:
    log = LogPacks.open(tmp_path, 0)
    log.append(entries(3))
    data = bytearray((tmp_path / "entries.pack").read_bytes())
    data[ROW_BYTES + 1] = 64
    (tmp_path / "entries.pack").write_bytes(bytes(data))
    with pytest.raises(Malformed):
        log.entries(0, 3)
    assert log.entries(0, 1) == entries(1)
    log.close()


def test_questions_beyond_the_size_are_not_found(tmp_path: Path) -> None:
    log = LogPacks.open(tmp_path, 0)
    log.append(entries(5))
    for start, end in ((0, 6), (-1, 2), (4, 3)):
        with pytest.raises(NotFound):
            log.entries(start, end)
    with pytest.raises(NotFound):
        log.root(6)
    with pytest.raises(NotFound):
        log.inclusion_proof(5, 5)
    with pytest.raises(NotFound):
        log.subtree_proof(0, 5, 6)
    log.close()
    log.close()


async def opened(folder: Path) -> tuple[Database, StoredMirrorLog]:
    database = await Database.open(folder / "a.sqlite", application=APPLICATION, migrations=[MIRROR_SCHEMA])
    return database, await StoredMirrorLog.open(database, folder, "a.example/log")


async def test_append_whose_transaction_fails_is_cut_back(tmp_path: Path) -> None:
    database, log = await opened(tmp_path)
    await log.append(entries(300))

    def refuse(_c: sqlite3.Connection) -> None:
        raise NotFound("no")

    with pytest.raises(NotFound):
        await log.append(entries(300, 300), refuse)
    assert log.size == log.files.size == 300
    assert await log.append(entries(100, 300)) == 400
    check(log.files, 400)
    log.close()
    await database.close()


async def test_racing_appends_stand_one_after_the_other(tmp_path: Path) -> None:
    database, log = await opened(tmp_path)
    sizes = await asyncio.gather(*(log.append([bytes([n]) * ENTRY_BYTES] * 3) for n in range(20)))
    assert sorted(sizes) == list(range(3, 61, 3))
    held = log.files.entries(0, 60)
    assert all(len(set(held[i : i + 3])) == 1 for i in range(0, 60, 3))
    log.close()
    await database.close()


async def test_cancelled_append_is_whole_or_not_there(tmp_path: Path) -> None:
    database, log = await opened(tmp_path)
    task = asyncio.create_task(log.append(entries(300)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    size = await log.append(entries(1, 300))
    assert size in (1, 301)
    assert log.files.size == log.size == size
    log.close()
    await database.close()
    database, log = await opened(tmp_path)
    assert log.size == size
    log.close()
    await database.close()
