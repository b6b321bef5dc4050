"""A long chain for a node to serve: empty blocks written into anvil's own state file, for it mines ever slower the higher its chain is."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from adapters.evm.devchain import DevChain
from adapters.evm.header import encode_header
from adapters.evm.keccak import keccak256
from adapters.evm.rpc import HttpRpc
from relay.core.errors import Unavailable

SECONDS_A_BLOCK: Final = 1
START_S: Final = 120.0
LOOK_S: Final = 0.1
EMPTY_ROOT: Final = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
"""Of an empty trie: transactions and receipts of a block that has none."""


def lengthen(state: Path, blocks: int) -> None:
    """So many empty blocks on top of the chain in a state file; they begin so long ago that the last is not in the future."""
    chain: dict[str, Any] = json.loads(state.read_text())
    top = max(chain["blocks"], key=lambda block: int(block["header"]["number"], 16))
    number, parent = int(top["header"]["number"], 16), keccak256(encode_header(top["header"]))
    last = int(time.time())
    for step in range(1, blocks + 1):
        header = {
            **top["header"],
            "parentHash": f"0x{parent.hex()}",
            "number": hex(number + step),
            "timestamp": hex(last - (blocks - step) * SECONDS_A_BLOCK),
            "transactionsRoot": EMPTY_ROOT,
            "receiptsRoot": EMPTY_ROOT,
            "logsBloom": f"0x{bytes(256).hex()}",
            "gasUsed": "0x0",
        }
        parent = keccak256(encode_header(header))
        chain["blocks"].append({**top, "header": header, "transactions": []})
    chain["best_block_number"] = number + blocks
    chain["block"] = {**chain["block"], "number": hex(number + blocks), "timestamp": hex(last)}
    state.write_text(json.dumps(chain))


@asynccontextmanager
async def long_chain(dev: DevChain, chain_id: int, state: Path) -> AsyncIterator[None]:
    """Anvil with this state while the body runs. Unlike a development node's it writes nothing back: that would take it seconds."""
    command = (
        *(str(dev.binary), "--host", "127.0.0.1", "--port", str(dev.port), "--chain-id", str(chain_id)),
        *("--slots-in-an-epoch", str(dev.slots_in_an_epoch), "--load-state", str(state), "--silent"),
    )
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    rpc = HttpRpc(dev.url, chain_id)
    try:
        async with asyncio.timeout(START_S):
            while process.returncode is None:
                try:
                    await rpc.call("eth_chainId")
                    break
                except Unavailable:
                    await asyncio.sleep(LOOK_S)
        yield
    finally:
        await rpc.close()
        process.terminate()
        await process.wait()
