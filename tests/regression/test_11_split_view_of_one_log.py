"""A log that shows two views (certificate logs, 2022): every lender whose anchors and entries differ is halted with both signed pieces."""

from __future__ import annotations

import pytest

from tests.simulation.lender import FORKS, HONEST
from tests.simulation.seeds import simulate_only


@pytest.mark.parametrize("seed", range(20))
def test_forked_log_is_halted_with_the_pieces_and_its_neighbour_goes_on(seed: int) -> None:
    faults = {"call lost": 0.02, "answer lost": 0.02, "crash": 0.001, "reorganisation": 0.05}
    outcome, world = simulate_only(seed, 5000, faults, (HONEST, FORKS))
    assert outcome.violations == []
    honest, forker = world.lenders
    assert world.court_chain.of(honest.origin)
    assert world.court_chain.of(forker.origin) == []
    halted = world.relay.disk.rows("SELECT origin, pieces FROM exhibit WHERE resumed = ''")
    assert [origin for origin, _ in halted] == [forker.origin]
    assert "checkpoint" in str(halted[0][1])
