"""The embedded ledgers pass every check that can run on them, with finality at once and under one block."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.conformance import CHECKS, Outcome
from tests.conformance.owners import embedded, embedded_owner, outcomes

NEVER_RUN = {name for name in CHECKS if name.startswith("source.reorg.")} | {"source.prove.not-before-final"}
"""A quorum's blocks are never replaced, and the embedded ledger answers a write when its block is final."""


@pytest.mark.parametrize("final_depth", [0, 1])
async def test_embedded_ledgers_keep_every_promise(tmp_path: Path, final_depth: int) -> None:
    async with embedded(tmp_path, final_depth=final_depth) as bench:
        results = await outcomes(embedded_owner(bench, mine=final_depth > 0))
    failed = {name: r.reason for name, r in results.items() if r.outcome is Outcome.FAILED}
    assert failed == {}
    not_run = {name for name, r in results.items() if r.outcome is Outcome.NOT_RUN}
    assert not_run == NEVER_RUN | (set() if final_depth else {"source.blocks.without-anchors"})


async def test_second_run_on_the_same_ledgers_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    """Only what needs an unused log is not run; nothing of the first run is in the way of the second."""
    async with embedded(tmp_path) as bench:
        owner = embedded_owner(bench, mine=False)
        await outcomes(owner, "court.submit.*", "court.grants.*", "court.custody.*")
        again = embedded_owner(bench, mine=False, run="again")
        results = await outcomes(again, "court.*")
    assert {name: r.reason for name, r in results.items() if r.outcome is Outcome.FAILED} == {}
    not_run = {name for name, r in results.items() if r.outcome is Outcome.NOT_RUN}
    assert not_run == {"court.latest.none-before-first", "court.submit.first"}
