"""A real node's blocks: header, receipts and transactions rebuilt from JSON-RPC have its roots and hashes, and prove an event."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coincurve
import pytest
import rlp

from adapters.evm.header import encode_header, parse_header
from adapters.evm.keccak import keccak256
from adapters.evm.proof import ATTESTED, build_proof, verify_attested
from adapters.evm.receipts import chain_id, encode_receipt, encode_transaction, parse_receipt
from adapters.evm.trie import Trie
from relay.core.errors import Malformed
from relay.core.ledgerproof import LedgerProof
from relay.core.trust import LedgerRoot, Validator
from tests.evm.making import LEDGER, NAMES, ORIGIN, SENDER, anchored, attestation, checkpoint_accepted, ed_public

ANVIL = Path(__file__).parents[2] / ".venv/tools/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
CHAIN = 31337
MNEMONIC_KEY = coincurve.PrivateKey(
    bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
)  # anvil's first, known to everybody
Rpc = Any


@pytest.fixture(scope="module")
def rpc() -> Iterator[Rpc]:
    """A function that calls a node of our own which mines only when told to."""
    if not ANVIL.exists():
        assert not os.environ.get("COURTRELAY_NO_SKIPS"), "anvil is missing"
        pytest.skip("anvil is not installed")
    command = [
        str(ANVIL),
        "--port",
        "0",
        "--host",
        "127.0.0.1",
        "--no-mining",
        "--order",
        "fifo",
        "--hardfork",
        "prague",
    ]
    node = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert node.stdout is not None
        address = next(line.split()[-1] for line in node.stdout if line.startswith("Listening on"))

        def call(method: str, *params: Any) -> Any:
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
            request = urllib.request.Request(f"http://{address}", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                said = json.load(answer)
            assert "error" not in said, said
            return said["result"]

        yield call
    finally:
        node.terminate()
        node.wait(timeout=60)
        assert node.stdout is not None
        node.stdout.close()


def emitting(*logs: list[Any]) -> str:
    """Init code that emits the logs, topics and data behind it, and leaves a contract without code."""
    code, data, place = b"", b"".join(log[2] for log in logs), 0
    for _, topics, said in logs:
        code += b"".join(b"\x7f" + topic for topic in reversed(topics))
        code += (
            b"\x61" + len(said).to_bytes(2, "big") + b"\x61" + place.to_bytes(2, "big") + bytes([0xA0 + len(topics)])
        )
        place += len(said)
    start = 3 + 3 + 3 + 1 + len(code) + 1  # behind what copies, what emits, and a stop
    copy = b"\x61" + len(data).to_bytes(2, "big") + b"\x61" + start.to_bytes(2, "big") + b"\x61\x00\x00" + b"\x39"
    return "0x" + (copy + code + b"\x00" + data).hex()


def set_code_transaction(nonce: int) -> str:
    """A signed transaction of type 4, for anvil does not sign those itself."""
    own = keccak256(MNEMONIC_KEY.public_key.format(compressed=False)[1:])[12:]

    def signed(digest: bytes) -> list[Any]:
        made = MNEMONIC_KEY.sign_recoverable(digest, hasher=None)
        return [made[64], int.from_bytes(made[:32], "big"), int.from_bytes(made[32:64], "big")]

    permit: list[Any] = [CHAIN, SENDER, nonce + 1]
    permit += signed(keccak256(b"\x05" + rlp.encode(permit)))
    items: list[Any] = [CHAIN, nonce, 10**9, 10**10, 200_000, own, 0, b"", [], [permit]]
    return "0x04" + rlp.encode([*items, *signed(keccak256(b"\x04" + rlp.encode(items)))]).hex()


@pytest.fixture(scope="module")
def mined(rpc: Rpc) -> dict[str, Any]:
    """Two blocks: many transfers of every type that anvil signs, our events in a creation, a failed call; then one transfer."""
    first, second = rpc("eth_accounts")[:2]
    price = {"gasPrice": hex(10**10)}
    fees = {"maxFeePerGas": hex(10**10), "maxPriorityFeePerGas": hex(10**9)}
    listed = [{"address": f"0x{SENDER.hex()}", "storageKeys": ["0x" + "11" * 32, "0x" + "00" * 32]}]
    base = {"from": second, "to": f"0x{SENDER.hex()}", "gas": hex(100_000)}
    for number in range(130):
        value = {"value": hex(number), "input": "0x" + "ab" * (number % 40)}
        form = ({"type": "0x0", **price}, {"type": "0x1", **price, "accessList": listed}, {"type": "0x2", **fees})[
            number % 3
        ]
        rpc("eth_sendTransaction", {**base, **value, **form})
    rpc("eth_sendRawTransaction", set_code_transaction(0))
    creation = {"from": second, "gas": hex(1_000_000), "input": emitting(anchored(), checkpoint_accepted()), **fees}
    created = rpc("eth_sendTransaction", creation)
    failing = {"from": second, "gas": hex(100_000), "input": "0xfe", **price}
    rpc("eth_sendTransaction", failing)
    rpc("evm_mine")
    rpc("eth_sendTransaction", {**base, "value": "0x1", **fees, "from": first})
    rpc("evm_mine")
    return {"created": created, "types": {"0x0", "0x1", "0x2", "0x4"}}


def rebuilt(rpc: Rpc, number: int) -> tuple[dict[str, Any], bytes, list[bytes], list[bytes]]:
    block = rpc("eth_getBlockByNumber", hex(number), True)
    receipts = [encode_receipt(one) for one in rpc("eth_getBlockReceipts", hex(number))]
    return block, encode_header(block), receipts, [encode_transaction(one) for one in block["transactions"]]


def test_blocks_of_a_real_node_are_rebuilt_to_their_roots_and_hashes(rpc: Rpc, mined: dict[str, Any]) -> None:
    for number, count in ((1, 133), (2, 1)):
        block, header, receipts, transactions = rebuilt(rpc, number)
        assert len(transactions) == len(receipts) == count
        assert keccak256(header).hex() == block["hash"][2:]
        assert Trie.of_list(receipts).root.hex() == block["receiptsRoot"][2:]
        assert Trie.of_list(transactions).root.hex() == block["transactionsRoot"][2:]
        parsed = parse_header(header)
        assert (parsed.height, parsed.time_ms) == (number, int(block["timestamp"], 16) * 1000)
        assert len(parsed.fields) == 21
        for shown, data in zip(block["transactions"], transactions, strict=True):
            assert keccak256(data).hex() == shown["hash"][2:]
            assert chain_id(data) == CHAIN
            assert f"0x{data.hex()}" == rpc("eth_getRawTransactionByHash", shown["hash"])
        if number == 1:
            assert {shown["type"] for shown in block["transactions"]} == mined["types"]
            assert [parse_receipt(one).succeeded for one in receipts].count(False) == 1
    parent = parse_header(encode_header(rpc("eth_getBlockByNumber", "0x2", False))).parent_hash
    assert f"0x{parent.hex()}" == rpc("eth_getBlockByNumber", "0x1", False)["hash"]


def test_events_of_a_real_block_are_proven(rpc: Rpc, mined: dict[str, Any]) -> None:
    """Two logs of one creation: the contract that emitted them is the one created."""
    shown = rpc("eth_getTransactionReceipt", mined["created"])
    _, header, receipts, transactions = rebuilt(rpc, int(shown["blockNumber"], 16))
    parsed = parse_header(header)
    validators = tuple(
        Validator(name=name, public_key=ed_public(name), valid_from_ms=0, valid_to_ms=parsed.time_ms + 1)
        for name in NAMES
    )
    pinned = {"chain_id": str(CHAIN), "contract": shown["contractAddress"]}
    root = LedgerRoot(ledger=LEDGER, kind=ATTESTED, threshold=3, validators=validators, parameters=pinned)
    said = attestation(header, chain=CHAIN)
    for log, wanted in enumerate(("anchor", "checkpoint")):
        body = build_proof(
            header=header,
            index=int(shown["transactionIndex"], 16),
            log=log,
            receipts=receipts,
            transactions=transactions,
            attestation=said,
        )
        fact = verify_attested(LedgerProof(kind=ATTESTED, ledger=LEDGER, body=body), root)
        assert (fact.fact["type"], fact.fact["origin"]) == (wanted, ORIGIN)
        assert f"0x{fact.tx_id.hex()}" == mined["created"]
        assert f"0x{fact.block_hash.hex()}" == shown["blockHash"]


def test_values_that_no_node_gives_are_malformed(rpc: Rpc, mined: dict[str, Any]) -> None:
    """What an endpoint says is a stranger's word: another form is refused, never guessed at."""
    block = rpc("eth_getBlockByNumber", "0x1", True)
    shown = rpc("eth_getTransactionReceipt", mined["created"])
    for name in ("parentHash", "number", "extraData", "logsBloom", "baseFeePerGas"):
        for value in (
            None,
            5,
            "",
            "5",
            "0x",
            "0x05" if name == "number" else "0x5g",
            ["0x"],
            {},
            "0X00",
            "0x" + "00" * 300,
        ):
            if (name, value) != ("extraData", "0x") and (name, value) != ("extraData", "0x" + "00" * 300):
                with pytest.raises(Malformed):
                    encode_header({**block, name: value})
    for change in ({"logs": None}, {"logs": ["0x"]}, {"logs": [{}]}, {"status": None}, {"status": "0x"}, {"type": "0x7e"}, {"type": 2},
                   {"logsBloom": "0x00"}, {"cumulativeGasUsed": "0x00"}, {"logs": [{**shown["logs"][0], "topics": ["0x00"]}]}):  # fmt: skip
        with pytest.raises(Malformed):
            encode_receipt({**shown, **change})
    for change in (
        {"r": None},
        {"to": "0x00"},
        {"type": "0x5"},
        {"accessList": None},
        {"accessList": [{}]},
        {"nonce": "0x"},
        {"input": 1},
    ):
        with pytest.raises(Malformed):
            encode_transaction({**block["transactions"][2], **change})
    assert block["transactions"][2]["type"] == "0x2"
