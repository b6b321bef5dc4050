"""The lender's chain reorganises while an anchor is at each step of its way: up to finality nothing is lost and nothing is doubled;
deeper, the origin whose anchor was taken for final halts, and the others go on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from relay.app.adapters import verifiers
from relay.app.trust import read_trust
from relay.core.checkpoint import Checkpoint, checkpoint_text
from relay.core.errors import Conflict, RelayError, Unverified
from relay.core.exhibit import verify_exhibit
from relay.core.lifecycle import ItemState
from relay.core.note import Note, format_note, sign_note
from relay.services.mirroring import packages_of
from relay.store.relay import SqliteRelayStore
from tests.evm.whole.bench import FINALITY, OTHER, Whole, raw_transaction
from tests.support.frozen import settle
from tests.support.way import Way

WITHIN = range(1, FINALITY + 1)
STEPS = (ItemState.FINAL, ItemState.PROVEN, ItemState.MIRRORED, ItemState.SUBMITTED, ItemState.CONFIRMED)


class Gate:
    """A relay's store that holds up whoever has just brought an item to one state, once that is durable."""

    def __init__(self, store: SqliteRelayStore, state: ItemState, opened: asyncio.Event) -> None:
        self._store, self._state, self._opened = store, state, opened

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def move(self, item: bytes, old: ItemState, new: ItemState, *, reason: str = "") -> None:
        await self._store.move(item, old, new, reason=reason)
        await self._passed(new)

    async def save_mirrored(self, item: bytes, cosigned: bytes) -> None:
        await self._store.save_mirrored(item, cosigned)
        await self._passed(ItemState.MIRRORED)

    async def save_confirmed(self, item: bytes, confirmation: Any) -> float:
        waited_s: float = await self._store.save_confirmed(item, confirmation)
        await self._passed(ItemState.CONFIRMED)
        return waited_s

    async def _passed(self, state: ItemState) -> None:
        if state is self._state:
            await self._opened.wait()


async def gated(whole: Whole, state: ItemState) -> asyncio.Event:
    """A relay that starts again, with a gate before each of its advancers; the event opens it."""
    opened = asyncio.Event()
    await whole.restart_relay(lambda store: Gate(store, state, opened))
    return opened


async def brought(whole: Whole, state: ItemState) -> int:
    """An anchor whose item stands in `state`, final by not one block more than needed; its size."""
    await whole.deposit()
    _, anchor = await whole.way.anchoring.now() or (None, None)
    assert anchor is not None
    if state is not ItemState.SEEN:
        await whole.mine(FINALITY)
    await whole.becomes(anchor.size, ItemState.SEEN if state is ItemState.SEEN else ItemState.FINAL)
    if state not in (ItemState.SEEN, ItemState.FINAL):
        await whole.push()
        await whole.becomes(anchor.size, state)
    return anchor.size


async def stands_by(whole: Whole, size: int, state: ItemState) -> None:
    """The relay has taken in the chain as it is now, and still has the item as it was."""
    await whole.caught_up()
    await whole.becomes(size, state)
    assert await whole.way.relay_store.halted(whole.way.origin) == ""


@pytest.mark.parametrize("state", STEPS)
async def test_what_lies_above_a_final_anchor_may_change_at_every_step(whole: Whole, state: ItemState) -> None:
    for depth in WITHIN:
        gate = await gated(whole, state)
        size = await brought(whole, state)
        await whole.reorganise(depth)
        await stands_by(whole, size, state)
        gate.set()
        await whole.come_through()
        await whole.check()


@pytest.mark.parametrize("depth", WITHIN)
async def test_seen_anchor_that_leaves_the_chain_is_written_again(whole: Whole, depth: int) -> None:
    await whole.restart_relay()
    size = await brought(whole, ItemState.SEEN)
    await whole.mine(depth - 1)
    await whole.reorganise(depth)
    assert await whole.way.source.find(whole.way.origin, size) is None
    await whole.caught_up()
    assert await whole.item(size) is None
    await whole.come_through()
    await whole.check()
    assert [event.fact["size"] for event in await whole.accepted()] == [size]


@pytest.mark.parametrize("depth", WITHIN)
async def test_seen_anchor_that_comes_back_in_another_block_is_not_written_again(whole: Whole, depth: int) -> None:
    size = await brought(whole, ItemState.SEEN)
    item = await whole.item(size)
    assert item is not None
    raw = await raw_transaction(whole.lender, item.anchor.tx_id)
    await whole.mine(depth - 1)
    await whole.reorganise(depth, [(raw, depth - 1)])
    await whole.caught_up()
    found = await whole.item(size)
    assert found is not None
    assert (found.anchor.tx_id, found.anchor.height) == (item.anchor.tx_id, item.anchor.height + depth - 1)
    assert found.anchor.block_hash != item.anchor.block_hash
    await whole.come_through()
    await whole.check()


async def test_several_anchors_that_are_lost_at_once_are_covered_by_the_newest(whole: Whole) -> None:
    """Only the newest is written again; those before it have no anchor any more and never will."""
    for _ in range(FINALITY):
        await brought(whole, ItemState.SEEN)
    await whole.reorganise(FINALITY)
    await whole.come_through()
    await whole.check()
    assert [event.fact["size"] for event in await whole.accepted()] == [FINALITY]
    await brought(whole, ItemState.SEEN)
    await whole.way.pusher.push_all()  # goes on where the relay is, without being told so by an error
    await whole.come_through()
    await whole.check()


@pytest.mark.parametrize("state", [ItemState.SEEN, *STEPS])
async def test_node_that_goes_back_and_grows_another_way(whole: Whole, state: ItemState) -> None:
    """A shorter chain for a while, then a longer one: above a final anchor, or with the anchor itself."""
    gate = await gated(whole, state)
    taken = await whole.lender.call("evm_snapshot") if state is ItemState.SEEN else None
    size = await brought(whole, state)
    if taken is None:
        await whole.lender.call("anvil_rollback", FINALITY)
    else:
        assert await whole.lender.call("evm_revert", taken)
    await whole.mine(FINALITY + 2)
    await whole.caught_up()
    if state is ItemState.SEEN:
        assert await whole.item(size) is None
    gate.set()
    await whole.come_through()
    await whole.check()


@pytest.mark.parametrize("depth", range(FINALITY + 1, FINALITY + 4))
async def test_final_blocks_without_an_anchor_may_be_replaced(whole: Whole, depth: int) -> None:
    """The ledger has broken its word, and nobody has relied on it."""
    size = await brought(whole, ItemState.SEEN)
    await whole.reorganise(depth)
    await whole.caught_up()
    assert await whole.item(size) is None
    await whole.come_through()
    await whole.check()


async def halts(whole: Whole) -> str:
    await settle(lambda: whole.way.relay_store.halted(whole.way.origin), "the origin is halted")
    return await whole.way.relay_store.halted(whole.way.origin)


@pytest.mark.parametrize(("place", "state"), list(enumerate(STEPS)))
async def test_final_anchor_that_leaves_the_chain_halts_its_origin_and_no_other(
    whole: Whole, place: int, state: ItemState
) -> None:
    gate = await gated(whole, state)
    size = await brought(whole, state)
    await whole.reorganise(FINALITY + 1 + place % 3)
    await whole.mine()
    reason = await halts(whole)
    item = await whole.item(size)
    assert item is not None
    assert reason == f"{whole.way.source.ledger} replaced block {item.anchor.height}, which was final"
    gate.set()
    await whole.caught_up()
    await other_goes_on(whole)
    assert len(await whole.accepted()) <= 1
    with pytest.raises(Conflict, match="halted"):
        await whole.way.pusher._push((await whole.way.custodian_store.unconfirmed())[-1])


async def other_goes_on(whole: Whole) -> None:
    """The other log, with the entries of the first: anchored on the new chain, pushed, accepted."""
    store = whole.way.custodian_store
    other = Checkpoint(origin=OTHER, size=store.size, root=store.files.root(store.size))
    await whole.way.source.anchor(other)
    note = signed(whole.way, other)

    async def accepted() -> bool:
        await whole.mine()
        try:
            async for _ in whole.way.relay_link.push(note, lambda index: packages_of(store.files, index, store.size)):
                pass
        except RelayError:
            return False
        return bool(await whole.accepted(OTHER))

    await settle(accepted, "the other origin is accepted")
    assert [event.fact["root"] for event in await whole.accepted(OTHER)] == [other.root.hex()]


def signed(way: Way, checkpoint: Checkpoint) -> bytes:
    text = checkpoint_text(checkpoint)
    key = way.anchoring._key
    key = type(key).ed25519(checkpoint.origin, key.public_key)
    return format_note(Note(text=text, signatures=(sign_note(text, key, way.anchoring._signer.sign),)))


async def test_history_that_is_rewritten_below_finality_leaves_an_exhibit_that_anyone_can_check(whole: Whole) -> None:
    """The lender's own chain goes back and holds another root of the same size: note and anchor contradict each other."""
    relay = await whole.restart_relay()
    before = await whole.lender.call("evm_snapshot")
    size = await brought(whole, ItemState.CONFIRMED)
    await whole.caught_up()
    for worker in relay.workers:
        worker.cancel()
    await asyncio.gather(*relay.workers, return_exceptions=True)
    assert await whole.lender.call("evm_revert", before)
    forged = Checkpoint(origin=whole.way.origin, size=size, root=bytes(range(32)))
    await whole.way.source.anchor(forged)
    await whole.mine(2 * FINALITY)
    await whole.restart_relay()
    assert "which was final" in await halts(whole)
    (exhibit,) = await whole.way.relay_store.exhibits(whole.way.origin)
    trust = read_trust(Path(whole.way.home) / "trust.json")
    found = verify_exhibit(exhibit.pieces, trust, verifiers())
    assert (found.origin, found.size) == (whole.way.origin, size)
    assert (found.signed_root, found.anchored_root) == (whole.way.custodian_store.files.root(size), forged.root)
    with pytest.raises(Unverified, match="missing"):
        verify_exhibit({"checkpoint": exhibit.pieces["checkpoint"]}, trust, verifiers())
    assert len(await whole.accepted()) == 1
