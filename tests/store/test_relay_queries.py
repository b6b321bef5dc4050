"""What the relay asks its database all the time looks at what is under way and not at everything that ever was."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from relay.core.lifecycle import OPEN_STATES, ItemState
from relay.store.relay import SqliteRelayStore
from tests.store.relay_items import LEDGER, ORIGIN, anchor, block, seen

Ask = Callable[[SqliteRelayStore], Coroutine[Any, Any, object]]

HOT: dict[str, tuple[Ask, str]] = {
    "next item": (lambda s: s.next_item(ORIGIN), "USING INDEX item_next (origin=?)"),
    "backlog of an origin": (lambda s: s.items(OPEN_STATES, ORIGIN, 10), "USING INDEX item_next (origin=?)"),
    "backlog of all": (lambda s: s.items(OPEN_STATES, "", 10), "USING INDEX item_next"),
    "final ones": (lambda s: s.items({ItemState.FINAL}, ORIGIN, 10), "USING INDEX item_next (origin=?)"),
    "item by size": (lambda s: s.find_item(ORIGIN, 1), "USING INDEX item_by_size (origin=? AND size=?)"),
    "what becomes final": (lambda s: s.mark_final(LEDGER, 0), "INDEX item_open (ledger=? AND state=? AND height<?)"),
    "last confirmed": (lambda s: s.last_confirmed(ORIGIN), "sqlite_autoindex_confirmation_1 (origin=?)"),
    "receipts": (lambda s: s.confirmations(ORIGIN, 0, 10), "sqlite_autoindex_confirmation_1 (origin=? AND size>?)"),
    "counts": (lambda s: s.counts(), "SCAN item_count"),
    "what waits": (lambda s: s.waiting(ORIGIN), "USING INDEX item_next (origin=? AND size>?)"),
}


TABLES = {"block", "checkpoint", "confirmation", "cursor", "exhibit", "item", "item_count", "rescan"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRelayStore]:
    opened = await SqliteRelayStore.open(tmp_path / "relay")
    for size in (1, 2, 3):
        await seen(opened, size)
    yield opened
    await opened.close()


async def plans(store: SqliteRelayStore, ask: Ask) -> list[str]:
    """How SQLite answers each statement that a question is made of."""
    asked: list[str] = []
    database: Any = store._database
    await database.read(lambda c: c.set_trace_callback(asked.append))
    await ask(store)
    await database.read(lambda c: c.set_trace_callback(None))

    def explain(c: sqlite3.Connection) -> list[str]:
        selects = [sql for sql in asked if sql.startswith("SELECT")]
        return [row[3] for sql in selects for row in c.execute(f"EXPLAIN QUERY PLAN {sql}")]

    found: list[str] = await database.read(explain)
    return found


@pytest.mark.parametrize("name", HOT)
async def test_hot_question_uses_its_index(store: SqliteRelayStore, name: str) -> None:
    ask, words = HOT[name]
    found = await plans(store, ask)
    assert any(words in step for step in found), found
    scanned = [step for step in found if step.startswith("SCAN") and step.split()[1] in TABLES]
    assert all(words in step for step in scanned), found
    assert not any("TEMP B-TREE FOR GROUP BY" in step for step in found), found


async def test_counts_are_of_all_origins(store: SqliteRelayStore) -> None:
    await store.mark_final(LEDGER, 2)
    other = anchor(1, 4, origin="b.example/log/1")
    await store.take_block(LEDGER, block(4, other))
    found = await store.counts()
    assert {state: count for state, count in found.items() if count} == {"final": 2, "seen": 2}
    assert set(found) == {state.value for state in ItemState}


async def test_states_that_are_under_way_and_others_are_listed_together(store: SqliteRelayStore) -> None:
    (first, *_) = await store.items({ItemState.SEEN}, ORIGIN, 1)
    await store.mark_final(LEDGER, 1)
    await store.move(first.id, ItemState.FINAL, ItemState.QUARANTINED, reason="no")
    both = await store.items({ItemState.QUARANTINED, ItemState.SEEN}, "", 10)
    assert [item.anchor.size for item in both] == [1, 2, 3]
    assert [item.anchor.size for item in await store.items(OPEN_STATES, "", 10)] == [2, 3]
    assert [item.anchor.size for item in await store.items({ItemState.QUARANTINED}, "", 10)] == [1]
