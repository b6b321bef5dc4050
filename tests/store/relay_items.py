"""What the relay's store is tested with, whichever database is behind it."""

from __future__ import annotations

import hashlib
from itertools import pairwise

from relay.core.ledgerproof import LedgerProof
from relay.core.lifecycle import ItemState
from relay.ports.forwarding import Confirmation, Item, RelayStore
from relay.ports.ledgers import Anchor, AnchorBlock, Receipt

LEDGER, ORIGIN = "embedded:lender-1", "a.example/log/1"
WAY = (ItemState.SEEN, ItemState.FINAL, ItemState.PROVEN, ItemState.MIRRORED, ItemState.SUBMITTED, ItemState.CONFIRMED)


def hashed(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def anchor(size: int, height: int, *, origin: str = ORIGIN, root: bytes = b"", chain: str = "a") -> Anchor:
    return Anchor(
        ledger=LEDGER,
        origin=origin,
        size=size,
        root=root or hashed("root", size),
        height=height,
        block_hash=hashed(chain, height),
        tx_id=hashed("tx", chain, origin, size),
        time_ms=1000 * height,
    )


def block(height: int, *anchors: Anchor, chain: str = "a", parent: str = "a") -> AnchorBlock:
    return AnchorBlock(
        height=height,
        block_hash=hashed(chain, height),
        parent_hash=hashed(parent, height - 1) if height > 1 else bytes(32),
        time_ms=1000 * height,
        anchors=anchors,
    )


async def seen(store: RelayStore, size: int) -> Item:
    """An item whose block is the next one."""
    height = (await store.cursor(LEDGER)).height + 1
    assert await store.take_block(LEDGER, block(height, anchor(size, height))) == {ORIGIN: 1}
    found = await store.find_item(ORIGIN, size)
    assert found is not None
    return found


def confirmation(size: int) -> Confirmation:
    receipt = Receipt(
        ledger="embedded:court-1", origin=ORIGIN, size=size, root=hashed("root", size), height=size, tx_id=hashed(size),
        time_ms=5,
    )  # fmt: skip
    proof = LedgerProof(kind="quorum", ledger=receipt.ledger, body=b"proof %d" % size)
    return Confirmation(receipt=receipt, proof=proof, cosigned=b"note %d" % size)


async def step(store: RelayStore, item: Item, old: ItemState, new: ItemState) -> None:
    """One step along the way, as the services make it."""
    if new is ItemState.FINAL:
        await store.mark_final(LEDGER, item.anchor.height)
    elif new is ItemState.MIRRORED:
        await store.save_mirrored(item.id, b"note %d" % item.anchor.size)
    elif new is ItemState.CONFIRMED:
        await store.save_confirmed(item.id, confirmation(item.anchor.size))
    else:
        await store.move(item.id, old, new)


async def bring_to(store: RelayStore, item: Item, state: ItemState) -> None:
    """From SEEN all the way to a state."""
    for old, new in pairwise(WAY[: WAY.index(state) + 1]):
        await step(store, item, old, new)


async def state_of(store: RelayStore, item: Item) -> ItemState:
    found = await store.item(item.id)
    assert found is not None
    return found.state
