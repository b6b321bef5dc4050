"""What is asked early, beside something else: it saves time and nothing else, and an old answer does no harm."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, Unavailable
from relay.core.ledgerproof import LedgerProof
from relay.core.lifecycle import ItemState
from relay.core.merkle import verify_consistency
from relay.core.package import Package
from relay.ports.ledgers import Anchor, AnchorBlock, Receipt, Submission
from relay.services.forwarding.asking import ask_ledger, read_receipt
from relay.services.forwarding.beside import Ahead, both
from relay.services.forwarding.intake import LogIntake
from relay.services.forwarding.origins import OriginConfig, Origins
from relay.store.relay import SqliteRelayStore
from relay.wire import grouping
from tests.services.test_advance import becomes, pushed, stand_between
from tests.services.test_advance import way as way
from tests.services.test_forwarding import anchored, note_of, packages, push
from tests.support.lines import small_dossier
from tests.support.links import announced
from tests.support.way import Way

LEDGER, ORIGIN, OWNER = "ledger-1", "a.example/log", "spiffe://a.example/custodian/a"


async def give(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


async def fail(error: Exception) -> Any:
    await asyncio.sleep(0)
    raise error


async def test_both_gives_both_and_leaves_nothing_running() -> None:
    assert await both(give(1), give("b")) == (1, "b")
    ended = []

    async def slow() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        ended.append(True)

    with pytest.raises(Conflict):
        await both(fail(Conflict("a")), slow())
    assert ended == [True]


async def test_the_first_ones_error_counts_first() -> None:
    with pytest.raises(Conflict):
        await both(fail(Conflict("commit")), fail(Unavailable("question")))
    with pytest.raises(Unavailable):
        await both(give(1), fail(Unavailable("question")))


async def test_early_answer_serves_once_and_only_its_own_item() -> None:
    ahead = Ahead[int]()
    await ahead.ask(b"a", give, 7)
    assert (ahead.holds(b"a"), ahead.holds(b"b")) == (True, False)
    assert [ahead.take(b"a"), ahead.take(b"a")] == [7, None]
    await ahead.ask(b"a", give, 7)
    assert ahead.take(b"b") is None
    assert ahead.take(b"a") is None


async def test_question_that_failed_leaves_no_older_answer() -> None:
    ahead = Ahead[int]()
    await ahead.ask(b"a", give, 7)
    await ahead.ask(b"a", fail, Unavailable("gone"))
    assert ahead.take(b"a") is None


async def test_failure_that_is_no_answer_of_the_contract_is_not_swallowed() -> None:
    with pytest.raises(RuntimeError):
        await Ahead[int]().ask(b"a", fail, RuntimeError("bug"))


async def test_early_answer_of_the_court_that_has_become_old_is_asked_again(way: Way) -> None:
    """It was given before the checkpoint in front; what is written on it is refused, and nothing is put aside."""
    court, registry = stand_between(way)
    first = await pushed(way)
    await becomes(way, first, ItemState.CONFIRMED)

    async def before_the_first(part: Any, *_args: Any) -> Any:
        held = await part.latest(way.origin)
        return type(held)(size=0, next_index=0, cosigned=b"")

    async def empty(_part: Any, *_args: Any) -> None:
        return None

    court.end("latest", before_the_first)
    registry.end("latest", empty)
    second = await pushed(way, 10)
    await becomes(way, second, ItemState.CONFIRMED)
    assert (await way.registry.latest(way.origin)).size == second


async def test_a_receipt_tells_nothing_of_a_checkpoint_whose_note_is_gone(way: Way) -> None:
    """A relay that was restored confirms an old item; its court is ahead, and the lender offers nothing again that has its receipt."""
    first = await pushed(way)
    await becomes(way, first, ItemState.CONFIRMED)
    known = way.advancer._known
    second, third = await pushed(way, 2), await pushed(way, 3)
    await becomes(way, third, ItemState.CONFIRMED)

    def restored(c: sqlite3.Connection) -> None:
        for sql in (
            "UPDATE item SET state = 'final', attempt = 0 WHERE size > ?",
            "DELETE FROM checkpoint WHERE size > ?",
            "DELETE FROM confirmation WHERE size > ?",
        ):
            c.execute(sql, (first,))

    await way.relay_store._database.write(restored)
    way.advancer._known = known
    way.advancer._room.wake.set()
    await becomes(way, second, ItemState.COVERED)
    await becomes(way, third, ItemState.CONFIRMED)


async def test_proof_made_for_the_court_serves_the_ledger_only_from_the_same_size(way: Way) -> None:
    """Each of both gets the proof from where it stands itself."""
    sizes = [await pushed(way, count) for count in (3, 4, 5)]
    await becomes(way, sizes[-1], ItemState.CONFIRMED)
    advancer, item = way.advancer, await way.relay_store.find_item(way.origin, sizes[-1])
    assert item is not None
    for at_court in sizes[:2]:
        for at_ledger in sizes[:2]:
            advancer._early.offer.keep(item.id, await advancer._offered(item, at_court))
            proof = await advancer._extending(item, at_ledger)
            files = (await way.relay_store.log(way.origin)).files
            verify_consistency(at_ledger, item.anchor.size, list(proof), files.root(at_ledger), item.anchor.root)


def receipt(tx: bytes) -> Receipt:
    return Receipt(ledger="court", origin=ORIGIN, size=3, root=bytes(32), height=1, tx_id=tx, time_ms=1)


class Registry:
    """Shows one receipt or none, and proves what it is asked for."""

    ledger = "court"

    def __init__(self, shown: Receipt | None) -> None:
        self.shown = shown
        self.proven: list[bytes] = []

    async def latest(self, origin: str) -> Receipt | None:
        return self.shown

    async def find(self, origin: str, size: int, root: bytes) -> Receipt | None:
        return self.shown if self.shown and self.shown.size == size else None

    async def prove(self, tx_id: bytes) -> LedgerProof:
        self.proven.append(tx_id)
        return LedgerProof(kind="test", ledger="court", body=tx_id)


def anchor(size: int = 3) -> Anchor:
    return Anchor(
        ledger=LEDGER, origin=ORIGIN, size=size, root=bytes(32), height=1, block_hash=bytes([1]) * 32,
        tx_id=bytes(32), time_ms=1,
    )  # fmt: skip


class Thing:
    """An item, as far as questions look at it."""

    def __init__(self, size: int) -> None:
        self.anchor = anchor(size)


@pytest.mark.parametrize(("told", "asked"), [(None, [b"a"]), (b"a", [b"a"]), (b"b", [b"b", b"a"])])
async def test_receipt_and_proof_are_what_the_ledger_shows_whatever_a_write_was_answered(
    told: bytes | None, asked: list[bytes]
) -> None:
    registry: Any = Registry(receipt(b"a"))
    thing: Any = Thing(3)
    shown, proof = await read_receipt(registry, thing, None if told is None else receipt(told))
    assert (shown.tx_id, proof.body, registry.proven) == (b"a", b"a", asked)


async def test_answer_to_a_write_that_the_ledger_does_not_show_is_not_a_receipt() -> None:
    registry: Any = Registry(None)
    thing: Any = Thing(3)
    with pytest.raises(Unavailable):
        await read_receipt(registry, thing, receipt(b"a"))


@pytest.mark.parametrize(("size", "found"), [(2, False), (3, True), (4, False)])
async def test_smaller_checkpoint_on_the_ledger_means_that_this_one_is_not_there(size: int, found: bool) -> None:
    registry: Any = Registry(receipt(b"a"))
    thing: Any = Thing(size)
    answer = await ask_ledger(registry, thing)
    assert (answer.found is not None, answer.latest) == (found, registry.shown)


class Node:
    """Knows the anchor; its feed is slower."""

    async def find(self, origin: str, size: int) -> Anchor:
        return anchor()


async def test_pusher_that_is_faster_than_the_feed_waits_for_it(tmp_path: Path) -> None:
    store = await SqliteRelayStore.open(tmp_path / "relay")
    origins = Origins({ORIGIN: OriginConfig(origin=ORIGIN, custodian=OWNER, log_keys=(), ledger=LEDGER)})
    room = origins.room(ORIGIN)
    nodes: Any = {LEDGER: Node()}
    intake = LogIntake(store, origins, nodes)
    waiting = asyncio.create_task(intake._item_of(room, Checkpoint(origin=ORIGIN, size=3, root=bytes(32))))
    block = AnchorBlock(height=1, block_hash=bytes([1]) * 32, parent_hash=bytes(32), time_ms=1, anchors=(anchor(),))
    await store.take_block(LEDGER, block)
    room.seen.set()
    assert (await waiting).anchor == anchor()
    await store.close()


async def groups_of(source: AsyncIterator[int], most: int) -> list[list[int]]:
    async with grouping.arriving(source, most) as groups:
        return [group async for group in groups]


async def test_items_that_follow_each_other_closely_are_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "LINGER_S", 60.0)

    async def source() -> AsyncIterator[int]:
        for n in range(5):
            await asyncio.sleep(0)
            yield n

    assert await groups_of(source(), 3) == [[0, 1, 2], [3, 4]]


async def test_what_came_before_an_error_is_given_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "LINGER_S", 60.0)

    async def source() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise Conflict("broken")

    given: list[list[int]] = []
    with pytest.raises(Conflict):
        async with grouping.arriving(source(), 8) as groups:
            async for group in groups:
                given.append(group)
    assert given == [[1, 2]]


async def test_group_does_not_wait_for_a_sender_that_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender goes on only once its first item has been handled."""
    monkeypatch.setattr(grouping, "LINGER_S", 0.0)
    handled = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        yield 1
        await handled.wait()
        yield 2

    given: list[list[int]] = []
    async with grouping.arriving(source(), 8) as groups:
        async for group in groups:
            given.append(group)
            handled.set()
    assert given == [[1], [2]]


async def test_source_without_items_gives_no_group() -> None:
    async def source() -> AsyncIterator[int]:
        return
        yield 1

    assert await groups_of(source(), 3) == []


async def test_group_does_not_wait_behind_the_last_item_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream stays open behind it; what is wanted is here."""
    monkeypatch.setattr(grouping, "LINGER_S", 60.0)

    async def source() -> AsyncIterator[int]:
        yield 1
        yield 2
        await asyncio.Event().wait()

    async with asyncio.timeout(30), grouping.arriving(source(), 8, ends=lambda n: n == 2) as groups:
        assert await anext(groups) == [1, 2]


async def test_what_arrives_is_read_before_it_is_asked_for_and_no_further_than_twice_the_group() -> None:
    read: list[int] = []

    async def source() -> AsyncIterator[int]:
        for n in range(100):
            read.append(n)
            yield n

    async with grouping.arriving(source(), 8) as groups:
        for _ in range(200):
            await asyncio.sleep(0)
        assert 8 <= len(read) <= 16
        assert await anext(groups) == list(range(8))


async def other_relay_brings(way: Way, size: int, old_size: int) -> None:
    """The court gateway and the court ledger get a checkpoint that this relay has not forwarded."""
    item = await way.relay_store.find_item(way.origin, size)
    assert item is not None
    note = note_of(way, Checkpoint(origin=way.origin, size=size, root=item.anchor.root))
    files, anchor = way.custodian_store.files, await way.source.prove(item.anchor)
    proof = files.consistency_proof(old_size, size)

    async def groups() -> AsyncIterator[list[Package]]:
        yield packages(way, old_size, size)

    given = announced(note, old_size, proof, anchor)
    *_, last = [state async for state in way.mirror.add_entries(way.origin, size, groups(), given)]
    submission = Submission(
        checkpoint=last.cosigned, old_size=old_size, consistency=tuple(proof), anchor=anchor, attempt=1
    )
    await way.advancer._registry.submit(submission)


@pytest.mark.parametrize("further", [False, True], ids=["as far", "further"])
async def test_another_relay_that_was_faster_since_the_last_receipt(way: Way, further: bool) -> None:
    """What this relay remembers of court and ledger is old: it is refused or told so, asks, and writes nothing twice."""
    await way.deposit("loan", small_dossier(3))
    await way.forward()
    notes = {5: await anchored(way, 2)}
    await other_relay_brings(way, 5, 3)
    if further:
        notes[9] = await anchored(way, 4)
        await other_relay_brings(way, 9, 5)
    for size, note in notes.items():
        await push(way, note, packages(way, 3 if size == 5 else 5, size))
    last = max(notes)
    await becomes(way, last, ItemState.CONFIRMED)
    state = ItemState.COVERED if further else ItemState.CONFIRMED
    assert (await becomes(way, 5, state)).state is state
    receipt = await way.registry.latest(way.origin)
    assert receipt is not None
    assert receipt.size == last
    assert await way.relay_store.halted(way.origin) == ""
