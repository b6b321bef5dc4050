"""EVM chains through real nodes (anvil): how fast a source catches up, and how fast anchors go from one chain to the other.

The second run has a relay, a court gateway and a custodian as processes of their own, mutual TLS, every store durable. All anchors
stand on the lender's chain when the relay starts. What the court's chain is past already when an item's turn comes is covered by
the larger checkpoint and needs no transaction of its own: the rows say how many had one.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adapters.evm.devchain import DEVELOPER
from adapters.evm.node import STATE, read_node_config
from adapters.evm.rpc import HttpRpc
from bench.long_chain import lengthen, long_chain
from bench.table import Row
from relay.app.adapters import load_adapter
from relay.app.demo.network import Network
from relay.app.initialise import ORIGIN, initialise
from relay.config.roles import read_custodian
from tests.load.preload import anchor_entries

BLOCKS: Final = 100_000
BLOCKS_PER_S: Final = 1_000.0
ANCHORS: Final = 3_000
ANCHORS_PER_S: Final = 200.0
SEED: Final = 1
RUNS: Final = 3
ROLES: Final = ("custodian", "relay", "court")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """One run: seconds from the relay's start until the custodian has every receipt, and the court chain's own count of checkpoints."""

    seconds: float
    accepted: int


def quick_chains(home: Path) -> None:
    """A block for every transaction, final with the next one, on both chains: the nodes decide the speed, not the clock."""
    for path in home.glob("*/config.toml"):
        text = re.sub(r"^block_time_s = .*$", "block_time_s = 0", path.read_text(), flags=re.MULTILINE)
        path.write_text(re.sub(r"^finality = .*$", "finality = 0", text, flags=re.MULTILINE))


async def _ledgers(network: Network) -> None:
    await asyncio.gather(*(network.roles[role].start() for role in ("lender-ledger", "court-ledger")))


async def catch_up(folder: Path) -> float:
    """Blocks a second of a source that reads more than BLOCKS blocks, the last of them with an anchor."""
    home = initialise(folder / "home", base_port=0, validators=4, threshold=3, ledger="evm").home
    quick_chains(home)
    network = Network(home)
    node = read_node_config(home / "lender-ledger/config.toml")
    assert node.dev is not None
    await network.roles["lender-ledger"].start()
    await network.roles["lender-ledger"].end()
    state = node.data / STATE
    lengthen(state, BLOCKS)
    async with long_chain(node.dev, node.chain.chain_id, state):
        await anchor_entries(home, 1, 1, SEED)
        config = read_custodian(home / "custodian/config.toml").ledger
        source = await load_adapter(config.family).open_source(config.settings)
        began, count = time.perf_counter(), 0
        try:
            async with aclosing(source.blocks(1)) as blocks:  # type: ignore[type-var]
                async for block in blocks:
                    count += 1
                    if block.anchors:
                        break
            assert count > BLOCKS
            return count / (time.perf_counter() - began)
        finally:
            await source.close()


async def carry(folder: Path) -> Carried:
    """ANCHORS anchors of one log, carried from one chain to the other."""
    home = initialise(folder / "home", base_port=0, validators=4, threshold=3, ledger="evm").home
    quick_chains(home)
    network = Network(home)
    try:
        await _ledgers(network)
        await anchor_entries(home, ANCHORS, 1, SEED)
        began = time.perf_counter()
        await asyncio.gather(*(network.roles[role].start() for role in ROLES))
        await network.until("every anchor has its receipt", _all_receipted)
        seconds = time.perf_counter() - began
        return Carried(seconds=seconds, accepted=await _accepted(home))
    finally:
        await network.end()


def _all_receipted(status: dict[str, dict[str, Any]]) -> bool:
    relay = status["relay"]
    done = sum(int(relay.get(f"items {state}", 0)) for state in ("confirmed", "covered"))
    return done == ANCHORS and relay.get(f"{ORIGIN} confirmed") == ANCHORS


async def _accepted(home: Path) -> int:
    """Transactions on the court's chain that are not the developer's own."""
    node = read_node_config(home / "court-ledger/config.toml")
    assert node.dev is not None
    rpc = HttpRpc(node.dev.url, node.chain.chain_id)
    try:
        height = int(str(await rpc.call("eth_blockNumber")), 16)
        count = 0
        for number in range(1, height + 1):
            block = await rpc.call("eth_getBlockByNumber", hex(number), True)
            transactions = block["transactions"] if isinstance(block, dict) else []
            count += sum(tx["from"] != f"0x{DEVELOPER.hex()}" for tx in transactions)
        return count
    finally:
        await rpc.close()


def evm_rows() -> list[Row]:
    """The section of the table."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-bench-") as folder:
        caught = tuple(asyncio.run(catch_up(Path(folder) / f"catch-up-{n}")) for n in range(RUNS))
        runs = [asyncio.run(carry(Path(folder) / f"carry-{n}")) for n in range(RUNS)]
    rates = tuple(ANCHORS / run.seconds for run in runs)
    return [
        Row(name=f"source catches up with {BLOCKS:,} blocks", values=caught, unit="blocks/s", target=BLOCKS_PER_S),
        Row(
            name=f"{ANCHORS:,} anchors, relay started → every receipt",
            values=rates,
            unit="anchors/s",
            target=ANCHORS_PER_S,
        ),
        Row(
            name="  transactions on the court's chain",
            values=tuple(float(run.accepted) for run in runs),
            unit="of them",
        ),
    ]
