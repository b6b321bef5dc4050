"""Checks of `AnchorSource`: the feed of blocks."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Final

from relay.conformance.bench import Bench
from relay.conformance.check import Fault, NotRun, check, demand, equal
from relay.core.errors import RelayError
from relay.ports.ledgers import AnchorBlock

MS_MIN: Final = 10**12
MS_MAX: Final = 253_402_300_799_999
"""2001 to 9999 in milliseconds: seconds lie below, microseconds above."""
HASH_BYTES_MAX: Final = 64
QUIET_S: Final = 0.05
"""How long a feed is watched for doing nothing. A longer watch finds no more: what a feed has, it gives at once."""


@check("source.blocks.from-one", "A feed from 1 begins with block 1: heights start there.")
async def from_one(bench: Bench) -> None:
    """The whole chain is not read."""
    await bench.scene()
    equal((await bench.read(1, 1))[0].height, 1, "the first height")


@check("source.blocks.from-middle", "A feed from a height in the middle begins with exactly that height.")
async def from_middle(bench: Bench) -> None:
    """At an anchor's own block."""
    anchor = (await bench.scene()).anchors[1]
    equal((await bench.read(anchor.height, anchor.height))[0].height, anchor.height, "the first height")


@check("source.blocks.from-future", "A feed from beyond the head waits, then begins with exactly that height.")
async def from_future(bench: Bench) -> None:
    """Nothing is delivered before."""
    await bench.scene()
    start = (await bench.source.head()).height + 3
    waiting = asyncio.ensure_future(bench.read(start, start))
    try:
        await asyncio.wait({waiting}, timeout=QUIET_S)
        if waiting.done() and (await bench.source.head()).height < start:
            raise Fault(f"the feed from {start} gave or ended before the chain was there")
        pause_s = QUIET_S / 10
        while not waiting.done():
            await bench.mine()
            await asyncio.wait({waiting}, timeout=pause_s)
            pause_s *= 2
        equal(waiting.result()[0].height, start, "the first height")
    finally:
        waiting.cancel()


@check("source.blocks.order", "Heights never go back while nothing reorganises the chain.")
async def order(bench: Bench) -> None:
    """In the order of delivery."""
    for a, b in pairwise(await bench.read_scene()):
        demand(b.height >= a.height, f"block {b.height} came after block {a.height}")


@check("source.blocks.once", "Every block is delivered once to one consumer.")
async def once(bench: Bench) -> None:
    """By height and hash."""
    seen = set()
    for block in await bench.read_scene():
        demand((block.height, block.block_hash) not in seen, f"block {block.height} came twice")
        seen.add((block.height, block.block_hash))


@check("source.blocks.no-gap", "Every height from the start on is delivered, blocks without anchors too.")
async def no_gap(bench: Bench) -> None:
    """Over a stretch with anchors."""
    heights = {block.height for block in await bench.read_scene()}
    missing = [h for h in range(min(heights), max(heights) + 1) if h not in heights]
    demand(not missing, f"heights {missing} are missing between {min(heights)} and {max(heights)}")


@check("source.blocks.parent-hashes", "`parent_hash` is the `block_hash` of the height below.")
async def parents(bench: Bench) -> None:
    """Wherever both were delivered."""
    by_height = {block.height: block for block in await bench.read_scene()}
    for height, block in by_height.items():
        below = by_height.get(height - 1)
        if below is not None:
            equal(block.parent_hash, below.block_hash, f"the parent hash of block {height}")


@check("source.blocks.hash-form", "Block hashes are bytes, 1 to 64 of them, and no two heights have the same.")
async def hash_form(bench: Bench) -> None:
    """Whatever the ledger's own form is."""
    by_height = {block.height: block.block_hash for block in await bench.read_scene()}
    for height, value in by_height.items():
        good = isinstance(value, bytes) and 0 < len(value) <= HASH_BYTES_MAX
        demand(good, f"the hash of block {height} is {value!r}")
    demand(len(set(by_height.values())) == len(by_height), "two heights have the same hash")


@check("source.blocks.same-again", "A second reading gives the same blocks.")
async def same_again(bench: Bench) -> None:
    """Same connection."""
    _compare(await bench.read_scene(), await bench.read_scene())


@check("source.blocks.same-on-other-connection", "Another connection reads the same blocks.")
async def same_elsewhere(bench: Bench) -> None:
    """No state of one connection shows in what it reads."""
    scene = await bench.scene()
    _compare(await bench.read_scene(), await bench.read(scene.start, scene.end, bench.second_source))


def _compare(first: list[AnchorBlock], second: list[AnchorBlock]) -> None:
    by_height = {block.height: block for block in first}
    for block in second:
        if block.height in by_height:
            equal(block, by_height[block.height], f"block {block.height}, read again,")


@check("source.blocks.two-consumers", "Two consumers of one connection both get everything.")
async def two_consumers(bench: Bench) -> None:
    """At the same time."""
    scene = await bench.scene()
    both = await asyncio.gather(bench.read(scene.start, scene.end), bench.read(scene.start, scene.end))
    equal([b.height for b in both[1]], [b.height for b in both[0]], "what the second consumer got")


@check("source.blocks.live", "A feed that stands at the head delivers the next block by itself.")
async def live(bench: Bench) -> None:
    """The consumer waits before the block is made."""
    await bench.scene()
    start = (await bench.source.head()).height
    feed = bench.source.blocks(start)
    try:
        await anext(feed)
        waiting = asyncio.ensure_future(anext(feed))
        await asyncio.wait({waiting}, timeout=QUIET_S)
        await bench.anchored()
        demand((await waiting).height > start, "the next block is not above the last")
    finally:
        await feed.aclose()


@check("source.blocks.slow-consumer", "A consumer that is slower than the chain misses nothing.")
async def slow(bench: Bench) -> None:
    """It takes one block, then many are made."""
    await bench.scene()
    start = (await bench.source.head()).height
    feed = bench.source.blocks(start)
    try:
        await anext(feed)
        last = [await bench.anchored() for _ in range(8)][-1]
        seen: list[tuple[str, int]] = []
        async for block in feed:
            seen += [(anchor.origin, anchor.size) for anchor in block.anchors]
            if block.height >= last.height:
                break
        demand(len(set(seen)) >= 8, f"of eight anchors the feed showed {len(set(seen))}")
    finally:
        await feed.aclose()


@check(
    "source.blocks.cancelled-consumer", "A cancelled consumer releases the feed; the connection and new feeds go on."
)
async def cancelled(bench: Bench) -> None:
    """Cancelled while it waits, several times."""
    scene = await bench.scene()
    for _ in range(3):
        start = (await bench.source.head()).height + 1000
        waiting = asyncio.ensure_future(bench.read(start, start))
        await asyncio.wait({waiting}, timeout=QUIET_S / 3)
        waiting.cancel()
        await asyncio.wait({waiting})
        demand(waiting.cancelled(), "the consumer's cancellation was swallowed or replaced by an error")
    await bench.source.head()
    await bench.read(scene.start, scene.end)


@check("source.blocks.early-leave", "A consumer that leaves in the middle ends its feed without an error.")
async def early_leave(bench: Bench) -> None:
    """By `aclose`, as leaving `async for` does."""
    scene = await bench.scene()
    for _ in range(3):
        feed = bench.source.blocks(scene.start)
        await anext(feed)
        try:
            await feed.aclose()
        except RelayError as error:
            raise Fault(f"leaving the feed raised {type(error).__name__}: {error}") from None
    await bench.source.head()


@check("source.blocks.without-anchors", "A block without anchors is delivered like any other.", "mine")
async def without_anchors(bench: Bench) -> None:
    """The owner's hook makes one, between two anchors."""
    first = await bench.anchored()
    await bench.mine()
    last = await bench.anchored()
    if last.height <= first.height + 1:
        raise NotRun("the owner's hook `mine` made no block")
    blocks = await bench.read(first.height, last.height)
    equal([b.height for b in blocks], list(range(first.height, last.height + 1)), "the heights that the feed gave")
    demand(any(not block.anchors for block in blocks), "the block that the owner's hook made came with an anchor")


@check("source.blocks.final-not-above-head", "A block's `final_height` is never above the height the node has.")
async def final_height(bench: Bench) -> None:
    """0 when the node said nothing."""
    blocks = await bench.read_scene()
    head = await bench.source.head()
    for block in blocks:
        low = 0 <= block.final_height <= head.height
        demand(low, f"block {block.height} came with final height {block.final_height}; the head is {head.height}")


@check("source.blocks.anchors-name-their-block", "An anchor bears ledger, height, hash and time of the block it is in.")
async def anchors_of_block(bench: Bench) -> None:
    """For every anchor of the stretch."""
    for block in await bench.read_scene():
        for anchor in block.anchors:
            due = (bench.source.ledger, block.height, block.block_hash, block.time_ms)
            found = (anchor.ledger, anchor.height, anchor.block_hash, anchor.time_ms)
            equal(found, due, f"what an anchor in block {block.height} says of its block")


@check("source.blocks.every-anchor-once", "What `anchor` returned stands in the feed exactly once.")
async def every_anchor(bench: Bench) -> None:
    """By its transaction."""
    scene = await bench.scene()
    blocks = {block.height: block for block in await bench.read_scene()}
    sizes = {anchor.size for anchor in scene.anchors}
    found = [a for block in blocks.values() for a in block.anchors if a.origin == scene.origin and a.size in sizes]
    equal([(a.size, a.tx_id) for a in found], [(a.size, a.tx_id) for a in scene.anchors], "what the feed shows")


@check("source.blocks.times-in-ms", "Block times are milliseconds since 1970.")
async def times_ms(bench: Bench) -> None:
    """Seconds and microseconds are out of range."""
    for block in await bench.read_scene():
        good = isinstance(block.time_ms, int) and MS_MIN <= block.time_ms <= MS_MAX
        demand(good, f"block {block.height} has time {block.time_ms}, which is no time in milliseconds")


@check("source.blocks.times-in-order", "Block times never fall.")
async def times_order(bench: Bench) -> None:
    """Equal times are allowed."""
    blocks = sorted(await bench.read_scene(), key=lambda block: block.height)
    for a, b in pairwise(blocks):
        demand(b.time_ms >= a.time_ms, f"time fell from block {a.height} to block {b.height}")
