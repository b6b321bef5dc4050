"""A court's ledger may be off for long: however many checkpoints wait for their receipts, the gateway holds a part of them."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from relay.core.ledgerproof import LedgerProof
from relay.ports.court import WAITING_AT_ONCE
from relay.ports.held import HeldCheckpoint
from relay.services.court.receipts import ReceiptReader
from relay.store.court import SqliteCourtStore
from tests.support.frozen import no_waits

ORIGINS = ("a.example/log/1", "b.example/log/1")
WAITING = 2 * WAITING_AT_ONCE + 5
ANCHOR = LedgerProof(kind="quorum", ledger="embedded:lender-1", body=b"anchor")


class _Counting:
    """The store, and how much it gave at once."""

    def __init__(self, store: SqliteCourtStore) -> None:
        self._store = store
        self.given: list[int] = []

    async def without_receipt(self, after: tuple[str, int]) -> list[HeldCheckpoint]:
        found = await self._store.without_receipt(after)
        self.given.append(len(found))
        return found


class _Off:
    """A ledger that has none of them yet."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def find(self, origin: str, size: int, root: bytes) -> None:
        assert root == _root(size)
        self.asked.append((origin, size))


def _root(size: int) -> bytes:
    return hashlib.sha256(b"%d" % size).digest()


async def _fill(store: SqliteCourtStore) -> None:
    for origin in ORIGINS:
        for size in range(1, WAITING + 1):
            held = HeldCheckpoint(
                origin=origin, size=size, root=_root(size), note=b"n", anchor=ANCHOR, anchored_ms=1, cosigned=b"",
                receipt=None, receipted_ms=0,
            )  # fmt: skip
            await store.add_checkpoint(held, size - 1)
            await store.save_cosigned(origin, size, b"c")


async def test_each_waiting_checkpoint_is_asked_for_once_a_pass_and_few_are_held(tmp_path: Path) -> None:
    opened = await SqliteCourtStore.open(tmp_path / "court")
    store, ledger = _Counting(opened), _Off()
    anything: Any = None
    reader = ReceiptReader(
        "court", store, ledger, anything, anything, asyncio.Event(), no_waits  # type: ignore[arg-type]
    )  # fmt: skip
    try:
        await _fill(opened)
        assert await reader.read() == len(ORIGINS) * WAITING
    finally:
        await opened.close()
    assert ledger.asked == [(origin, size) for origin in ORIGINS for size in range(1, WAITING + 1)]
    assert max(store.given) == WAITING_AT_ONCE
    assert sum(store.given) == len(ledger.asked), "each is read once"
