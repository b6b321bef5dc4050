"""The outbox, one suite for both databases: a notice exists exactly if the state does, and its numbers have no gap."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.core.errors import Conflict, NotFound
from relay.core.lifecycle import ItemState
from relay.core.notices import Notice
from relay.store.court import SqliteCourtStore
from relay.store.postgres.relay import PostgresRelayStore
from relay.store.relay import SqliteRelayStore
from tests.store.relay_items import LEDGER, ORIGIN, anchor, block, bring_to, confirmation, seen

Store = SqliteRelayStore | PostgresRelayStore
DAY_MS = 86_400_000


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store
    if request.param == "sqlite":
        opened = await SqliteRelayStore.open(tmp_path / "relay", tells=True)
    else:
        opened = await PostgresRelayStore.open(request.getfixturevalue("postgres").new_database(), tells=True)
        await opened.notices.begin("0" * 16)
    yield opened
    await opened.close()


def short(notices: list[Notice]) -> list[tuple[int, str, str, int]]:
    return [(n.seq, n.event, n.origin, n.size) for n in notices]


async def test_each_state_is_told_once_in_order(store: Store) -> None:
    item = await seen(store, 5)
    await store.save_rescan(LEDGER, await store.cursor(LEDGER), [anchor(5, 1), anchor(6, 1)])
    await bring_to(store, item, ItemState.SUBMITTED)
    await store.save_confirmed(item.id, confirmation(5))
    await store.halt(ORIGIN, "two roots", {})
    await store.halt(ORIGIN, "again", {})
    await store.resume(ORIGIN, "looked")
    expected = [
        (1, "anchored", ORIGIN, 5), (2, "anchored", ORIGIN, 6), (3, "confirmed", ORIGIN, 5), (4, "halted", ORIGIN, 0),
        (5, "resumed", ORIGIN, 0),
    ]  # fmt: skip
    assert short(await store.notices.unsent(100)) == expected
    head = await store.notices.head()
    assert (head.seq, head.sent) == (5, 0)
    await store.notices.sent(3)
    await store.notices.sent(2)
    assert short(await store.notices.unsent(100)) == expected[3:]


async def test_state_that_does_not_come_to_be_is_not_told(store: Store) -> None:
    item = await seen(store, 5)
    with pytest.raises(Conflict):
        await store.save_confirmed(item.id, confirmation(5))
    with pytest.raises(Conflict):
        await store.take_block(LEDGER, block(9, anchor(9, 9)))
    with pytest.raises(NotFound):
        await store.resume(ORIGIN, "never halted")
    assert short(await store.notices.unsent(100)) == [(1, "anchored", ORIGIN, 5)]


async def test_numbers_have_no_gap_whoever_writes_at_the_same_time(store: Store) -> None:
    async def one(number: int) -> None:
        if number % 3:
            await store.save_found(anchor(number, 1))
        else:
            with pytest.raises(NotFound):
                await store.resume(f"{number}.example/log", "never halted")

    await asyncio.gather(*(one(number) for number in range(1, 40)), store.notices.head(), store.notices.head())
    numbers = [n.seq for n in await store.notices.unsent(100)]
    assert numbers == list(range(1, 27))


async def test_reader_is_told_what_is_kept_and_what_began_anew(store: Store) -> None:
    for size in range(1, 7):
        await store.save_found(anchor(size, 1))
    await store.notices.head()
    epoch = (await store.notices.head()).epoch
    page = await store.notices.after(2, epoch, 3)
    assert (page.after, [n.seq for n in page.notices], page.first, page.last) == (2, [3, 4, 5], 1, 6)
    assert (await store.notices.after(6, epoch, 3)).notices == []
    # a reader who has seen nine numbers of this epoch: six are left of them, the rest was given in a life that was undone
    assert (await store.notices.after(9, epoch, 3)).after == 6
    assert (await store.notices.after(4, "f" * 16, 1)).after == 0
    await store.notices.sent(2)
    assert await store.notices.prune(2, DAY_MS) == {"anchored": 2}
    page = await store.notices.after(1, "f" * 16, 9)
    assert (page.after, [n.seq for n in page.notices], page.first, page.last) == (1, [5, 6], 5, 6)
    assert await store.notices.prune(100, -DAY_MS) == {"anchored": 2}
    assert (await store.notices.head()).seq == 6


async def test_without_a_broker_nothing_is_written(tmp_path: Path) -> None:
    store = await SqliteRelayStore.open(tmp_path / "relay")
    try:
        item = await seen(store, 5)
        await bring_to(store, item, ItemState.CONFIRMED)
        assert await store.notices.unsent(9) == []
        assert (await store.notices.head()).seq == 0
    finally:
        await store.close()


async def test_telling_costs_no_transaction_of_its_own(tmp_path: Path) -> None:
    """The same way with and without: as many commits, each of which is a sync of the disk."""
    commits = []
    for tells in (False, True):
        store = await SqliteRelayStore.open(tmp_path / str(tells), tells=tells)
        said: list[str] = []
        await store._database.write(lambda c, said=said: c.set_trace_callback(said.append))  # type: ignore[misc]
        item = await seen(store, 5)
        await bring_to(store, item, ItemState.CONFIRMED)
        await store.halt(ORIGIN, "two roots", {})
        await store.resume(ORIGIN, "looked")
        assert len(await store.notices.unsent(9)) == (4 if tells else 0)
        await store._database.write(lambda c: c.set_trace_callback(None))
        commits.append(sum(text == "COMMIT" for text in said))
        await store.close()
    assert commits[0] == commits[1] > 5


async def test_restored_file_numbers_in_another_epoch(tmp_path: Path) -> None:
    store = await SqliteRelayStore.open(tmp_path / "relay", tells=True)
    await store.save_found(anchor(1, 1))
    await store.close()
    shutil.copytree(tmp_path / "relay", tmp_path / "backup")
    numbers = []
    for folder in ("relay", "backup"):
        store = await SqliteRelayStore.open(tmp_path / folder, tells=True)
        await store.save_found(anchor(2, 1))
        numbers.append([(n.seq, n.epoch) for n in await store.notices.unsent(9)])
        await store.close()
    assert numbers[0][0] == numbers[1][0]
    assert [seq for seq, _ in numbers[0]] == [seq for seq, _ in numbers[1]] == [1, 2]
    assert numbers[0][1] != numbers[1][1]


async def test_court_tells_how_retrievals_end_and_nothing_else(tmp_path: Path) -> None:
    store = await SqliteCourtStore.open(tmp_path / "court", tells=True)
    try:
        secret = "canary-dossier"
        said = [
            ("request", "sent"), ("receive", "received"), ("verify", "consistent"), ("verify", "not_consistent"),
            ("receive", "failed"), ("receive", "broken_off"), ("refuse", "refused"), ("view", "shown"), ("verify", secret),
        ]  # fmt: skip
        events = [
            json.dumps(
                {"action": action, "outcome": outcome, "detail": secret, "subject": {"dossier": secret}}
            ).encode()
            for action, outcome in said
        ]
        await store.append_custody(events)
        notices = await store.notices.unsent(99)
        assert [n.outcome for n in notices] == ["consistent", "not_consistent", "failed", "broken_off", "refused"]
        assert all(secret.encode() not in n.to_json() for n in notices)
    finally:
        await store.close()
