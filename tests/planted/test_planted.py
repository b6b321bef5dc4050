"""The tests can fail: every planted bug is found by its finder."""

from __future__ import annotations

from tests.planted.__main__ import findings
from tests.planted.catalogue import PLANTS


def test_every_planted_bug_is_found() -> None:
    missed = {plant.name: what for plant, found, _, what in findings() if not found}
    assert missed == {}


def test_there_are_at_least_forty() -> None:
    assert len(PLANTS) >= 40
    assert len({plant.name for plant in PLANTS}) == len(PLANTS)
