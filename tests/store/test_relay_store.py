"""The relay's memory, one suite for every store: cursor and items move together, states only by compare-and-swap."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from relay.core import merkle
from relay.core.errors import Conflict, NotFound
from relay.core.lifecycle import MOVES, ItemState, item_id
from relay.core.tiles import TileAppender
from relay.ports.forwarding import Cursor, RelayStore, Waiting
from relay.ports.ledgers import AnchorBlock
from relay.store.postgres.relay import PostgresRelayStore
from relay.store.relay import SqliteRelayStore
from tests.store.relay_items import (
    LEDGER,
    ORIGIN,
    WAY,
    anchor,
    block,
    bring_to,
    confirmation,
    hashed,
    seen,
    state_of,
    step,
)


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RelayStore]:
    opened: SqliteRelayStore | PostgresRelayStore
    if request.param == "sqlite":
        opened = await SqliteRelayStore.open(tmp_path / "relay")
    else:
        opened = await PostgresRelayStore.open(request.getfixturevalue("postgres").new_database())
    yield opened
    await opened.close()


async def test_block_brings_its_items_and_moves_the_cursor(store: RelayStore) -> None:
    assert await store.cursor(LEDGER) == Cursor(height=0, block_hash=b"")
    rows = (anchor(1, 1), anchor(7, 1, origin="b.example/log"))
    assert (await store.take_block(LEDGER, block(1, *rows))).total() == 2
    assert await store.cursor(LEDGER) == Cursor(height=1, block_hash=hashed("a", 1))
    for row in rows:
        item = await store.find_item(row.origin, row.size)
        assert item is not None
        assert (item.anchor, item.state, item.attempt, item.reason) == (row, ItemState.SEEN, 0, "")
        assert item.id == item_id(LEDGER, row.origin, row.size, row.root)
    assert await store.cursor("embedded:other") == Cursor(height=0, block_hash=b"")


@pytest.mark.parametrize("wrong", [block(1), block(3), block(2, parent="b")], ids=["again", "gap", "other-parent"])
async def test_block_that_does_not_extend_leaves_nothing(store: RelayStore, wrong: AnchorBlock) -> None:
    await store.take_block(LEDGER, block(1))
    with pytest.raises(Conflict, match="does not extend"):
        await store.take_block(LEDGER, replace(wrong, anchors=(anchor(5, wrong.height),)))
    assert await store.find_item(ORIGIN, 5) is None
    assert (await store.cursor(LEDGER)).height == 1


async def test_two_watchers_of_one_ledger_record_a_block_once(store: RelayStore) -> None:
    same = block(1, anchor(1, 1))
    outcomes = await asyncio.gather(*(store.take_block(LEDGER, same) for _ in range(5)), return_exceptions=True)
    assert [o for o in outcomes if not isinstance(o, Conflict)] == [{ORIGIN: 1}]
    assert (await store.counts())["seen"] == 1


async def test_reorganised_anchor_is_orphaned_and_comes_back_where_it_is_now(store: RelayStore) -> None:
    await store.take_block(LEDGER, block(1))
    await store.take_block(LEDGER, block(2, anchor(4, 2), anchor(5, 2)))
    assert (await store.rewind(LEDGER, 1)).total() == 2
    assert await store.cursor(LEDGER) == Cursor(height=1, block_hash=hashed("a", 1))
    assert await store.find_item(ORIGIN, 4) is None
    assert await store.next_item(ORIGIN) is None
    assert await store.block_hash(LEDGER, 2) is None
    back = anchor(4, 3, chain="b")
    await store.take_block(LEDGER, block(2, chain="b"))
    assert (await store.take_block(LEDGER, block(3, back, chain="b", parent="b"))).total() == 1
    item = await store.find_item(ORIGIN, 4)
    assert item is not None
    assert (item.anchor, item.state) == (back, ItemState.SEEN)
    assert (await store.counts())["orphaned"] == 1


async def test_rewind_does_not_touch_what_was_final(store: RelayStore) -> None:
    item = await seen(store, 4)
    await bring_to(store, item, ItemState.PROVEN)
    assert (await store.rewind(LEDGER, 0)).total() == 0
    assert await state_of(store, item) is ItemState.PROVEN
    assert (await store.take_block(LEDGER, block(1, item.anchor))).total() == 0
    assert await state_of(store, item) is ItemState.PROVEN


async def test_finality_takes_what_is_at_or_below_the_height(store: RelayStore) -> None:
    items = [await seen(store, size) for size in (1, 2, 3)]
    assert (await store.mark_final(LEDGER, 2)).total() == 2
    assert [await state_of(store, item) for item in items] == [ItemState.FINAL, ItemState.FINAL, ItemState.SEEN]
    assert (await store.mark_final(LEDGER, 2)).total() == 0
    assert (await store.mark_final("embedded:other", 9)).total() == 0


async def test_only_what_was_taken_for_final_in_that_very_block_is_named(store: RelayStore) -> None:
    items = [await seen(store, size) for size in (1, 2, 3)]
    await store.mark_final(LEDGER, 2)
    cursors = [Cursor(height=one.anchor.height, block_hash=one.anchor.block_hash) for one in items]
    assert [[i.id for i in await store.taken_for_final(LEDGER, at)] for at in cursors] == [
        [items[0].id],
        [items[1].id],
        [],
    ]
    assert await store.taken_for_final(LEDGER, replace(cursors[1], block_hash=bytes(32))) == []
    assert await store.taken_for_final("embedded:other", cursors[1]) == []
    await store.move(items[1].id, ItemState.FINAL, ItemState.QUARANTINED)
    assert [i.id for i in await store.taken_for_final(LEDGER, cursors[1])] == [items[1].id]
    await store.move(items[1].id, ItemState.QUARANTINED, ItemState.DISCARDED)
    assert await store.taken_for_final(LEDGER, cursors[1]) == []


@pytest.mark.parametrize(
    ("final_height", "state"), [(0, ItemState.SEEN), (1, ItemState.SEEN), (2, ItemState.FINAL), (9, ItemState.FINAL)]
)
async def test_block_given_as_final_makes_its_own_items_final(
    store: RelayStore, final_height: int, state: ItemState
) -> None:
    """Items of blocks before it wait for `mark_final`, and a rewind takes back only what was not final."""
    before = await seen(store, 1)
    given = replace(block(2, anchor(2, 2)), final_height=final_height)
    assert (await store.take_block(LEDGER, given)).total() == 1
    item = await store.find_item(ORIGIN, 2)
    assert item is not None
    assert (item.state, await state_of(store, before)) == (state, ItemState.SEEN)
    assert (await store.rewind(LEDGER, 0)).total() == (1 if state is ItemState.FINAL else 2)


async def test_contradictory_block_makes_nothing_final(store: RelayStore) -> None:
    await seen(store, 1)
    with pytest.raises(Conflict):
        await store.take_block(LEDGER, replace(block(3, anchor(2, 3)), final_height=9))
    assert await store.find_item(ORIGIN, 2) is None


async def test_nothing_is_next_while_an_origin_is_halted(store: RelayStore) -> None:
    item = await seen(store, 1)
    await store.halt(ORIGIN, "two roots", {})
    assert await store.next_item(ORIGIN) is None
    await store.resume(ORIGIN, "looked at")
    found = await store.next_item(ORIGIN)
    assert found is not None
    assert found.id == item.id


async def test_smallest_open_item_is_next(store: RelayStore) -> None:
    items = [await seen(store, size) for size in (1, 2, 3)]
    await bring_to(store, items[0], ItemState.CONFIRMED)
    found = await store.next_item(ORIGIN)
    assert found is not None
    assert found.id == items[1].id
    await store.mark_final(LEDGER, 2)
    await store.move(items[1].id, ItemState.FINAL, ItemState.QUARANTINED)
    found = await store.next_item(ORIGIN)
    assert found is not None
    assert found.id == items[2].id
    assert await store.next_item("b.example/log") is None


@pytest.mark.parametrize("state", WAY)
async def test_from_every_state_only_the_table_leads_on(store: RelayStore, state: ItemState) -> None:
    """A wrong old state is a conflict, an illegal move is a conflict, and neither changes anything."""
    item = await seen(store, 1)
    await bring_to(store, item, state)
    for old in ItemState:
        for new in ItemState:
            if old is not state or new not in MOVES[old]:
                with pytest.raises(Conflict):
                    await store.move(item.id, old, new)
    assert await state_of(store, item) is state
    for new in sorted(MOVES[state], key=lambda s: s.value)[:1]:
        await store.move(item.id, state, new, reason="because")
        moved = await store.item(item.id)
        assert moved is not None
        assert (moved.state, moved.reason) == (new, "because")


async def test_of_two_movers_one_wins(store: RelayStore) -> None:
    item = await seen(store, 1)
    await bring_to(store, item, ItemState.FINAL)
    moves = [store.move(item.id, ItemState.FINAL, ItemState.PROVEN) for _ in range(8)]
    outcomes = await asyncio.gather(*moves, return_exceptions=True)
    assert sum(o is None for o in outcomes) == 1
    assert sum(isinstance(o, Conflict) for o in outcomes) == 7


async def test_item_that_does_not_exist_cannot_move(store: RelayStore) -> None:
    with pytest.raises(Conflict):
        await store.move(bytes(32), ItemState.SEEN, ItemState.FINAL)
    assert await store.item(bytes(32)) is None


async def test_mirrored_and_confirmed_come_with_their_papers_or_not_at_all(store: RelayStore) -> None:
    item = await seen(store, 3)
    with pytest.raises(Conflict):
        await store.save_mirrored(item.id, b"note")
    with pytest.raises(Conflict):
        await store.save_confirmed(item.id, confirmation(3))
    assert await store.cosigned(ORIGIN, 3) is None
    assert (await store.confirmations(ORIGIN, 0, 10), await store.last_confirmed(ORIGIN)) == ([], 0)
    await store.save_checkpoint(ORIGIN, 3, b"as the log signed it")
    await bring_to(store, item, ItemState.CONFIRMED)
    assert await store.checkpoint(ORIGIN, 3) == b"as the log signed it"
    assert await store.cosigned(ORIGIN, 3) == b"note 3"
    assert await store.confirmations(ORIGIN, 0, 10) == [confirmation(3)]
    with pytest.raises(Conflict):
        await store.save_confirmed(item.id, replace(confirmation(3), cosigned=b"another"))
    assert await store.confirmations(ORIGIN, 0, 10) == [confirmation(3)]


async def test_confirmations_ascend_above_a_size(store: RelayStore) -> None:
    for size in (1, 2, 5, 9):
        await bring_to(store, await seen(store, size), ItemState.CONFIRMED)
    assert [c.receipt.size for c in await store.confirmations(ORIGIN, 1, 2)] == [2, 5]
    assert await store.confirmations(ORIGIN, 9, 10) == []
    assert await store.last_confirmed(ORIGIN) == 9


async def test_attempts_are_counted_before_the_call(store: RelayStore) -> None:
    item = await seen(store, 1)
    assert sorted(await asyncio.gather(*(store.begin_attempt(item.id) for _ in range(5)))) == [1, 2, 3, 4, 5]
    found = await store.item(item.id)
    assert found is not None
    assert found.attempt == 5


async def test_first_signed_checkpoint_of_a_size_stays(store: RelayStore) -> None:
    assert await store.checkpoint(ORIGIN, 3) is None
    for note in (b"first", b"first", b"second"):
        await store.save_checkpoint(ORIGIN, 3, note)
    assert await store.checkpoint(ORIGIN, 3) == b"first"


async def test_item_keeps_the_first_trace_that_its_checkpoint_is_saved_with(store: RelayStore) -> None:
    item = await seen(store, 3)
    assert item.trace == ""
    for trace in ("", "first", "second", ""):
        await store.save_checkpoint(ORIGIN, 3, b"note", trace)
    found = [await store.next_item(ORIGIN), await store.item(item.id), await store.find_item(ORIGIN, 3)]
    assert [one.trace for one in found if one is not None] == ["first"] * 3


async def test_halt_keeps_its_first_reason_until_resumed(store: RelayStore) -> None:
    pieces = {"checkpoint": b"\x00\xff", "anchor": b""}
    await store.halt(ORIGIN, "first", pieces)
    await store.halt(ORIGIN, "second", {})
    assert await store.halted(ORIGIN) == "first"
    assert await store.halted("b.example/log") == ""
    await store.resume(ORIGIN, "looked at it")
    assert await store.halted(ORIGIN) == ""
    with pytest.raises(NotFound):
        await store.resume(ORIGIN, "again")
    await store.halt(ORIGIN, "third", {})
    assert [(e.reason, e.resumed) for e in await store.exhibits(ORIGIN)] == [("first", "looked at it"), ("third", "")]
    assert (await store.exhibits(ORIGIN))[0].pieces == pieces


async def test_anchor_found_by_name_is_recorded_once(store: RelayStore) -> None:
    await store.take_block(LEDGER, block(1))
    assert await store.save_found(anchor(3, 1))
    assert not await store.save_found(anchor(3, 1))
    found = await store.find_item(ORIGIN, 3)
    assert found is not None
    assert (found.state, found.anchor) == (ItemState.SEEN, anchor(3, 1))
    await bring_to(store, found, ItemState.CONFIRMED)
    assert not await store.save_found(anchor(3, 1))
    assert await state_of(store, found) is ItemState.CONFIRMED


async def test_rescan_records_what_is_missing_and_how_far_it_was_compared(store: RelayStore) -> None:
    await store.take_block(LEDGER, block(1, anchor(1, 1)))
    upto = Cursor(height=3, block_hash=hashed("a", 3))
    assert await store.rescanned(LEDGER) == Cursor(height=0, block_hash=b"")
    assert (await store.save_rescan(LEDGER, upto, [anchor(1, 1), anchor(2, 2), anchor(5, 3)])).total() == 2
    assert await store.rescanned(LEDGER) == upto
    assert (await store.cursor(LEDGER)).height == 1
    assert [item.anchor.size for item in await store.items({ItemState.SEEN}, ORIGIN, 10)] == [1, 2, 5]
    assert [item.anchor.size for item in await store.items({ItemState.SEEN}, "", 2)] == [1, 2]
    assert await store.items({ItemState.SEEN}, "b.example/log", 10) == []


@pytest.mark.parametrize("steps", [(1,), (255, 1, 1), (256, 256), (300, 5, 700, 65_000, 600)], ids=str)
async def test_mirror_log_has_the_tree_of_its_entries(store: RelayStore, steps: tuple[int, ...]) -> None:
    """Whole and partial tiles at two levels: entries, roots and proofs are those of a tree made in memory."""
    log = await store.log(ORIGIN)
    tree = TileAppender.empty()
    entries = [hashed(n) + bytes(33) for n in range(sum(steps))]
    for count in steps:
        assert await log.append(entries[tree.size : tree.size + count]) == tree.size + count
        tree.append(entries[tree.size : tree.size + count])
        log = await store.log(ORIGIN)
        assert (log.size, await asyncio.to_thread(log.files.root, log.size)) == (tree.size, tree.root())
    assert await asyncio.to_thread(log.files.entries, 0, log.size) == entries
    at = log.size // 3
    assert await asyncio.to_thread(log.files.entries, at, log.size - at) == entries[at : log.size - at]
    proof = await asyncio.to_thread(log.files.inclusion_proof, at, log.size)
    merkle.verify_inclusion(merkle.leaf_hash(entries[at]), at, log.size, proof, tree.root())
    with pytest.raises(NotFound):
        await asyncio.to_thread(log.files.entries, 0, log.size + 1)
    with pytest.raises(NotFound):
        await asyncio.to_thread(log.files.root, log.size + 1)


async def test_logs_of_two_origins_do_not_mix(store: RelayStore) -> None:
    one, other = await store.log(ORIGIN), await store.log("b.example/log")
    await one.append([bytes([1]) * 65] * 3)
    await other.append([bytes([2]) * 65] * 2)
    assert (one.size, other.size) == (3, 2)
    assert await asyncio.to_thread(one.files.entries, 0, 3) == [bytes([1]) * 65] * 3
    assert await asyncio.to_thread(other.files.entries, 0, 2) == [bytes([2]) * 65] * 2


async def test_counts_follow_every_change_of_state(store: RelayStore) -> None:
    """What is counted beside the items is what counting them gives."""
    for number, state in enumerate(WAY, 1):
        await bring_to(store, await seen(store, number), state)
    other = anchor(1, len(WAY) + 1, origin="b.example/log/1")
    assert await store.take_block(LEDGER, block(len(WAY) + 1, other)) == {"b.example/log/1": 1}
    await store.rewind(LEDGER, len(WAY))
    stuck = await seen(store, 99)
    await bring_to(store, stuck, ItemState.PROVEN)
    await store.move(stuck.id, ItemState.PROVEN, ItemState.QUARANTINED, reason="no")
    found = await store.counts_by_origin()
    for origin in (ORIGIN, "b.example/log/1"):
        items = await store.items(list(ItemState), origin, 100)
        assert {state: n for state, n in found[origin].items() if n} == Counter(one.state.value for one in items)
    assert await store.counts() == {state.value: sum(one[state.value] for one in found.values()) for state in ItemState}


async def test_waiting_counts_from_when_an_item_became_final(store: RelayStore) -> None:
    assert await store.waiting(ORIGIN) == Waiting(items=0, oldest_s=0.0)
    item = await seen(store, 1)
    assert await store.waiting(ORIGIN) == Waiting(items=0, oldest_s=0.0)
    await bring_to(store, item, ItemState.SUBMITTED)
    waiting = await store.waiting(ORIGIN)
    assert waiting.items == 1
    assert 0 <= waiting.oldest_s < 3600  # the anchor's own time is 1970
    assert 0 <= await store.save_confirmed(item.id, confirmation(1)) < 3600
    assert await store.waiting(ORIGIN) == Waiting(items=0, oldest_s=0.0)


async def test_what_a_larger_receipt_covers_does_not_wait(store: RelayStore) -> None:
    """A node left an anchor out, a larger checkpoint got its receipt, then the smaller one turned up."""
    await bring_to(store, await seen(store, 5), ItemState.SUBMITTED)
    item = await store.find_item(ORIGIN, 5)
    assert item is not None
    await store.save_confirmed(item.id, confirmation(5))
    await bring_to(store, await seen(store, 3), ItemState.PROVEN)
    assert await store.waiting(ORIGIN) == Waiting(items=0, oldest_s=0.0)
    await bring_to(store, await seen(store, 8), ItemState.PROVEN)
    assert (await store.waiting(ORIGIN)).items == 1


async def test_what_is_set_aside_for_a_person_is_not_among_what_waits(store: RelayStore) -> None:
    stuck = await seen(store, 4)
    await bring_to(store, stuck, ItemState.PROVEN)
    await store.move(stuck.id, ItemState.PROVEN, ItemState.QUARANTINED, reason="no")
    assert await store.waiting(ORIGIN) == Waiting(items=0, oldest_s=0.0)


async def test_anchor_given_as_final_waits_from_the_start(store: RelayStore) -> None:
    await store.take_block(LEDGER, replace(block(1, anchor(1, 1)), final_height=1))
    item = await store.find_item(ORIGIN, 1)
    assert item is not None
    for old, new in pairwise(WAY[1:-1]):
        await step(store, item, old, new)
    assert await store.save_confirmed(item.id, confirmation(1)) < 3600
