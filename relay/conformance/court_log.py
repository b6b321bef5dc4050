"""Checks of `CourtRegistry`: identity, `latest`, `submit` and `find` of evidence logs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from relay.conformance.bench import Bench
from relay.conformance.check import Fault, NotRun, check, demand, equal, refused
from relay.conformance.source_feed import MS_MAX, MS_MIN
from relay.core.checkpoint import parse_checkpoint
from relay.core.errors import Conflict, RelayError
from relay.core.fields import IDENTIFIER
from relay.ports.ledgers import Receipt

CALLERS = 6


@check("court.ledger.one-id", "`ledger` is an identifier, the same on every connection and in trust roots.")
async def one_id(bench: Bench) -> None:
    """Visible ASCII without spaces."""
    name = bench.court.ledger
    demand(isinstance(name, str) and IDENTIFIER.fullmatch(name) is not None, f"{name!r} is no identifier")
    equal(bench.second_court.ledger, name, "the id on a second connection")
    if bench.owner.roots and name not in bench.owner.roots:
        raise Fault(f"{name} is not among the pinned ledgers")


@check("court.latest.none-before-first", "`latest` of a log without an accepted checkpoint is None.", "log")
async def none_before(bench: Bench) -> None:
    """Only a new log shows it."""
    if await bench.log.size():
        raise NotRun("the log has accepted checkpoints from an earlier run; a new one shows it")
    equal(await bench.second_court.latest(bench.log.key.name), None, "latest")


@check("court.latest.unknown-origin", "`latest` of an origin that nobody registered is None.")
async def unknown_latest(bench: Bench) -> None:
    """None, not an error."""
    equal(await bench.court.latest(bench.origin()), None, "latest")


@check(
    "court.submit.first",
    "The first checkpoint of a log is accepted from size 0 with an empty consistency proof.",
    "log",
)
async def first(bench: Bench) -> None:
    """Only a new log shows it."""
    if await bench.log.size():
        raise NotRun("the log has accepted checkpoints from an earlier run; a new one shows it")
    _, receipt = await bench.log.extend()
    equal(await bench.court.latest(bench.log.key.name), receipt, "latest after the first")


@check("court.submit.extends", "A checkpoint that extends the last one is accepted and becomes the latest.", "log")
async def extends(bench: Bench) -> None:
    """From several sizes to larger ones."""
    for more in (1, 2, 5):
        submission = await bench.log.submission(await bench.log.size(), more=more)
        receipt = await bench.court.submit(submission)
        equal(await bench.court.latest(receipt.origin), receipt, "latest after it")


@check(
    "court.submit.receipt-facts",
    "The receipt names ledger, origin, size and root as submitted, and where it stands.",
    "log",
)
async def receipt_facts(bench: Bench) -> None:
    """Height from 1 and a transaction id."""
    submission, receipt = await bench.log.extend()
    due, _ = parse_checkpoint(submission.checkpoint)
    found = (receipt.ledger, receipt.origin, receipt.size, receipt.root)
    equal(found, (bench.court.ledger, due.origin, due.size, due.root), "what the receipt says")
    demand(receipt.height >= 1 and len(receipt.tx_id) > 0, f"height {receipt.height}, transaction {receipt.tx_id!r}")


@check(
    "court.submit.times-in-ms",
    "A receipt's time is in milliseconds since 1970, and no later receipt has an earlier one.",
    "log",
)
async def times(bench: Bench) -> None:
    """Block times."""
    receipts = [(await bench.log.extend())[1] for _ in range(2)]
    for receipt in receipts:
        demand(MS_MIN <= receipt.time_ms <= MS_MAX, f"time {receipt.time_ms} is no time in milliseconds")
    demand(receipts[1].time_ms >= receipts[0].time_ms, "the later receipt has the earlier time")


@check(
    "court.submit.same-again", "The same submission again returns the first receipt and has no second effect.", "log"
)
async def same_again(bench: Bench) -> None:
    """On both connections."""
    submission, receipt = await bench.log.extend()
    equal(await bench.court.submit(submission), receipt, "the receipt of the same submission")
    equal(await bench.second_court.submit(submission), receipt, "the receipt on another connection")
    equal(await bench.court.latest(receipt.origin), receipt, "latest after that")


@check("court.submit.attempt-changes-nothing", "Another attempt number returns the first receipt.", "log")
async def attempts(bench: Bench) -> None:
    """The attempt is a note, not part of the facts."""
    submission, receipt = await bench.log.extend()
    for attempt in (2, 3, 2**40):
        again = await bench.court.submit(replace(submission, attempt=attempt))
        equal(again, receipt, f"the receipt of attempt {attempt}")


@check("court.submit.earlier-again", "A checkpoint accepted before later ones returns its first receipt.", "log")
async def earlier(bench: Bench) -> None:
    """Without a time window."""
    submission, receipt = await bench.log.extend()
    _, last = await bench.log.extend()
    equal(await bench.court.submit(replace(submission, attempt=7)), receipt, "the receipt of the earlier one")
    equal(await bench.court.latest(receipt.origin), last, "latest after that")


@check("court.submit.same-concurrent", "One submission sent many times at once has one effect and one receipt.", "log")
async def concurrent(bench: Bench) -> None:
    """With different attempts, on two connections."""
    submission = await bench.log.submission(await bench.log.size())
    courts = [bench.court, bench.second_court] * CALLERS
    sent = (court.submit(replace(submission, attempt=n + 1)) for n, court in enumerate(courts))
    receipts = set(await asyncio.gather(*sent))
    equal(len(receipts), 1, "the number of different receipts")
    equal(await bench.court.latest(bench.log.key.name), next(iter(receipts)), "latest after that")


@check(
    "court.submit.rivals",
    "Of two different extensions of one size at once exactly one is accepted; the other is a Conflict.",
    "log",
)
async def rivals(bench: Bench) -> None:
    """Compare and swap on the last size."""
    old = await bench.log.size() or (await bench.log.extend())[1].size
    both = [await bench.log.submission(old), await bench.log.submission(old, more=2)]
    outcomes = await asyncio.gather(*(bench.court.submit(one) for one in both), return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    for outcome in outcomes:
        if isinstance(outcome, Fault):
            raise outcome
        good = isinstance(outcome, Receipt | Conflict)
        demand(good, f"a rival ended with {type(outcome).__name__}: {outcome}; due is Conflict")
    equal(len(won), 1, "the number of rivals that won")
    equal(await bench.court.latest(bench.log.key.name), won[0], "latest after that")


@check("court.submit.old-size-stale", "An `old_size` below the last accepted size is a Conflict.", "log")
async def stale(bench: Bench) -> None:
    """0 as well as an earlier size, each with a proof that holds."""
    await bench.log.extend()
    _, before = await bench.log.extend()
    _, last = await bench.log.extend()
    for old in (before.size, 0):
        submission = await bench.log.submission(old, more=last.size - old + 1)
        await refused(bench.court.submit(submission), Conflict, what=f"old size {old} where the last is {last.size}")
    equal(await bench.court.latest(last.origin), last, "latest after that")


@check("court.submit.old-size-ahead", "An `old_size` above the last accepted size is a Conflict.", "log")
async def ahead(bench: Bench) -> None:
    """Nothing may be left out."""
    _, last = await bench.log.extend()
    submission = await bench.log.submission(last.size + 1, more=2)
    await refused(bench.court.submit(submission), Conflict, what=f"an old size above {last.size}")
    equal(await bench.court.latest(last.origin), last, "latest after that")


@check("court.find.exact", "`find` gives the receipt of exactly the origin, size and root asked for.", "log")
async def finds(bench: Bench) -> None:
    """On both connections, and of earlier ones too."""
    _, earlier_one = await bench.log.extend()
    _, last = await bench.log.extend()
    for court in (bench.court, bench.second_court):
        for receipt in (earlier_one, last):
            found = await court.find(receipt.origin, receipt.size, receipt.root)
            equal(found, receipt, f"what find gives for size {receipt.size}")


@check("court.find.other-root", "`find` with another root is None.", "log")
async def other_root(bench: Bench) -> None:
    """The root is part of the question."""
    _, receipt = await bench.log.accepted()
    equal(await bench.court.find(receipt.origin, receipt.size, bytes(32)), None, "what find gives")


@check("court.find.other-size", "`find` with a size that was never accepted is None.", "log")
async def other_size(bench: Bench) -> None:
    """Sizes between accepted ones do not count."""
    _, last = await bench.log.extend()
    skipped = await bench.log.submission(last.size, more=3)
    receipt = await bench.court.submit(skipped)
    for size in (receipt.size - 1, receipt.size + 1):
        equal(await bench.court.find(receipt.origin, size, receipt.root), None, f"what find gives for size {size}")


@check("court.find.unknown-origin", "`find` of an origin that nobody registered is None.")
async def unknown_find(bench: Bench) -> None:
    """None, not an error."""
    equal(await bench.court.find(bench.origin(), 1, bytes(32)), None, "what find gives")


@check(
    "court.find.strange-questions", "A question for what cannot be is answered None or refused, never with a receipt."
)
async def strange(bench: Bench) -> None:
    """Sizes, origins and roots that no ledger holds."""
    for origin, size, root in (("", 1, bytes(32)), ("a b\n", 2, b""), ("ä" * 300, 0, bytes(33)), ("x", 2**53, b"x")):
        try:
            equal(await bench.court.find(origin, size, root), None, f"what find gives for {origin[:20]!r} and {size}")
            equal(await bench.court.latest(origin), None, f"what latest gives for {origin[:20]!r}")
        except RelayError:
            continue
