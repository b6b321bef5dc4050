"""The power goes at every operation of every scenario; a disk that lies about its syncs is caught."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.powerloss.play import FORWARDING, LIARS, SCENARIOS, SHARES, Case, Result, cases, clean, play

RECOVERY_OPERATIONS = 40


def play_all(chosen: Sequence[Case]) -> list[Result]:
    """In as many processes as there are cores."""
    with multiprocessing.get_context("spawn").Pool(os.cpu_count() or 1) as pool:
        return pool.map(play, chosen, chunksize=16)


def broken(results: Sequence[Result]) -> list[tuple[Case, list[str], list[str]]]:
    """What a failure shows: the case, where the power went, what was violated."""
    return [(r.case, r.lost_at, r.violations) for r in results if r.violations]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_power_lost_at_any_operation_loses_nothing_that_was_answered(scenario: str) -> None:
    discovered = clean(scenario)
    operations = discovered.counts[0]
    results = play_all(list(cases(scenario, len(SHARES))))
    assert broken(results)[:3] == []
    exercised = {r.case.targets[0] for r in results if r.lost_at}
    print(
        f"{scenario}: operations {len(exercised)} exercised of {operations} discovered,"
        f" {len(results)} losses of power, {sum(len(r.counts) for r in results)} lives"
    )
    assert exercised == set(range(1, operations + 1))
    assert len(results) == operations * len(SHARES)


@pytest.mark.parametrize("scenario", FORWARDING)
def test_power_lost_again_while_recovering_loses_nothing(scenario: str) -> None:
    chosen = [
        Case(scenario, (target, 1 + target * 7 % RECOVERY_OPERATIONS), target % len(SHARES))
        for target in range(1, clean(scenario).counts[0] + 1)
    ]
    results = play_all(chosen)
    assert broken(results)[:3] == []
    assert sum(len(r.lost_at) == 2 for r in results) > len(results) // 2


@pytest.mark.parametrize("scenario", FORWARDING)
def test_power_lost_after_a_kill_loses_nothing_that_the_next_life_answered(scenario: str) -> None:
    """What a killed process had written but not synced is read by the next one: it must not answer from it before it is durable."""
    assert broken(play_all(list(cases(scenario, 1, killed=True))))[:3] == []


@pytest.mark.parametrize("liar", [name for name in LIARS if name])
def test_disk_that_lies_about_its_syncs_is_caught(liar: str) -> None:
    """The control: what the enumeration relies on is taken away, and it must say so."""
    results = [r for scenario in FORWARDING for r in play_all(list(cases(scenario, 1, liar)))]
    said = Counter(r.case.scenario for r in results if r.violations)
    print(f"{liar}: caught in {dict(said)} of {len(results)} cases")
    assert said.total() > 0
