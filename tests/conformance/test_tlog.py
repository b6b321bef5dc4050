"""A tiled log keeps what the port promises of a source, in process and through the wire; what it cannot do is named."""

from __future__ import annotations

from pathlib import Path

from adapters.tlog.proof import KIND
from relay.app.initialise import initialise
from relay.conformance import CHECKS
from tests.conformance.owners import failures, not_run, outcomes
from tests.conformance.test_embedded import NEVER_RUN
from tests.conformance.tlog import tlog_owner
from tests.conformance.wire import through_wire

NOT_OF_A_LOG = (
    NEVER_RUN
    | {name for name, check in CHECKS.items() if {"court", "anchoring", "restart"} & set(check.needs)}
    | {"source.blocks.without-anchors"}
)
"""No court's ledger, no anchors of others, no block without a checkpoint, no node of its own."""


async def test_log_keeps_every_promise_of_a_source(tmp_path: Path) -> None:
    results = await outcomes(tlog_owner(tmp_path))
    assert failures(results) == {}
    assert not_run(results) == NOT_OF_A_LOG


async def test_log_keeps_every_promise_of_a_source_through_the_wire(tmp_path: Path) -> None:
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1).home
    async with through_wire(tlog_owner(tmp_path), home, "tlog", KIND) as owner:
        results = await outcomes(owner)
    assert failures(results) == {}
    assert not_run(results) == NOT_OF_A_LOG
