"""Checks of `AnchorSource`: `prove`."""

from __future__ import annotations

from dataclasses import replace

from relay.conformance.bench import Bench
from relay.conformance.check import NotRun, check, demand, equal, refused
from relay.conformance.tampering import (
    all_refused,
    flipped,
    misnamed_refused,
    named_right,
    proven,
    resized,
    strangers_refused,
)
from relay.core.errors import NotFound
from relay.core.ledgerproof import LedgerProof
from relay.ports.ledgers import Anchor


async def _sample(bench: Bench) -> tuple[Anchor, LedgerProof]:
    anchor = (await bench.scene()).anchors[0]
    return anchor, await bench.proof(anchor)


@check(
    "source.prove.shows-the-anchor",
    "The proof shows type anchor, origin, size and root of the anchor.",
    "source-proofs",
)
async def shows(bench: Bench) -> None:
    """Offline, under the pinned root."""
    anchor, proof = await _sample(bench)
    shown = proven(bench, proof, bench.lender_root)
    due = {"type": "anchor", "origin": anchor.origin, "size": anchor.size, "root": anchor.root.hex()}
    equal({name: shown.get(name) for name in due}, due, "what the proof shows")


@check(
    "source.prove.same-place", "The proof shows the anchor's own height, block, transaction and time.", "source-proofs"
)
async def same_place(bench: Bench) -> None:
    """What the feed said and what is proven are the same."""
    anchor, proof = await _sample(bench)
    shown = proven(bench, proof, bench.lender_root)
    place = ["block_hash", "tx_id", "time_ms"]
    if "heights" not in bench.owner.left_out:
        place.append("height")
    due = {name: getattr(anchor, name) for name in place}
    equal({name: shown[name] for name in due}, due, "the place shown")


@check("source.prove.names-and-bounds", "A proof names its ledger and kind and is at most 512 KiB.", "source-proofs")
async def names(bench: Bench) -> None:
    """As pinned."""
    _, proof = await _sample(bench)
    named_right(proof, bench.lender_root)


@check("source.prove.again", "A second proof of the same anchor verifies and shows the same.", "source-proofs")
async def again(bench: Bench) -> None:
    """Its bytes may differ."""
    anchor, proof = await _sample(bench)
    first = proven(bench, proof, bench.lender_root)
    equal(proven(bench, await bench.source.prove(anchor), bench.lender_root), first, "what the second proof shows")


@check("source.prove.other-connection", "Another connection proves the anchor too.", "source-proofs")
async def elsewhere(bench: Bench) -> None:
    """Whoever wrote it."""
    anchor, proof = await _sample(bench)
    other = await bench.second_source.prove(anchor)
    equal(proven(bench, other, bench.lender_root), proven(bench, proof, bench.lender_root), "what its proof shows")


@check("source.prove.own-transaction", "Every anchor's proof is of its own transaction.", "source-proofs")
async def own(bench: Bench) -> None:
    """Also of earlier ones, after later ones."""
    scene = await bench.scene()
    await bench.proof(scene.anchors[-1])
    for anchor in scene.anchors:
        shown = proven(bench, await bench.proof(anchor), bench.lender_root)
        equal(
            (shown.get("size"), shown["tx_id"]),
            (anchor.size, anchor.tx_id),
            f"what the proof of size {anchor.size} shows",
        )


@check("source.prove.not-before-final", "While an anchor is not final, `prove` raises NotFound.")
async def not_before(bench: Bench) -> None:
    """Final is what `head` calls final."""
    anchor = await bench.anchored()
    if (await bench.source.head()).final_height >= anchor.height:
        raise NotRun("anchors of this ledger are final by the time `anchor` returns")
    try:
        await refused(bench.source.prove(anchor), NotFound, what="the proof of an anchor that is not final")
    finally:
        final = (await bench.source.head()).final_height >= anchor.height
    demand(not final, "the ledger made the anchor final meanwhile; run the check again")


@check("source.prove.final-is-provable", "An anchor at or below `final_height` can be proven at once.")
async def provable(bench: Bench) -> None:
    """The head's word holds."""
    scene = await bench.scene()
    await bench.proof(scene.anchors[-1])
    final = (await bench.source.head()).final_height
    demand(final >= scene.end, f"proven at height {scene.end}, but head calls only {final} final")
    for anchor in scene.anchors:
        await bench.source.prove(anchor)


@check("source.prove.unknown-transaction", "A transaction that the ledger does not hold is NotFound.")
async def unknown(bench: Bench) -> None:
    """An anchor with another transaction id."""
    anchor = (await bench.scene()).anchors[0]
    wrong = replace(anchor, tx_id=bytes(len(anchor.tx_id)))
    await refused(bench.source.prove(wrong), NotFound, what="the proof of an unknown transaction")


@check(
    "source.prove.every-byte", "A proof with any bit changed is refused as Unverified or Malformed.", "source-proofs"
)
async def every_byte(bench: Bench) -> None:
    """At a sample of places."""
    _, proof = await _sample(bench)
    await all_refused(bench, flipped(proof), bench.lender_root)


@check("source.prove.every-length", "A proof that is cut or has bytes around it is refused.", "source-proofs")
async def every_length(bench: Bench) -> None:
    """At a sample of lengths."""
    _, proof = await _sample(bench)
    await all_refused(bench, resized(proof), bench.lender_root)


@check("source.prove.other-ledger", "A proof counts only under the name of its own ledger and kind.", "source-proofs")
async def other_ledger(bench: Bench) -> None:
    """The ledger's name is in what is signed."""
    _, proof = await _sample(bench)
    await misnamed_refused(bench, proof, bench.lender_root)


@check("source.prove.other-validators", "Under other validators' keys the proof is refused.", "source-proofs")
async def others(bench: Bench) -> None:
    """Same names, other keys."""
    _, proof = await _sample(bench)
    await strangers_refused(bench, proof, bench.lender_root)
