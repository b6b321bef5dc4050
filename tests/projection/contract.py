"""The lender's contract of these tests: its committed code, and what is sent to it.

`python -m tests.projection.contract` makes `LoanRecords.json` again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from eth_abi.abi import encode

from adapters.evm.account import created_address
from adapters.evm.contracts.compile import compile_contract
from adapters.evm.keccak import keccak256
from adapters.evm.values import hexed
from tests.support.anvil import DEVELOPER, Anvil
from tests.support.tools import solc_folder

NAME: Final = "LoanRecords"
FOLDER: Final = Path(__file__).resolve().parent
ARTEFACT: Final = FOLDER / f"{NAME}.json"
EVENT: Final = "RecordStored(bytes32 indexed loan, bytes32 digest, uint64 time)"
TOPIC: Final = keccak256(b"RecordStored(bytes32,bytes32,uint64)")


def artefact_text() -> str:
    """What the compiler makes of the source now."""
    source = {f"{NAME}.sol": (FOLDER / f"{NAME}.sol").read_text("utf-8")}
    abi, bytecode, _ = compile_contract(NAME, source, solc_folder())
    return json.dumps({"abi": abi, "bytecode": f"0x{bytecode}"}, sort_keys=True, indent=1) + "\n"


def bytecode() -> bytes:
    return bytes.fromhex(json.loads(ARTEFACT.read_text())["bytecode"][2:])


def loan(number: int) -> bytes:
    return number.to_bytes(32, "big")


def digest(text: str) -> bytes:
    return keccak256(text.encode())


async def create(anvil: Anvil) -> bytes:
    """A contract of one's own; its address."""
    nonce = int(await anvil.ask("eth_getTransactionCount", hexed(DEVELOPER), "latest"), 16)
    receipt = await anvil.send(bytecode())
    assert receipt["status"] == "0x1"
    return created_address(DEVELOPER, nonce)


def call(function: str, *arguments: object) -> bytes:
    """A call's data; `function` as `name(type,…)`."""
    types = function[function.index("(") + 1 : -1].split(",")
    return keccak256(function.encode())[:4] + encode(types, arguments)


def store(number: int, text: str, time: int = 1_700_000_000) -> bytes:
    return call("store(bytes32,bytes32,uint64)", loan(number), digest(text), time)


def store_many(numbers: list[int], text: str, time: int = 1_700_000_000) -> bytes:
    return call("storeMany(bytes32[],bytes32,uint64)", [loan(n) for n in numbers], digest(text), time)


def store_and_fail(number: int, text: str) -> bytes:
    return call("storeAndFail(bytes32,bytes32,uint64)", loan(number), digest(text), 1)


def store_raw(number: int, data: bytes) -> bytes:
    return call("storeRaw(bytes32,bytes)", loan(number), data)


def note(number: int, text: str) -> bytes:
    return call("note(bytes32,string)", loan(number), text)


def table(address: bytes, **more: object) -> dict[str, object]:
    """A mapping of a configuration."""
    return {
        "address": hexed(address),
        "event": EVENT,
        "digest": "digest",
        "dossier": "loan",
        "time": "time",
        "from_block": 0,
        **more,
    }


if __name__ == "__main__":
    ARTEFACT.write_text(artefact_text(), "utf-8")
