"""Many items below what the court holds are covered together, each proven first, and only those that may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

from relay.core.lifecycle import OPEN_STATES, ItemState
from relay.core.merkle import Frontier, leaf_hash
from relay.ports.forwarding import RelayStore
from relay.services.forwarding.covering import AT_ONCE, cover_below
from relay.store.postgres.relay import PostgresRelayStore
from relay.store.relay import SqliteRelayStore
from tests.store.relay_items import LEDGER, ORIGIN, anchor, block

COUNT = 2 * AT_ONCE + 88
REASON = f"the court's checkpoint of size {COUNT} covers it"


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RelayStore]:
    opened: SqliteRelayStore | PostgresRelayStore
    if request.param == "sqlite":
        opened = await SqliteRelayStore.open(tmp_path / "relay")
    else:
        opened = await PostgresRelayStore.open(request.getfixturevalue("postgres").new_database())
    yield opened
    await opened.close()


async def filled(store: RelayStore, *, wrong: int = 0, late: Collection[int] = (), held: int = COUNT) -> None:
    """A log of COUNT entries, of which the first are held; an item of every size, FINAL: `wrong` with another root, `late` still SEEN."""
    entries = [b"\x01" + index.to_bytes(64, "big") for index in range(COUNT)]
    await (await store.log(ORIGIN)).append(entries[:held])
    tree, early, rest = Frontier.empty(), [], []
    for entry in entries:
        tree.append_leaves([leaf_hash(entry)])
        size, height = tree.size, 2 if tree.size in late else 1
        made = anchor(size, height, root=bytes(32) if size == wrong else tree.root())
        (rest if height == 2 else early).append(made)
    await store.take_block(LEDGER, block(1, *early))
    await store.take_block(LEDGER, block(2, *rest))
    await store.mark_final(LEDGER, 1)


async def states(store: RelayStore) -> dict[ItemState, list[int]]:
    rows = await store.items(list(ItemState), ORIGIN, COUNT + 1)
    return {state: [i.anchor.size for i in rows if i.state is state] for state in {i.state for i in rows}}


async def test_all_below_are_covered_and_the_size_itself_goes_its_own_way(store: RelayStore) -> None:
    await filled(store)
    assert await cover_below(store, ORIGIN, COUNT, REASON) == COUNT - 1
    assert await states(store) == {ItemState.COVERED: [*range(1, COUNT)], ItemState.FINAL: [COUNT]}
    rows = await store.items({ItemState.COVERED}, ORIGIN, COUNT)
    assert Counter(item.reason for item in rows) == {REASON: COUNT - 1}
    assert await cover_below(store, ORIGIN, COUNT, REASON) == 0


@pytest.mark.parametrize("size", [1, AT_ONCE, AT_ONCE + 1, COUNT - 1])
async def test_item_with_another_root_and_all_after_it_stay(store: RelayStore, size: int) -> None:
    await filled(store, wrong=size)
    assert await cover_below(store, ORIGIN, COUNT, REASON) == size - 1
    found = await states(store)
    assert found[ItemState.FINAL] == [*range(size, COUNT + 1)]
    assert found.get(ItemState.COVERED, []) == [*range(1, size)]


async def test_item_that_is_not_final_yet_and_all_after_it_stay(store: RelayStore) -> None:
    await filled(store, late=[300])
    assert await cover_below(store, ORIGIN, COUNT, REASON) == 299
    assert await states(store) == {
        ItemState.COVERED: [*range(1, 300)], ItemState.SEEN: [300], ItemState.FINAL: [*range(301, COUNT + 1)]
    }  # fmt: skip


async def test_turn_that_a_crash_cut_goes_on(store: RelayStore) -> None:
    await filled(store)
    for item in await store.items(OPEN_STATES, ORIGIN, 40):
        await store.move(item.id, ItemState.FINAL, ItemState.PROVEN)
        if item.anchor.size <= 10:
            await store.move(item.id, ItemState.PROVEN, ItemState.COVERED, reason=REASON)
    assert await cover_below(store, ORIGIN, COUNT, REASON) == COUNT - 11
    assert (await states(store))[ItemState.COVERED] == [*range(1, COUNT)]


async def test_nothing_of_a_halted_origin_is_covered(store: RelayStore) -> None:
    await filled(store)
    await store.halt(ORIGIN, "by hand: look first", {})
    assert await cover_below(store, ORIGIN, COUNT, REASON) == 0
    assert await states(store) == {ItemState.FINAL: [*range(1, COUNT + 1)]}
