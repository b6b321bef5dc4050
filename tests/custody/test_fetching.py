"""A stored bundle leaves the gateway only after it is logged who took it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from relay.core.custody import parse_event
from relay.core.errors import NotFound
from relay.durable.errors import StorageFailed
from relay.ports.custody import CustodyFilter
from relay.services.court.fetching import Bundles
from relay.store.custody_rows import StoredCustodyRows
from tests.services.test_forwarding import way as way
from tests.support.lines import small_dossier
from tests.support.way import Way

OPERATOR = "spiffe://courtrelay.example/operator/court-desk"


async def events(way: Way) -> list[tuple[str, str]]:
    size = (await way.court_store.custody_log()).size
    rows = await StoredCustodyRows.of(way.court_store).between(0, size, CustodyFilter())
    return [(event.action, event.actor) for event in (parse_event(row[1]) for row in rows)]


async def test_who_takes_a_bundle_is_logged_each_time(way: Way) -> None:
    stored = await way.deposit("loan", small_dossier(3))
    await way.forward()
    _, done, data = await way.retrieve(await way.grant(stored.dossier))
    bundles, before = Bundles(way.court_store, way.custody), await events(way)
    for _ in range(2):
        with await bundles.open(done.bundle_id, OPERATOR) as file:
            assert file.read() == data
    assert await events(way) == [*before, ("fetch", OPERATOR), ("fetch", OPERATOR)]
    log = await way.court_store.custody_log()
    newest = await StoredCustodyRows.of(way.court_store).between(0, log.size, CustodyFilter(action="fetch"))
    assert dict(parse_event(newest[0][1]).subject) == {"bundle": done.bundle_id, "dossier": stored.dossier}


async def test_what_is_not_there_is_not_logged(way: Way) -> None:
    for name in ("00" * 16, "", "../court", "x"):
        with pytest.raises(NotFound):
            await Bundles(way.court_store, way.custody).open(name, OPERATOR)
    assert await events(way) == []


async def test_what_cannot_be_logged_does_not_leave(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = await way.deposit("loan", small_dossier(1))
    await way.forward()
    _, done, _ = await way.retrieve(await way.grant(stored.dossier))

    async def full(_events: Sequence[bytes]) -> list[int]:
        raise StorageFailed("no space left")

    monkeypatch.setattr(way.court_store, "append_custody", full)
    with pytest.raises(StorageFailed):
        await Bundles(way.court_store, way.custody).open(done.bundle_id, OPERATOR)
