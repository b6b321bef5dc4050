"""The whole way with real processes: a lender's contract on a real chain, a custodian killed again and again, a chain that drops blocks.

What must come of it is read from the chain in another way: by `eth_getLogs`, when all is over.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from adapters.evm.account import created_address
from adapters.evm.rpc import HttpRpc
from adapters.evm.values import hexed
from relay.app.demo.network import Network
from relay.app.evm_homes import CHAIN_IDS, CHAIN_PORTS, FINALITY
from relay.app.initialise import ORIGIN, initialise
from relay.app.ledger_homes import LENDER_ROLE
from relay.core.projection import LedgerEvent, project
from relay.core.tiles import decode_entries
from relay.wire.logs_http import origin_hash
from tests.projection.contract import (
    EVENT,
    TOPIC,
    bytecode,
    digest,
    note,
    store,
    store_and_fail,
    store_many,
    store_raw,
)
from tests.support.anvil import DEVELOPER, free_port
from tests.support.command import courtrelay, write_folder
from tests.support.compare import evidence_pack
from tests.support.lines import STATED, repayment_fields

ROUNDS = 8
SEED = 20_261_126


class Chain:
    """The lender's chain by its RPC, past the program."""

    def __init__(self, port: int) -> None:
        self.rpc = HttpRpc(f"http://127.0.0.1:{port}", CHAIN_IDS[LENDER_ROLE])

    async def ask(self, method: str, *params: object) -> Any:
        return await self.rpc.call(method, *params)

    async def send(self, data: bytes, to: bytes | None) -> None:
        call = {"from": hexed(DEVELOPER), "data": hexed(data), "gas": hex(3_000_000)}
        await self.ask("eth_sendTransaction", call if to is None else {**call, "to": hexed(to)})

    async def create(self) -> bytes:
        nonce = int(await self.ask("eth_getTransactionCount", hexed(DEVELOPER), "pending"), 16)
        await self.send(bytecode(), None)
        return created_address(DEVELOPER, nonce)

    async def height(self) -> int:
        return int(await self.ask("eth_blockNumber"), 16)

    async def grown(self, blocks: int) -> None:
        wanted = await self.height() + blocks
        while await self.height() < wanted:
            await asyncio.sleep(0.05)

    async def events(self, contract: bytes) -> list[LedgerEvent]:
        """All that can be read, of all blocks."""
        filters = {"fromBlock": "0x1", "toBlock": "latest", "address": hexed(contract), "topics": [hexed(TOPIC)]}
        rows = await self.ask("eth_getLogs", filters)
        return [
            LedgerEvent(
                emitter=f"eip155:{CHAIN_IDS[LENDER_ROLE]}:{hexed(contract)}",
                kind=TOPIC,
                height=int(row["blockNumber"], 16),
                block_hash=bytes.fromhex(row["blockHash"][2:]),
                log=int(row["logIndex"], 16),
                dossier=bytes.fromhex(row["topics"][1][2:]),
                digest=bytes.fromhex(row["data"][2:66]),
                time=int(row["data"][66:], 16),
            )
            for row in rows
            if len(row["data"]) == 2 + 128
        ]


def configure(home: Path, contract: bytes, port: int) -> str:
    """The custodian projects, the court serves its mirror; the mirror's address."""
    with (home / "custodian/config.toml").open("a") as file:
        file.write(
            f'\n[[projection]]\naddress = "{hexed(contract)}"\nevent = "{EVENT}"\n'
            'digest = "digest"\ndossier = "loan"\ntime = "time"\nfrom_block = 0\n'
        )
    with (home / "court/config.toml").open("a") as file:
        file.write(f'\n[http]\nlisten = "127.0.0.1:{port}"\ntls = "none"\n')
    return f"http://127.0.0.1:{port}/{origin_hash(ORIGIN)}"


async def emit(chain: Chain, contract: bytes, other: bytes, number: int) -> None:
    """Several transactions that may share a block: ours, a stranger's, a failed one, one that cannot be read."""
    await chain.send(store(number % 3, f"one {number}", number), contract)
    await chain.send(store(number % 3, f"theirs {number}", number), other)
    await chain.send(store_many([number % 3, number, 1], f"many {number}", number), contract)
    await chain.send(store_and_fail(number, "failed"), contract)
    await chain.send(note(number, "another event"), contract)
    await chain.send(store_raw(number, b"not readable"), contract)
    await chain.send(store_raw(number, digest(f"raw {number}") + number.to_bytes(32, "big")), contract)


async def disturbed(network: Network, chain: Chain, contract: bytes, other: bytes) -> None:
    """Events, and the custodian killed in between; twice the newest blocks are replaced, none of them final."""
    chosen = random.Random(SEED)
    for number in range(ROUNDS):
        await emit(chain, contract, other, number)
        await asyncio.sleep(chosen.random())
        if number in (3, 6):
            await chain.ask("anvil_reorg", FINALITY - 1, [])
        network.roles["custodian"].kill()
        assert await network.roles["custodian"].wait() == -9
        await network.roles["custodian"].start()
    await emit(chain, contract, other, ROUNDS)
    await chain.grown(FINALITY + 1)


def projected(pack: bytes) -> list[bytes]:
    return [entry for entry in decode_entries(pack) if entry[0] == 3]


async def test_every_final_event_reaches_the_courts_mirror_once_and_in_order(tmp_path: Path, needs_anvil: None) -> None:
    made = initialise(
        tmp_path / "home", base_port=0, validators=2, threshold=2, ledger="evm+embedded", anchor_interval_s=0.2
    )
    home, network = made.home, Network(made.home)
    chain = Chain(made.ports[CHAIN_PORTS[LENDER_ROLE]])
    try:
        await network.roles["lender-ledger"].start()
        await network.roles["court-ledger"].start()
        contract, other = await chain.create(), await chain.create()
        await chain.grown(1 + FINALITY)
        mirror = configure(home, contract, free_port())
        await asyncio.gather(*(network.roles[role].start() for role in ("custodian", "relay", "court")))
        line = {
            "dossier": "L-1", "seq": 0, "kind": "repayment", "kind_version": 1, "event_time": "2025-03-05T09:00:00Z",
            "provenance": STATED, "fields": repayment_fields(), "payloads": [],
        }  # fmt: skip
        folder = write_folder(tmp_path / "loans", [line])
        assert (await asyncio.to_thread(courtrelay, "deposit", folder, "--home", home)).code == 0
        await disturbed(network, chain, contract, other)
        expected = await chain.events(contract)
        assert len({event.height for event in expected}) > 3
        assert len(expected) > len({event.height for event in expected})
        size = 1 + len(expected)
        await network.until("all is confirmed", lambda s: s["custodian"].get("confirmed") == size)
        await network.until(
            "the court has all", lambda s: f"'{size}'" in repr({k: str(v) for k, v in s["court"].items()})
        )
        status = await network.status()
        assert "events were refused" in status["custodian"]["problem"]
        upto = str(expected[-1].height)
        await asyncio.to_thread(commands_agree, home, mirror, upto, len(expected), tmp_path)
    finally:
        await chain.rpc.close()
        await network.end()
    entries, _ = project(expected, {})
    for role in ("custodian", "relay", "court"):
        assert projected(evidence_pack(home / role / "data/logs")) == entries, role
    log = (home / "custodian/log.jsonl").read_text()
    assert "not projected: event in block" in log
    assert "not a mapped contract and event: log" in log


def commands_agree(home: Path, mirror: str, upto: str, count: int, folder: Path) -> None:
    """A court with access to the chain compares its own mirror, and proves one event of it."""
    checked = courtrelay("projection", "check", "--log", mirror, "--home", home, "--upto", upto, "--json")
    found = checked.json()
    assert (checked.code, found["verdict"], found["projected"], found["others"]) == (0, "CONSISTENT", count, 1)
    assert len(found["witnesses"]) == 1
    wanted = digest(f"one {ROUNDS}").hex()
    proved = courtrelay(
        "projection", "prove", "--log", mirror, "--home", home, "--digest", wanted, "--out", folder / "proofs", "--json"
    )
    (proof,) = proved.json()["proofs"]
    shown = courtrelay("projection", "verify", proof, "--trust", home / "trust.json", "--json")
    assert (shown.code, shown.json()["digest"], shown.json()["time"]) == (0, wanted, ROUNDS)
