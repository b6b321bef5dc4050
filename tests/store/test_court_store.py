"""The court gateway's memory: checkpoints only grow, first answers stay, custody and bundles are there once they were promised."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relay.core.custody import custody_entry
from relay.core.errors import Conflict, NotFound, Unavailable
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import ENTRY_BYTES
from relay.durable.errors import StorageFailed
from relay.ports.court import CourtCounts, HeldCheckpoint, KeptRetrieval
from relay.store.court import INDEX_BATCH, SqliteCourtStore

KEPT = KeptRetrieval(
    request=b"r" * 32, grant=b"g" * 32, dossier="d", officer="judge 7", purpose="hearing", token=b"a.b.c",
    key=b"k" * 32, header=b"{}", events=((b"event", 3), (b"other", 5)), begun_ms=1000, asked_sizes={"a.example/log/1": 7},
)  # fmt: skip
ORIGIN, OTHER = "a.example/log/1", "b.example/log/1"
ANCHOR = LedgerProof(kind="quorum", ledger="embedded:lender-1", body=b"anchor")
RECEIPT = LedgerProof(kind="quorum", ledger="embedded:court-1", body=b"receipt")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteCourtStore]:
    opened = await SqliteCourtStore.open(tmp_path / "court")
    yield opened
    await opened.close()


def held(size: int, origin: str = ORIGIN) -> HeldCheckpoint:
    """As it is when it is taken in."""
    return HeldCheckpoint(
        origin=origin,
        size=size,
        root=hashlib.sha256(b"%d" % size).digest(),
        note=b"note %d" % size,
        anchor=ANCHOR,
        anchored_ms=1000 + size,
        cosigned=b"",
        receipt=None,
        receipted_ms=0,
    )


def entry(tag: int, number: int) -> bytes:
    return b"\x01" + tag.to_bytes(32, "big") + number.to_bytes(32, "big")


async def test_checkpoint_is_kept_as_it_came(store: SqliteCourtStore) -> None:
    assert await store.latest(ORIGIN) is None
    await store.add_checkpoint(held(3), 0)
    await store.add_checkpoint(held(7), 3)
    await store.add_checkpoint(held(2, OTHER), 0)
    assert await store.latest(ORIGIN) == held(7)
    assert await store.latest(OTHER) == held(2, OTHER)


@pytest.mark.parametrize(("size", "old_size"), [(7, 0), (7, 2), (7, 4), (3, 3), (2, 3), (3, 0), (0, 3)])
async def test_checkpoint_that_does_not_extend_the_last_is_a_conflict(
    store: SqliteCourtStore, size: int, old_size: int
) -> None:
    await store.add_checkpoint(held(3), 0)
    with pytest.raises(Conflict):
        await store.add_checkpoint(held(size), old_size)
    assert await store.latest(ORIGIN) == held(3)


async def test_of_two_that_extend_the_same_one_wins(store: SqliteCourtStore) -> None:
    """Compare-and-swap in the SQL: not even two relays at once make a fork here."""
    await store.add_checkpoint(held(3), 0)
    rivals = [replace(held(7), root=bytes([n]) * 32) for n in range(8)]
    outcomes = await asyncio.gather(*(store.add_checkpoint(r, 3) for r in rivals), return_exceptions=True)
    won = [rival for rival, outcome in zip(rivals, outcomes, strict=True) if outcome is None]
    assert len(won) == 1
    assert sum(isinstance(o, Conflict) for o in outcomes) == 7
    assert await store.latest(ORIGIN) == won[0]


async def test_first_cosignature_and_first_receipt_stay(store: SqliteCourtStore) -> None:
    await store.add_checkpoint(held(3), 0)
    assert await store.without_receipt() == []
    for note in (b"first", b"second"):
        await store.save_cosigned(ORIGIN, 3, note)
    waiting = replace(held(3), cosigned=b"first")
    assert await store.without_receipt() == [waiting]
    assert await store.accepted(ORIGIN, [0]) == []
    await store.save_receipt(ORIGIN, 3, RECEIPT, 5000)
    await store.save_receipt(ORIGIN, 3, replace(RECEIPT, body=b"second"), 6000)
    assert await store.without_receipt() == []
    assert await store.accepted(ORIGIN, []) == [replace(waiting, receipt=RECEIPT, receipted_ms=5000)]


async def test_lists_ascend_and_keep_origins_apart(store: SqliteCourtStore) -> None:
    for origin in (OTHER, ORIGIN):
        for old, size in ((0, 2), (2, 10), (10, 300)):
            await store.add_checkpoint(held(size, origin), old)
            await store.save_cosigned(origin, size, b"c")
    assert [(h.origin, h.size) for h in await store.without_receipt()] == [
        (o, s) for o in (ORIGIN, OTHER) for s in (2, 10, 300)
    ]
    assert [(h.origin, h.size) for h in await store.without_receipt((ORIGIN, 10))] == [
        (ORIGIN, 300), *((OTHER, s) for s in (2, 10, 300))
    ]  # fmt: skip
    for size in (300, 2):
        await store.save_receipt(ORIGIN, size, RECEIPT, 1)
    assert [h.size for h in await store.accepted(ORIGIN, [0])] == [2, 300]
    assert (await store.receipted_size(ORIGIN), await store.receipted_size(OTHER)) == (300, 0)
    assert await store.accepted(OTHER, [0, 5]) == []


async def test_receipt_needs_the_cosignature_to_count(store: SqliteCourtStore) -> None:
    """The port says: with cosignature and receipt."""
    await store.add_checkpoint(held(3), 0)
    await store.save_receipt(ORIGIN, 3, RECEIPT, 1)
    assert await store.accepted(ORIGIN, [0]) == []


async def test_accepted_are_the_first_to_cover_each_index_and_the_last(store: SqliteCourtStore) -> None:
    """And no other, however many there are: a bundle needs these alone."""
    sizes = (3, 5, 9, 12, 20, 31, 40)
    old = 0
    for size in sizes:
        await store.add_checkpoint(held(size), old)
        await store.save_cosigned(ORIGIN, size, b"c")
        if size not in (12, 40):
            await store.save_receipt(ORIGIN, size, RECEIPT, 1)
        old = size
    receipted = [size for size in sizes if size not in (12, 40)]
    for indices in ([], [0], [2, 0, 1], [3], [4, 5], [8, 9], [11, 12, 19, 0], [30], [31], [39], [100], list(range(40))):
        covering = {next((size for size in receipted if size > index), receipted[-1]) for index in indices}
        found = [h.size for h in await store.accepted(ORIGIN, indices)]
        assert found == sorted({*covering, receipted[-1]}), indices


async def test_tags_are_found_wherever_they_are_and_as_the_log_grows(store: SqliteCourtStore) -> None:
    log = await store.log(ORIGIN)
    tags = [n.to_bytes(32, "big") for n in range(4)]
    assert await store.find_tags(ORIGIN, tags) == {}
    await log.append([entry(n % 3, n) for n in range(7)])
    assert await store.find_tags(ORIGIN, tags) == {tags[0]: [0, 3, 6], tags[1]: [1, 4], tags[2]: [2, 5]}
    await log.append([entry(3, 0), entry(0, 0)])
    assert await store.find_tags(ORIGIN, [tags[0], tags[3]]) == {tags[0]: [0, 3, 6, 8], tags[3]: [7]}
    assert await store.find_tags(OTHER, tags) == {}


async def test_tag_index_covers_more_than_one_batch(store: SqliteCourtStore) -> None:
    log = await store.log(ORIGIN)
    size = INDEX_BATCH + 3
    await log.append([entry(n, n) for n in range(size)])
    wanted = [n.to_bytes(32, "big") for n in (0, INDEX_BATCH - 1, INDEX_BATCH, size - 1)]
    asked = await asyncio.gather(*(store.find_tags(ORIGIN, wanted) for _ in range(3)))
    assert asked == [{w: [int.from_bytes(w, "big")] for w in wanted}] * 3


def event(action: str, number: int) -> bytes:
    return b'{"action":"%s","number":%d}' % (action.encode(), number)


async def test_custody_events_get_consecutive_places_in_their_log(store: SqliteCourtStore) -> None:
    places = await asyncio.gather(*(store.append_custody([event("request", n), event("view", n)]) for n in range(10)))
    assert sorted(p for pair in places for p in pair) == list(range(20))
    assert all(second == first + 1 for first, second in places)
    log = await store.custody_log()
    for number, (first, second) in enumerate(places):
        assert log.files.entries(first, first + 1) == [custody_entry(event("request", number))]
        assert log.files.entries(second, second + 1) == [custody_entry(event("view", number))]
    assert await store.counts() == CourtCounts(bundles=0, retrievals=10)


async def test_what_an_operator_asks_every_second_reads_no_long_table(store: SqliteCourtStore) -> None:
    """By the planner's word: neither every event of the custody log nor every checkpoint."""
    asked: list[str] = []
    await store._database.read(lambda c: c.set_trace_callback(asked.append))
    await store.counts()
    await store.receipted_size(ORIGIN)
    await store.without_receipt((ORIGIN, 3))
    await store._database.read(lambda c: c.set_trace_callback(None))
    plans = [
        str(row[3])
        for sql in asked
        for row in await store._database.read(lambda c, sql=sql: c.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())
    ]
    assert any("custody_event USING INDEX custody_request" in one for one in plans)
    assert any("SEARCH checkpoint" in one for one in plans)
    assert any("SEARCH checkpoint USING INDEX checkpoint_waiting" in one for one in plans)
    assert not [one for one in plans if one in ("SCAN custody_event", "SCAN checkpoint")]


async def test_damaged_event_is_no_request(store: SqliteCourtStore) -> None:
    await store._database.write(lambda c: c.execute("INSERT INTO custody_event VALUES (0, x'7bff')"))
    assert (await store.counts()).retrievals == 0


async def test_custody_event_whose_entry_could_not_be_written_is_not_there(store: SqliteCourtStore) -> None:
    """Event and entry are one: an event alone would count a retrieval that the log cannot prove."""
    await store.append_custody([event("request", 1)])
    (await store.custody_log()).close()
    with pytest.raises(StorageFailed):
        await store.append_custody([event("request", 2), event("request", 3)])
    assert (await store.counts()).retrievals == 1


@pytest.mark.parametrize("turns", range(8))
async def test_caller_that_hangs_up_does_not_shift_the_next_event(store: SqliteCourtStore, turns: int) -> None:
    """A cancelled append runs to its end behind the next one's back: both events get the places of their entries."""
    await store.append_custody([event("view", 0)])
    task = asyncio.create_task(store.append_custody([event("request", 1), event("view", 1)]))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    places = await store.append_custody([event("view", 2)])
    await asyncio.gather(task, return_exceptions=True)
    log = await store.custody_log()
    assert places == [log.size - 1]
    assert log.files.entries(places[0], log.size) == [custody_entry(event("view", 2))]
    assert (await store.counts()).retrievals == (log.size == 4)


async def test_bundle_is_there_once_it_was_saved_and_not_before(store: SqliteCourtStore, tmp_path: Path) -> None:
    path = await store.new_bundle("b1")
    path.write_bytes(b"content of a bundle")
    with pytest.raises(NotFound):
        await store.open_bundle("b1")
    assert await store.save_bundle("b1", ORIGIN, "d1", b"{}") == 19
    with await store.open_bundle("b1") as file:
        assert file.read() == b"content of a bundle"
    assert not path.exists()
    assert (await store.counts()).bundles == 1


@pytest.mark.parametrize("name", ["", "b2", "../court.sqlite", "../bundles/b1", "b1.zip", "b1\x00"])
async def test_other_names_open_nothing(store: SqliteCourtStore, name: str) -> None:
    (await store.new_bundle("b1")).write_bytes(b"x")
    await store.save_bundle("b1", ORIGIN, "d1", b"{}")
    with pytest.raises(NotFound):
        await store.open_bundle(name)


async def test_each_retrieval_gets_a_private_folder_of_its_own(store: SqliteCourtStore) -> None:
    folders = [await store.staging(bytes([n] * 32)) for n in range(5)]
    assert await store.staging(bytes(32)) == folders[0]
    assert len(set(folders)) == 5
    assert all(f.stat().st_mode & 0o777 == 0o700 and not list(f.iterdir()) for f in folders)


async def test_reopening_keeps_what_was_promised_and_sweeps_the_rest(tmp_path: Path) -> None:
    store = await SqliteCourtStore.open(tmp_path)
    await store.add_checkpoint(held(3), 0)
    await store.save_cosigned(ORIGIN, 3, b"c")
    await store.append_custody([event("request", 1)])
    (await store.new_bundle("kept")).write_bytes(b"kept")
    await store.save_bundle("kept", ORIGIN, "d", b"{}")
    part = await store.new_bundle("broken-off")
    part.write_bytes(b"half")
    staging = await store.staging(bytes(32))
    (staging / "payload").write_bytes(b"secret")
    await store.keep_retrieval(KEPT)
    under_way = await store.staging(KEPT.request)
    (under_way / "contents").write_bytes(b"came so far")
    await store.close()
    again = await SqliteCourtStore.open(tmp_path)
    assert (under_way / "contents").read_bytes() == b"came so far"
    assert await again.kept_retrievals(KEPT.grant, KEPT.dossier) == [KEPT]
    await again.drop_retrievals_before(KEPT.begun_ms)
    assert under_way.exists()
    await again.drop_retrievals_before(KEPT.begun_ms + 1)
    assert not under_way.exists()
    assert await again.kept_retrievals(KEPT.grant, KEPT.dossier) == []
    assert await again.latest(ORIGIN) == replace(held(3), cosigned=b"c")
    assert await again.append_custody([event("request", 2)]) == [1]
    with await again.open_bundle("kept") as file:
        assert file.read() == b"kept"
    assert not part.exists()
    assert not staging.exists()
    assert await again.counts() == CourtCounts(bundles=1, retrievals=2)
    await again.close()


async def test_kill_after_any_write_loses_nothing(store: SqliteCourtStore, tmp_path: Path) -> None:
    """The files as a killed process leaves them, opened beside the living one."""
    log = await store.log(ORIGIN)
    steps: list[Callable[[], Awaitable[object]]] = [
        lambda: store.add_checkpoint(held(300), 0),
        lambda: log.append([entry(n, n) for n in range(300)]),
        lambda: store.save_cosigned(ORIGIN, 300, b"c"),
        lambda: store.find_tags(ORIGIN, [bytes(32)]),
        lambda: store.save_receipt(ORIGIN, 300, RECEIPT, 9),
        lambda: store.append_custody([event("request", 1)]),
    ]
    for number, step in enumerate(steps):
        await step()
        copy = shutil.copytree(tmp_path / "court", tmp_path / f"copy {number}", ignore=shutil.ignore_patterns("*-shm"))
        other = await SqliteCourtStore.open(copy)
        assert await other.latest(ORIGIN) == await store.latest(ORIGIN)
        assert await other.counts() == await store.counts()
        assert (await other.custody_log()).size == (await store.custody_log()).size
        mirror = await other.log(ORIGIN)
        assert (mirror.size, mirror.files.root(mirror.size)) == (log.size, log.files.root(log.size))
        assert await other.find_tags(ORIGIN, [bytes(32)]) == ({bytes(32): [0]} if number else {})
        await other.close()


async def test_whole_checkpoint_is_stored_with_its_entries_and_cosignature_or_not_at_all(
    store: SqliteCourtStore,
) -> None:
    entries = [bytes([n]) * ENTRY_BYTES for n in range(3)]
    log = await store.log(ORIGIN)
    seen: list[int] = []

    def cosign() -> bytes:
        seen.append(log.files.size)
        return b"cosigned"

    def refuse() -> bytes:
        raise Unavailable("no key")

    with pytest.raises(Unavailable):
        await store.take_whole(held(3), 0, entries, refuse)
    with pytest.raises(Conflict):
        await store.take_whole(held(3), 2, entries, cosign)
    assert (log.size, log.files.size, await store.latest(ORIGIN)) == (0, 0, None)
    assert await store.take_whole(held(3), 0, entries, cosign) == b"cosigned"
    assert seen == [3, 3], "it is asked for when the entries are there"
    assert await store.latest(ORIGIN) == replace(held(3), cosigned=b"cosigned")
    assert (log.size, log.files.entries(0, 3)) == (3, entries)
    assert [c.size for c in await store.without_receipt()] == [3]
