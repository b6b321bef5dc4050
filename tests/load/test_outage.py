"""The court ledger is black-holed under load for three quarters of a minute; `python3 run.py outage` does it for two."""

from __future__ import annotations

from tests.load.outage import RATIO, run_outage
from tests.load.resident import BOUND_MB

SEED = 20_261_125
SILENT_S = 45.0
RATE = 200
ANCHOR_INTERVAL_S = 1.0


async def test_black_holed_court_ledger_is_caught_up_three_times_as_fast_as_records_come() -> None:
    outage = await run_outage(
        silent_s=SILENT_S, baseline_s=6.0, rate=RATE, seed=SEED, anchor_interval_s=ANCHOR_INTERVAL_S, say=print
    )
    assert outage.violations == []
    assert outage.swallowed > 0
    assert outage.healed.place.confirmed <= outage.cut.anchored, "something was confirmed over a silent line"
    assert outage.healed.anchored - outage.healed.place.confirmed > RATE * SILENT_S / 2
    assert min(outage.ratios) >= RATIO, outage.table()
    assert max(outage.grown.values()) <= BOUND_MB, outage.table()
