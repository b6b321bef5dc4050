"""A reorganisation gives nonces back: the next write must not wait behind a transaction that no chain has any more."""

from __future__ import annotations

import asyncio
from pathlib import Path

from adapters.evm.abi import anchor_log_interface
from adapters.evm.account import Account
from adapters.evm.chain import Chain, Placed
from adapters.evm.config import read_config
from adapters.evm.events import TOPICS
from adapters.evm.sending import Sender
from adapters.evm.values import hexed
from tests.support.anvil import Anvil, write_key
from tests.support.frozen import settle

NEVER_S = 3600.0
"""So that no fee is raised and nothing is sent twice for mere waiting."""


class Writer:
    """One account that writes anchors of its own origins."""

    def __init__(self, anvil: Anvil, contract: bytes, account: Account) -> None:
        table: dict[str, object] = {
            "ledger": "evm:lender-1",
            "endpoints": [anvil.url],
            "chain_id": anvil.chain_id,
            "contract": hexed(contract),
            "finality": 0,
        }
        self.anvil, self.address = anvil, hexed(account.address)
        self.chain = Chain(read_config(table, attested=True), anchor_log_interface())
        self.sender = Sender(self.chain, account, bump_s=NEVER_S)

    async def find(self, origin: str) -> Placed | None:
        return await self.chain.entry("anchored", (origin, 1), (TOPICS["Anchored"],), origin=origin, size=1)

    async def write(self, origin: str) -> Placed:
        data = anchor_log_interface().encode("anchor", origin, 1, bytes(32))
        return await self.sender.write(origin, lambda: self.find(origin), data)

    async def pool(self) -> dict[str, int]:
        """How many transactions may go into a block, and how many wait for one before them."""
        return {name: int(count, 16) for name, count in (await self.anvil.ask("txpool_status")).items()}


async def open_writer(anvil: Anvil, folder: Path) -> Writer:
    _, account = write_key(folder, 0)
    return Writer(anvil, await anvil.deploy_anchor_log(), account)


async def test_write_after_a_lost_transaction_takes_its_nonce_again(anvil: Anvil, tmp_path: Path) -> None:
    writer = await open_writer(anvil, tmp_path)
    try:
        await writer.write("a.example/log")
        await anvil.ask("anvil_reorg", 1, [])
        assert await writer.find("a.example/log") is None
        await writer.write("b.example/log")
        assert await writer.pool() == {"pending": 0, "queued": 0}
        assert int(await anvil.ask("eth_getTransactionCount", writer.address, "latest"), 16) == 1
    finally:
        await writer.chain.close()


async def test_transaction_behind_a_gap_is_written_anew_and_has_one_effect(anvil: Anvil, tmp_path: Path) -> None:
    """The first leaves the chain while the second is on its way: nobody of ours sends the missing nonce by itself."""
    writer = await open_writer(anvil, tmp_path)
    try:
        await writer.write("a.example/log")
        await anvil.ask("evm_setAutomine", False)
        second = asyncio.create_task(writer.write("b.example/log"))

        async def waits() -> bool:
            return (await writer.pool())["pending"] == 1

        await settle(waits, "the second waits for a block")
        await anvil.ask("anvil_reorg", 1, [])
        await anvil.ask("evm_setAutomine", True)

        async def mined() -> bool:
            await anvil.mine()
            return second.done()

        await settle(mined, "the second is written")
        assert (await second).event.fact["origin"] == "b.example/log"
        await anvil.mine(2)
        filter_ = writer.chain.log_filter(0, await anvil.height(), (TOPICS["Anchored"],))
        assert len(await anvil.ask("eth_getLogs", filter_)) == 1
        assert (await writer.pool())["queued"] == 0
    finally:
        await writer.chain.close()
