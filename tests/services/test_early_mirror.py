"""Entries go to the court while the relay stores its own copy: what that saves, and what it must not change."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from relay.core.checkpoint import parse_checkpoint
from relay.core.errors import Conflict, RelayError, Unavailable
from relay.core.lifecycle import ItemState
from relay.ports.forwarding import CourtState
from relay.services.forwarding.asking import AnchorProofs, Offer
from relay.services.forwarding.beside import Begun
from relay.services.forwarding.early_mirror import fits
from relay.services.forwarding.origins import Whole
from tests.services.test_advance import becomes, item, pushed, stand_between
from tests.services.test_advance import way as way
from tests.services.test_forwarding import packages, push
from tests.services.test_pushes import grown
from tests.support.frozen import settle
from tests.support.way import Way


class Held:
    """The relay's next write of entries is held up."""

    def __init__(self, log: Any) -> None:
        self.go_on = asyncio.Event()
        append, self._log = log.append, log

        async def later(entries: Sequence[bytes]) -> int:
            await self.go_on.wait()
            return int(await append(entries))

        log.append = later

    def lifted(self) -> None:
        """From now on as ever."""
        del self._log.append


async def held_up(way: Way) -> tuple[Held, int, asyncio.Task[list[int]]]:
    """One checkpoint is confirmed; of the next, whose size is given, the relay is about to store the entries that are pushed."""
    await becomes(way, await pushed(way), ItemState.CONFIRMED)
    log = await way.relay_store.log(way.origin)
    start = log.size
    held = Held(log)
    note = await grown(way, 100)
    return held, start + 100, asyncio.create_task(push(way, note, packages(way, start, start + 100)))


async def court_has(way: Way, size: int) -> None:
    async def has() -> bool:
        state = await way.mirror.latest(way.origin)
        return state.size == size and bool(state.cosigned)

    await settle(has, f"the court has cosigned size {size}")


async def test_court_has_the_entries_while_the_relay_is_storing_them(way: Way) -> None:
    court, ledger = stand_between(way)
    held, size, pushing = await held_up(way)
    await court_has(way, size)
    assert (await way.relay_store.log(way.origin)).size == size - 100
    assert (await item(way, size)).state is ItemState.FINAL
    assert await way.relay_store.cosigned(way.origin, size) is None
    written = ledger.calls.count("submit")
    held.go_on.set()
    assert (await pushing)[-1] == size
    await becomes(way, size, ItemState.CONFIRMED)
    assert court.calls.count("add_entries") == 2, "one call a checkpoint"
    assert ledger.calls.count("submit") == written + 1
    cosigned = await way.relay_store.cosigned(way.origin, size)
    assert cosigned is not None
    assert cosigned == (await way.mirror.latest(way.origin)).cosigned
    assert parse_checkpoint(cosigned)[0].size == size


async def test_relay_that_ends_before_its_own_copy_is_stored_goes_on_from_what_is_pushed_again(way: Way) -> None:
    """The court is ahead of it; nothing is written twice, and nothing goes on that this relay does not hold."""
    _, ledger = stand_between(way)
    held, size, pushing = await held_up(way)
    await court_has(way, size)
    pushing.cancel()
    way.relay_workers[1].cancel()
    await asyncio.gather(pushing, way.relay_workers[1], return_exceptions=True)
    held.lifted()
    written = ledger.calls.count("submit")
    again = asyncio.create_task(way.advancer.run())
    try:
        assert (await item(way, size)).state is ItemState.FINAL
        note = (await way.mirror.latest(way.origin)).cosigned
        await way.pusher.push_all()
        await becomes(way, size, ItemState.CONFIRMED)
    finally:
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
    assert ledger.calls.count("submit") == written + 1
    assert (await way.mirror.latest(way.origin)).cosigned == note, "signed once"


@pytest.mark.parametrize("error", [Unavailable("away"), Conflict("another size")])
async def test_court_that_does_not_take_them_is_asked_again_in_order(way: Way, error: RelayError) -> None:
    court, _ = stand_between(way)
    held, size, pushing = await held_up(way)
    court.end("add_entries", error)
    held.go_on.set()
    await pushing
    await becomes(way, size, ItemState.CONFIRMED)
    assert court.calls.count("add_entries") == 3


async def test_nothing_is_under_way_when_the_advancer_has_ended(way: Way) -> None:
    court, _ = stand_between(way)
    called, ended = asyncio.Event(), asyncio.Event()

    async def never(_part: Any, *_args: Any) -> bytes:
        called.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    held, size, pushing = await held_up(way)
    court.end("add_entries", never)
    async with asyncio.timeout(30):
        await called.wait()
    way.relay_workers[1].cancel()
    await asyncio.gather(way.relay_workers[1], return_exceptions=True)
    assert ended.is_set()
    held.go_on.set()
    await pushing
    assert (await item(way, size)).state is ItemState.FINAL


async def test_own_copy_with_another_root_halts_whatever_the_court_was_sent(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that gives back other entries than were written: the court has the right ones, and this relay goes no further."""
    _, ledger = stand_between(way)
    held, size, pushing = await held_up(way)
    await court_has(way, size)
    files = (await way.relay_store.log(way.origin)).files
    monkeypatch.setattr(files, "root", lambda _size: bytes(32))
    written = ledger.calls.count("submit")
    held.go_on.set()
    await pushing

    async def halted() -> bool:
        return "root mismatch" in (await way.relay_store.halted(way.origin) or "")

    await settle(halted, "the origin is halted")
    assert (await item(way, size)).state is ItemState.FINAL
    assert ledger.calls.count("submit") == written


async def test_only_what_is_anchored_and_goes_on_where_the_court_stands_is_sent(way: Way) -> None:
    size = await pushed(way)
    one = await becomes(way, size, ItemState.CONFIRMED)
    there = CourtState(size=200, next_index=200, cosigned=b"note")
    offer = Offer(checkpoint=b"note", old_size=200, consistency=[bytes(32)])
    whole = Whole(size=size, root=one.anchor.root, offer=offer, packages=[])
    assert fits(whole, one, there)
    assert not fits(replace(whole, root=bytes(32)), one, there)
    assert not fits(replace(whole, size=size + 1), one, there)
    assert not fits(replace(whole, offer=replace(offer, old_size=199)), one, there)
    assert not fits(whole, one, replace(there, next_index=199)), "an earlier checkpoint's entries are still missing"
    assert not fits(whole, one, replace(there, size=199))
    assert not fits(whole, one, replace(there, cosigned=b""))


async def test_call_begun_early_serves_its_own_item_once() -> None:
    begun = Begun[int]()
    assert await begun.answer(b"a") is None
    await begun.begin(b"a", _give(7), "seven")
    assert await begun.answer(b"b") is None
    assert begun.holds(b"a")
    assert [await begun.answer(b"a"), await begun.answer(b"a")] == [7, None]
    await begun.begin(b"a", _fail(), "fails")
    with pytest.raises(Unavailable):
        await begun.answer(b"a")
    assert not begun.holds(b"a")
    await begun.begin(b"a", _fail(), "fails")
    await asyncio.sleep(0)
    await begun.give_up()
    ended: list[bool] = []
    await begun.begin(b"a", _until_cancelled(ended), "waits")
    await asyncio.sleep(0)
    await begun.begin(b"b", _give(8), "eight")
    assert ended == [True], "one at a time"
    assert await begun.answer(b"b") == 8


async def test_who_waits_for_a_call_that_another_gives_up_goes_on() -> None:
    begun = Begun[int]()
    await begun.begin(b"a", _until_cancelled([]), "waits")
    waiting = asyncio.create_task(begun.answer(b"a"))
    await asyncio.sleep(0)
    await begun.give_up()
    assert await waiting is None
    await begun.begin(b"a", _until_cancelled([]), "waits")
    waiting = asyncio.create_task(begun.answer(b"a"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    assert begun.holds(b"a"), "and is there to be given up"
    await begun.give_up()


class Proofs:
    """What the ledger is asked to prove; the first questions end as told."""

    def __init__(self, way: Way, monkeypatch: pytest.MonkeyPatch, *ends: Exception | asyncio.Event) -> None:
        advancer: Any = way.advancer
        prove = advancer._source.prove
        self.asked: list[int] = []
        left = list(ends)

        async def asked(anchor: Any) -> Any:
            self.asked.append(anchor.size)
            end = left.pop(0) if left else None
            if isinstance(end, Exception):
                raise end
            if end is not None:
                await end.wait()
            return await prove(anchor)

        monkeypatch.setattr(advancer._source, "prove", asked)


async def test_proof_of_a_final_anchor_is_asked_for_once_and_while_its_block_is_recorded(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    proofs = Proofs(way, monkeypatch)
    record, seen = way.relay_store.take_block, []

    async def recorded(ledger: str, block: Any) -> Any:
        for _ in range(5):
            await asyncio.sleep(0)
        seen.append((len(block.anchors), list(proofs.asked)))
        return await record(ledger, block)

    monkeypatch.setattr(way.relay_store, "take_block", recorded)
    size = await pushed(way)
    await becomes(way, size, ItemState.CONFIRMED)
    assert (1, [size]) in seen
    assert proofs.asked == [size]


async def test_early_proof_that_fails_is_asked_again_without_trouble(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    proofs = Proofs(way, monkeypatch, Unavailable("away"))
    size = await pushed(way)
    await becomes(way, size, ItemState.CONFIRMED)
    assert proofs.asked == [size, size]
    assert way.advancer.problem == ""


async def test_advancer_goes_on_when_the_watcher_that_asked_for_its_proof_has_ended(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker has the feed now, and this one still has the origin."""
    proofs = Proofs(way, monkeypatch, asyncio.Event())
    note = await grown(way, 100)

    async def asked() -> bool:
        return proofs.asked == [100] and (await item(way, 100)).state is ItemState.FINAL

    await settle(asked, "the proof is waited for")
    way.relay_workers[0].cancel()
    await asyncio.gather(way.relay_workers[0], return_exceptions=True)
    await push(way, note, packages(way, 0, 100))
    await becomes(way, 100, ItemState.CONFIRMED)
    assert proofs.asked == [100, 100]
    assert not way.relay_workers[1].done()


async def test_early_proof_of_another_item_or_with_an_error_is_no_answer(way: Way) -> None:
    one = await becomes(way, await pushed(way), ItemState.CONFIRMED)
    advancer: Any = way.advancer
    early = Begun[Any]()
    await early.begin(b"another", _give(7), "proof")
    proof = await AnchorProofs(advancer._source, early).of(one)
    assert proof == await advancer._source.prove(one.anchor)
    assert not early.waits
    await early.begin(one.id, _fail(), "proof")
    assert await AnchorProofs(advancer._source, early).of(one) == proof


async def _give(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def _fail() -> int:
    raise Unavailable("gone")


async def _until_cancelled(ended: list[bool]) -> int:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append(True)
    return 0
