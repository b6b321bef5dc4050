"""Checks of `AnchorSource`: its end, a ledger that restarts, a chain that is reorganised."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from relay.conformance.bench import Bench
from relay.conformance.check import ANY, NotRun, check, demand, equal, refused
from relay.conformance.source_feed import QUIET_S
from relay.core.errors import Conflict, RelayError, Unavailable
from relay.ports.ledgers import AnchorBlock, LedgerHead

TRIES = 400
PAUSE_S = 0.05


@check("source.close.twice", "`close` may be called twice.")
async def twice(bench: Bench) -> None:
    """Also before anything was asked."""
    source = await bench.open_source()
    await source.close()
    await source.close()


@check("source.close.then-use", "After `close` every method raises a domain error.")
async def then_use(bench: Bench) -> None:
    """Never an error of the transport."""
    anchor = (await bench.scene()).anchors[0]
    source = await bench.open_source()
    await source.head()
    await source.close()
    await refused(source.head(), ANY, what="head")
    await refused(source.find(anchor.origin, anchor.size), ANY, what="find")
    await refused(source.prove(anchor), ANY, what="prove")
    await refused(source.anchor(bench.checkpoint(1, bench.origin())), ANY, what="anchor")
    await refused(anext(source.blocks(1)), ANY, what="blocks")


@check("source.close.ends-feeds", "A feed that waits while `close` is called ends with a domain error.")
async def ends_feeds(bench: Bench) -> None:
    """It neither hangs nor ends as if the chain had one."""
    source = await bench.open_source()
    start = (await source.head()).height + 1000
    waiting = asyncio.ensure_future(bench.read(start, start, source))
    await asyncio.wait({waiting}, timeout=QUIET_S)
    await source.close()
    await refused(waiting, ANY, what="the waiting feed")


@check("source.close.leaves-others", "Closing one connection leaves the others.")
async def leaves_others(bench: Bench) -> None:
    """Nothing shared is closed with it."""
    scene = await bench.scene()
    source = await bench.open_source()
    await source.head()
    await source.close()
    await bench.source.head()
    await bench.read(scene.start, scene.end)


async def _head(bench: Bench) -> LedgerHead:
    """The head, as soon as the ledger can be reached again."""
    for _ in range(TRIES):
        try:
            return await bench.source.head()
        except Unavailable:
            await asyncio.sleep(PAUSE_S)
    return await bench.source.head()


async def _restart(bench: Bench) -> LedgerHead:
    await bench.restart()
    return await _head(bench)


@check(
    "source.restart.chain-stands", "After the node restarted, final blocks and anchors are what they were.", "restart"
)
async def stands(bench: Bench) -> None:
    """Same connection, without opening it again."""
    scene = await bench.scene()
    await bench.proof(scene.anchors[-1])
    before = await bench.read_scene()
    await _restart(bench)
    equal(await bench.read(scene.start, scene.end), before, "the stretch after the restart")
    equal(await bench.source.find(scene.origin, 1), scene.anchors[0], "the first anchor after the restart")


@check(
    "source.restart.write-again",
    "After a restart the same facts are the first anchor still, and new ones go on.",
    "restart",
)
async def write_again(bench: Bench) -> None:
    """Idempotence is the ledger's memory, not the connection's."""
    scene = await bench.scene()
    await bench.proof(scene.anchors[-1])
    await _restart(bench)
    equal(
        await bench.source.anchor(bench.checkpoint(3, scene.origin)), scene.anchors[2], "the anchor, asked for again,"
    )
    await refused(bench.source.anchor(bench.checkpoint(3, scene.origin, "other")), Conflict, what="another root")
    equal((await bench.anchored(4, scene.origin)).size, 4, "the next anchor's size")


@check("source.restart.feed", "A feed over a restart goes on without a gap, or raises Unavailable.", "restart")
async def feed(bench: Bench) -> None:
    """It never ends silently."""
    await bench.scene()
    head = await bench.source.head()
    waiting = asyncio.ensure_future(bench.read(head.height, head.height + 1))
    await asyncio.wait({waiting}, timeout=QUIET_S)
    await _restart(bench)
    try:
        await bench.anchored()
        blocks = await waiting
    except Unavailable:
        return
    finally:
        waiting.cancel()
    equal([b.height for b in blocks], list(range(head.height, blocks[-1].height + 1)), "what the feed gave")


async def _reorganise(bench: Bench) -> LedgerHead:
    """Replace the newest block. Raises `NotRun` when it is final already."""
    head = await bench.source.head()
    if head.final_height >= head.height:
        raise NotRun("blocks of this ledger are final at once: nothing can be reorganised")
    await bench.reorganise(1)
    return head


@check(
    "source.reorg.replaced-again",
    "A live feed gives replaced heights again, with other hashes, and links up.",
    "reorganise",
)
async def replaced(bench: Bench) -> None:
    """So that the caller sees it by `parent_hash`."""
    await bench.anchored()
    start = (await bench.source.head()).height
    feed = bench.source.blocks(start)
    seen: list[AnchorBlock] = [await anext(feed)]
    try:
        old = await _reorganise(bench)
        await bench.mine()
        end = (await bench.source.head()).height
        chain: dict[int, AnchorBlock] = {}
        async for block in feed:
            seen.append(block)
            chain = {b.height: b for b in seen}
            if block.height >= end and chain[old.height].block_hash != old.block_hash:
                break
    except Unavailable:
        return  # a broken feed is allowed: the caller starts again from its cursor
    finally:
        await feed.aclose()
    for a, b in pairwise(sorted(chain)):
        equal(chain[b].parent_hash, chain[a].block_hash, f"the parent hash of block {b} after the reorganisation")


@check(
    "source.reorg.find-follows",
    "`find` gives what the present chain holds: an anchor that was replaced is gone.",
    "reorganise",
)
async def follows(bench: Bench) -> None:
    """Or stands in another block, when the ledger took it up again."""
    anchor = await bench.anchored()
    if (await bench.source.head()).height != anchor.height:
        raise NotRun("the anchor's block is not the newest: the hook cannot replace it alone")
    await _reorganise(bench)
    found = await bench.source.find(anchor.origin, anchor.size)
    demand(found is None or found.block_hash != anchor.block_hash, "find still gives the anchor in its replaced block")


@check("source.reorg.write-again", "An anchor that a reorganisation took away can be written again.", "reorganise")
async def taken_up(bench: Bench) -> None:
    """The caller asks `find`, then `anchor`."""
    anchor = await bench.anchored()
    await _reorganise(bench)
    again = await bench.source.anchor(bench.checkpoint(anchor.size, anchor.origin))
    demand(again.block_hash != anchor.block_hash or again == anchor, "another anchor in a block that is gone")
    equal(await bench.source.find(anchor.origin, anchor.size), again, "what find gives")


@check("source.reorg.final-stays", "`final_height` does not fall, and final blocks keep their hashes.", "reorganise")
async def final_stays(bench: Bench) -> None:
    """Whatever happens above it."""
    scene = await bench.scene()
    await bench.proof(scene.anchors[-1])
    before, blocks = await bench.source.head(), await bench.read_scene()
    await bench.anchored()
    await _reorganise(bench)
    after = await bench.source.head()
    demand(after.final_height >= before.final_height, f"final fell from {before.final_height} to {after.final_height}")
    equal(await bench.read_scene(), blocks, "final blocks after the reorganisation")


@check("source.reorg.orphan-not-proven", "An anchor in a replaced block is never proven there.", "reorganise")
async def orphan(bench: Bench) -> None:
    """Not now and not when its height is final."""
    anchor = await bench.anchored()
    await _reorganise(bench)
    for _ in range(3):
        try:
            proof = await bench.source.prove(anchor)
        except RelayError:
            await bench.mine()
            continue
        if bench.missing("source-proofs"):
            raise NotRun("no verifier is given")
        shown = bench.verify(proof, bench.lender_root)
        demand(shown.block_hash != anchor.block_hash, "the proof is of a block that was replaced")
        await bench.mine()
