"""From FINAL to CONFIRMED with a court and a court ledger that answer badly, late, or not at all; what stands below is real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, Denied, Malformed, NotFound, RelayError, Unavailable, Uncertain, Unverified
from relay.core.lifecycle import ItemState
from relay.ports.forwarding import CourtState, Item
from relay.services.forwarding import advance
from relay.services.forwarding.advance import REFUSALS_MAX
from tests.services.test_forwarding import packages, push
from tests.services.test_pushes import confirmed, grown
from tests.support.bundles import make_home, noon_of
from tests.support.frozen import settle
from tests.support.way import Way, open_way

Answer = Callable[..., Any]


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="advance") as opened:
        yield opened


class Between:
    """Stands before a real part: the first calls of a method end as told, all others go through."""

    def __init__(self, part: Any) -> None:
        self._part = part
        self.calls: list[str] = []
        self._ends: dict[str, list[Exception | Answer]] = {}

    def end(self, method: str, *ends: Exception | Answer) -> None:
        """An error is raised instead of the call; a function is called with the part and the arguments."""
        self._ends[method] = list(ends)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._part, name)
        if not callable(value):
            return value

        async def call(*args: Any) -> Any:
            self.calls.append(name)
            ends = self._ends.get(name)
            if not ends:
                return await value(*args)
            end = ends.pop(0)
            if isinstance(end, Exception):
                raise end
            return await end(self._part, *args)

        return call


def stand_between(way: Way) -> tuple[Between, Between]:
    """(court gateway, court ledger) as the relay's advancer sees them from now on."""
    advancer: Any = way.advancer
    advancer._court, advancer._registry = Between(advancer._court), Between(advancer._registry)
    return advancer._court, advancer._registry


def announced_alone(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """As if the checkpoint had more new entries than go with its announcement."""
    if method == "add_checkpoint":
        monkeypatch.setattr(advance, "TOGETHER_ENTRIES_MAX", 0)


async def pushed(way: Way, count: int = 300) -> int:
    """So many entries more, anchored and pushed; the log's size."""
    before = way.custodian_store.size
    note = await grown(way, count)
    size = before + count
    await push(way, note, packages(way, before, size))
    return size


async def item(way: Way, size: int) -> Item:
    found = next(
        (i for i in await way.relay_store.items(list(ItemState), way.origin, 100) if i.anchor.size == size), None
    )
    assert found is not None
    return found


async def becomes(way: Way, size: int, state: ItemState) -> Item:
    async def so() -> bool:
        return (await item(way, size)).state is state

    await settle(so, f"size {size} is {state.value}")
    return await item(way, size)


async def lost(method: str) -> Answer:
    """The write happens, its answer does not arrive."""

    async def call(part: Any, *args: Any) -> Any:
        await getattr(part, method)(*args)
        raise Uncertain("no answer")

    return call


async def test_answer_that_is_lost_does_not_make_a_second_submission(way: Way) -> None:
    _, registry = stand_between(way)
    registry.end("submit", await lost("submit"))
    size = await pushed(way)
    found = await becomes(way, size, ItemState.CONFIRMED)
    assert (found.attempt, registry.calls.count("submit")) == (2, 1)


async def test_write_that_never_arrived_is_tried_again(way: Way) -> None:
    _, registry = stand_between(way)
    registry.end("submit", Uncertain("no answer"), Unavailable("gone"), Uncertain("no answer"))
    size = await pushed(way)
    found = await becomes(way, size, ItemState.CONFIRMED)
    assert (found.attempt, registry.calls.count("submit")) == (4, 4)
    (row,) = await way.relay_store.confirmations(way.origin, 0, 10)
    assert row.receipt == await way.registry.latest(way.origin)


@pytest.mark.parametrize("method", ["latest", "add_checkpoint", "add_entries"])
async def test_court_that_is_away_is_asked_again(way: Way, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    announced_alone(monkeypatch, method)
    court, _ = stand_between(way)
    court.end(method, *[Unavailable("gone")] * 3)
    size = await pushed(way)
    await becomes(way, size, ItemState.CONFIRMED)
    assert court.calls.count(method) >= 4


@pytest.mark.parametrize("method", ["find", "latest", "prove"])
async def test_court_ledger_that_is_away_is_asked_again(way: Way, method: str) -> None:
    _, registry = stand_between(way)
    registry.end(method, *[Unavailable("gone")] * 3)
    size = await pushed(way)
    await becomes(way, size, ItemState.CONFIRMED)
    assert registry.calls.count("submit") == 1


async def test_upload_that_breaks_off_goes_on_with_what_the_court_holds(way: Way) -> None:
    court, _ = stand_between(way)

    async def half(part: Any, origin: str, size: int, sequence: AsyncIterator[Any], announced: Any) -> bytes:
        first = await anext(sequence)

        async def only_first() -> AsyncIterator[Any]:
            yield first

        with pytest.raises(Conflict):  # the court keeps it, and does not cosign
            await part.add_entries(origin, size, only_first(), announced)
        raise Unavailable("broken off")

    court.end("add_entries", half)
    size = await pushed(way, 600)
    await becomes(way, size, ItemState.CONFIRMED)
    log = await way.court_store.log(way.origin)
    assert log.files.root(size) == way.custodian_store.files.root(size)


@pytest.mark.parametrize(
    "error", [Denied("no"), Malformed("a", "b", "c"), Unverified("a", "b"), Conflict("no"), NotFound("no")]
)
@pytest.mark.parametrize(
    ("part", "method", "state"),
    [(0, "add_checkpoint", ItemState.PROVEN), (0, "add_entries", ItemState.PROVEN), (1, "submit", ItemState.MIRRORED)],
    ids=["announcing", "sending", "submitting"],
)
async def test_refusal_is_put_aside_with_its_reason_and_stops_the_origin(
    way: Way, part: int, method: str, state: ItemState, error: RelayError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retries do not mend it: the item is quarantined where it stood, the origin halts, and nothing is sent again."""
    announced_alone(monkeypatch, method)
    parts = stand_between(way)
    parts[part].end(method, *[error] * REFUSALS_MAX)
    size = await pushed(way)
    found = await becomes(way, size, ItemState.QUARANTINED)
    assert found.reason == f"{state.value}: {error}"
    await settle(lambda: way.relay_store.halted(way.origin), "the origin is halted")
    assert str(error) in await way.relay_store.halted(way.origin)
    await settle(lambda: str(error) in way.advancer.problem, "status tells the problem")
    assert parts[part].calls.count(method) == REFUSALS_MAX
    assert await way.registry.latest(way.origin) is None


async def test_court_that_refuses_to_be_asked_is_put_aside_where_the_item_stands(way: Way) -> None:
    """What could not be asked early is asked by the step itself, whose refusals count."""
    court, _ = stand_between(way)
    court.end("latest", *[Denied("no")] * (3 * REFUSALS_MAX))
    size = await pushed(way)
    found = await becomes(way, size, ItemState.QUARANTINED)
    assert found.reason == "proven: no"
    await settle(lambda: way.relay_store.halted(way.origin), "the origin is halted")


async def test_cosignature_the_court_never_gave_is_found_out_by_its_ledger(way: Way) -> None:
    court, _ = stand_between(way)

    async def lying(part: Any, origin: str) -> CourtState:
        true: CourtState = await part.latest(origin)
        size = (await way.relay_store.log(origin)).size
        note = await way.relay_store.checkpoint(origin, size) or b""
        return replace(true, size=size, next_index=size, cosigned=note)

    court.end("latest", lying)
    size = await pushed(way)
    found = await becomes(way, size, ItemState.QUARANTINED)
    assert "cosignature" in found.reason
    assert await way.registry.latest(way.origin) is None


async def test_court_ledger_that_does_not_show_it_yet_is_waited_for(way: Way) -> None:
    """SUBMITTED is not CONFIRMED: the receipt is read back, however often that takes."""
    _, registry = stand_between(way)

    async def nothing(_part: Any, *_args: Any) -> None:
        return None

    registry.end("find", nothing, nothing, nothing, nothing)
    size = await pushed(way)
    await becomes(way, size, ItemState.CONFIRMED)
    assert registry.calls.count("submit") == 1
    assert registry.calls.count("find") == 5


async def test_anchor_with_another_root_than_the_entries_halts_with_the_pieces(way: Way) -> None:
    """The lender anchors a false root and never pushes it; the entries of its next, honest checkpoint show it."""
    await way.custodian_store.append_entries([b"\x01" + bytes([n]) * 64 for n in range(2)])
    false = Checkpoint(origin=way.origin, size=2, root=bytes(range(32)))
    await way.source.anchor(false)
    await settle(lambda: way.relay_store.find_item(way.origin, 2), "the relay sees the anchor")
    note = await grown(way, 3)
    await push(way, note, packages(way, 0, 5))
    await settle(lambda: way.relay_store.halted(way.origin), "the origin is halted")
    assert "root mismatch at size 2" in await way.relay_store.halted(way.origin)
    (exhibit,) = await way.relay_store.exhibits(way.origin)
    assert exhibit.pieces["root"] == way.custodian_store.files.root(2)
    assert exhibit.pieces["anchor"]
    assert await way.registry.latest(way.origin) is None
    assert (await item(way, 2)).state is ItemState.FINAL


async def test_later_checkpoint_waits_behind_one_that_is_put_aside(way: Way) -> None:
    _, registry = stand_between(way)
    registry.end("submit", *[Denied("no")] * REFUSALS_MAX)
    first = await pushed(way)
    await becomes(way, first, ItemState.QUARANTINED)
    await settle(lambda: way.relay_store.halted(way.origin), "the origin is halted")
    note = await grown(way, 10)
    with pytest.raises(Conflict, match="halted"):
        await push(way, note, packages(way, first, first + 10))
    await becomes(way, first + 10, ItemState.FINAL)
    assert not await confirmed(way, first + 10)


def sizes(rows: Sequence[Any]) -> list[int]:
    return [row.receipt.size for row in rows]


async def test_many_checkpoints_pass_one_after_the_other(way: Way) -> None:
    _, registry = stand_between(way)
    expected = [await pushed(way, 7) for _ in range(12)]
    await settle(lambda: confirmed(way, expected[-1]), "all are confirmed")
    assert sizes(await way.relay_store.confirmations(way.origin, 0, 100)) == expected
    assert registry.calls.count("submit") == len(expected)


async def test_newest_of_many_goes_to_its_receipt_before_those_below_it(way: Way) -> None:
    """The court is past the others as soon as it has the newest: none of them is offered to it before they are covered."""
    court, registry = stand_between(way)
    way.advancer._leap = 2
    all_wait = asyncio.Event()

    async def slow(part: Any, *args: Any) -> Any:
        await all_wait.wait()
        return await part.add_entries(*args)

    court.end("add_entries", slow)
    first, *between, newest = [await pushed(way, 10) for _ in range(5)]
    all_wait.set()
    await becomes(way, newest, ItemState.CONFIRMED)
    await becomes(way, first, ItemState.CONFIRMED)
    for size in between:
        await becomes(way, size, ItemState.COVERED)
    assert (court.calls.count("add_entries"), registry.calls.count("submit")) == (2, 2)
