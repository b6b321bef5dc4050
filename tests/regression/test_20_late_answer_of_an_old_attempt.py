"""A late answer that closes a newer attempt (JetStream): answers are lost, and what was sent arrives when another try is under way."""

from __future__ import annotations

import pytest

from tests.simulation.lender import HONEST
from tests.simulation.seeds import simulate_only


@pytest.mark.parametrize("seed", range(20))
def test_attempt_epoch_rises_with_every_try_and_nothing_is_closed_by_an_old_one(seed: int) -> None:
    outcome, world = simulate_only(seed, 6000, {"answer lost": 0.2, "call late": 0.3}, (HONEST,))
    assert outcome.violations == []
    confirmed = world.relay.disk.rows("SELECT size FROM confirmation ORDER BY size")
    assert [row[0] for row in confirmed] == [r.size for r in world.court_chain.effects]
    assert len(confirmed) > 2
    assert world.dice.counts["answer lost"] > 10
