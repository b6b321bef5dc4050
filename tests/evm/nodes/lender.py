"""A lender's chain alone: the contract, and sources that read or write it, without attesters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from adapters.evm.source import EvmSource, open_source
from adapters.evm.values import hexed
from relay.core.checkpoint import Checkpoint
from relay.ports.ledgers import AnchorBlock
from tests.support.anvil import Anvil, write_key

ORIGIN = "lender.example/log"


def point(size: int, *, origin: str = ORIGIN, mark: int = 0) -> Checkpoint:
    return Checkpoint(origin=origin, size=size, root=bytes([mark]) * 32)


class Lender:
    """Made by `open_lender`. Sources opened here are closed at the end."""

    def __init__(self, anvil: Anvil, contract: bytes, folder: Path, stack: AsyncExitStack) -> None:
        self.anvil, self.contract, self.folder = anvil, contract, folder
        self._stack = stack

    async def source(self, endpoints: Sequence[str] = (), *, account: int | None = 0, **more: object) -> EvmSource:
        watch_s = more.pop("watch_s", 10.0)
        assert isinstance(watch_s, float)
        table: dict[str, object] = {
            "ledger": "evm:lender-1",
            "endpoints": list(endpoints) or [self.anvil.url],
            "chain_id": self.anvil.chain_id,
            "contract": hexed(self.contract),
            "finality": 0,
            "confirm_s": 20,
            "poll_s": 0.02,
        }
        if account is not None:
            table["account"] = str(write_key(self.folder, account)[0])
        source = await open_source({**table, **more})
        source._watch_s = watch_s
        self._stack.push_async_callback(source.close)
        return source


@asynccontextmanager
async def open_lender(folder: Path, *options: str) -> AsyncIterator[Lender]:
    """A chain with the contract; options as anvil takes them."""
    async with AsyncExitStack() as stack:
        anvil = await stack.enter_async_context(Anvil(*options))
        yield Lender(anvil, await anvil.deploy_anchor_log(), folder, stack)


async def read(source: EvmSource, start: int, upto: int) -> list[AnchorBlock]:
    """Blocks as the feed delivers them, until one of that height."""
    blocks = []
    feed = source.blocks(start)
    async for block in feed:
        blocks.append(block)
        if block.height == upto:
            break
    await feed.aclose()  # type: ignore[attr-defined]
    return blocks
