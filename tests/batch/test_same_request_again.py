"""The desks know what they have done: the same request id again issues no second grant and asks for no second disclosure."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from relay.core.custody import parse_event
from relay.core.errors import Conflict, Malformed, Unavailable
from relay.core.grants import parse_grant
from relay.services.court.asking import RetrievalCommand
from relay.services.court.once import NamedRetrievals
from relay.services.court.retrieval import Done
from relay.services.custodian.scopes import GrantCommand
from tests.support.bundles import make_home, noon_of
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way

ID = b"r" * 32


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="named") as opened:
        await opened.deposit("loan 1", small_dossier())
        await opened.forward()
        yield opened


def command(way: Way, request_id: bytes = ID) -> GrantCommand:
    now_s = way.clock.ms // 1000
    return GrantCommand(
        court=way.court, case="Case 1", dossiers=("loan 1",), kinds=("*",), mode="retrieve", purpose="filing",
        not_before_s=now_s, expires_s=now_s + 1000, uses=5, request_id=request_id,
    )  # fmt: skip


def retrieval(grant: str) -> RetrievalCommand:
    return RetrievalCommand(grant=grant.encode(), dossier="", officer="batch", purpose="filing", request_id=ID)


async def done(named: NamedRetrievals, wanted: RetrievalCommand) -> Done:
    async with aclosing(named.run(wanted)) as events:  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, Done):
                return event
    raise AssertionError("ended without a result")


async def spent(way: Way) -> int:
    return sum(grant.uses_spent for grant in await way.custodian_store.grants())


async def test_the_same_request_gives_the_same_grant_also_at_once(way: Way) -> None:
    tokens = await asyncio.gather(*(way.grants.issue(command(way)) for _ in range(5)))
    assert len(set(tokens)) == 1
    assert await way.grants.issue(command(way)) == tokens[0]
    assert len(await way.grants.list()) == 1
    assert way.custodian_store.custody_size == 2  # one deposit, one grant


async def test_without_an_id_every_issue_is_a_grant_of_its_own(way: Way) -> None:
    assert await way.grants.issue(command(way, b"")) != await way.grants.issue(command(way, b""))


async def test_an_id_used_for_something_else_is_refused(way: Way) -> None:
    await way.grants.issue(command(way))
    changes = (
        {"case": "Case 2"},
        {"uses": 6},
        {"kinds": ("repayment",)},
        {"kinds": (), "profile": "filing"},
        {"members": ("repayment.payer",)},
        {"purpose_class": "mediation"},
        {"purpose": "hearing"},
        {"expires_s": 10**10},
    )
    for change in changes:
        with pytest.raises(Conflict):
            await way.grants.issue(replace(command(way), **change))  # type: ignore[arg-type]
    assert len(await way.grants.list()) == 1


async def test_an_id_has_one_length(way: Way) -> None:
    named = NamedRetrievals(way.retrieval, way.court_store)
    for request_id in (b"r", b"r" * 31, b"r" * 33):
        with pytest.raises(Malformed):
            await way.grants.issue(command(way, request_id))
        with pytest.raises(Malformed):
            await done(named, replace(retrieval("x"), request_id=request_id))


async def test_a_grant_that_was_refused_may_be_asked_for_again(way: Way) -> None:
    with pytest.raises(Malformed):
        await way.grants.issue(replace(command(way), dossiers=("loan 2",)))
    await way.deposit("loan 2", small_dossier(1))
    token = await way.grants.issue(replace(command(way), dossiers=("loan 2",)))
    assert parse_grant(token).case == "Case 1"


async def test_a_finished_retrieval_is_found_and_spends_nothing(way: Way) -> None:
    grant = await way.grants.issue(command(way))
    first = await done(NamedRetrievals(way.retrieval, way.court_store), retrieval(grant))
    again = await done(NamedRetrievals(way.retrieval, way.court_store), retrieval(grant))
    assert (again.bundle_id, again.verdict, again.attempts) == (first.bundle_id, first.verdict, 1)
    assert await spent(way) == 1
    with pytest.raises(Conflict):
        await done(NamedRetrievals(way.retrieval, way.court_store), replace(retrieval(grant), officer="another"))


async def test_a_caller_that_hangs_up_stops_nothing(way: Way) -> None:
    """The answer stands still until the caller is gone; it is made all the same, and the next caller gets it."""
    grant = await way.grants.issue(command(way))
    named = NamedRetrievals(way.retrieval, way.court_store)
    asked, go_on = asyncio.Event(), asyncio.Event()
    begin = way.custodian_store.begin_disclosure

    async def held(*arguments: object) -> int:
        asked.set()
        await go_on.wait()
        return await begin(*arguments)  # type: ignore[arg-type]

    way.custodian_store.begin_disclosure = held  # type: ignore[method-assign]
    calling = asyncio.create_task(done(named, retrieval(grant)))
    await asked.wait()
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    joined = asyncio.create_task(done(named, retrieval(grant)))
    go_on.set()
    assert (await joined).attempts == 1
    assert await spent(way) == 1


async def test_a_court_that_died_in_the_middle_goes_on_and_says_so(way: Way) -> None:
    grant = await way.grants.issue(command(way))
    named = NamedRetrievals(way.retrieval, way.court_store)

    arrived = asyncio.Event()

    async def never(*_arguments: object) -> int:
        arrived.set()
        await asyncio.Event().wait()
        return 0

    real = way.court_store.save_bundle
    way.court_store.save_bundle = never  # type: ignore[method-assign, assignment]
    calling = asyncio.create_task(done(named, retrieval(grant)))
    await arrived.wait()
    await named.close()
    with pytest.raises(Unavailable, match="ending"):
        await calling
    way.court_store.save_bundle = real  # type: ignore[method-assign]
    again = await done(NamedRetrievals(way.retrieval, way.court_store), retrieval(grant))
    assert again.attempts == 2
    assert await spent(way) == 1  # what had come was kept: nobody is asked for a second disclosure
    found = await done(NamedRetrievals(way.retrieval, way.court_store), retrieval(grant))
    assert (found.bundle_id, found.attempts) == (again.bundle_id, 2)


async def test_the_name_is_durable_before_anybody_is_asked(way: Way) -> None:
    grant = await way.grants.issue(command(way))
    attempts: list[int] = []
    inner = way.link.retrieve

    def retrieve(custodian: str, request: bytes) -> object:
        attempts.append(counted())
        return inner(custodian, request)

    def counted() -> int:
        path = way.home / "court/data/court.sqlite"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as c:
            return int(c.execute("SELECT coalesce(sum(attempts), 0) FROM named_retrieval").fetchone()[0])

    way.link.retrieve = retrieve  # type: ignore[method-assign, assignment]
    await done(NamedRetrievals(way.retrieval, way.court_store), retrieval(grant))
    assert attempts == [1]
    rows = [parse_event(event) for event in _events(way)]
    assert [event.action for event in rows].count("disclose") == 1


def _events(way: Way) -> list[bytes]:
    path = way.home / "custodian/data/custodian.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as c:
        return [row[0] for row in c.execute("SELECT event FROM custody_event")]
