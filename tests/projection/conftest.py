"""A chain of each test's own with the lender's contract on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.evm.projecting import EvmEvents, open_events
from relay.core.projection import LedgerEvent
from relay.ports.projection import Place, Stretch
from relay.store.custodian import SqliteCustodianStore
from tests.projection.contract import create, table
from tests.support.anvil import Anvil, find_anvil

NOTHING = Place(height=0, block_hash=b"")
FINALITY = 2
ANCHORS = "0x" + "a0" * 20
"""Where the contract of the anchors would be; reading a lender's own events asks nothing of it."""


@dataclass
class Lender:
    """A chain, the lender's contract, and readers of its events. What is opened here is closed at the end."""

    anvil: Anvil
    contract: bytes
    stack: AsyncExitStack

    def settings(self, **more: object) -> dict[str, object]:
        """A ledger's table."""
        return {
            "ledger": "evm:lender-1",
            "endpoints": [self.anvil.url],
            "chain_id": self.anvil.chain_id,
            "contract": ANCHORS,
            "finality": FINALITY,
            "poll_s": 0.02,
            **more,
        }

    async def events(self, *tables: dict[str, object], **more: object) -> EvmEvents:
        opened = await open_events(self.settings(**more), tables or [table(self.contract)])
        self.stack.push_async_callback(opened.close)
        return opened

    async def send(self, data: bytes, to: bytes | None = None) -> dict[str, object]:
        return await self.anvil.send(data, self.contract if to is None else to)


@pytest.fixture
def needs_anvil() -> None:
    """For tests that start anvil in their own way."""
    if find_anvil() is None:
        pytest.skip("anvil is not installed; `python3 run.py test` installs it from its lock file")


@pytest.fixture
async def lender(needs_anvil: None) -> AsyncIterator[Lender]:
    """A block for every transaction."""
    async with AsyncExitStack() as stack:
        anvil = await stack.enter_async_context(Anvil())
        yield Lender(anvil, await create(anvil), stack)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteCustodianStore]:
    opened = await SqliteCustodianStore.open(tmp_path / "custodian", bytes(32))
    yield opened
    await opened.close()


async def read(events: EvmEvents, after: Place = NOTHING) -> list[Stretch]:
    """Stretches from a place up to what is final now."""
    final, found = await events.final_height(), []
    if final <= after.height:
        return []
    async with aclosing(events.stretches(after)) as feed:
        async for stretch in feed:
            found.append(stretch)
            if stretch.upto.height >= final:
                break
    return found


def events_of(stretches: Sequence[Stretch]) -> list[LedgerEvent]:
    return [event for stretch in stretches for event in stretch.events]


def refusals_of(stretches: Sequence[Stretch]) -> list[str]:
    return [refusal.words() for stretch in stretches for refusal in stretch.refused]
