"""A checkpoint is offered whose anchor the feed did not show: the ledger is asked for it by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.core.checkpoint import Checkpoint
from relay.core.errors import NotFound, Unavailable
from relay.core.ledgerproof import LedgerProof
from relay.core.lifecycle import ItemState
from relay.ports.forwarding import Cursor
from relay.ports.ledgers import Anchor, AnchorBlock
from relay.services.forwarding.intake import LogIntake
from relay.services.forwarding.origins import OriginConfig, Origins
from relay.store.relay import SqliteRelayStore

LEDGER, ORIGIN, OWNER = "ledger-1", "a.example/log", "spiffe://a.example/custodian/a"
SIZE, ROOT = 3, bytes([7]) * 32


def anchor(size: int = SIZE, *, height: int = 2, origin: str = ORIGIN, ledger: str = LEDGER) -> Anchor:
    return Anchor(
        ledger=ledger, origin=origin, size=size, root=ROOT, height=height, block_hash=bytes([height]) * 32,
        tx_id=bytes(32), time_ms=1,
    )  # fmt: skip


class Node:
    """Answers `find` and `prove` as told."""

    def __init__(self, found: Anchor | None, *, final: bool = True) -> None:
        self.found = found
        self.final = final
        self.asked = 0

    async def find(self, origin: str, size: int) -> Anchor | None:
        self.asked += 1
        return self.found

    async def prove(self, anchor: Anchor) -> LedgerProof:
        if not self.final:
            raise NotFound("not final")
        return LedgerProof(kind="test", ledger=LEDGER, body=b"")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRelayStore]:
    """The feed has shown blocks 1 and 2, without anchors."""
    opened = await SqliteRelayStore.open(tmp_path / "relay")
    for height in (1, 2):
        block = AnchorBlock(
            height=height, block_hash=bytes([height]) * 32, parent_hash=bytes([height - 1]) * 32, time_ms=1, anchors=()
        )
        await opened.take_block(LEDGER, block)
    yield opened
    await opened.close()


async def offer(store: SqliteRelayStore, node: Any) -> list[int]:
    config = OriginConfig(origin=ORIGIN, custodian=OWNER, log_keys=(), ledger=LEDGER)
    origins = Origins({ORIGIN: config})
    intake = LogIntake(store, origins, {LEDGER: node})
    item = await intake._item_of(origins.room(ORIGIN), Checkpoint(origin=ORIGIN, size=SIZE, root=ROOT))
    return [item.anchor.size]


async def test_left_out_anchor_is_recorded_once_and_goes_the_usual_way(store: SqliteRelayStore) -> None:
    node = Node(anchor())
    assert await offer(store, node) == [SIZE]
    item = await store.find_item(ORIGIN, SIZE)
    assert item is not None
    assert (item.state, item.anchor) == (ItemState.SEEN, anchor())
    assert await offer(store, node) == [SIZE]
    assert node.asked == 1
    assert (await store.mark_final(LEDGER, 2)).total() == 1
    assert await store.cursor(LEDGER) == Cursor(height=2, block_hash=bytes([2]) * 32)


@pytest.mark.parametrize(
    "node",
    [
        Node(None),
        Node(anchor(), final=False),
        Node(anchor(height=3)),
        Node(anchor(size=4)),
        Node(anchor(origin="b.example/log")),
        Node(anchor(ledger="ledger-2")),
    ],
    ids=["unknown", "not final", "above the cursor", "another size", "another origin", "another ledger"],
)
async def test_what_is_not_this_final_anchor_is_not_recorded(store: SqliteRelayStore, node: Node) -> None:
    with pytest.raises(Unavailable, match="no anchor"):
        await offer(store, node)
    assert sum((await store.counts()).values()) == 0
