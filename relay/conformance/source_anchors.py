"""Checks of `AnchorSource`: `find` and `anchor`."""

from __future__ import annotations

import asyncio

from relay.conformance.bench import Bench
from relay.conformance.check import ANY, Fault, check, demand, equal, refused
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, RelayError
from relay.core.limits import ORIGIN_CHARS_MAX, TREE_SIZE_MAX
from relay.ports.ledgers import Anchor

RIVALS = 6


@check("source.find.what-was-anchored", "`find` gives exactly what `anchor` returned, final or not.")
async def finds(bench: Bench) -> None:
    """At once."""
    anchor = await bench.anchored()
    equal(await bench.source.find(anchor.origin, anchor.size), anchor, "what find gives")


@check("source.find.first-anchor", "`find` gives the first anchor of that size, whatever came later.")
async def finds_first(bench: Bench) -> None:
    """Later sizes do not hide it."""
    scene = await bench.scene()
    equal(await bench.source.find(scene.origin, scene.anchors[0].size), scene.anchors[0], "what find gives")


@check("source.find.unknown-origin", "`find` of an origin that was never anchored is None.")
async def unknown_origin(bench: Bench) -> None:
    """None, not an error."""
    await bench.scene()
    equal(await bench.source.find(bench.origin(), 1), None, "what find gives")


@check("source.find.unknown-size", "`find` of a size between or above anchored ones is None.", "anchoring")
async def unknown_size(bench: Bench) -> None:
    """Only exact sizes count."""
    origin = bench.origin()
    await bench.anchored(2, origin)
    await bench.anchored(5, origin)
    for size in (1, 3, 4, 6):
        equal(await bench.source.find(origin, size), None, f"what find gives for size {size}")


@check("source.find.other-origin-same-size", "Two origins with the same size are told apart.", "anchoring")
async def origins_apart(bench: Bench) -> None:
    """Also when one name begins with the other."""
    first = bench.origin()
    made = [await bench.anchored(7, origin) for origin in (first, first + "/x", first.upper())]
    for anchor in made:
        equal(await bench.source.find(anchor.origin, 7), anchor, f"what find gives for {anchor.origin}")


@check("source.find.other-connection", "Another connection finds it too.")
async def finds_elsewhere(bench: Bench) -> None:
    """The ledger answers, not the connection."""
    anchor = await bench.anchored()
    equal(await bench.second_source.find(anchor.origin, anchor.size), anchor, "what the other connection finds")


@check(
    "source.find.strange-questions", "A question for what cannot be is answered None or refused, never with an anchor."
)
async def strange(bench: Bench) -> None:
    """Sizes and origins that no ledger holds."""
    await bench.scene()
    for origin, size in (("", 1), ("a b\n", 2), ("ä" * 300, 3), (bench.origin(), 0), (bench.origin(), TREE_SIZE_MAX)):
        try:
            equal(await bench.source.find(origin, size), None, f"what find gives for {origin[:20]!r} and {size}")
        except RelayError:
            continue


@check(
    "source.anchor.returns-its-facts", "`anchor` returns origin, size, root and ledger as written, and where it stands."
)
async def returns(bench: Bench) -> None:
    """Height from 1, a transaction id, a time in milliseconds."""
    checkpoint = await bench.fresh()
    made = await bench.source.anchor(checkpoint)
    equal(
        _facts(made), (bench.source.ledger, checkpoint.origin, checkpoint.size, checkpoint.root), "what anchor returned"
    )
    demand(made.height >= 1, f"height {made.height}")
    demand(isinstance(made.tx_id, bytes) and len(made.tx_id) > 0, "no transaction id")


def _same(anchor: Anchor, checkpoint: Checkpoint) -> bool:
    return (anchor.origin, anchor.size) == (checkpoint.origin, checkpoint.size)


def _facts(anchor: Anchor) -> tuple[str, str, int, bytes]:
    return anchor.ledger, anchor.origin, anchor.size, anchor.root


@check("source.anchor.same-again", "The same facts again return the anchor that exists.")
async def same_again(bench: Bench) -> None:
    """On the same and on another connection, and without a second transaction."""
    checkpoint = await bench.fresh()
    first = await bench.source.anchor(checkpoint)
    equal(await bench.source.anchor(checkpoint), first, "the anchor, asked for again,")
    equal(await bench.second_source.anchor(checkpoint), first, "the anchor, asked for on another connection,")
    last = await bench.anchored()
    blocks = await bench.read(first.height, last.height)
    shown = {(b.block_hash, a.tx_id) for b in blocks for a in b.anchors if _same(a, checkpoint)}
    equal(len(shown), 1, "the number of its transactions in the feed")


@check("source.anchor.earlier-again", "The same facts again return the first anchor also after larger sizes.")
async def earlier_again(bench: Bench) -> None:
    """A retry that comes late is not a smaller size."""
    first = (await bench.scene()).anchors[0]
    again = Checkpoint(origin=first.origin, size=first.size, root=first.root)
    equal(await bench.source.anchor(again), first, "the first anchor")


@check("source.anchor.same-concurrent", "The same facts at once, on two connections, make one anchor.")
async def same_concurrent(bench: Bench) -> None:
    """All callers get it."""
    checkpoint = await bench.fresh()
    sources = [bench.source, bench.second_source] * RIVALS
    made = await asyncio.gather(*(source.anchor(checkpoint) for source in sources))
    demand(len(set(made)) == 1, f"{len(set(made))} different anchors were returned")


@check("source.anchor.other-root", "Another root at an anchored size is a Conflict, and the first stays.")
async def other_root(bench: Bench) -> None:
    """The ledger never holds two histories of one log."""
    first = await bench.anchored()
    other = bench.checkpoint(first.size, first.origin, "other")
    await refused(bench.source.anchor(other), Conflict, what=f"another root at size {first.size}")
    equal(await bench.source.find(first.origin, first.size), first, "the anchor after that")


@check("source.anchor.smaller-size", "A size below the last is a Conflict and leaves nothing.")
async def smaller(bench: Bench) -> None:
    """Logs only grow."""
    last = await bench.anchored()
    size = last.size - 1
    smaller = bench.source.anchor(bench.checkpoint(size, last.origin))
    await refused(smaller, Conflict, what=f"size {size} after size {last.size}")
    equal(await bench.source.find(last.origin, size), None, f"size {size} after that")


@check(
    "source.anchor.rivals",
    "Of different roots at one size at once exactly one is anchored; the others are a Conflict.",
    "anchoring",
)
async def rivals(bench: Bench) -> None:
    """Whoever is first."""
    origin = bench.origin()
    checkpoints = [bench.checkpoint(3, origin, str(n)) for n in range(RIVALS)]
    outcomes = await asyncio.gather(*(bench.source.anchor(c) for c in checkpoints), return_exceptions=True)
    won = [o for o in outcomes if isinstance(o, Anchor)]
    for outcome in outcomes:
        if isinstance(outcome, Fault):
            raise outcome
        good = isinstance(outcome, Anchor | Conflict)
        demand(good, f"a rival ended with {type(outcome).__name__}: {outcome}; due is Conflict")
    equal(len(won), 1, "the number of rivals that won")
    equal(await bench.source.find(origin, 3), won[0], "what stands after that")


@check("source.anchor.many-origins", "Writes under different origins at once do not disturb each other.", "anchoring")
async def many_origins(bench: Bench) -> None:
    """Several in one block are told apart."""
    checkpoints = [bench.checkpoint(n + 1, bench.origin()) for n in range(RIVALS)]
    made = await asyncio.gather(*(bench.source.anchor(c) for c in checkpoints))
    for checkpoint, anchor in zip(checkpoints, made, strict=True):
        equal(
            await bench.source.find(checkpoint.origin, checkpoint.size), anchor, f"what stands of {checkpoint.origin}"
        )
    demand(len({anchor.tx_id for anchor in made}) == len(made), "two anchors have one transaction id")


@check("source.anchor.largest-size", "The largest size, 2^53 - 1, is anchored and found exactly.", "anchoring")
async def largest(bench: Bench) -> None:
    """No float, no 32 bits."""
    anchor = await bench.anchored(TREE_SIZE_MAX)
    equal(anchor.size, TREE_SIZE_MAX, "the size returned")
    equal(await bench.source.find(anchor.origin, TREE_SIZE_MAX), anchor, "what find gives")
    equal(await bench.source.find(anchor.origin, TREE_SIZE_MAX - 1), None, "what find gives for one less")


@check("source.anchor.longest-origin", "An origin of 255 characters is anchored and found.", "anchoring")
async def longest(bench: Bench) -> None:
    """The port's own bound."""
    origin = bench.origin().ljust(ORIGIN_CHARS_MAX, "x")
    anchor = await bench.anchored(1, origin)
    equal(await bench.source.find(origin, 1), anchor, "what find gives")


@check("source.anchor.size-zero", "Size 0 is refused: an empty log has nothing to anchor.")
async def size_zero(bench: Bench) -> None:
    """By any domain error."""
    await refused(bench.source.anchor(bench.checkpoint(0, bench.origin())), ANY, what="size 0")


@check("source.anchor.size-too-large", "Sizes above 2^53 - 1 are refused.")
async def too_large(bench: Bench) -> None:
    """They cannot be written exactly in JSON."""
    for size in (TREE_SIZE_MAX + 1, 2**63, 2**64 - 1):
        await refused(bench.source.anchor(bench.checkpoint(size, bench.origin())), ANY, what=f"size {size}")


@check("source.anchor.wrong-root", "A root that is not 32 bytes is refused.")
async def wrong_root(bench: Bench) -> None:
    """Too short, too long, empty."""
    for root in (b"", bytes(31), bytes(33)):
        wrong = Checkpoint(origin=bench.origin(), size=1, root=root)
        await refused(bench.source.anchor(wrong), ANY, what=f"a root of {len(root)} bytes")


@check("source.anchor.overlong-origin", "An origin of more than 255 characters is refused.")
async def overlong(bench: Bench) -> None:
    """Just beyond, and far beyond."""
    for length in (ORIGIN_CHARS_MAX + 1, 100_000):
        origin = bench.origin().ljust(length, "x")
        await refused(bench.source.anchor(bench.checkpoint(1, origin)), ANY, what=f"an origin of {length} characters")


@check("source.anchor.broken-origin", "An origin that is empty or has spaces, line ends or plus signs is refused.")
async def broken_origin(bench: Bench) -> None:
    """It could not stand in a checkpoint."""
    for tail in (" x", "\n", "+x", "\x00"):
        origin = bench.origin() + tail
        await refused(bench.source.anchor(bench.checkpoint(1, origin)), ANY, what=f"an origin that ends in {tail!r}")
    await refused(bench.source.anchor(bench.checkpoint(1, "")), ANY, what="an empty origin")


@check("source.anchor.non-ascii-origin", "An origin beyond ASCII is refused, or kept letter by letter.")
async def non_ascii(bench: Bench) -> None:
    """Never changed on the way."""
    origin = bench.origin() + "/Zürich-法院"
    try:
        made = await bench.source.anchor(bench.checkpoint(1, origin))
    except RelayError:
        return
    equal(made.origin, origin, "the origin returned")
    equal(await bench.source.find(origin, 1), made, "what find gives")
