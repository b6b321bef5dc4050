"""The EVM adapters on real chains pass every check that can run on them, in process and through the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.evm.proof import ATTESTED
from relay.conformance import CHECKS, Outcome
from tests.conformance.evm import evm, evm_owner
from tests.conformance.owners import failures, outcomes
from tests.conformance.wire import through_wire

AT_ONCE = {name for name in CHECKS if name.startswith("source.reorg.")} | {"source.prove.not-before-final"}
"""What cannot be seen where every block is final at once."""


@pytest.mark.parametrize("final_depth", [0, 1])
async def test_evm_ledgers_keep_every_promise(tmp_path: Path, needs_anvil: None, final_depth: int) -> None:
    async with evm(tmp_path, final_depth=final_depth) as bench:
        results = await outcomes(evm_owner(bench))
    assert failures(results) == {}
    assert {name for name, r in results.items() if r.outcome is Outcome.NOT_RUN} == (set() if final_depth else AT_ONCE)


async def test_evm_ledgers_keep_every_promise_through_the_wire(tmp_path: Path, needs_anvil: None) -> None:
    async with evm(tmp_path, final_depth=1) as bench, through_wire(evm_owner(bench), bench.home, "evm", ATTESTED) as o:
        results = await outcomes(o)
    assert failures(results) == {}
    assert all(r.outcome is Outcome.PASSED for r in results.values())
