"""The chain changes under the feed: what was replaced comes again, in order, and what left the chain is not found any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.evm.source import EvmSource
from relay.core.errors import NotFound
from relay.ports.ledgers import AnchorBlock
from tests.evm.nodes.lender import Lender, open_lender, point, read


@pytest.fixture
async def lender(tmp_path: Path, needs_anvil: None) -> AsyncIterator[Lender]:
    async with open_lender(tmp_path) as opened:
        yield opened


class Follower:
    """What a caller of the feed holds: a chain by height, mended whenever the feed steps back."""

    def __init__(self, source: EvmSource) -> None:
        self.chain: dict[int, AnchorBlock] = {}
        self.replaced = self._top = 0
        self._feed = source.blocks(1)

    async def to(self, height: int, block_hash: bytes) -> None:
        """Read until this very block has come."""
        async with asyncio.timeout(60):
            while height not in self.chain or self.chain[height].block_hash != block_hash:
                block = await anext(self._feed)
                newest = max(self.chain, default=0)
                assert block.height <= newest + 1, "a gap"
                self.replaced += block.height <= self._top
                self._top = max(self._top, block.height)
                self.chain = {h: b for h, b in self.chain.items() if h < block.height} | {block.height: block}

    def check(self) -> None:
        blocks = [self.chain[h] for h in sorted(self.chain)]
        assert [b.height for b in blocks] == list(range(1, len(blocks) + 1))
        assert all(b.parent_hash == a.block_hash for a, b in pairwise(blocks))


async def followed(lender: Lender, follower: Follower) -> None:
    head = await lender.anvil.ask("eth_getBlockByNumber", "latest", False)
    await follower.to(int(head["number"], 16), bytes.fromhex(head["hash"][2:]))
    follower.check()


@pytest.mark.parametrize("way", ["http", "ws"])
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
async def test_reorganisation_is_followed_by_hashes_alone(lender: Lender, depth: int, way: str) -> None:
    """`anvil_reorg` drops transactions without a word on their logs."""
    writer = await lender.source()
    source = await lender.source([lender.anvil.url if way == "http" else lender.anvil.ws], account=None)
    for size in range(1, 7):
        await writer.anchor(point(size))
    follower = Follower(source)
    await followed(lender, follower)
    assert [a.size for b in follower.chain.values() for a in b.anchors] == [1, 2, 3, 4, 5, 6]
    await lender.anvil.ask("anvil_reorg", depth, [])
    await followed(lender, follower)
    assert follower.replaced == depth
    assert [a.size for b in follower.chain.values() for a in b.anchors] == list(range(1, 7 - depth))
    assert await source.find("lender.example/log", 7 - depth) is None
    again = await writer.anchor(point(7 - depth))
    await followed(lender, follower)
    assert follower.chain[again.height].anchors == (again,)


@pytest.mark.parametrize("depth", [1, 3, 5])
async def test_chain_that_grows_shorter_and_then_differently_is_followed(lender: Lender, depth: int) -> None:
    """`evm_revert` takes blocks away; what comes in their place is another chain, at first a shorter one."""
    writer = await lender.source()
    await writer.anchor(point(1))
    snapshot = await lender.anvil.ask("evm_snapshot")
    for size in range(2, depth + 2):
        await writer.anchor(point(size))
    follower = Follower(await lender.source(account=None))
    await followed(lender, follower)
    await lender.anvil.ask("evm_revert", snapshot)
    for size in range(2, depth + 3):
        await writer.anchor(point(size, mark=7))
        await followed(lender, follower)
    assert {a.root for b in follower.chain.values() for a in b.anchors if a.size > 1} == {bytes([7]) * 32}


async def test_reorganisation_at_every_step_of_reading(lender: Lender) -> None:
    """After each block that is read the last two are replaced: the feed still ends at the chain as it is."""
    writer = await lender.source()
    for size in range(1, 6):
        await writer.anchor(point(size))
    feed = (await lender.source(account=None)).blocks(1)
    seen: dict[int, bytes] = {}
    for _ in range(8):
        block = await anext(feed)
        assert block.height == 1 or block.height - 1 in seen
        seen = {h: x for h, x in seen.items() if h < block.height} | {block.height: block.block_hash}
        await lender.anvil.ask("anvil_reorg", 2, [])
    await feed.aclose()  # type: ignore[attr-defined]
    follower = Follower(await lender.source(account=None))
    await followed(lender, follower)


async def test_anchor_of_a_replaced_block_is_not_proven(lender: Lender) -> None:
    source = await lender.source()
    anchor = await source.anchor(point(1))
    await lender.anvil.ask("anvil_reorg", 1, [])
    with pytest.raises(NotFound):
        await source.prove(anchor)


async def test_finality_lies_as_deep_as_configured(lender: Lender) -> None:
    deep = await lender.source(finality=3)
    anchor = await deep.anchor(point(1))
    for above in range(3):
        head = await deep.head()
        assert head.final_height == max(0, head.height - 3)
        with pytest.raises(NotFound, match="not final"):
            await deep.prove(anchor)
        assert above < 3
        await lender.anvil.mine()
    assert (await deep.head()).final_height == anchor.height
    assert (await read(deep, 1, anchor.height))[-1].final_height == anchor.height


@pytest.mark.parametrize("tag", ["safe", "finalized"])
async def test_finality_by_tag_is_the_nodes(lender: Lender, tag: str) -> None:
    await lender.anvil.mine(70)
    source = await lender.source(finality=tag, account=None)
    head = await source.head()
    block = await lender.anvil.ask("eth_getBlockByNumber", tag, False)
    assert head.final_height == int(block["number"], 16) < head.height
