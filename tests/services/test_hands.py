"""What an operator does by hand: nothing is lost by it, nothing contradictory is waved through, and what halted stays on record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.app.adapters import verifiers
from relay.app.trust import read_trust
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, Malformed, NotFound, Unverified
from relay.core.exhibit import verify_exhibit
from relay.core.lifecycle import ItemState
from relay.services.forwarding.hands import Hands
from relay.services.forwarding.rescan import Rescan
from tests.services.test_forwarding import anchored, note_of, packages, push
from tests.support.bundles import make_home, noon_of
from tests.support.frozen import settle
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="hands") as opened:
        yield opened


async def no_sleep(_seconds: float) -> None:
    """Time does not matter here."""


def tools(way: Way) -> Hands:
    origins: Any = way.pusher._relay._intake._origins  # type: ignore[attr-defined]
    return Hands(way.relay_store, origins, [Rescan(way.source, way.relay_store, origins, sleep=no_sleep)])


async def quarantine(way: Way) -> bytes:
    """An item that the court refused for good, as far as the relay can tell."""
    await anchored(way, 3)
    item = await way.relay_store.find_item(way.origin, 3)
    assert item is not None
    await settle(lambda: _state_is(way, item.id, ItemState.FINAL), "the item is final")
    await way.relay_store.move(item.id, ItemState.FINAL, ItemState.QUARANTINED, reason="final: refused")
    await way.relay_store.halt(way.origin, "final: refused", {})
    return item.id


async def _state_is(way: Way, item: bytes, state: ItemState) -> bool:
    found = await way.relay_store.item(item)
    return found is not None and found.state is state


async def test_backlog_shows_what_is_under_way_and_quarantine_what_is_not(way: Way) -> None:
    item = await quarantine(way)
    assert await tools(way).backlog("", 10) == []
    (row,) = await tools(way).quarantined(way.origin, 10)
    assert (row.id, row.reason) == (item, "final: refused")
    with pytest.raises(NotFound):
        await tools(way).backlog("other.example/log", 10)


async def test_retried_item_goes_on_and_is_confirmed(way: Way) -> None:
    item = await quarantine(way)
    row = await tools(way).retry(item, "court is mended")
    assert row.state is ItemState.FINAL
    await way.forward()
    assert await _state_is(way, item, ItemState.CONFIRMED)


async def test_discarded_item_is_covered_by_the_next_checkpoint(way: Way) -> None:
    item = await quarantine(way)
    await tools(way).discard(item, "superseded by the next one")
    await way.deposit("another loan", small_dossier(2))
    await way.anchoring.now()
    note = (await way.custodian_store.last_checkpoint()).note  # type: ignore[union-attr]
    await settle(lambda: way.relay_store.find_item(way.origin, 5), "the relay sees the anchor")
    await push(way, note, packages(way, 0, 5))

    async def accepted() -> bool:
        receipt = await way.registry.latest(way.origin)
        return receipt is not None and receipt.size == 5

    await settle(accepted, "the larger checkpoint is accepted")
    assert await _state_is(way, item, ItemState.DISCARDED)
    assert (await way.court_store.log(way.origin)).size == 5


async def test_only_quarantined_items_are_driven_by_hand(way: Way) -> None:
    await way.deposit("loan", small_dossier(2))
    await way.forward()
    item = await way.relay_store.find_item(way.origin, 2)
    assert item is not None
    for act in (tools(way).retry, tools(way).discard):
        with pytest.raises(Conflict, match="is confirmed"):
            await act(item.id, "because")
    with pytest.raises(NotFound):
        await tools(way).show(bytes(32))
    with pytest.raises(Malformed):
        await tools(way).retry(item.id, "")


async def test_halt_by_hand_stops_and_resume_goes_on(way: Way) -> None:
    await tools(way).halt(way.origin, "court asked for a pause")
    with pytest.raises(Conflict, match="halted already"):
        await tools(way).halt(way.origin, "again")
    await way.deposit("loan", small_dossier(2))
    await way.anchoring.now()
    await settle(lambda: way.relay_store.find_item(way.origin, 2), "the relay sees the anchor")
    with pytest.raises(Conflict, match="halted"):
        await way.pusher.push_all()
    await tools(way).resume(way.origin, "the court is ready")
    await way.forward()
    (exhibit,) = await tools(way).exhibits(way.origin)
    assert (exhibit.reason, exhibit.resumed) == ("by hand: court asked for a pause", "the court is ready")
    with pytest.raises(NotFound):
        await tools(way).resume(way.origin, "again")


async def test_equivocation_leaves_an_exhibit_that_verifies_offline_and_halts_again(way: Way) -> None:
    """The lender signs one history and anchors another: two signed pieces prove it to anyone."""
    await way.deposit("loan", small_dossier(2))
    await way.source.anchor(Checkpoint(origin=way.origin, size=2, root=bytes(range(32))))
    await settle(lambda: way.relay_store.find_item(way.origin, 2), "the relay sees the anchor")
    honest = note_of(way, Checkpoint(origin=way.origin, size=2, root=way.custodian_store.files.root(2)))
    with pytest.raises(Unverified):
        await push(way, honest, packages(way, 0, 2))
    (exhibit,) = await tools(way).exhibits(way.origin)
    trust = read_trust(way.home / "trust.json")
    found = verify_exhibit(exhibit.pieces, trust, verifiers())
    assert (found.size, found.anchored_root) == (2, bytes(range(32)))
    assert found.signed_root == way.custodian_store.files.root(2)
    await tools(way).resume(way.origin, "let us see")
    with pytest.raises(Unverified):
        await push(way, honest, packages(way, 0, 2))
    assert [e.resumed for e in await tools(way).exhibits(way.origin)] == ["let us see", ""]


async def test_exhibit_that_proves_nothing_is_unverified(way: Way) -> None:
    note = await anchored(way, 2)
    item = await way.relay_store.find_item(way.origin, 2)
    assert item is not None
    from relay.core.bundle import ledger_proof_bytes

    proof = ledger_proof_bytes(await way.source.prove(item.anchor))
    trust = read_trust(way.home / "trust.json")
    with pytest.raises(Unverified, match="same root"):
        verify_exhibit({"checkpoint": note, "anchor": proof}, trust, verifiers())
    with pytest.raises(Unverified, match="missing"):
        verify_exhibit({"checkpoint": note}, trust, verifiers())
    other = note_of(way, Checkpoint(origin=way.origin, size=3, root=bytes(32)))
    with pytest.raises(Unverified, match="size"):
        verify_exhibit({"checkpoint": other, "anchor": proof}, trust, verifiers())


async def test_rescan_finds_what_the_live_feed_never_delivered(way: Way) -> None:
    """A feed that loses an anchor: the item is gone from the relay, and the ledger still has it."""
    await way.deposit("loan", small_dossier(2))
    await way.anchoring.now()
    await settle(lambda: way.relay_store.find_item(way.origin, 2), "the relay sees the anchor")
    await way.relay_store._database.write(lambda c: c.execute("DELETE FROM item"))
    (first,) = await tools(way).rescan("", from_start=False)
    assert (first.missing, first.blocks) == (1, first.height)
    await way.forward()
    (second,) = await tools(way).rescan(way.source.ledger, from_start=False)
    assert (second.missing, second.blocks) == (0, 0)
    (third,) = await tools(way).rescan("", from_start=True)
    assert (third.missing, third.blocks) == (0, third.height)
    counts = await way.relay_store.counts()
    assert counts["confirmed"] == sum(counts.values()) == 1


async def test_rescan_of_another_chain_is_a_conflict(way: Way) -> None:
    await way.deposit("loan", small_dossier(2))
    await way.forward()
    await way.relay_store._database.write(lambda c: c.execute("UPDATE block SET block_hash = zeroblob(32)"))
    with pytest.raises(Conflict, match="another one"):
        await tools(way).rescan("", from_start=True)
    with pytest.raises(NotFound, match="sources are"):
        await tools(way).rescan("nowhere", from_start=False)
