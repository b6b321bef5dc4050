"""A handler entered again before the first call was marked done (IBC, 2024): every write arrives twice, at any later moment."""

from __future__ import annotations

import pytest

from tests.simulation.lender import HONEST
from tests.simulation.seeds import simulate_only


@pytest.mark.parametrize("seed", range(20))
def test_write_that_arrives_twice_has_one_effect(seed: int) -> None:
    outcome, world = simulate_only(seed, 6000, {"call twice": 1.0, "crash": 0.001}, (HONEST, HONEST))
    assert outcome.violations == []
    assert world.dice.counts["call twice"] > 10
    assert len({(r.origin, r.size) for r in world.court_chain.effects}) == len(world.court_chain.effects) > 4
