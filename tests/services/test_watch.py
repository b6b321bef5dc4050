"""Watching a lender's ledger: reorganisations, broken and lying feeds, and blocks that were final and are not any more."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.errors import Denied, Malformed, Unavailable
from relay.core.lifecycle import ItemState
from relay.ports.ledgers import AnchorBlock
from relay.services.forwarding.origins import OriginConfig, Origins
from relay.services.forwarding.watch import Watcher
from relay.store.relay import SqliteRelayStore
from tests.support.chain import Chain, root_of
from tests.support.frozen import no_waits, settle

LEDGER, ORIGIN = "embedded:lender-1", "a.example/log/1"


class Watch:
    """A chain, a store, and a watcher between them."""

    def __init__(self, chain: Chain, store: SqliteRelayStore) -> None:
        self.chain, self.store = chain, store
        config = OriginConfig(origin=ORIGIN, custodian="spiffe://a.example/custodian/x", log_keys=(), ledger=LEDGER)
        self.origins = Origins({ORIGIN: config})
        self.watcher = Watcher(chain, store, self.origins, sleep=lambda _s: asyncio.sleep(0), backoff=no_waits)

    async def caught_up(self) -> None:
        """The cursor is at the chain's head."""
        await settle(self._at_head, "the watcher is at the head")

    async def _at_head(self) -> bool:
        head, cursor = await self.chain.head(), await self.store.cursor(LEDGER)
        return (cursor.height, cursor.block_hash) == (head.height, head.block_hash)

    async def states(self) -> dict[int, ItemState]:
        """Size → state of every item."""
        return {i.anchor.size: i.state for i in await self.store.items(list(ItemState), ORIGIN, 1000)}

    async def become(self, expected: dict[int, ItemState]) -> None:
        async def so() -> bool:
            return await self.states() == expected

        await settle(so, f"items are {expected}")


@asynccontextmanager
async def watching(folder: Path, chain: Chain | None = None) -> AsyncIterator[Watch]:
    store = await SqliteRelayStore.open(folder / "relay")
    watch = Watch(chain or Chain(LEDGER, ORIGIN), store)
    task = asyncio.create_task(watch.watcher.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()


SEEN, FINAL, ORPHANED = ItemState.SEEN, ItemState.FINAL, ItemState.ORPHANED


async def test_anchor_is_seen_then_final_and_wakes_its_origin(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        await watch.chain.grow()
        await watch.chain.grow(3)
        await watch.become({3: SEEN})
        assert not watch.origins.room(ORIGIN).wake.is_set()
        watch.chain.final_height = 2
        await watch.become({3: FINAL})
        await settle(watch.origins.room(ORIGIN).wake.is_set, "the origin is woken")


async def test_block_that_comes_as_final_settles_those_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody says so but the block itself; for the next ones the store is not asked, as nothing is left to settle."""
    async with watching(tmp_path) as watch:
        for size in (1, 2):
            await watch.chain.grow(size)
        await watch.become({1: SEEN, 2: SEEN})
        watch.chain.head_error = Unavailable("no head")
        watch.chain.deliver = lambda block: [replace(block, final_height=block.height)]
        await watch.chain.grow(3)
        await watch.become({1: FINAL, 2: FINAL, 3: FINAL})
        asked: list[int] = []

        async def mark_final(_ledger: str, height: int) -> Counter[str]:
            asked.append(height)
            return Counter()

        monkeypatch.setattr(watch.store, "mark_final", mark_final)
        for size in (4, 5):
            await watch.chain.grow(size)
            await watch.become(dict.fromkeys(range(1, size + 1), FINAL))
        assert asked == []


@pytest.mark.parametrize("depth", [1, 2, 5])
async def test_reorganised_anchor_is_orphaned_and_its_return_is_seen(tmp_path: Path, depth: int) -> None:
    async with watching(tmp_path) as watch:
        for size in range(1, 8):
            await watch.chain.grow(size)
        await watch.caught_up()
        fork = 8 - depth
        kept = dict.fromkeys(range(1, fork), SEEN)
        await watch.chain.reorganise(fork, *[[] for _ in range(depth)], [fork])
        await watch.caught_up()
        await watch.become(kept | {fork: SEEN} | dict.fromkeys(range(fork + 1, 8), ORPHANED))
        found = await watch.store.find_item(ORIGIN, fork)
        assert found is not None
        assert (found.anchor.height, found.anchor.block_hash) == (8, (await watch.chain.head()).block_hash)


async def test_chain_that_became_shorter_is_followed(tmp_path: Path) -> None:
    """The node went back and has not grown past the old height yet."""
    async with watching(tmp_path) as watch:
        for size in (1, 2, 3, 4):
            await watch.chain.grow(size)
        await watch.caught_up()
        await watch.chain.reorganise(2, [7])
        watch.chain.deliver = lambda block: [block]
        await watch.chain.grow(8)
        await watch.chain.grow(9)
        await watch.chain.grow(10)
        await watch.caught_up()
        await watch.become({1: SEEN, 2: ORPHANED, 3: ORPHANED, 4: ORPHANED, 7: SEEN, 8: SEEN, 9: SEEN, 10: SEEN})


async def test_reorganisation_while_the_relay_was_down_is_noticed(tmp_path: Path) -> None:
    chain = Chain(LEDGER, ORIGIN)
    async with watching(tmp_path, chain) as watch:
        for size in (1, 2, 3):
            await chain.grow(size)
        await watch.caught_up()
    await chain.reorganise(2, [5], [], [6])
    async with watching(tmp_path, chain) as watch:
        await watch.caught_up()
        await watch.become({1: SEEN, 2: ORPHANED, 3: ORPHANED, 5: SEEN, 6: SEEN})


async def test_final_block_that_is_replaced_halts_the_origin(tmp_path: Path) -> None:
    """What was final cannot go: the ledger contradicts itself and a person must look."""
    async with watching(tmp_path) as watch:
        for size in (1, 2):
            await watch.chain.grow(size)
        watch.chain.final_height = 2
        await watch.become({1: FINAL, 2: FINAL})
        await watch.chain.reorganise(2, [9], [])

        async def halted() -> bool:
            return "which was final" in await watch.store.halted(ORIGIN)

        await settle(halted, "the origin is halted")
        assert await watch.states() == {1: FINAL, 2: FINAL}


async def test_final_blocks_that_nobody_relied_on_may_be_replaced_and_a_resumed_origin_halts_once(
    tmp_path: Path,
) -> None:
    """Blocks above the anchor, then the anchor's own, then again when the operator has let it go on."""
    async with watching(tmp_path) as watch:
        for sizes in ((1,), (), ()):
            await watch.chain.grow(*sizes)
        watch.chain.final_height = 3
        await watch.become({1: FINAL})
        await watch.chain.reorganise(2, [], [], [])
        await watch.caught_up()
        assert await watch.store.halted(ORIGIN) == ""
        await watch.chain.reorganise(1, [], [], [], [], [5])
        await settle(lambda: watch.store.halted(ORIGIN), "the origin is halted")
        await watch.caught_up()
        await watch.store.resume(ORIGIN, "looked into")
        await watch.chain.reorganise(1, [], [], [], [], [], [6])
        await watch.caught_up()
        assert await watch.store.halted(ORIGIN) == ""


async def test_broken_feed_is_opened_again_from_the_cursor(tmp_path: Path) -> None:
    broken = {2: 2, 3: 1}

    def deliver(block: AnchorBlock) -> list[AnchorBlock] | Exception:
        if broken.get(block.height):
            broken[block.height] -= 1
            return Unavailable("gone")
        return [block]

    chain = Chain(LEDGER, ORIGIN)
    chain.deliver = deliver
    for size in (1, 2, 3):
        await chain.grow(size)
    async with watching(tmp_path, chain) as watch:
        await watch.become({1: SEEN, 2: SEEN, 3: SEEN})
        assert chain.opened == [1, 2, 2, 3]
        await settle(lambda: not watch.watcher.problem, "the problem is over")


@pytest.mark.parametrize("error", [Unavailable("x"), Denied("x"), Malformed("x", "y", "z")])
async def test_no_error_of_a_ledger_ends_the_watcher(tmp_path: Path, error: Exception) -> None:
    chain = Chain(LEDGER, ORIGIN)
    chain.head_error, chain.deliver = error, lambda _block: error
    await chain.grow(1)
    async with watching(tmp_path, chain) as watch:
        await settle(lambda: watch.watcher.problem, "the problem is told")
        chain.head_error, chain.deliver = None, lambda block: [block]
        chain.final_height = 1
        await watch.become({1: FINAL})


async def test_finality_of_another_chain_makes_nothing_final_that_is_recorded(tmp_path: Path) -> None:
    """The node's chain has changed and its head says so, while the feed has brought nothing of it: what is recorded stays unsettled."""
    async with watching(tmp_path) as watch:
        chain = watch.chain
        await chain.grow(1)
        await watch.become({1: SEEN})
        chain.deliver = lambda _block: []
        await chain.reorganise(1, [2], [3])
        chain.final_height = 2
        asked = chain.heads_given
        await settle(lambda: chain.heads_given > asked + 5, "the head was judged")
        assert await watch.states() == {1: SEEN}
        chain.deliver = lambda block: [block]
        await chain.grow(4)
        await watch.become({1: ORPHANED, 2: FINAL, 3: FINAL, 4: SEEN})


@pytest.mark.parametrize("final", [False, True])
async def test_block_delivered_twice_is_no_reorganisation(tmp_path: Path, final: bool) -> None:
    """A feed that repeats itself has replaced nothing: nobody may be accused of it."""
    chain = Chain(LEDGER, ORIGIN)
    chain.deliver = lambda block: [block, block]
    async with watching(tmp_path, chain) as watch:
        for size in (1, 2, 3):
            await chain.grow(size)
            if final:
                chain.final_height = size
                await watch.become(dict.fromkeys(range(1, size + 1), FINAL))
        await watch.caught_up()
        await watch.become(dict.fromkeys((1, 2, 3), FINAL if final else SEEN))
        assert await watch.store.halted(ORIGIN) == ""


async def test_feed_that_leaves_out_a_block_is_not_followed_past_it(tmp_path: Path) -> None:
    """The missing block may hold an anchor; the chain at the node is as it was, so nothing is halted."""
    chain = Chain(LEDGER, ORIGIN)
    async with watching(tmp_path, chain) as watch:
        await chain.grow(1)
        chain.final_height = 1
        await watch.become({1: FINAL})
        lost = [2]

        def deliver(block: AnchorBlock) -> list[AnchorBlock]:
            return [] if block.height in lost else [block]

        chain.deliver = deliver
        await chain.grow(2)
        await chain.grow(3)
        await settle(lambda: len(chain.opened) > 5, "the feed is opened again and again")
        assert await watch.states() == {1: FINAL}
        lost.clear()
        await watch.become({1: FINAL, 2: SEEN, 3: SEEN})
        assert await watch.store.halted(ORIGIN) == ""


async def test_anchors_of_others_in_a_block_are_passed_over(tmp_path: Path) -> None:
    chain = Chain(LEDGER, ORIGIN)

    def foreign(block: AnchorBlock) -> list[AnchorBlock]:
        theirs = [replace(a, origin="b.example/log") for a in block.anchors]
        elsewhere = [replace(a, ledger="embedded:other") for a in block.anchors]
        return [replace(block, anchors=(*theirs, *block.anchors, *elsewhere))]

    chain.deliver = foreign
    async with watching(tmp_path, chain) as watch:
        await chain.grow(4)
        await watch.become({4: SEEN})
        assert sum((await watch.store.counts()).values()) == 1


FORKS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5), st.booleans()), min_size=1, max_size=5)


@settings(max_examples=12)
@given(FORKS)
def test_after_any_reorganisations_the_store_shows_the_chain(
    tmp_path_factory: pytest.TempPathFactory, forks: list[tuple[int, int, bool]]
) -> None:
    """Depth, new blocks, and whether the watcher had caught up before: in the end only what stands is alive."""
    asyncio.run(_follow(tmp_path_factory.mktemp("watch"), forks))


async def _follow(folder: Path, forks: list[tuple[int, int, bool]]) -> None:
    async with watching(folder) as watch:
        for size in (1, 2, 3):
            await watch.chain.grow(size)
        size = 4
        for depth, more, wait in forks:
            if wait:
                await watch.caught_up()
            height = max(1, len(watch.chain.blocks_held) - depth + 1)
            fresh = [[size + n] for n in range(more)]
            size += more
            # a fork wins by being longer; sizes start again below where the old ones went
            await watch.chain.reorganise(height, *fresh, *[[] for _ in range(depth)])
        await watch.caught_up()
        standing = {a.size: a for b in watch.chain.blocks_held for a in b.anchors}
        await settle(lambda: _shows(watch, standing), "the store shows the chain")
        for number, anchor in standing.items():
            found = await watch.store.find_item(ORIGIN, number)
            assert found is not None
            assert (found.anchor, found.anchor.root) == (anchor, root_of(number))


async def _shows(watch: Watch, standing: Mapping[int, object]) -> bool:
    alive = {size for size, state in (await watch.states()).items() if state is not ORPHANED}
    return alive == set(standing)
