"""Nothing leaves before it is logged, and nothing leaves that cannot be: at the custodian, and at the court."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from relay.core.custody import parse_event
from relay.core.errors import Denied, RelayError
from relay.durable.errors import StorageFailed
from relay.ports.custody import CustodyFilter
from relay.store.custody_rows import StoredCustodyRows
from tests.support.bundles import make_home, noon_of
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way


class RecordingLink:
    """The custodian's link to the relay, with every byte it hands over written down in the order of the store's commits."""

    def __init__(self, inner: Any, happened: list[str]) -> None:
        self._inner = inner
        self._happened = happened

    async def answer(self, request_id: bytes, header: bytes, chunks: AsyncIterator[bytes]) -> None:
        self._happened.append("answer begins")

        async def seen() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                self._happened.append("chunk leaves")
                yield chunk

        await self._inner.answer(request_id, header, seen())

    async def refuse(self, request_id: bytes) -> None:
        self._happened.append("refusal leaves")
        await self._inner.refuse(request_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class RecordingStore:
    """The custodian's real store; says when an event is durable, as a second connection to the file sees it."""

    def __init__(self, inner: Any, happened: list[str]) -> None:
        self._inner = inner
        self._happened = happened

    async def begin_disclosure(self, *arguments: Any) -> int:
        index: int = await self._inner.begin_disclosure(*arguments)
        await self._note(index)
        return index

    async def append_custody(self, event: bytes) -> int:
        index: int = await self._inner.append_custody(event)
        await self._note(index)
        return index

    async def _note(self, index: int) -> None:
        rows = await StoredCustodyRows.of(self._inner).between(index, index + 1, CustodyFilter())
        event = parse_event(rows[0][1])
        self._happened.append(f"{event.action} is durable")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@asynccontextmanager
async def way_with(tmp_path: Path, happened: list[str]) -> AsyncIterator[tuple[Way, str]]:
    """A network with one granted dossier whose custodian is watched."""
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="closed") as way:
        stored = await way.deposit("loan 1", small_dossier())
        await way.forward()
        grant = await way.grant(stored.dossier, uses=1)
        way.disclosures._store = RecordingStore(way.custodian_store, happened)
        way.disclosures._relay = RecordingLink(way.disclosures._relay, happened)
        yield way, grant


def full_disk(pack: Any) -> None:
    """Every write to this pack gets ENOSPC from the kernel."""
    full = os.open("/dev/full", os.O_RDWR)
    os.dup2(full, pack._handle)
    os.close(full)


async def test_the_event_is_durable_before_the_first_byte_leaves(tmp_path: Path) -> None:
    happened: list[str] = []
    async with way_with(tmp_path, happened) as (way, grant):
        await way.retrieve(grant)
        with pytest.raises(Denied):
            await way.retrieve(grant)
    assert happened[:3] == ["disclose is durable", "answer begins", "chunk leaves"]
    assert happened[-2:] == ["refuse is durable", "refusal leaves"]
    assert happened.count("disclose is durable") == 1


async def test_a_custodian_whose_disk_is_full_discloses_nothing_and_ends(tmp_path: Path) -> None:
    happened: list[str] = []
    async with way_with(tmp_path, happened) as (way, grant):
        running = next(t for t in asyncio.all_tasks() if getattr(t.get_coro(), "__qualname__", "") == "Disclosures.run")
        full_disk(way.custodian_store._custody.files._entries)
        asking = asyncio.create_task(way.retrieve(grant))
        done, _ = await asyncio.wait({running}, timeout=30)
        assert running in done
        error = running.exception()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, StorageFailed)
    assert "No space left" in str(error)
    assert happened == []


async def test_a_refusal_that_cannot_be_logged_is_not_answered(tmp_path: Path) -> None:
    happened: list[str] = []
    async with way_with(tmp_path, happened) as (way, grant):
        await way.retrieve(grant)
        happened.clear()
        running = next(t for t in asyncio.all_tasks() if getattr(t.get_coro(), "__qualname__", "") == "Disclosures.run")
        full_disk(way.custodian_store._custody.files._entries)
        asking = asyncio.create_task(way.retrieve(grant))
        done, _ = await asyncio.wait({running}, timeout=30)
        assert running in done
        assert running.exception() is not None
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert happened == []


async def test_a_court_whose_disk_is_full_asks_for_nothing(tmp_path: Path) -> None:
    happened: list[str] = []
    async with way_with(tmp_path, happened) as (way, grant):
        asked: list[bytes] = []
        inner = way.link.retrieve

        def retrieve(custodian: str, request: bytes) -> Any:
            asked.append(request)
            return inner(custodian, request)

        way.link.retrieve = retrieve  # type: ignore[method-assign]
        full_disk((await way.court_store.custody_log()).files._entries)
        with pytest.raises((StorageFailed, RelayError)):
            await way.retrieve(grant)
        held = await way.custodian_store.grants()
    assert (asked, happened, held[0].uses_spent) == ([], [], 0)
