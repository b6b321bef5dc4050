"""Many anchored checkpoints wait for a relay: the newest is pushed before the others, and none is lost whoever takes what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.core.checkpoint import parse_checkpoint
from relay.core.errors import Unavailable
from relay.ports.custodian import CustodianCounts
from relay.services.custodian.pushing import LOOK_AGAIN, MANY
from tests.support.bundles import make_home, noon_of
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way

WAITING = MANY + LOOK_AGAIN + 3


class Watched:
    """The real relay's link; notes the size of every push, and refuses what `refuses` says."""

    def __init__(self, link: Any) -> None:
        self._link = link
        self.sizes: list[int] = []
        self.refuses: Callable[[int], bool] = lambda _size: False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    async def push(self, note: bytes, packages: Any, expected: int | None) -> AsyncIterator[int]:
        size = parse_checkpoint(note)[0].size
        self.sizes.append(size)
        if self.refuses(size):
            raise Unavailable(f"no anchor at size {size} is seen yet")
        async for index in self._link.push(note, packages, expected):
            yield index


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="newest first") as opened:
        yield opened


@pytest.fixture
async def link(way: Way) -> Watched:
    watched = Watched(way.pusher._relay)
    way.pusher._relay = watched
    return watched


async def anchored(way: Way, count: int) -> list[int]:
    sizes = []
    for number in range(count):
        await way.deposit(f"R-{number}", small_dossier()[:1])
        await way.anchoring.now()
        sizes.append(way.custodian_store.size)
    way.anchoring.anchored.newest = None  # as after a restart
    return sizes


async def test_newest_of_many_goes_first_and_all_others_in_their_order(way: Way, link: Watched) -> None:
    sizes = await anchored(way, WAITING)
    await way.pusher.push_all()
    assert link.sizes == [sizes[-1], *sizes]
    assert way.pusher.pushed_size == sizes[-1]
    await way.forward()
    assert (await way.custodian_store.counts()).confirmed_size == sizes[-1]


async def test_few_go_in_their_order(way: Way, link: Watched) -> None:
    sizes = await anchored(way, MANY)
    await way.pusher.push_all()
    assert link.sizes == sizes


async def test_newest_that_the_relay_does_not_see_yet_is_tried_again_among_the_others(way: Way, link: Watched) -> None:
    sizes = await anchored(way, WAITING)
    newest = sizes[-1]
    link.refuses = lambda size: size == newest and link.sizes.count(newest) == 1
    await way.pusher.push_all()
    assert link.sizes == [newest, *sizes[:LOOK_AGAIN], newest, *sizes[LOOK_AGAIN:]]
    assert way.pusher.pushed_size == newest


async def test_none_is_pushed_any_more_once_the_newest_is_confirmed(
    way: Way, link: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = await anchored(way, WAITING)
    still = way.custodian_store.counts

    async def counts() -> CustodianCounts:
        found = await still()
        return replace(found, confirmed_size=sizes[-1]) if len(link.sizes) > LOOK_AGAIN else found

    monkeypatch.setattr(way.custodian_store, "counts", counts)
    await way.pusher.push_all()
    assert link.sizes == [sizes[-1], *sizes[:LOOK_AGAIN]]
    assert way.pusher.pushed_size == sizes[-1]
    await way.deposit("R-later", small_dossier()[:1])
    await way.anchoring.now()
    monkeypatch.undo()
    await way.pusher.push_all()
    assert link.sizes[-1] == way.custodian_store.size


async def test_relay_that_cannot_be_reached_is_an_error_and_nothing_counts_as_pushed(way: Way, link: Watched) -> None:
    await anchored(way, WAITING)
    link.refuses = lambda _size: True
    with pytest.raises(Unavailable):
        await way.pusher.push_all()
    assert way.pusher.pushed_size == 0
