"""Checks of `CourtRegistry`: `prove`."""

from __future__ import annotations

from relay.conformance.bench import Bench
from relay.conformance.check import check, equal, refused
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


async def _sample(bench: Bench) -> LedgerProof:
    _, receipt = await bench.log.accepted()
    return await bench.court_proof(receipt.tx_id)


@check(
    "court.prove.shows-the-checkpoint", "The proof shows type checkpoint, origin, size and root.", "log", "court-proofs"
)
async def shows(bench: Bench) -> None:
    """Of every receipt, earlier ones too."""
    for _, receipt in (await bench.log.accepted(), await bench.log.extend()):
        shown = proven(bench, await bench.court_proof(receipt.tx_id), bench.court_root)
        due = {"type": "checkpoint", "origin": receipt.origin, "size": receipt.size, "root": receipt.root.hex()}
        equal({name: shown.get(name) for name in due}, due, "what the proof shows")


@check(
    "court.prove.same-place", "The proof shows the receipt's own height, transaction and time.", "log", "court-proofs"
)
async def same_place(bench: Bench) -> None:
    """What was returned and what is proven are the same."""
    _, receipt = await bench.log.accepted()
    shown = proven(bench, await bench.court_proof(receipt.tx_id), bench.court_root)
    due = {name: getattr(receipt, name) for name in ("height", "tx_id", "time_ms")}
    equal({name: shown[name] for name in due}, due, "the place shown")


@check("court.prove.at-once", "A receipt can be proven as soon as `submit` returned: its block is final.", "log")
async def at_once(bench: Bench) -> None:
    """On both connections."""
    _, receipt = await bench.log.extend()
    await bench.second_court.prove(receipt.tx_id)
    await bench.court.prove(receipt.tx_id)


@check(
    "court.prove.names-and-bounds", "A proof names its ledger and kind and is at most 512 KiB.", "log", "court-proofs"
)
async def names(bench: Bench) -> None:
    """As pinned."""
    named_right(await _sample(bench), bench.court_root)


@check(
    "court.prove.again", "A second proof of the same transaction verifies and shows the same.", "log", "court-proofs"
)
async def again(bench: Bench) -> None:
    """Its bytes may differ."""
    first = proven(bench, await _sample(bench), bench.court_root)
    equal(proven(bench, await _sample(bench), bench.court_root), first, "what the second proof shows")


@check("court.prove.unknown-transaction", "A transaction that the ledger does not hold is NotFound.", "log")
async def unknown(bench: Bench) -> None:
    """Of the right length, and of none."""
    _, receipt = await bench.log.accepted()
    for tx in (bytes(len(receipt.tx_id)), receipt.tx_id[:-1] + bytes([receipt.tx_id[-1] ^ 1])):
        await refused(bench.court.prove(tx), NotFound, what="the proof of an unknown transaction")


@check(
    "court.prove.every-byte",
    "A proof with any bit changed is refused as Unverified or Malformed.",
    "log",
    "court-proofs",
)
async def every_byte(bench: Bench) -> None:
    """At a sample of places."""
    await all_refused(bench, flipped(await _sample(bench)), bench.court_root)


@check("court.prove.every-length", "A proof that is cut or has bytes around it is refused.", "log", "court-proofs")
async def every_length(bench: Bench) -> None:
    """At a sample of lengths."""
    await all_refused(bench, resized(await _sample(bench)), bench.court_root)


@check(
    "court.prove.other-ledger", "A proof counts only under the name of its own ledger and kind.", "log", "court-proofs"
)
async def other_ledger(bench: Bench) -> None:
    """The ledger's name is in what is signed."""
    await misnamed_refused(bench, await _sample(bench), bench.court_root)


@check("court.prove.other-validators", "Under other validators' keys the proof is refused.", "log", "court-proofs")
async def others(bench: Bench) -> None:
    """Same names, other keys."""
    await strangers_refused(bench, await _sample(bench), bench.court_root)
