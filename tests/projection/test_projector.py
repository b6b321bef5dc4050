"""The projector on a real store: every final event once and in order, whatever breaks; and mappings that must not change."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.core.dossier import make_entry
from relay.core.errors import Conflict, Malformed, Unavailable
from relay.core.projection import LedgerEvent, project
from relay.ports.projection import EventSource, Place, ProjectedStep, Refusal, Stretch
from relay.services.custodian.projection import KEPT_BLOCKS, Projector
from relay.store.custodian import SqliteCustodianStore
from tests.projection.test_core import event
from tests.support.frozen import no_waits, settle

SOURCE = EventSource(text="mapping 1", start=1)


class Power(Exception):
    """Went, at a point that a test chose."""


class Ledger:
    """Events of blocks 1 to `height`, in stretches as `cuts` has them; implements LedgerEvents."""

    ledger = "test:1"

    def __init__(self, events: Sequence[LedgerEvent], height: int, cuts: Sequence[int] = ()) -> None:
        self.events, self.height, self.cuts = list(events), height, cuts
        self.sources: Sequence[EventSource] = (SOURCE,)
        self.refused: list[Refusal] = []
        self.breaks = 0
        self.asked: list[int] = []

    async def final_height(self) -> int:
        return self.height

    async def stretches(self, after: Place) -> AsyncGenerator[Stretch, None]:
        self.asked.append(after.height)
        if after.height and after.block_hash != place(after.height).block_hash:
            raise Conflict("replaced")
        ends = sorted({cut for cut in (*self.cuts, self.height) if after.height < cut <= self.height})
        for low, high in itertools.pairwise([after.height, *ends]):
            if self.breaks:
                self.breaks -= 1
                raise Unavailable("the node is away")
            yield Stretch(
                upto=place(high),
                events=tuple(one for one in self.events if low < one.height <= high),
                refused=tuple(one for one in self.refused if low < one.height <= high),
            )
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing."""


class Failing:
    """A store whose process dies before or after its n-th write."""

    def __init__(self, store: Any, dies_at: int, before: bool) -> None:
        self._store, self._left, self._before = store, dies_at, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def append_projected(self, step: ProjectedStep) -> None:
        self._left -= 1
        if self._left == 0 and self._before:
            raise Power
        await self._store.append_projected(step)
        if self._left == 0:
            raise Power


def place(height: int) -> Place:
    return Place(height=height, block_hash=event(height).block_hash)


def projector(store: Any, ledger: Ledger) -> Projector:
    return Projector(store=store, events=ledger, grown=asyncio.Event(), backoff=no_waits)


async def opened(folder: Path) -> SqliteCustodianStore:
    return await SqliteCustodianStore.open(folder, bytes(32))


async def until(store: Any, ledger: Ledger, size: int, wrapped: Any = None, upto: int = 0) -> Projector:
    """Run until the log has so many entries and the place is written down (default: all blocks), or the process dies."""
    made = projector(wrapped or store.projections, ledger)
    await made.prepare()
    running = asyncio.create_task(made.run())

    def done() -> bool:
        return running.done() or (store.size >= size and made._place.height == (upto or ledger.height))

    await settle(done, "everything is projected")
    running.cancel()
    (ended,) = await asyncio.gather(running, return_exceptions=True)
    assert isinstance(ended, (asyncio.CancelledError, Power)), ended
    return made


EVENTS = [event(height, log, 1 + (height + log) % 3) for height in range(1, 9) for log in range(height % 3)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.lists(st.integers(1, 8), max_size=5)), max_size=5))
def test_whenever_the_process_dies_nothing_is_lost_or_doubled(deaths: list[tuple[int, bool, list[int]]]) -> None:
    async def lives(folder: Path) -> None:
        for dies_at, before, cuts in [*deaths, (0, False, [3])]:
            store = await opened(folder)
            ledger = Ledger(EVENTS, 8, cuts)
            ledger.breaks = len(cuts) % 2
            await until(store, ledger, len(EVENTS), Failing(store.projections, dies_at, before))
            await store.close()
        store = await opened(folder)
        assert store.files.entries(0, store.size) == project(EVENTS, {})[0]
        state = await store.projections.projection()
        assert (state.projected, state.upto) == (len(EVENTS), place(max(one.height for one in EVENTS)))
        await store.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(lives(Path(folder)))


async def test_records_and_events_share_one_log(store: SqliteCustodianStore) -> None:
    await store.append_entries([make_entry(bytes(32), bytes(32))])
    await until(store, Ledger(EVENTS, 8), 1 + len(EVENTS))
    await store.append_entries([make_entry(b"1" * 32, bytes(32))])
    entries = store.files.entries(0, store.size)
    assert [entry[0] for entry in entries] == [1, *[3] * len(EVENTS), 1]
    assert entries[1:-1] == project(EVENTS, {})[0]


async def test_blocks_without_events_are_written_down_now_and_then(store: SqliteCustodianStore) -> None:
    ledger = Ledger([], KEPT_BLOCKS + 5, range(1, KEPT_BLOCKS + 6))
    await until(store, ledger, 0, upto=KEPT_BLOCKS)
    assert (await store.projections.projection()).upto == place(KEPT_BLOCKS)
    await until(store, ledger, 0, upto=KEPT_BLOCKS)
    assert ledger.asked == [0, KEPT_BLOCKS]


async def test_what_is_projected_is_told_to_whoever_anchors(store: SqliteCustodianStore) -> None:
    ledger = Ledger(EVENTS, 8)
    made = projector(store.projections, ledger)
    await made.take(Stretch(upto=place(1), events=(), refused=()))
    assert not made._grown.is_set()
    await made.take(Stretch(upto=place(8), events=tuple(EVENTS), refused=()))
    assert made._grown.is_set()


async def test_refused_events_are_counted_for_good_and_named_in_the_log(
    store: SqliteCustodianStore, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger([event(1)], 3)
    ledger.refused = [Refusal(height=2, log=n, reason="event: data: is no encoding") for n in range(10)]
    made = await until(store, ledger, 1)
    assert "not projected: event in block 2, log 7: event: data: is no encoding" in caplog.text
    assert "not projected: 2 more up to block 3" in caplog.text
    assert made.problem == "projecting test:1: 10 events were refused; the log says which"
    again = projector(store.projections, ledger)
    await again.prepare()
    assert again.problem == made.problem


async def test_ledger_that_breaks_its_word_is_a_problem_and_adds_nothing(store: SqliteCustodianStore) -> None:
    await until(store, Ledger([event(1)], 1), 1)

    class Replaced(Ledger):
        async def stretches(self, after: Place) -> AsyncGenerator[Stretch, None]:
            raise Conflict(f"test:1 replaced block {after.height}, which was final")
            yield  # a generator

    made = projector(store.projections, Replaced([event(1), event(2)], 2))
    running = asyncio.create_task(made.run())
    await settle(lambda: made.problem, "it is told")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert made.problem == "projecting test:1: test:1 replaced block 1, which was final"
    assert store.size == 1


async def test_step_from_another_place_appends_nothing(store: SqliteCustodianStore) -> None:
    """Two that project into one log cannot both."""
    entries, dossiers = project([event(1)], {})
    step = ProjectedStep(
        entries=tuple(entries), dossiers=dossiers, refused=0, before=Place(height=0, block_hash=b""), upto=place(1)
    )
    await store.projections.append_projected(step)
    with pytest.raises(Conflict, match="another step came between"):
        await store.projections.append_projected(step)
    assert store.size == 1


async def prepared(store: SqliteCustodianStore, *sources: EventSource) -> None:
    ledger = Ledger([], 0)
    ledger.sources = sources
    await projector(store.projections, ledger).prepare()


async def test_mapping_that_is_gone_or_changed_is_refused(store: SqliteCustodianStore) -> None:
    await prepared(store, SOURCE)
    for other in ((), (EventSource(text="mapping 1 changed", start=1),)):
        with pytest.raises(Malformed, match=r"configuration: projection: lacks or changes a mapping .* mapping 1"):
            await prepared(store, *other)


async def test_new_mapping_begins_above_what_is_read(store: SqliteCustodianStore) -> None:
    await until(store, Ledger([event(5)], 5), 1)
    for start, refused in ((5, True), (6, False)):
        new = EventSource(text=f"mapping 2 from {start}", start=start)
        if refused:
            with pytest.raises(Malformed, match=r"projection\.from_block: must be above 5"):
                await prepared(store, SOURCE, new)
        else:
            await prepared(store, SOURCE, new)
    assert set((await store.projections.projection()).sources) == {"mapping 1", "mapping 2 from 6"}
