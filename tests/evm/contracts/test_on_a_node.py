"""The same contracts on a real node of the same fork: the code it keeps, the gas it takes, the errors it hands on."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.evm.contracts import anchor_log, court_registry
from bench.gas import CONTRACT, SENDER, Case, cases, creation_gas, submit_case, word
from relay.app.free_ports import free_port
from tests.evm.contracts.chain import name_hash
from tests.support.tools import TOOLS

PROGRAM = TOOLS / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
START_S = 20.0


class Node:
    """JSON-RPC of one anvil."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def ask(self, method: str, *parameters: object) -> Any:
        answer = self.answer(method, *parameters)
        assert "error" not in answer, answer
        return answer["result"]

    def answer(self, method: str, *parameters: object) -> dict[str, Any]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        request = urllib.request.Request(self._url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return dict(json.load(response))

    def started(self) -> bool:
        try:
            return bool(self.ask("eth_chainId"))
        except OSError:
            return False

    def mined(self, **transaction: str) -> dict[str, Any]:
        """The receipt of a transaction, which is in a block of its own."""
        transaction_hash = self.ask("eth_sendTransaction", {"from": SENDER, "gas": "0x400000", **transaction})
        while (receipt := self.ask("eth_getTransactionReceipt", transaction_hash)) is None:
            time.sleep(0.01)
        return dict(receipt)

    def prepare(self, case: Case) -> None:
        """The contract with what stands in it before the call."""
        self.ask("anvil_setCode", CONTRACT, f"0x{case.artefact.runtime.hex()}")
        for slot, value in case.before.items():
            self.ask("anvil_setStorageAt", CONTRACT, f"0x{slot:064x}", f"0x{value:064x}")


@pytest.fixture
def node() -> Iterator[Node]:
    if not PROGRAM.is_file():
        pytest.skip("no EVM node: the npm package @foundry-rs/anvil-linux-amd64 is not under .venv/tools")
    port = free_port()
    command = (PROGRAM, "--port", str(port), "--silent", "--hardfork", "paris", "--auto-impersonate")
    with subprocess.Popen(command) as process:
        try:
            running, end = Node(port), time.monotonic() + START_S
            while not running.started():
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
            running.ask("anvil_setBalance", SENDER, hex(10**20))
            yield running
        finally:
            process.terminate()


def test_created_contracts_are_the_artefacts_byte_by_byte(node: Node) -> None:
    for artefact, arguments in ((anchor_log(), b""), (court_registry(), word(SENDER))):
        code = artefact.bytecode + arguments
        receipt = node.mined(data=f"0x{code.hex()}")
        assert receipt["status"] == "0x1"
        assert node.ask("eth_getCode", receipt["contractAddress"], "latest") == f"0x{artefact.runtime.hex()}"
        assert creation_gas(artefact, arguments) == int(receipt["gasUsed"], 16)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_gas_of_the_table_is_what_a_node_takes(node: Node, case: Case) -> None:
    node.prepare(case)
    receipt = node.mined(to=CONTRACT, data=f"0x{case.data.hex()}")
    assert (receipt["status"], len(receipt["logs"])) == ("0x1", case.events)
    assert int(receipt["gasUsed"], 16) == case.gas()


def test_refusal_reaches_the_sender_with_its_selector(node: Node) -> None:
    case = submit_case(700, 1000)
    node.prepare(case)
    call = {"from": CONTRACT, "to": CONTRACT, "data": f"0x{case.data.hex()}"}
    error = node.answer("eth_call", call, "latest")["error"]
    assert error["data"] == f"0x{name_hash('NotWriter(address)')[:4].hex()}{word(CONTRACT).hex()}"
