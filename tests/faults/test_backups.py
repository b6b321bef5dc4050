"""Backups of all roles during business, each restored; `run.py backups` is the same with more."""

from __future__ import annotations

from tests.faults.backups import backups


async def test_four_restored_backups_double_nothing_fork_nothing_and_give_nothing_twice() -> None:
    said: list[str] = []
    outcome = await backups(4, 20_261_126, said.append)
    assert outcome.violations == [], said
    assert outcome.restored == {"custodian": 2, "relay": 1, "court": 1}
    assert outcome.behind["custodian"] == 2
    assert outcome.put_back > 0
    assert outcome.denied > 0
