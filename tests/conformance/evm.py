"""The EVM ledgers of tests/evm/nodes/bench.py as their owner gives them to the checks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.evm.court import open_court
from adapters.evm.source import open_source
from relay.app.adapters import verifiers
from relay.app.initialise import WITNESS
from relay.conformance import NamedKey, Owner
from tests.evm.nodes.bench import EvmBench, open_evm_bench


def evm_owner(bench: EvmBench) -> Owner:
    """Hooks act on the lender's anvil; the court checks signatures, anchors and registration, for it has trust roots."""
    anvil = bench.lender_side.anvil
    lender = bench.lender_side.settings("custodian", 0)
    relay = bench.court_side.settings("relay", 1)
    court = bench.court_side.settings("court", 2)

    async def reorganise(depth: int) -> None:
        await anvil.ask("anvil_reorg", depth, [])

    async def restart() -> None:
        await bench.stop()
        await bench.start()

    return Owner(
        open_source=lambda: open_source(lender),
        open_court=lambda: open_court(relay),
        open_custody=lambda: open_court(court),
        roots={root.ledger: root for root in (bench.lender_root, bench.court_root)},
        verifiers=verifiers(),
        log=NamedKey(name=bench.origin, signer=bench.key("log")),
        witness=NamedKey(name=WITNESS, signer=bench.key("witness")),
        custody=NamedKey(name=bench.custody_origin, signer=bench.key("custody")),
        lender=NamedKey(name=bench.lender, signer=bench.key("grant")),
        mine=anvil.mine,
        reorganise=reorganise,
        restart=restart,
        run="kit",
    )


@asynccontextmanager
async def evm(folder: Path, *, final_depth: int) -> AsyncIterator[EvmBench]:
    """Running chains; the lender's blocks are final under so many others, the court's at once."""
    async with open_evm_bench(folder, lender_finality=final_depth) as bench:
        yield bench
