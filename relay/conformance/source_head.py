"""Checks of `AnchorSource`: identity and head."""

from __future__ import annotations

from itertools import pairwise

from relay.conformance.bench import Bench
from relay.conformance.check import Fault, NotRun, check, demand, equal
from relay.core.fields import IDENTIFIER


@check("source.ledger.one-id", "`ledger` is an identifier, the same on every connection and in trust roots.")
async def one_id(bench: Bench) -> None:
    """Visible ASCII without spaces."""
    name = bench.source.ledger
    demand(isinstance(name, str) and IDENTIFIER.fullmatch(name) is not None, f"{name!r} is no identifier")
    equal(bench.second_source.ledger, name, "the id on a second connection")
    if bench.owner.roots and name not in bench.owner.roots:
        raise Fault(f"{name} is not among the pinned ledgers")


@check("source.head.final-not-above-height", "`final_height` lies between 0 and `height`.")
async def final_below(bench: Bench) -> None:
    """Also right after a write."""
    for _ in range(3):
        head = await bench.source.head()
        demand(0 <= head.final_height <= head.height, f"final {head.final_height} at height {head.height}")
        await bench.anchored()


@check("source.head.covers-own-write", "After `anchor` returned, `head` is at the anchor's block or above it.")
async def covers(bench: Bench) -> None:
    """The block holds it already."""
    anchor = await bench.anchored()
    head = await bench.source.head()
    demand(head.height >= anchor.height, f"head {head.height} after an anchor at {anchor.height}")


@check("source.head.never-falls", "`height` and `final_height` do not fall while nothing reorganises the chain.")
async def never_falls(bench: Bench) -> None:
    """Over a few writes."""
    heads = []
    for _ in range(4):
        heads.append(await bench.source.head())
        await bench.anchored()
    for a, b in pairwise(heads):
        demand(b.height >= a.height, f"height fell from {a.height} to {b.height}")
        demand(b.final_height >= a.final_height, f"final height fell from {a.final_height} to {b.final_height}")


@check("source.head.hash-of-its-block", "`block_hash` is that of the block at `height`, as the feed gives it.")
async def head_hash(bench: Bench) -> None:
    """Asked again when the chain grew in between."""
    await bench.scene()
    for _ in range(5):
        head = await bench.source.head()
        block = (await bench.read(head.height, head.height))[0]
        if block.block_hash == head.block_hash:
            return
        if (await bench.source.head()).height == head.height:
            equal(head.block_hash, block.block_hash, f"the head's hash at height {head.height}")
    raise NotRun("the chain grows too fast to compare a head with its block")
