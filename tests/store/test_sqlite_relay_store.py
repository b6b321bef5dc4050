"""What only the SQLite store promises: its files as a killed process leaves them, its index, its owner."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from relay.core.errors import Malformed
from relay.store.court import SqliteCourtStore
from relay.store.relay import SqliteRelayStore
from tests.store.relay_items import LEDGER, ORIGIN, WAY, seen, state_of, step


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRelayStore]:
    opened = await SqliteRelayStore.open(tmp_path / "relay")
    yield opened
    await opened.close()


async def test_kill_between_any_two_writes_loses_nothing(store: SqliteRelayStore, tmp_path: Path) -> None:
    """The files as a killed process leaves them are opened beside the living one: same answers after every step."""
    item = await seen(store, 2)
    log = await store.log(ORIGIN)
    for number, (old, new) in enumerate(pairwise(WAY)):
        await step(store, item, old, new)
        await store.begin_attempt(item.id)
        await log.append([bytes([number]) * 65] * 300)
        await store.halt(f"{number}.example/log", "reason", {})
        copy = shutil.copytree(tmp_path / "relay", tmp_path / f"copy {number}", ignore=shutil.ignore_patterns("*-shm"))
        other = await SqliteRelayStore.open(copy, check=True)
        try:
            assert await other.item(item.id) == await store.item(item.id)
            assert await state_of(other, item) is new
            assert await other.cursor(LEDGER) == await store.cursor(LEDGER)
            assert await other.halted(f"{number}.example/log") == "reason"
            mirror = await other.log(ORIGIN)
            assert (mirror.size, mirror.files.root(mirror.size)) == (log.size, log.files.root(log.size))
        finally:
            await other.close()


async def test_next_item_is_found_in_its_index(store: SqliteRelayStore) -> None:
    """The statement as it is sent, explained: no item of another origin and none that is done is looked at."""
    statements: list[str] = []
    await store._database.read(lambda c: c.set_trace_callback(statements.append))
    await store.next_item(ORIGIN)
    await store._database.read(lambda c: c.set_trace_callback(None))
    asked = next(text for text in statements if "FROM item" in text)
    plan = await store._database.read(lambda c: c.execute(f"EXPLAIN QUERY PLAN {asked}").fetchall())
    assert any("USING INDEX item_next (origin=?)" in row[3] for row in plan), plan


async def test_store_of_another_role_is_not_opened(tmp_path: Path) -> None:
    other = await SqliteCourtStore.open(tmp_path)
    await other.close()
    (tmp_path / "court.sqlite").rename(tmp_path / "relay.sqlite")
    with pytest.raises(Malformed, match="another program"):
        await SqliteRelayStore.open(tmp_path)
