"""A real anvil of the tests' own: on a free port of the loopback, its state in a temporary folder if it shall outlive itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters.evm.account import Account, created_address
from adapters.evm.contracts.artefacts import anchor_log, court_registry
from adapters.evm.rpc import HttpRpc
from adapters.evm.values import hexed
from relay.app.free_ports import free_port
from relay.core.errors import Unavailable

BINARY = Path(".venv/tools/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
ROOT = Path(__file__).resolve().parents[2]
CHAIN_ID = 31337
DEVELOPER = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
"""The first account of anvil's well-known mnemonic: rich, and the node signs for it."""
KEYS = (
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
)
"""Private keys of the next three, as published with the mnemonic."""
START_S = 20.0


def find_anvil() -> Path | None:
    """The program; None where it is not installed."""
    path = ROOT / BINARY
    return path if path.exists() else None


class Anvil:
    """One chain. `start` and `stop` as often as wanted; with `state` the chain goes on after a stop."""

    def __init__(self, *options: str, state: Path | None = None, chain_id: int = CHAIN_ID) -> None:
        program = find_anvil()
        assert program is not None, "anvil is not installed"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws = f"ws://127.0.0.1:{self.port}"
        self.chain_id = chain_id
        self._command = [
            str(program),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--chain-id",
            str(chain_id),
            *options,
        ]
        self._command += ["--silent", "--accounts", "4"] + (["--state", str(state)] if state else [])
        self._process: asyncio.subprocess.Process | None = None
        self._rpc: HttpRpc | None = None

    async def __aenter__(self) -> Anvil:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/")}
        null = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(*self._command, env=environment, stdout=null, stderr=null)
        self._rpc = HttpRpc(self.url, self.chain_id)
        async with asyncio.timeout(START_S):
            while True:
                assert self._process.returncode is None, "anvil ended at its start"
                try:
                    await self.ask("eth_chainId")
                    return
                except Unavailable:
                    await asyncio.sleep(0.02)

    async def stop(self) -> None:
        rpc, self._rpc = self._rpc, None
        if rpc is not None:
            await rpc.close()
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            await process.wait()

    async def ask(self, method: str, *params: object) -> Any:
        """One call past the adapter."""
        assert self._rpc is not None
        return await self._rpc.call(method, *params)

    async def height(self) -> int:
        return int(await self.ask("eth_blockNumber"), 16)

    async def mine(self, count: int = 1) -> None:
        await self.ask("anvil_mine", hex(count))

    async def send(self, data: bytes, to: bytes | None = None, sender: bytes = DEVELOPER) -> dict[str, Any]:
        """A transaction that anvil itself signs; its receipt."""
        call = {"from": hexed(sender), "data": hexed(data), "gas": hex(6_000_000), "gasPrice": hex(3 * 10**9)}
        tx = await self.ask("eth_sendTransaction", call if to is None else {**call, "to": hexed(to)})
        for _ in range(500):
            receipt = await self.ask("eth_getTransactionReceipt", tx)
            if receipt is not None:
                return dict(receipt)
            await asyncio.sleep(0.01)
        raise AssertionError("the transaction is in no block")

    async def fund(self, *addresses: bytes) -> None:
        for address in addresses:
            await self.ask("anvil_setBalance", hexed(address), hex(10**21))

    async def deploy_anchor_log(self) -> bytes:
        """The contract's address: the developer's first transaction makes it."""
        return await self._create(anchor_log().bytecode)

    async def deploy_court_registry(self, writers: Sequence[bytes]) -> bytes:
        from adapters.evm.abi import court_registry_interface

        contract = await self._create(court_registry().bytecode + DEVELOPER.rjust(32, b"\0"))
        for writer in writers:
            call = court_registry_interface().encode("setWriter", hexed(writer), True)
            assert (await self.send(call, contract))["status"] == "0x1"
        return contract

    async def _create(self, code: bytes) -> bytes:
        nonce = int(await self.ask("eth_getTransactionCount", hexed(DEVELOPER), "latest"), 16)
        receipt = await self.send(code)
        contract = created_address(DEVELOPER, nonce)
        assert receipt["contractAddress"] == hexed(contract)
        return contract


def write_key(folder: Path, number: int) -> tuple[Path, Account]:
    """One of anvil's rich accounts as an adapter's key file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"account-{number}.key"
    if not path.exists():
        path.write_text(KEYS[number] + "\n")
        path.chmod(0o600)
    return path, Account(bytes.fromhex(KEYS[number]))
