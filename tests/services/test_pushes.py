"""A push of many packages: in order or not at all, the good part kept, and taken up again where it broke off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, Malformed, RelayError, Unavailable, Unverified
from relay.core.lifecycle import ItemState
from relay.core.limits import ENTRY_BYTES
from relay.core.package import Package, package_borders
from relay.services.mirroring import PackageIntake, make_packages, packages_of
from relay.store.log_files import LogPacks
from relay.store.relay import SqliteRelayStore
from tests.services.test_forwarding import LENDER, link, packages, push, spoiled
from tests.support.bundles import make_home, noon_of
from tests.support.frozen import settle
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way

ORIGIN = "a.example/log/1"
SIZE = 1100


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="pushes") as opened:
        yield opened


class Pushed:
    """A lender's log, and a relay's store that takes its packages."""

    def __init__(self, lender: LogPacks, store: SqliteRelayStore, folder: Path) -> None:
        self.lender, self.store, self.folder = lender, store, folder

    def made(self, start: int = 0, size: int = SIZE) -> list[Package]:
        return make_packages(self.lender, package_borders(start, size), size)

    async def intake(self, size: int = SIZE, root: bytes = b"") -> PackageIntake:
        target = Checkpoint(origin=ORIGIN, size=size, root=root or self.lender.root(size))
        return PackageIntake(await self.store.log(ORIGIN), target)

    async def size(self) -> int:
        log = await self.store.log(ORIGIN)
        assert log.files.entries(0, log.size) == self.lender.entries(0, log.size)
        return log.size

    async def reopen(self) -> None:
        await self.store.close()
        self.store = await SqliteRelayStore.open(self.folder)


@pytest.fixture
async def pushed(tmp_path: Path) -> AsyncIterator[Pushed]:
    lender = LogPacks.open(tmp_path / "lender", 0)
    lender.append([b"\x01" + n.to_bytes(4, "big") * 16 for n in range(SIZE)])
    made = Pushed(lender, await SqliteRelayStore.open(tmp_path / "relay"), tmp_path / "relay")
    yield made
    await made.store.close()
    lender.close()


async def test_packages_come_in_any_grouping(pushed: Pushed) -> None:
    made = pushed.made()
    assert len(made) == 5
    intake = await pushed.intake()
    assert [await intake.take(made[:1]), await intake.take(made[1:4]), await intake.take(made[4:])] == [256, 1024, SIZE]
    intake.check_root()
    assert (intake.done, await pushed.size()) == (True, SIZE)


async def test_every_order_but_the_right_one_is_refused_at_the_first_wrong_place(pushed: Pushed) -> None:
    made = pushed.made()
    for order, kept in (((1, 0), 0), ((0, 2, 1), 1), ((0, 1, 3), 2), ((0, 1, 2, 4, 3), 3)):
        intake = await pushed.intake()
        with pytest.raises(Malformed, match="expected"):
            await intake.take([made[n] for n in order])
        assert await pushed.size() == 256 * kept


async def test_good_packages_before_a_bad_one_are_kept(pushed: Pushed) -> None:
    made = pushed.made()
    forged = spoiled(made[2])
    intake = await pushed.intake()
    with pytest.raises(Unverified):
        await intake.take([made[0], made[1], forged, made[3]])
    assert await pushed.size() == 512
    assert await intake.take(made[2:]) == SIZE


async def test_every_entry_and_hash_of_a_package_counts(pushed: Pushed) -> None:
    """One changed bit in any entry, one changed, missing or further hash: nothing of that package is stored."""
    (good, *_) = pushed.made()
    intake = await pushed.intake()
    changed = [
        replace(good, entries=good.entries[:at] + bytes([good.entries[at] ^ 0x40]) + good.entries[at + 1 :])
        for at in range(0, len(good.entries), ENTRY_BYTES * 5 + 7)
    ]
    for place, sibling in enumerate(good.proof):
        wrong = bytes([sibling[0] ^ 1]) + sibling[1:]
        changed.append(replace(good, proof=(*good.proof[:place], wrong, *good.proof[place + 1 :])))
        changed.append(replace(good, proof=good.proof[:place] + good.proof[place + 1 :]))
    changed.append(replace(good, proof=(*good.proof, bytes(32))))
    changed.append(replace(good, proof=good.proof[::-1]))
    for package in changed:
        with pytest.raises((Unverified, Malformed)):
            await intake.take([package])
    assert await pushed.size() == 0


async def test_package_made_for_another_size_is_refused(pushed: Pushed) -> None:
    """A real package of the same log towards another checkpoint proves nothing about this one."""
    intake = await pushed.intake()
    for size in (1000, 1024, 1099):
        with pytest.raises(Unverified):
            await intake.take(pushed.made(0, size)[:1])
    assert await intake.take(pushed.made()[:1]) == 256


async def test_checkpoint_with_a_wrong_root_takes_nothing(pushed: Pushed) -> None:
    intake = await pushed.intake(root=bytes(32))
    with pytest.raises(Unverified):
        await intake.take(pushed.made())
    assert await pushed.size() == 0
    with pytest.raises(Conflict, match="0 of"):
        intake.check_root()


@pytest.mark.parametrize("held", [1, 255, 256, 257, 300, 511, 1099])
async def test_next_checkpoint_begins_in_the_middle_of_a_tile(pushed: Pushed, held: int) -> None:
    """Also after a restart: what is held is hashed together with what comes."""
    first = await pushed.intake(held)
    assert await first.take(pushed.made(0, held)) == held
    await pushed.reopen()
    intake = await pushed.intake()
    assert await intake.take([]) == held
    rest = pushed.made(held)
    torn = replace(rest[0], entries=rest[0].entries[:-ENTRY_BYTES] + bytes(ENTRY_BYTES))
    with pytest.raises(Unverified):
        await intake.take([torn])
    assert await intake.take(rest) == SIZE
    intake.check_root()
    assert await pushed.size() == SIZE


async def test_packages_already_held_are_passed_over(pushed: Pushed) -> None:
    made = pushed.made()
    intake = await pushed.intake()
    await intake.take(made[:3])
    assert await intake.take(made[:2]) == 768
    assert await intake.take(made) == SIZE
    assert await intake.take(made) == SIZE
    assert await pushed.size() == SIZE


async def test_sequence_made_in_groups_is_the_canonical_one(pushed: Pushed) -> None:
    for start in (0, 1, 300, SIZE):
        assert [p async for p in packages_of(pushed.lender, start, SIZE)] == pushed.made(start)


async def grown(way: Way, count: int) -> bytes:
    """The lender's log with so many entries more, anchored; the checkpoint's note."""
    start = way.custodian_store.size
    await way.custodian_store.append_entries([b"\x01" + n.to_bytes(4, "big") * 16 for n in range(start, start + count)])
    done = await way.anchoring.now()
    assert done is not None
    await settle(lambda: way.relay_store.find_item(way.origin, start + count), "the relay sees the anchor")
    return done[0].note


async def test_push_that_breaks_off_goes_on_where_it_was(way: Way) -> None:
    note = await grown(way, 600)
    made = packages(way, 0, 600)

    async def one_then_broken() -> AsyncIterator[list[Package]]:
        yield made[:1]
        raise Unavailable("the connection is gone")

    wanted = []
    with pytest.raises(Unavailable):
        async for index in link(way)._intake.push(LENDER, note, one_then_broken()):
            wanted.append(index)
    assert wanted == [0, 256]
    assert await push(way, note, made[1:]) == [256, 512, 600]
    await settle(lambda: confirmed(way, 600), "it is confirmed")


async def confirmed(way: Way, size: int) -> bool:
    return await way.relay_store.last_confirmed(way.origin) == size


async def test_second_push_of_an_origin_waits_for_the_first_to_end(way: Way) -> None:
    note = await grown(way, 600)
    made = packages(way, 0, 600)
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[list[Package]]:
        yield made[:1]
        await go_on.wait()
        yield made[1:]

    running: Any = link(way)._intake.push(LENDER, note, slowly())
    assert [await anext(running), await anext(running)] == [0, 256]
    with pytest.raises(Unavailable, match="another push"):
        await push(way, note, made)
    go_on.set()
    assert [index async for index in running] == [600]
    assert await push(way, note, []) == [600]


async def test_pusher_that_vanishes_leaves_the_door_open(way: Way) -> None:
    """Its stream is dropped, not ended: the lock goes with it."""
    note = await grown(way, 600)

    async def never() -> AsyncIterator[list[Package]]:
        await asyncio.Event().wait()
        yield []

    running: Any = link(way)._intake.push(LENDER, note, never())
    assert await anext(running) == 0
    waiting = asyncio.ensure_future(anext(running))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await push(way, note, packages(way, 0, 600)) == [0, 256, 512, 600]


async def test_checkpoints_pushed_in_any_order_are_confirmed_in_theirs(way: Way) -> None:
    """The larger one first: its entries serve the smaller one, and the court ledger still sees them ascend."""
    notes = {size: await grown(way, size - before) for before, size in ((0, 10), (10, 300), (300, 600))}
    assert (await push(way, notes[600], packages(way, 0, 600)))[-1] == 600
    for size in (300, 10):
        assert await push(way, notes[size], packages(way, 0, size)) == [600]
    await settle(lambda: confirmed(way, 600), "all are confirmed")
    rows = await way.relay_store.confirmations(way.origin, 0, 10)
    assert [r.receipt.size for r in rows] == [10, 300, 600]
    heights = [r.receipt.height for r in rows]
    assert heights == sorted(heights)
    states = {i.anchor.size: i.state for i in await way.relay_store.items(list(ItemState), way.origin, 10)}
    assert set(states.values()) == {ItemState.CONFIRMED}


async def test_bad_push_does_not_stop_a_good_one(way: Way) -> None:
    note = await grown(way, 600)
    made = packages(way, 0, 600)
    for bad in ([made[1]], [replace(made[0], proof=())], [replace(made[0], start=256)], [made[0], made[2]]):
        with pytest.raises(RelayError):
            await push(way, note, bad)
    assert (await push(way, note, made))[-1] == 600
    await settle(lambda: confirmed(way, 600), "it is confirmed")
    assert await way.relay_store.halted(way.origin) == ""


class Listening:
    """A relay that notes what was offered and from where packages were sent without its word; `ends` fail, one after the other."""

    def __init__(self, *ends: RelayError) -> None:
        self.pushes: list[tuple[int, int | None]] = []
        self.ends = list(ends)

    async def push(self, checkpoint: bytes, packages: Any, expected: int | None = None) -> AsyncIterator[int]:
        size = int(checkpoint.split(b"\n")[1])
        self.pushes.append((size, expected))
        if self.ends:
            raise self.ends.pop(0)
        yield 0
        yield size


async def test_lender_goes_on_where_the_relay_is_known_to_be_and_asks_after_trouble(way: Way) -> None:
    """A relay that was restored from a backup refuses what does not follow: then it says itself where to start."""
    relay = Listening()
    way.pusher._relay = relay  # type: ignore[assignment]
    for count in (2, 3):
        await way.deposit("loan", small_dossier(count))
        await way.anchoring.now()
        await way.pusher.push_all()
    relay.ends = [Unverified("package", "expected 0")]
    way.pusher.connected = False  # as `run` does after an error
    await way.deposit("loan", small_dossier(4))
    await way.anchoring.now()
    with pytest.raises(Unverified):
        await way.pusher.push_all()
    await way.pusher.push_all()
    await way.deposit("loan", small_dossier(5))
    await way.anchoring.now()
    await way.pusher.push_all()
    assert relay.pushes == [(2, None), (3, 2), (4, None), (4, None), (5, 4)]


async def pushed_once(way: Way) -> Listening:
    """A relay that has what was anchored so far, two records."""
    relay = Listening()
    way.pusher._relay = relay  # type: ignore[assignment]
    await way.deposit("loan", small_dossier(2))
    await way.anchoring.now()
    await way.pusher.push_all()
    return relay


async def test_what_is_anchored_is_pushed_before_it_is_recorded_as_anchored(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And once more is nothing: the recording wakes the pusher again."""
    relay = await pushed_once(way)
    recording = asyncio.Event()
    save = way.custodian_store.save_anchored

    async def later(*given: Any) -> None:
        await recording.wait()
        await save(*given)

    monkeypatch.setattr(way.custodian_store, "save_anchored", later)
    await way.deposit("loan", small_dossier(3))
    anchoring = asyncio.create_task(way.anchoring.now())
    async with asyncio.timeout(30):
        await way.anchoring.anchored.wait()
        while way.anchoring.anchored.newest is None:
            await asyncio.sleep(0.001)
    await way.pusher.push_all()
    assert relay.pushes == [(2, None), (3, 2)]
    recording.set()
    await anchoring
    await way.pusher.push_all()
    assert relay.pushes == [(2, None), (3, 2)]
