"""Backlogs of tens of thousands; `python3 run.py outage` does it with a million."""

from __future__ import annotations

from tests.load.backlog import EACH, run_backlog
from tests.load.resident import BOUND_MB

SEED = 20_261_126
ENTRIES = 40_000


async def test_backlog_starts_drains_and_stays_small() -> None:
    way, covered = await run_backlog(entries=ENTRIES, seed=SEED, say=print)
    assert way.violations == covered.violations == []
    checkpoints = -(-ENTRIES // EACH)
    assert (way.items, way.left["confirmed"]) == (checkpoints, checkpoints)
    assert covered.items == covered.left["covered"] == ENTRIES - checkpoints
    for drain in (way, covered):
        assert max(drain.grown.values()) <= BOUND_MB, drain.table()
