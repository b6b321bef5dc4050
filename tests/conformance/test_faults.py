"""Every planted fault is named by its checks, and by no others: a check that fails points at the promise that was broken."""

from __future__ import annotations

import pytest

from relay.conformance import Outcome
from tests.conformance import faulty_courts, faulty_sources
from tests.conformance.faults import PLANTED
from tests.conformance.owners import outcomes, skeleton_owner

assert faulty_sources
assert faulty_courts


@pytest.mark.parametrize("name", PLANTED)
async def test_planted_fault_fails_exactly_its_checks(name: str) -> None:
    planted = PLANTED[name]
    owner = skeleton_owner(source=planted.source, court=planted.court, verify=planted.verify)
    only = ("source.prove.*", "court.prove.*") if planted.port == "both" else (f"{planted.port}.*",)
    results = await outcomes(owner, *only, deadline_s=planted.deadline_s)
    failed = {check: r.reason for check, r in results.items() if r.outcome is Outcome.FAILED}
    assert set(failed) == planted.caught, failed


def test_catalogue_is_long_enough_and_touches_every_kind_of_promise() -> None:
    assert len(PLANTED) >= 15
    caught = {check for planted in PLANTED.values() for check in planted.caught}
    assert {".".join(check.split(".")[:2]) for check in caught} >= {
        "source.head", "source.blocks", "source.find", "source.anchor", "source.prove", "source.reorg", "source.close",
        "court.latest", "court.submit", "court.find", "court.prove", "court.grants", "court.custody", "court.close",
    }  # fmt: skip
