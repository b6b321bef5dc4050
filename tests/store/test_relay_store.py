"""The relay's memory: cursor and items move together, states only by compare-and-swap, and a kill loses nothing."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from relay.core.errors import Conflict, Malformed, NotFound
from relay.core.ledgerproof import LedgerProof
from relay.core.lifecycle import MOVES, ItemState, item_id
from relay.ports.forwarding import Confirmation, Cursor, Item
from relay.ports.ledgers import Anchor, AnchorBlock, Receipt
from relay.store.court import SqliteCourtStore
from relay.store.relay import SqliteRelayStore

LEDGER, ORIGIN = "embedded:lender-1", "a.example/log/1"
WAY = (ItemState.SEEN, ItemState.FINAL, ItemState.PROVEN, ItemState.MIRRORED, ItemState.SUBMITTED, ItemState.CONFIRMED)


def hashed(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def anchor(size: int, height: int, *, origin: str = ORIGIN, root: bytes = b"", chain: str = "a") -> Anchor:
    return Anchor(
        ledger=LEDGER,
        origin=origin,
        size=size,
        root=root or hashed("root", size),
        height=height,
        block_hash=hashed(chain, height),
        tx_id=hashed("tx", chain, origin, size),
        time_ms=1000 * height,
    )


def block(height: int, *anchors: Anchor, chain: str = "a", parent: str = "a") -> AnchorBlock:
    return AnchorBlock(
        height=height,
        block_hash=hashed(chain, height),
        parent_hash=hashed(parent, height - 1) if height > 1 else bytes(32),
        time_ms=1000 * height,
        anchors=anchors,
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRelayStore]:
    opened = await SqliteRelayStore.open(tmp_path / "relay")
    yield opened
    await opened.close()


async def seen(store: SqliteRelayStore, size: int) -> Item:
    """An item whose block is the next one."""
    height = (await store.cursor(LEDGER)).height + 1
    assert await store.take_block(LEDGER, block(height, anchor(size, height))) == 1
    found = await store.find_item(ORIGIN, size)
    assert found is not None
    return found


def confirmation(size: int) -> Confirmation:
    receipt = Receipt(
        ledger="embedded:court-1", origin=ORIGIN, size=size, root=hashed("root", size), height=size, tx_id=hashed(size),
        time_ms=5,
    )  # fmt: skip
    proof = LedgerProof(kind="quorum", ledger=receipt.ledger, body=b"proof %d" % size)
    return Confirmation(receipt=receipt, proof=proof, cosigned=b"note %d" % size)


async def step(store: SqliteRelayStore, item: Item, old: ItemState, new: ItemState) -> None:
    """One step along the way, as the services make it."""
    if new is ItemState.FINAL:
        await store.mark_final(LEDGER, item.anchor.height)
    elif new is ItemState.MIRRORED:
        await store.save_mirrored(item.id, b"note %d" % item.anchor.size)
    elif new is ItemState.CONFIRMED:
        await store.save_confirmed(item.id, confirmation(item.anchor.size))
    else:
        await store.move(item.id, old, new)


async def bring_to(store: SqliteRelayStore, item: Item, state: ItemState) -> None:
    """From SEEN all the way to a state."""
    for old, new in pairwise(WAY[: WAY.index(state) + 1]):
        await step(store, item, old, new)


async def state_of(store: SqliteRelayStore, item: Item) -> ItemState:
    found = await store.item(item.id)
    assert found is not None
    return found.state


async def test_block_brings_its_items_and_moves_the_cursor(store: SqliteRelayStore) -> None:
    assert await store.cursor(LEDGER) == Cursor(height=0, block_hash=b"")
    rows = (anchor(1, 1), anchor(7, 1, origin="b.example/log"))
    assert await store.take_block(LEDGER, block(1, *rows)) == 2
    assert await store.cursor(LEDGER) == Cursor(height=1, block_hash=hashed("a", 1))
    for row in rows:
        item = await store.find_item(row.origin, row.size)
        assert item is not None
        assert (item.anchor, item.state, item.attempt, item.reason) == (row, ItemState.SEEN, 0, "")
        assert item.id == item_id(LEDGER, row.origin, row.size, row.root)
    assert await store.cursor("embedded:other") == Cursor(height=0, block_hash=b"")


@pytest.mark.parametrize("wrong", [block(1), block(3), block(2, parent="b")], ids=["again", "gap", "other-parent"])
async def test_block_that_does_not_extend_leaves_nothing(store: SqliteRelayStore, wrong: AnchorBlock) -> None:
    await store.take_block(LEDGER, block(1))
    with pytest.raises(Conflict, match="does not extend"):
        await store.take_block(LEDGER, replace(wrong, anchors=(anchor(5, wrong.height),)))
    assert await store.find_item(ORIGIN, 5) is None
    assert (await store.cursor(LEDGER)).height == 1


async def test_two_watchers_of_one_ledger_record_a_block_once(store: SqliteRelayStore) -> None:
    same = block(1, anchor(1, 1))
    outcomes = await asyncio.gather(*(store.take_block(LEDGER, same) for _ in range(5)), return_exceptions=True)
    assert outcomes[0] == 1
    assert all(isinstance(o, Conflict) for o in outcomes[1:])
    assert (await store.counts())["seen"] == 1


async def test_reorganised_anchor_is_orphaned_and_comes_back_where_it_is_now(store: SqliteRelayStore) -> None:
    await store.take_block(LEDGER, block(1))
    await store.take_block(LEDGER, block(2, anchor(4, 2), anchor(5, 2)))
    assert await store.rewind(LEDGER, 1) == 2
    assert await store.cursor(LEDGER) == Cursor(height=1, block_hash=hashed("a", 1))
    assert await store.find_item(ORIGIN, 4) is None
    assert await store.next_item(ORIGIN) is None
    assert await store.block_hash(LEDGER, 2) is None
    back = anchor(4, 3, chain="b")
    await store.take_block(LEDGER, block(2, chain="b"))
    assert await store.take_block(LEDGER, block(3, back, chain="b", parent="b")) == 1
    item = await store.find_item(ORIGIN, 4)
    assert item is not None
    assert (item.anchor, item.state) == (back, ItemState.SEEN)
    assert (await store.counts())["orphaned"] == 1


async def test_rewind_does_not_touch_what_was_final(store: SqliteRelayStore) -> None:
    item = await seen(store, 4)
    await bring_to(store, item, ItemState.PROVEN)
    assert await store.rewind(LEDGER, 0) == 0
    assert await state_of(store, item) is ItemState.PROVEN
    assert await store.take_block(LEDGER, block(1, item.anchor)) == 0
    assert await state_of(store, item) is ItemState.PROVEN


async def test_finality_takes_what_is_at_or_below_the_height(store: SqliteRelayStore) -> None:
    items = [await seen(store, size) for size in (1, 2, 3)]
    assert await store.mark_final(LEDGER, 2) == 2
    assert [await state_of(store, item) for item in items] == [ItemState.FINAL, ItemState.FINAL, ItemState.SEEN]
    assert await store.mark_final(LEDGER, 2) == 0
    assert await store.mark_final("embedded:other", 9) == 0


async def test_smallest_open_item_is_next(store: SqliteRelayStore) -> None:
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
async def test_from_every_state_only_the_table_leads_on(store: SqliteRelayStore, state: ItemState) -> None:
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


async def test_of_two_movers_one_wins(store: SqliteRelayStore) -> None:
    item = await seen(store, 1)
    await bring_to(store, item, ItemState.FINAL)
    moves = [store.move(item.id, ItemState.FINAL, ItemState.PROVEN) for _ in range(8)]
    outcomes = await asyncio.gather(*moves, return_exceptions=True)
    assert sum(o is None for o in outcomes) == 1
    assert sum(isinstance(o, Conflict) for o in outcomes) == 7


async def test_item_that_does_not_exist_cannot_move(store: SqliteRelayStore) -> None:
    with pytest.raises(Conflict):
        await store.move(bytes(32), ItemState.SEEN, ItemState.FINAL)
    assert await store.item(bytes(32)) is None


async def test_mirrored_and_confirmed_come_with_their_papers_or_not_at_all(store: SqliteRelayStore) -> None:
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


async def test_confirmations_ascend_above_a_size(store: SqliteRelayStore) -> None:
    for size in (1, 2, 5, 9):
        await bring_to(store, await seen(store, size), ItemState.CONFIRMED)
    assert [c.receipt.size for c in await store.confirmations(ORIGIN, 1, 2)] == [2, 5]
    assert await store.confirmations(ORIGIN, 9, 10) == []
    assert await store.last_confirmed(ORIGIN) == 9


async def test_attempts_are_counted_before_the_call(store: SqliteRelayStore) -> None:
    item = await seen(store, 1)
    assert await asyncio.gather(*(store.begin_attempt(item.id) for _ in range(5))) == [1, 2, 3, 4, 5]
    found = await store.item(item.id)
    assert found is not None
    assert found.attempt == 5


async def test_first_signed_checkpoint_of_a_size_stays(store: SqliteRelayStore) -> None:
    assert await store.checkpoint(ORIGIN, 3) is None
    for note in (b"first", b"first", b"second"):
        await store.save_checkpoint(ORIGIN, 3, note)
    assert await store.checkpoint(ORIGIN, 3) == b"first"


async def test_halt_keeps_its_first_reason_until_resumed(store: SqliteRelayStore) -> None:
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


async def test_anchor_found_by_name_is_recorded_once(store: SqliteRelayStore) -> None:
    await store.take_block(LEDGER, block(1))
    assert await store.save_found(anchor(3, 1))
    assert not await store.save_found(anchor(3, 1))
    found = await store.find_item(ORIGIN, 3)
    assert found is not None
    assert (found.state, found.anchor) == (ItemState.SEEN, anchor(3, 1))
    await bring_to(store, found, ItemState.CONFIRMED)
    assert not await store.save_found(anchor(3, 1))
    assert await state_of(store, found) is ItemState.CONFIRMED


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
