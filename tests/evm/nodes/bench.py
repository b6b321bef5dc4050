"""A lender's and a court's chain on real anvils, two attesters over mutual TLS, and everything needed to write to them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.evm.court import open_court
from adapters.evm.node import read_node_config, run_node
from adapters.evm.proof import ATTESTED, verify_attested
from adapters.evm.source import open_source
from adapters.evm.values import hexed
from relay.app.free_ports import free_port
from relay.app.initialise import initialise
from relay.app.trust import read_trust
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.pinned import LedgerRoot, Validator
from relay.setup.keys import make_signing_key
from tests.ledgers.bench import Bench
from tests.support.anvil import Anvil, write_key

SINCE_MS, UNTIL_MS = 0, 4_000_000_000_000
LENDER_CHAIN, COURT_CHAIN = 31337, 31338


class Side:
    """One ledger: its anvil, its attester node, its root of trust."""

    def __init__(self, home: Path, role: str, ledger: str, chain_id: int, options: tuple[str, ...]) -> None:
        self.home, self.folder, self.ledger = home, home / role, ledger
        self.anvil = Anvil(*options, state=self.folder / "state.json", chain_id=chain_id)
        self.contract = b""
        self.finality: object = 0
        self.port = free_port()
        self.attesters = {f"attester-{n}": make_signing_key(self.folder / f"attester-{n}.pem") for n in (1, 2, 3)}
        self._task: asyncio.Task[None] | None = None

    def root(self) -> LedgerRoot:
        return LedgerRoot(
            ledger=self.ledger,
            kind=ATTESTED,
            threshold=2,
            validators=tuple(
                Validator(name=name, public_key=key.public_key, valid_from_ms=SINCE_MS, valid_to_ms=UNTIL_MS)
                for name, key in self.attesters.items()
            ),
            parameters={"chain_id": str(self.anvil.chain_id), "contract": hexed(self.contract)},
        )

    def settings(self, role: str, account: int | None, **more: object) -> dict[str, object]:
        """The ledger table of a role's configuration."""
        files = {"ca": "ca.pem", "certificate": "tls.pem", "key": "tls.key"}
        table: dict[str, object] = {
            **{key: str(self.home / role / name) for key, name in files.items()},
            "ledger": self.ledger,
            "endpoints": [self.anvil.url],
            "chain_id": self.anvil.chain_id,
            "contract": hexed(self.contract),
            "finality": self.finality,
            "attesters": [f"127.0.0.1:{self.port}"],
            "attesters_needed": 2,
            "trust": str(self.home / "trust.json"),
            "confirm_s": 20,
            "poll_s": 0.05,
        }
        if account is not None:
            table["account"] = str(write_key(self.home / role, account)[0])
        return {**table, **more}

    def write_node(self) -> None:
        lines = [
            f'address = "127.0.0.1:{self.port}"',
            f'ledger = "{self.ledger}"',
            f'endpoints = ["{self.anvil.url}"]',
            f"chain_id = {self.anvil.chain_id}",
            f"finality = {self.finality}",
            'ca = "ca.pem"',
            'certificate = "tls.pem"',
            'key = "tls.key"',
            'data = "data"',
            "[attesters]",
            *(f'{name} = "{name}.pem"' for name in self.attesters),
        ]
        (self.folder / "evm.toml").write_text("\n".join(lines) + "\n")

    async def start_node(self) -> None:
        ready = asyncio.Event()
        config = read_node_config(self.folder / "evm.toml")
        self._task = asyncio.create_task(
            run_node(config, now_ms=lambda: 0, stopped=asyncio.Event(), ready=lambda _l, _a: ready.set())
        )
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.is_set():
            waiting.cancel()
            await self._task

    async def stop_node(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class EvmBench(Bench):
    """As `Bench`, on two EVM chains."""

    def __init__(self, home: Path, options: tuple[str, ...]) -> None:
        super().__init__(home)
        self.lender_side = Side(home, "lender-ledger", "evm:lender-1", LENDER_CHAIN, options)
        self.court_side = Side(home, "court-ledger", "evm:court-1", COURT_CHAIN, options)

    def proven(self, proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
        return verify_attested(proof, root)

    async def prepare(self) -> None:
        """Contracts, writers, trust roots, the attesters' configuration."""
        lender, court = self.lender_side, self.court_side
        await asyncio.gather(lender.anvil.start(), court.anvil.start())
        lender.contract = await lender.anvil.deploy_anchor_log()
        writers = [write_key(self.home / "relay", 1)[1].address, write_key(self.home / "court", 2)[1].address]
        court.contract = await court.anvil.deploy_court_registry(writers)
        trust = read_trust(self.home / "trust.json")
        self.lender_root, self.court_root = lender.root(), court.root()
        trust = dataclasses.replace(
            trust,
            ledgers=(self.lender_root, self.court_root),
            logs=tuple(dataclasses.replace(log, ledger=lender.ledger) for log in trust.logs),
            courts=tuple(dataclasses.replace(one, ledger=court.ledger) for one in trust.courts),
        )
        (self.home / "trust.json").write_bytes(trust.to_json())
        for side in (lender, court):
            side.write_node()
            await side.start_node()

    async def start(self) -> None:
        for side in (self.lender_side, self.court_side):
            await side.anvil.start()
            await side.start_node()

    async def stop(self) -> None:
        for side in (self.lender_side, self.court_side):
            await side.stop_node()
            await side.anvil.stop()


@asynccontextmanager
async def open_evm_bench(folder: Path, *options: str, lender_finality: int = 0) -> AsyncIterator[EvmBench]:
    """Fresh chains; a block for every transaction unless the options say otherwise; every block is final at once.

    With `lender_finality` the lender's are final under so many others.
    """
    home = initialise(folder / "home", base_port=0, validators=1, threshold=1).home
    bench = EvmBench(home, options)
    bench.lender_side.finality = lender_finality
    opened: list[Any] = []
    try:
        await bench.prepare()
        bench.source = await open_source(bench.lender_side.settings("custodian", 0))
        opened.append(bench.source)
        bench.court = await open_court(bench.court_side.settings("relay", 1))
        opened.append(bench.court)
        bench.gateway = await open_court(bench.court_side.settings("court", 2))
        opened.append(bench.gateway)
        yield bench
    finally:
        for one in opened:
            await one.close()
        await bench.stop()
