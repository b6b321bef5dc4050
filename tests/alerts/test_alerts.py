"""Real roles, a real Prometheus: what is taken away is told by its alert and by no other, and told no more once it is back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.alerts.faults import FAULTS
from tests.alerts.prometheus import QUICK
from tests.alerts.scenario import suffer, watched

CHOSEN = ("court's ledger", "custodian", "disk")
"""One that hangs, one that dies, one of a role's own. `python3 run.py alerts` takes all, with the intervals as deployed."""


async def test_one_component_away_is_one_alert(tmp_path: Path):
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is not installed; on Debian: apt install prometheus")
    faults = [fault for fault in FAULTS if fault.component in CHOSEN]
    async with watched(tmp_path, QUICK, faults) as (scene, prometheus):
        told = {fault.component: (await suffer(scene, prometheus, fault)).wrong(fault.alert) for fault in faults}

    assert told == dict.fromkeys(CHOSEN, "")
