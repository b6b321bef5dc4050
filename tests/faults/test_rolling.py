"""Every role restarted once under load; `run.py rolling` is the same with more."""

from __future__ import annotations

from tests.faults.rolling import ORDER, rolling
from tests.support.postgres import Cluster


async def test_a_rolling_restart_fails_no_call(postgres: Cluster) -> None:
    said: list[str] = []
    outcome = await rolling(1, 1, postgres, said.append)
    assert outcome.violations == [], said
    assert outcome.restarts == dict.fromkeys(ORDER, 1)
    assert all(outcome.calls[what] > 0 for what in ("deposits", "grants", "retrievals"))
