"""A chain that reorganises before an anchor is final may lose it: the lender writes it again, once, and only while it matters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.core.checkpoint import Checkpoint
from relay.ports.ledgers import Anchor
from tests.support.bundles import make_home, noon_of
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way


class Forgetful:
    """A real ledger in front of which anchors disappear: `lost` are their sizes."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.lost: set[int] = set()
        self.looks = 0
        self.written: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    async def find(self, origin: str, size: int) -> Anchor | None:
        self.looks += 1
        if size in self.lost:
            return None
        found: Anchor | None = await self._source.find(origin, size)
        return found

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        self.written.append(checkpoint.size)
        self.lost.discard(checkpoint.size)
        written: Anchor = await self._source.anchor(checkpoint)
        return written


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="lost anchors") as opened:
        yield opened


@pytest.fixture
async def ledger(way: Way) -> Forgetful:
    forgetful = Forgetful(way.source)
    way.anchoring._source = forgetful
    return forgetful


async def test_lost_anchor_is_written_again_and_the_way_goes_on(way: Way, ledger: Forgetful) -> None:
    stored = await way.deposit("R-1", small_dossier())
    await way.anchoring.now()
    assert not await way.anchoring.look_again()
    ledger.lost = {len(stored.indices)}
    assert await way.anchoring.look_again()
    assert ledger.written == [len(stored.indices)] * 2
    await way.forward()
    assert (await way.custodian_store.counts()).confirmed_size == len(stored.indices)


async def test_only_the_newest_of_several_is_written_again_and_older_ones_may_be_left_out(
    way: Way, ledger: Forgetful
) -> None:
    for name in ("R-1", "R-2", "R-3"):
        await way.deposit(name, small_dossier())
        await way.anchoring.now()
    sizes = list(ledger.written)
    ledger.lost = {sizes[0], sizes[2]}
    assert await way.anchoring.look_again()
    assert ledger.written == [*sizes, sizes[-1]]
    assert way.anchoring.anchored.lost == {sizes[0]}


async def test_older_anchor_that_is_still_there_keeps_its_place(way: Way, ledger: Forgetful) -> None:
    """Nothing is asked of the ledger for those behind it: a lender whose relay is away may have many."""
    for name in ("R-1", "R-2", "R-3"):
        await way.deposit(name, small_dossier())
        await way.anchoring.now()
    ledger.lost = {ledger.written[1]}
    assert not await way.anchoring.look_again()
    assert ledger.looks == 2
    assert way.anchoring.anchored.lost == frozenset()


async def test_anchor_that_moved_to_another_block_is_recorded_there_and_not_written(
    way: Way, ledger: Forgetful
) -> None:
    await way.deposit("R-1", small_dossier())
    _, anchor = await way.anchoring.now() or (None, None)
    assert anchor is not None
    await way.custodian_store._database.write(lambda c: c.execute("UPDATE checkpoint SET anchored_height = 77"))
    assert await way.anchoring.look_again()
    assert [c.anchored_height for c in await way.custodian_store.unconfirmed()] == [anchor.height]
    assert len(ledger.written) == 1


async def test_nothing_is_looked_for_once_the_court_ledger_has_it(way: Way, ledger: Forgetful) -> None:
    await way.deposit("R-1", small_dossier())
    await way.forward()
    looks, ledger.lost = ledger.looks, set(ledger.written)
    assert not await way.anchoring.look_again()
    assert (ledger.looks, len(ledger.written)) == (looks, 1)
