"""A message of a dead producer that joins a new transaction (Bufstream): what a crashed relay had sent arrives after its recovery."""

from __future__ import annotations

import pytest

from tests.simulation.lender import HONEST
from tests.simulation.seeds import simulate_only


@pytest.mark.parametrize("seed", range(20))
def test_submission_that_outlives_its_process_leaves_one_effect_and_the_same_state(seed: int) -> None:
    outcome, world = simulate_only(seed, 6000, {"call late": 0.4, "crash": 0.004}, (HONEST,))
    assert outcome.violations == []
    assert outcome.lives > 3
    confirmed = world.relay.disk.rows("SELECT size, root FROM confirmation ORDER BY size")
    assert confirmed == [(r.size, r.root) for r in world.court_chain.effects]
