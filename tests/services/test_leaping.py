"""The newest of many items that wait goes first: only over what is proven, final, next in order, and offered with a checkpoint."""

from __future__ import annotations

from itertools import pairwise

import pytest

from relay.core.lifecycle import ItemState
from relay.ports.forwarding import Item, RelayStore
from relay.services.forwarding.covering import AT_ONCE
from relay.services.forwarding.leaping import leap_from
from tests.services.test_covering import COUNT, ORIGIN, filled
from tests.services.test_covering import store as store


async def next_item(store: RelayStore) -> Item:
    item = await store.next_item(ORIGIN)
    assert item is not None
    return item


async def leap(store: RelayStore, at_least: int) -> int:
    return (await leap_from(store, await next_item(store), at_least)).anchor.size


async def test_newest_of_all_that_wait_goes_first(store: RelayStore) -> None:
    await filled(store)
    for size in (7, AT_ONCE, COUNT):
        await store.save_checkpoint(ORIGIN, size, b"note")
    assert await leap(store, 2) == COUNT
    assert await leap(store, COUNT) == COUNT


async def test_without_its_checkpoint_the_newest_of_the_first_few_goes(store: RelayStore) -> None:
    await filled(store)
    for size in (7, AT_ONCE, COUNT - 1):
        await store.save_checkpoint(ORIGIN, size, b"note")
    assert await leap(store, 2) == AT_ONCE


@pytest.mark.parametrize("at_least", [0, COUNT + 1])
async def test_without_the_key_and_with_fewer_waiting_each_goes_by_itself(store: RelayStore, at_least: int) -> None:
    await filled(store)
    await store.save_checkpoint(ORIGIN, AT_ONCE, b"note")
    assert await leap(store, at_least) == 1


@pytest.mark.parametrize("wrong", [AT_ONCE + 1, COUNT - 1, COUNT])
async def test_the_newest_leaps_over_no_item_with_another_root(store: RelayStore, wrong: int) -> None:
    await filled(store, wrong=wrong)
    for size in (5, AT_ONCE, COUNT):
        await store.save_checkpoint(ORIGIN, size, b"note")
    assert await leap(store, 2) == AT_ONCE


async def test_the_newest_leaps_over_no_item_that_is_not_final(store: RelayStore) -> None:
    await filled(store, late=[AT_ONCE + 9])
    for size in (5, COUNT):
        await store.save_checkpoint(ORIGIN, size, b"note")
    assert await leap(store, 2) == 5


async def test_nothing_leaps_over_an_item_with_another_root(store: RelayStore) -> None:
    await filled(store, wrong=9)
    for size in (5, 9, 20):
        await store.save_checkpoint(ORIGIN, size, b"note")
    assert await leap(store, 2) == 5


async def test_nothing_leaps_over_an_item_that_is_not_final(store: RelayStore) -> None:
    await filled(store, late=[4])
    for size in (3, 20):
        await store.save_checkpoint(ORIGIN, size, b"note")
    assert await leap(store, 2) == 3


async def test_without_a_checkpoint_offered_nothing_leaps(store: RelayStore) -> None:
    await filled(store)
    assert await leap(store, 2) == 1


async def test_item_that_is_further_on_its_way_is_finished_first(store: RelayStore) -> None:
    await filled(store)
    await store.save_checkpoint(ORIGIN, 20, b"note")
    first = await next_item(store)
    await store.move(first.id, ItemState.FINAL, ItemState.PROVEN)
    assert await leap(store, 2) == 1


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_item_that_has_leapt_goes_its_way_before_those_below_it(store: RelayStore, steps: int) -> None:
    """The court may hold it already: whatever is below would be refused there."""
    await filled(store)
    await store.save_checkpoint(ORIGIN, 20, b"note")
    await store.save_checkpoint(ORIGIN, 19, b"note")
    assert await leap(store, 2) == 20
    newest = (await store.items({ItemState.FINAL}, ORIGIN, 20))[-1]
    way = [ItemState.FINAL, ItemState.PROVEN, ItemState.MIRRORED, ItemState.SUBMITTED]
    for old, new in pairwise(way[: steps + 1]):
        await store.move(newest.id, old, new)
    assert (await next_item(store)).anchor.size == 1
    assert await leap(store, 2) == 20


async def test_nothing_leaps_to_entries_that_are_not_held(store: RelayStore) -> None:
    await filled(store, held=9)
    for size in (5, 9, 20):
        await store.save_checkpoint(ORIGIN, size, b"note")
    assert await leap(store, 2) == 9
    assert await leap(store, 9) == 9
    assert await leap(store, 10) == 1
