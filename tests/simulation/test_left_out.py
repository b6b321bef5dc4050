"""A node that leaves anchors out of both feeds: the custodian's offer is the third detector, so nothing waits for ever."""

from __future__ import annotations

from tests.simulation.lender import HONEST
from tests.simulation.seeds import simulate_only

STEPS = 4_000
SEEDS = range(1, 9)


def test_anchor_left_out_of_both_feeds_still_has_its_one_effect() -> None:
    left_out = effects = 0
    for seed in SEEDS:
        outcome, world = simulate_only(seed, STEPS, {"feed leaves out anchors": 0.8}, (HONEST, HONEST))
        assert outcome.violations == [], seed
        left_out += world.dice.counts["feed leaves out anchors"]
        effects += outcome.effects
    assert left_out > len(SEEDS)
    assert effects > len(SEEDS)
