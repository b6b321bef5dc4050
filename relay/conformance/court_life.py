"""Checks of `CourtRegistry`: its end, and a ledger that restarts."""

from __future__ import annotations

import asyncio

from relay.conformance.bench import Bench
from relay.conformance.check import ANY, check, equal, refused
from relay.conformance.source_life import PAUSE_S, TRIES
from relay.core.errors import Unavailable


@check("court.close.twice", "`close` may be called twice.")
async def twice(bench: Bench) -> None:
    """Also before anything was asked."""
    court = await bench.open_court()
    await court.close()
    await court.close()


@check("court.close.then-use", "After `close` every method raises a domain error.")
async def then_use(bench: Bench) -> None:
    """Never an error of the transport."""
    court = await bench.open_court()
    await court.latest("x")
    await court.close()
    await refused(court.latest("x"), ANY, what="latest")
    await refused(court.find("x", 1, bytes(32)), ANY, what="find")
    await refused(court.prove(bytes(32)), ANY, what="prove")
    await refused(court.record_grant(b"x"), ANY, what="record_grant")
    await refused(court.grant_state("x", bytes(32)), ANY, what="grant_state")
    await refused(court.append_custody_head(b"x", 0, ()), ANY, what="append_custody_head")


@check("court.close.then-submit", "After `close` a submission raises a domain error and has no effect.", "log")
async def then_submit(bench: Bench) -> None:
    """It can be sent on another connection."""
    submission = await bench.log.submission(await bench.log.size())
    court = await bench.open_court()
    await court.close()
    await refused(court.submit(submission), ANY, what="submit")
    await bench.court.submit(submission)


@check("court.close.leaves-others", "Closing one connection leaves the others.")
async def leaves_others(bench: Bench) -> None:
    """Nothing shared is closed with it."""
    court = await bench.open_court()
    await court.latest("x")
    await court.close()
    await bench.court.latest("x")
    await bench.second_court.latest("x")


@check(
    "court.restart.stands",
    "After a restart receipts, grants and custody heads are what they were.",
    "restart",
    "log",
    "grants",
)
async def stands(bench: Bench) -> None:
    """Same connection; what was written before is not written again."""
    submission, receipt = await bench.log.extend()
    digest, tx = await bench.grants.registered()
    await bench.restart()
    for _ in range(TRIES):
        try:
            await bench.court.latest(receipt.origin)
            await bench.source.head()
            break
        except Unavailable:
            await asyncio.sleep(PAUSE_S)
    equal(await bench.court.latest(receipt.origin), receipt, "latest after the restart")
    equal(await bench.court.submit(submission), receipt, "the receipt of the same submission")
    equal(await bench.court.record_grant(bench.grants.statement("register", digest)), tx, "the registration")
    await bench.log.extend()
