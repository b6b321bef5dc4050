"""Deposits that somebody breaks off: nothing is stored half, and no record is ever without its payload."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.core.errors import Malformed
from tests.support.bundles import make_home, noon_of
from tests.support.lines import repayment, small_dossier
from tests.support.way import Way, open_way


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="deposits") as opened:
        yield opened


def files(way: Way) -> list[Path]:
    return [path for path in (way.home / "custodian/data/vault").iterdir() if path.is_file()]


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_depositor_that_hangs_up_leaves_all_or_nothing(way: Way, turns: int) -> None:
    """Whenever the call is cancelled, either every record is there with its payload or none is."""
    task = asyncio.create_task(way.deposit("loan", small_dossier(3)))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    while way.deposits._running:
        await asyncio.gather(*way.deposits._running, return_exceptions=True)
    way.vault.sweep(await way.custodian_store.known_blobs())  # as the next start does
    state = await way.custodian_store.find_dossier("loan")
    if state is None:
        assert (way.custodian_store.size, files(way)) == (0, [])
        return
    records = await way.custodian_store.records(state.id)
    assert [r.seq for r in records] == [0, 1, 2]
    for record in records:
        for _, payload in record.payloads:
            assert b"".join(way.vault.read(payload)).startswith(b"receipt")
    assert len(files(way)) == 3


async def test_refused_dossier_leaves_no_file_behind(way: Way) -> None:
    line, payloads = repayment(1)
    with pytest.raises(Malformed, match="expected"):
        await way.deposit("loan", [*small_dossier(1), (line, payloads), (line, payloads)])
    with pytest.raises(Malformed, match="next seq is 0"):
        await way.deposit("loan", [(line, payloads)])
    assert (way.custodian_store.size, files(way)) == (0, [])


async def test_same_deposit_twice_at_once_is_one(way: Way) -> None:
    first, second = await asyncio.gather(way.deposit("loan", small_dossier(3)), way.deposit("loan", small_dossier(3)))
    assert first.dossier == second.dossier
    assert first.indices == second.indices == (0, 1, 2)
    assert sorted((first.already_stored, second.already_stored)) == [0, 3]
    assert (way.custodian_store.size, len(files(way))) == (3, 3)
