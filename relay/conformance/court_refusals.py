"""Checks of `CourtRegistry`: submissions that must be refused, and leave nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from relay.conformance.bench import Bench
from relay.conformance.check import ANY, check, demand, equal, refused
from relay.conformance.owner import NamedKey, StrangerKey
from relay.conformance.writing import FORK
from relay.core.errors import Conflict, Denied, Malformed, Unverified
from relay.core.limits import TREE_SIZE_MAX
from relay.ports.ledgers import Receipt, Submission


@asynccontextmanager
async def _unchanged(bench: Bench) -> AsyncIterator[Receipt]:
    """The last accepted checkpoint, which must be the last one still at the end."""
    await bench.log.accepted()
    await bench.log.size()  # not run when another check's failure left a foreign history there
    last = await bench.court.latest(bench.log.key.name)
    if last is None:
        _, last = await bench.log.extend()
    yield last
    equal(await bench.court.latest(last.origin), last, "latest after the refusal")


async def _next(bench: Bench, last: Receipt) -> Submission:
    submission = await bench.log.submission(last.size, more=2)
    demand(len(submission.consistency) > 0, "the kit made no consistency proof")
    return submission


@check("court.submit.fork", "A checkpoint of another history, with a proof of that history, is refused.", "log")
async def fork(bench: Bench) -> None:
    """The lender anchored it; the court's ledger holds the other history already."""
    async with _unchanged(bench) as last:
        submission = await bench.log.submission(last.size, more=3, salt=FORK)
        await refused(bench.court.submit(submission), Unverified, Conflict, what="a forked history")


@check("court.submit.consistency-missing", "An extension without a consistency proof is Unverified.", "log")
async def missing(bench: Bench) -> None:
    """Sizes alone prove nothing."""
    async with _unchanged(bench) as last:
        spoilt = replace(await _next(bench, last), consistency=())
        await refused(bench.court.submit(spoilt), Unverified, Malformed, what="no consistency proof")


@check("court.submit.consistency-cut", "A consistency proof without its last hash is Unverified.", "log")
async def cut(bench: Bench) -> None:
    """Its length is fixed by the sizes."""
    async with _unchanged(bench) as last:
        good = await _next(bench, last)
        spoilt = replace(good, consistency=good.consistency[:-1])
        await refused(bench.court.submit(spoilt), Unverified, Malformed, what="a consistency proof cut short")


@check("court.submit.consistency-padded", "A consistency proof with one hash more is Unverified.", "log")
async def padded(bench: Bench) -> None:
    """Nothing is passed over."""
    async with _unchanged(bench) as last:
        good = await _next(bench, last)
        spoilt = replace(good, consistency=(*good.consistency, bytes(32)))
        await refused(bench.court.submit(spoilt), Unverified, Malformed, what="a consistency proof with one hash more")


@check("court.submit.consistency-changed", "A consistency proof with one changed hash is Unverified.", "log")
async def changed(bench: Bench) -> None:
    """Each of its hashes in turn."""
    async with _unchanged(bench) as last:
        good = await _next(bench, last)
        for place in range(len(good.consistency)):
            hashes = list(good.consistency)
            hashes[place] = bytes(b ^ 1 for b in hashes[place])
            spoilt = replace(good, consistency=tuple(hashes))
            await refused(bench.court.submit(spoilt), Unverified, Malformed, what=f"hash {place} changed")


@check("court.submit.consistency-overlong", "More hashes than any tree has, or of another length, are refused.", "log")
async def overlong(bench: Bench) -> None:
    """Before they are used."""
    async with _unchanged(bench) as last:
        good = await _next(bench, last)
        for hashes in ((bytes(32),) * 1000, (bytes(31),), (b"",)):
            spoilt = replace(good, consistency=hashes)
            await refused(bench.court.submit(spoilt), Unverified, Malformed, what=f"{len(hashes)} strange hashes")


@check(
    "court.submit.strangers-log-key",
    "A checkpoint signed by a key that is not the log's is Unverified.",
    "log",
    "signatures",
)
async def log_key(bench: Bench) -> None:
    """Same name, other key."""
    async with _unchanged(bench) as last:
        stranger = NamedKey(name=bench.log.key.name, signer=StrangerKey())
        spoilt = await bench.log.submission(last.size, key=stranger)
        await refused(bench.court.submit(spoilt), Unverified, what="a stranger's log signature")


@check(
    "court.submit.no-cosignature",
    "A checkpoint without the court's cosignature is Unverified.",
    "log",
    "signatures",
    "witness",
)
async def no_cosignature(bench: Bench) -> None:
    """The log's own signature is not enough."""
    async with _unchanged(bench) as last:
        spoilt = await bench.log.submission(last.size, cosigned=False)
        await refused(bench.court.submit(spoilt), Unverified, what="no cosignature")


@check(
    "court.submit.strangers-cosignature", "A cosignature by a stranger is Unverified.", "log", "signatures", "witness"
)
async def cosignature(bench: Bench) -> None:
    """Same witness name, other key."""
    async with _unchanged(bench) as last:
        name = bench.owner.witness.name if bench.owner.witness else ""
        spoilt = await bench.log.submission(last.size, witness=NamedKey(name=name, signer=StrangerKey()))
        await refused(bench.court.submit(spoilt), Unverified, what="a stranger's cosignature")


@check(
    "court.submit.anchor-of-another",
    "A submission with the anchor of another checkpoint is Unverified.",
    "log",
    "anchors",
)
async def other_anchor(bench: Bench) -> None:
    """A good proof of something else."""
    async with _unchanged(bench) as last:
        other = await bench.anchored()
        spoilt = replace(await _next(bench, last), anchor=await bench.proof(other))
        await refused(bench.court.submit(spoilt), Unverified, what="the anchor of another checkpoint")


@check("court.submit.anchor-damaged", "A damaged, empty or cut proof of the anchor is refused.", "log", "anchors")
async def damaged_anchor(bench: Bench) -> None:
    """Unverified or Malformed."""
    async with _unchanged(bench) as last:
        good = await _next(bench, last)
        body = good.anchor.body
        middle = len(body) // 2
        for spoilt in (b"", b"{}", body[:-1], body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]):
            wrong = replace(good, anchor=replace(good.anchor, body=spoilt))
            await refused(bench.court.submit(wrong), Unverified, Malformed, what=f"a proof of {len(spoilt)} bytes")


@check("court.submit.anchor-of-another-ledger", "A proof that names another ledger is refused.", "log", "anchors")
async def foreign_anchor(bench: Bench) -> None:
    """The log is registered with its own ledger."""
    async with _unchanged(bench) as last:
        good = await _next(bench, last)
        wrong = replace(good, anchor=replace(good.anchor, ledger=bench.court.ledger + "-x"))
        await refused(bench.court.submit(wrong), Unverified, Malformed, what="a proof of another ledger")


@check(
    "court.submit.unregistered", "A checkpoint of an origin that is not registered is Denied.", "log", "registration"
)
async def unregistered(bench: Bench) -> None:
    """However good it is otherwise."""
    async with _unchanged(bench) as last:
        good = await _next(bench, last)
        anchor = await bench.anchored()
        key = NamedKey(name=anchor.origin, signer=bench.log.key.signer)
        stranger = replace(
            good,
            checkpoint=bench.log.note(anchor, key=key),
            old_size=0,
            consistency=(),
            anchor=await bench.proof(anchor),
        )
        await refused(bench.court.submit(stranger), Denied, what="an origin that is not registered")
        equal(await bench.court.latest(anchor.origin), None, "latest of that origin")


@check("court.submit.no-note", "Bytes that are no signed note are refused.", "log")
async def no_note(bench: Bench) -> None:
    """Empty, text, zeros, a note cut in half."""
    async with _unchanged(bench) as last:
        good = await _next(bench, last)
        for note in (b"", b"hello\n", bytes(64), good.checkpoint[: len(good.checkpoint) // 2], b"\xff" * 100_000):
            await refused(bench.court.submit(replace(good, checkpoint=note)), ANY, what=f"a note of {len(note)} bytes")


@check("court.submit.strange-numbers", "Old sizes and attempts that no JSON number holds are refused.", "log")
async def numbers(bench: Bench) -> None:
    """Bounded before use."""
    async with _unchanged(bench) as last:
        good = await _next(bench, last)
        for number in (TREE_SIZE_MAX + 1, 2**63, 2**64 - 1):
            await refused(bench.court.submit(replace(good, old_size=number)), ANY, what=f"old size {number}")
            await refused(bench.court.submit(replace(good, attempt=number)), ANY, what=f"attempt {number}")


@check("court.submit.good-after-refusals", "After refusals the good submission is accepted.", "log")
async def after(bench: Bench) -> None:
    """One caller's nonsense is that caller's error."""
    async with _unchanged(bench) as last:
        good = await _next(bench, last)
        await refused(bench.court.submit(replace(good, consistency=())), ANY, what="no consistency proof")
        await refused(bench.court.submit(replace(good, checkpoint=b"x")), ANY, what="no note")
    receipt = await bench.court.submit(good)
    equal(await bench.court.latest(receipt.origin), receipt, "latest after the good one")
