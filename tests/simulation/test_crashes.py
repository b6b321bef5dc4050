"""Crash-point coverage of one: every point of every scenario, for the relay and for the court gateway, and crashes while recovering."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter

from tests.simulation.crashes import SCENARIOS, Case, Result, doubled, named, play, single

CASES_MIN = 20_000


def all_of(cases: list[Case]) -> list[Result]:
    with multiprocessing.get_context("spawn").Pool(os.cpu_count() or 1) as pool:
        return list(pool.imap_unordered(play, cases, chunksize=64))


def test_every_crash_point_of_every_scenario_loses_nothing_and_doubles_nothing() -> None:
    cases = [case for scenario in SCENARIOS for machine in ("relay", "court") for case in single(scenario, machine)]
    results = all_of(cases)
    results.sort(key=lambda r: (r.case.scenario, r.case.machine, r.case.targets))
    assert [(r.case, r.violations) for r in results if r.violations] == []
    assert all(len(r.died_at) == 1 for r in results), "every point was reached and died at"
    again = all_of(doubled(results, max(2000, CASES_MIN - len(results))))
    assert [(r.case, r.violations) for r in again if r.violations] == []
    discovered = {name for r in results for name in r.names}
    again += all_of(
        [named(results, name) for name in sorted(discovered - {n for r in (*results, *again) for n in r.died_at})]
    )
    assert [(r.case, r.violations) for r in again if r.violations] == []
    exercised = Counter(name for r in (*results, *again) for name in r.died_at)
    print(f"crash points: {len(results)} exercised of {len(cases)} discovered, {len(exercised)} names of {len(discovered)};"
          f" {len(results) + len(again)} crash-and-recover cases, {sum(len(r.died_at) == 2 for r in again)} of them twice")  # fmt: skip
    assert set(exercised) == discovered
    assert len(results) + len(again) >= CASES_MIN
