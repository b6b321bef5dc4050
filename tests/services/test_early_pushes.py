"""A checkpoint is pushed while its anchor is being written: what that saves, and what it must not change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Unavailable
from relay.core.package import Package
from relay.services.custodian import anchoring
from tests.services.test_forwarding import LENDER, link, packages, push
from tests.services.test_pushes import grown, pushed_once
from tests.support.bundles import make_home, noon_of
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="early pushes") as opened:
        yield opened


async def test_push_of_what_is_on_its_way_to_the_ledger_stores_nothing_before_the_anchor_is_seen(way: Way) -> None:
    """Entries are read and checked meanwhile; whether they count is the ledger's word alone."""
    await grown(way, 300)
    start = (await way.relay_store.log(way.origin)).size
    await way.custodian_store.append_entries([b"\x01" + n.to_bytes(4, "big") * 16 for n in range(300, 600)])
    signed = await way.anchoring._sign()
    with pytest.raises(Unavailable, match="no anchor"):
        await push(way, signed.note, packages(way, start, 600))
    assert (await way.relay_store.log(way.origin)).size == start
    assert await way.relay_store.checkpoint(way.origin, 600) is None
    read = asyncio.Event()

    async def groups() -> AsyncIterator[list[Package]]:
        read.set()
        yield packages(way, start, 600)

    pushing = asyncio.create_task(indices(link(way)._intake.push(LENDER, signed.note, groups())))
    async with asyncio.timeout(30):
        await read.wait()
    assert await way.relay_store.find_item(way.origin, 600) is None
    assert await way.anchoring.now() is not None
    assert await pushing == [start, 600]
    assert (await way.relay_store.log(way.origin)).size == 600


async def indices(pushing: AsyncIterator[int]) -> list[int]:
    return [index async for index in pushing]


@pytest.mark.parametrize("fails", [False, True])
async def test_after_a_quick_anchor_the_next_is_pushed_beside_its_writing(
    way: Way, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """A relay that does not see it in time is told again when it is there, and that is no trouble."""
    relay = await pushed_once(way)
    writing = asyncio.Event()
    write = way.anchoring._source.anchor

    async def later(checkpoint: Any) -> Any:
        await writing.wait()
        return await write(checkpoint)

    monkeypatch.setattr(way.anchoring._source, "anchor", later)
    way.anchoring.anchored.clear()
    await way.deposit("loan", small_dossier(3))
    anchoring = asyncio.create_task(way.anchoring.now())
    async with asyncio.timeout(30):
        await way.anchoring.anchored.wait()
    relay.ends = [Unavailable("no anchor is seen yet")] if fails else []
    await way.pusher.push_all()
    assert relay.pushes == [(2, None), (3, 2)]
    writing.set()
    await anchoring
    await way.pusher.push_all()
    await way.pusher.push_all()
    assert relay.pushes == [(2, None), (3, 2), *([(3, 2)] if fails else [])]


@pytest.mark.parametrize("quick", [True, False])
async def test_nothing_is_pushed_beside_a_ledger_that_was_slow_or_fails(
    way: Way, monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    """A relay would wait in vain for each anchor, and ask its node for it by name."""
    await pushed_once(way)
    monkeypatch.setattr(anchoring, "QUICK_S", 3600.0 if quick else 0.0)
    came: list[bool] = []

    async def refused(_checkpoint: Any) -> Any:
        came.append(way.anchoring.anchored.coming is not None)
        raise Unavailable("the node is away")

    monkeypatch.setattr(way.anchoring._source, "anchor", refused)
    await way.deposit("loan", small_dossier(3))
    for _ in range(2):
        with pytest.raises(Unavailable):
            await way.anchoring.now()
    assert came == [quick, False]
    assert way.anchoring.anchored.coming is None
