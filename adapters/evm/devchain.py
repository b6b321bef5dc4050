"""A chain for development: anvil as a child of the node, with the contract on it and accounts that can pay.

Whoever reaches its port owns it: it listens on the loopback only, and nothing on it proves anything to anybody else.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.evm.account import created_address
from adapters.evm.config import ADDRESS
from adapters.evm.rpc import HttpRpc, RpcError
from adapters.evm.values import hexed, octets, quantity
from relay.core.errors import Malformed, Unavailable

DEVELOPER: Final = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
"""The first account of anvil's published mnemonic: the node signs for it. Its first transaction makes the contract."""
CONTRACT: Final = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
"""Where that contract lies, on every such chain."""
CONTRACTS: Final = ("AnchorLog", "CourtRegistry")
BALANCE_WEI: Final = 10**22
CREATE_GAS: Final = 6_000_000
START_S: Final = 20.0
STOP_S: Final = 10.0
LOOK_S: Final = 0.02
STATE_INTERVAL_S: Final = 5
BIND: Final = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execv(sys.argv[1], sys.argv[1:])"
"""PR_SET_PDEATHSIG, SIGTERM; kept over execv (prctl(2))."""
_KEYS: Final = ("binary", "port", "contract", "block_time_s", "slots_in_an_epoch", "writers", "funded")


@dataclass(frozen=True, slots=True, kw_only=True)
class DevChain:
    """`block_time_s` 0: a block for every transaction. Addresses are 0x and 40 hex digits."""

    binary: Path
    port: int
    contract: str
    block_time_s: int
    slots_in_an_epoch: int
    writers: tuple[str, ...]
    funded: tuple[str, ...]

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}"


def read_dev_chain(values: object, what: str, folder: Path) -> DevChain:
    """The table `[anvil]` of a node's file. Raises `Malformed`."""
    if not isinstance(values, dict):
        raise Malformed(what, "anvil", f"must be a table with {', '.join(_KEYS)}")
    unknown = sorted(set(values) - set(_KEYS))
    if unknown:
        raise Malformed(what, f"anvil.{unknown[0]}", f"is unknown; known are {', '.join(_KEYS)}")

    def number(name: str, low: int, high: int, default: int | None = None) -> int:
        value = values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Malformed(what, f"anvil.{name}", f"must be a whole number from {low} to {high}")
        return value

    def addresses(name: str) -> tuple[str, ...]:
        value = values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(v, str) and ADDRESS.fullmatch(v) for v in value):
            raise Malformed(what, f"anvil.{name}", "must be a list of addresses: 0x and 40 lower-case hex digits")
        return tuple(value)

    binary, contract = values.get("binary"), values.get("contract")
    if not isinstance(binary, str) or not binary:
        raise Malformed(what, "anvil.binary", "must be the path of the program anvil")
    if contract not in CONTRACTS:
        raise Malformed(what, "anvil.contract", f"must be {' or '.join(CONTRACTS)}")
    return DevChain(
        binary=folder / binary,
        port=number("port", 1, 65_535),
        contract=str(contract),
        block_time_s=number("block_time_s", 0, 3600, 1),
        slots_in_an_epoch=number("slots_in_an_epoch", 1, 1024, 1),
        writers=addresses("writers"),
        funded=addresses("funded"),
    )


@asynccontextmanager
async def running(dev: DevChain, chain_id: int, state: Path) -> AsyncIterator[asyncio.Task[None]]:
    """The chain while the body runs, as it was when it last ended in order. Yields a task that fails when anvil ends by itself.

    Raises `Malformed` when the program cannot be run, `Unavailable` when it does not answer.
    """
    process = await _start(dev, chain_id, state)
    watching = asyncio.create_task(_watch(process), name="anvil")
    rpc = HttpRpc(dev.url, chain_id)
    try:
        await _answering(rpc, process)
        await _furnish(rpc, dev)
        yield watching
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        if not watching.cancelled():
            watching.exception()  # seen, whoever has asked
        await rpc.close()
        await _stop(process)


async def _start(dev: DevChain, chain_id: int, state: Path) -> asyncio.subprocess.Process:
    state.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    options: Mapping[str, object] = {
        "--host": "127.0.0.1",
        "--port": dev.port,
        "--chain-id": chain_id,
        "--slots-in-an-epoch": dev.slots_in_an_epoch,
        "--state": state,
        "--state-interval": STATE_INTERVAL_S,
        **({"--block-time": dev.block_time_s} if dev.block_time_s else {}),
    }
    arguments = [str(part) for pair in options.items() for part in pair]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    null = asyncio.subprocess.DEVNULL
    if not os.access(dev.binary, os.X_OK):
        raise Malformed("configuration", "anvil.binary", f"{dev.binary} is no program that can be run")
    return await asyncio.create_subprocess_exec(
        *_bound(), str(dev.binary), *arguments, "--silent", stdin=null, stdout=null, stderr=null, env=environment
    )


def _bound() -> tuple[str, ...]:
    """On Linux the child ends with us, however we end: else it would keep the port and the chain would go on without its node."""
    return (sys.executable, "-c", BIND) if sys.platform == "linux" else ()


async def _watch(process: asyncio.subprocess.Process) -> None:
    code = await process.wait()
    raise Unavailable(f"anvil ended by itself with code {code}; is its port in use, or its state file damaged?")


async def _answering(rpc: HttpRpc, process: asyncio.subprocess.Process) -> None:
    reason = ""
    try:
        async with asyncio.timeout(START_S):
            while process.returncode is None:
                try:
                    await rpc.call("eth_chainId")
                except Unavailable as error:
                    reason = str(error)
                    await asyncio.sleep(LOOK_S)
                else:
                    return
    except TimeoutError:
        raise Unavailable(f"anvil does not answer within {START_S:g} s: {reason}") from None
    raise Unavailable(f"anvil ended at its start with code {process.returncode}; is its port in use?")


async def _stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM makes it write its state."""
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _furnish(rpc: HttpRpc, dev: DevChain) -> None:
    """The contract, its writers, and what accounts need to pay; what is there already stays."""
    try:
        for address in (*dev.funded, *dev.writers):
            if not quantity(await rpc.call("eth_getBalance", address, "latest"), "a balance"):
                await rpc.call("anvil_setBalance", address, hex(BALANCE_WEI))
        if not octets(await rpc.call("eth_getCode", CONTRACT, "latest"), "a contract's code"):
            await _create(rpc, dev.contract)
        if dev.contract == "CourtRegistry":
            for writer in dev.writers:
                await _name_writer(rpc, writer)
    except RpcError as error:
        raise Unavailable(f"the development chain cannot be furnished: {error}") from None


async def _create(rpc: HttpRpc, contract: str) -> None:
    from adapters.evm.contracts.artefacts import load

    if hexed(created_address(DEVELOPER, 0)) != CONTRACT:
        raise RuntimeError("the developer's first contract lies elsewhere")
    code = (await asyncio.to_thread(load, contract)).bytecode
    if contract == "CourtRegistry":
        code += DEVELOPER.rjust(32, b"\0")  # its administrator
    await _mined(rpc, {"data": hexed(code), "nonce": "0x0"})


async def _name_writer(rpc: HttpRpc, writer: str) -> None:
    from adapters.evm.abi import court_registry_interface

    interface = court_registry_interface()
    asked = {"to": CONTRACT, "data": hexed(interface.encode("writers", writer))}
    (known,) = interface.decode("writers", octets(await rpc.call("eth_call", asked, "latest"), "a view's answer"))
    if not known:
        await _mined(rpc, {"to": CONTRACT, "data": hexed(interface.encode("setWriter", writer, True))})


async def _mined(rpc: HttpRpc, call: Mapping[str, str]) -> None:
    tx = await rpc.call("eth_sendTransaction", {**call, "from": hexed(DEVELOPER), "gas": hex(CREATE_GAS)})
    await rpc.call("anvil_mine", "0x1")
    receipt = None
    for _ in range(int(START_S / LOOK_S)):
        receipt = await rpc.call("eth_getTransactionReceipt", tx)
        if receipt is not None:
            break
        await asyncio.sleep(LOOK_S)
    if not isinstance(receipt, dict) or receipt.get("status") != "0x1":
        raise Unavailable("the development chain refuses the contract; remove its state file to begin again")
