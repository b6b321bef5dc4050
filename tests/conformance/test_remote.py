"""The same checks through a process boundary: the embedded ledgers and the skeleton's, each behind the remote adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from adapters.embedded.proof import KIND
from relay.app.initialise import initialise
from relay.conformance import Owner
from relay.conformance.skeleton.proof import FAMILY
from tests.conformance.owners import embedded, embedded_owner, failures, not_run, outcomes, skeleton_owner
from tests.conformance.test_embedded import NEVER_RUN
from tests.conformance.wire import through_wire


async def test_embedded_ledgers_keep_every_promise_through_an_adapter_process(tmp_path: Path) -> None:
    async with embedded(tmp_path) as bench:
        direct = embedded_owner(bench, mine=False)
        async with through_wire(direct, bench.home, "embedded", KIND) as owner:
            results = await outcomes(owner)
    assert failures(results) == {}
    assert not_run(results) == NEVER_RUN | {"source.blocks.without-anchors"}


@asynccontextmanager
async def remote_skeleton(folder: Path) -> AsyncIterator[Owner]:
    """A ledger that reorganises, behind the wire."""
    home = initialise(folder / "home", base_port=0, validators=1, threshold=1).home
    async with through_wire(replace(skeleton_owner(), open_court=None), home, FAMILY, FAMILY) as owner:
        yield owner


async def test_reorganisations_reach_the_caller_through_the_wire(tmp_path: Path) -> None:
    async with remote_skeleton(tmp_path) as owner:
        results = await outcomes(owner, "source.*")
    assert failures(results) == {}
    assert not_run(results) == {name for name in results if name.startswith("source.restart.")}
