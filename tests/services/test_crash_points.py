"""Every crash point of the relay's way, one after the other: it dies there, comes back, and everything has happened exactly once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from relay.services.forwarding import intake
from relay.services.forwarding.intake import FEED_SOON_S
from tests.ledgers.bench import open_bench
from tests.support.crashing import CrashLab, Points

TRIES = 60
IN_A_ROW = 5
"""Relays that outlive the chosen point, one after the other: then every point was exercised."""


async def run(folder: Path, *targets: int | str) -> tuple[list[str], list[Points]]:
    """Die at each target in turn (a target beyond the end: not at all), then finish; violations and what was counted."""
    used = []
    async with open_bench(folder, validators=1, threshold=1) as bench:
        lab = CrashLab(bench, folder)
        await lab.open()
        try:
            for target in (*targets, 0):
                points = Points(target)
                used.append(points)
                await lab.start(points)
                if await lab.drive():
                    return await lab.violations(), used
                await lab.kill()
        finally:
            await lab.close()
    raise AssertionError("the last relay never dies")


async def discovered(folder: Path) -> Points:
    """The points of a run in which nothing dies."""
    violations, (points,) = await run(folder, 0)
    assert violations == []
    return points


async def test_a_clean_run_has_points_before_and_after_every_kind_of_call(tmp_path: Path) -> None:
    points = await discovered(tmp_path)
    names = set(points.names)
    for call in ("store.take_block", "store.move", "store.begin_attempt", "log.append",
                 "court.add_entries", "registry.submit", "registry.prove", "store.save_confirmed", "source.prove"):  # fmt: skip
        assert {f"before {call}", f"after {call}"} <= names
    assert points.count > 60


async def test_relay_that_dies_at_any_point_does_everything_exactly_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Point after point until a relay no longer dies, and each time once more while it recovers."""
    discovered_names: set[str] = set()
    exercised: Counter[str] = Counter()
    after: dict[str, int] = {}
    recoveries = target = unharmed = 0
    while unharmed < IN_A_ROW:
        target += 1
        violations, used = await run(tmp_path / str(target), target, 1 + (target * 7) % 40)
        assert violations == [], (target, [points.died_at for points in used])
        discovered_names |= {name for points in used for name in points.names}
        exercised.update(points.died_at for points in used if points.dead)
        recoveries += sum(points.dead for points in used)
        for points in used[1:]:
            after.update(dict.fromkeys(points.names, target))
        unharmed = 0 if used[0].dead else unharmed + 1
    for name in sorted(discovered_names - set(exercised)):  # points that only some runs have
        for again in range(TRIES):
            # some calls are made only by a relay that has died before: it remembers nothing and asks
            monkeypatch.setattr(intake, "FEED_SOON_S", 0.0 if again % 4 > 1 else FEED_SOON_S)  # the node, or the feed
            lives = (after[name], name) if again % 2 and name in after else (name,)
            violations, used = await run(tmp_path / f"{name} {again}", *lives)
            assert violations == [], (name, [points.died_at for points in used])
            exercised.update(points.died_at for points in used if points.dead)
            if exercised[name]:
                break
    print(
        f"crash points by name: {len(exercised)} exercised of {len(discovered_names)} discovered; {recoveries} recoveries"
    )
    assert set(exercised) == discovered_names
    assert recoveries > target
