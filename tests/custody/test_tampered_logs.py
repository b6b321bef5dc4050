"""Attacks on a custody log by whoever owns the keeper's disk: each is found, and the event it touched is named."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from relay.core.custody import custody_entry, make_event
from relay.core.verdict import Finding, Result
from relay.store.log_files import ROW_BYTES
from tests.support.custody import ROLES, Kept, Tamper, audited, opened

pytestmark = pytest.mark.parametrize("role", ROLES)


def another_event() -> bytes:
    return make_event(
        at_ms=1_700_000_000_000, actor="spiffe://courtrelay.example/court/court", action="request", subject={},
        outcome="sent", detail="", random_bytes=bytes,
    )  # fmt: skip


async def steps(
    kept: Kept, role: str, folder: Path, tamper: Tamper | None
) -> tuple[Finding, list[int], dict[int, str]]:
    async with opened(kept, role, folder, tamper) as (reading, _):
        verdict = await audited(kept, reading)
    failed = [s.number for s in verdict.steps if s.result is not Result.OK]
    return verdict.verdict, failed, {fault.index: fault.what for fault in verdict.faults}


async def test_an_untouched_log_is_consistent_and_says_what_no_ledger_covers(
    kept: Kept, role: str, tmp_path: Path
) -> None:
    async with opened(kept, role, tmp_path / "d") as (reading, _):
        verdict = await audited(kept, reading)
    assert (verdict.verdict, verdict.faults, verdict.after_ledger) == (Finding.CONSISTENT, (), 1)
    assert verdict.events == verdict.state.size > 3


async def test_a_removed_event(kept: Kept, role: str, tmp_path: Path) -> None:
    tamper = lambda c: c.execute("DELETE FROM custody_event WHERE position = 2")  # noqa: E731
    verdict, failed, faults = await steps(kept, role, tmp_path / "d", tamper)
    assert (verdict, 2 in failed, 4 in failed) == (Finding.INCONSISTENT, True, True)
    assert faults == {2: "the log holds an entry here, and its event is missing"}


async def test_an_altered_officer(kept: Kept, role: str, tmp_path: Path) -> None:
    def tamper(c: sqlite3.Connection) -> None:
        event = c.execute("SELECT event FROM custody_event WHERE position = 1").fetchone()[0]
        changed = event.replace(b'"outcome":"', b'"outcome":"un')
        c.execute("UPDATE custody_event SET event = ? WHERE position = 1", (changed,))

    verdict, failed, faults = await steps(kept, role, tmp_path / "d", tamper)
    assert (verdict, failed) == (Finding.INCONSISTENT, [3, 4, 6])
    assert faults == {1: "is not what was logged here"}


async def test_two_events_in_the_other_order(kept: Kept, role: str, tmp_path: Path) -> None:
    def tamper(c: sqlite3.Connection) -> None:
        for old, new in ((1, -1), (2, 1), (-1, 2)):
            c.execute("UPDATE custody_event SET position = ? WHERE position = ?", (new, old))

    verdict, failed, faults = await steps(kept, role, tmp_path / "d", tamper)
    assert (verdict, failed) == (Finding.INCONSISTENT, [3, 4, 6])
    assert faults == {1: "was logged as event 2, not here", 2: "was logged as event 1, not here"}


async def test_an_event_that_was_never_logged(kept: Kept, role: str, tmp_path: Path) -> None:
    def tamper(c: sqlite3.Connection) -> None:
        end = c.execute("SELECT max(position) + 1 FROM custody_event").fetchone()[0]
        c.execute("INSERT INTO custody_event VALUES (?, ?)", (end, another_event()))

    async with opened(kept, role, tmp_path / "clean") as (reading, _):
        size = (await reading.head()).size
    verdict, failed, faults = await steps(kept, role, tmp_path / "d", tamper)
    assert (verdict, 2 in failed) == (Finding.INCONSISTENT, True)
    assert faults == {size: f"was never logged: the log ends at {size} entries"}


async def test_bytes_that_are_no_event(kept: Kept, role: str, tmp_path: Path) -> None:
    tamper = lambda c: c.execute("UPDATE custody_event SET event = x'ff00' WHERE position = 0")  # noqa: E731
    verdict, failed, faults = await steps(kept, role, tmp_path / "d", tamper)
    assert (verdict, failed[:2]) == (Finding.INCONSISTENT, [1, 3])
    assert set(faults) == {0}


async def test_a_tail_that_is_cut_off_everywhere(kept: Kept, role: str, tmp_path: Path) -> None:
    """Events and entries both: the keeper signs the shorter log again, and its ledger remembers the longer one."""
    word = kept.words[role]

    def tamper(c: sqlite3.Connection) -> None:
        c.execute("DELETE FROM custody_event WHERE position >= ?", (word.size - 2,))
        c.execute("UPDATE mirror_log SET size = ? WHERE origin = 'custody'", (word.size - 2,))

    async with opened(kept, role, tmp_path / "d", tamper) as (reading, _):
        verdict = await audited(kept, reading)
    failed = {s.number: s.detail for s in verdict.steps if s.result is not Result.OK}
    assert (verdict.verdict, set(failed)) == (Finding.INCONSISTENT, {6})
    assert f"events {word.size - 2} to {word.size - 1} are gone" in failed[6]


async def test_a_history_that_was_written_again(kept: Kept, role: str, tmp_path: Path) -> None:
    """Event, entry and tiles all fit each other, and the keeper's own key signs them: only the ledger tells."""
    event = another_event()

    def tamper(c: sqlite3.Connection) -> None:
        c.execute("UPDATE custody_event SET event = ? WHERE position = 1", (event,))

    def disk(packs: Path) -> None:
        for path in packs.iterdir():
            if path.name != "entries.pack":
                path.unlink()  # made again from the entries at the next opening
        with (packs / "entries.pack").open("r+b") as file:
            file.seek(ROW_BYTES + 2)
            file.write(custody_entry(event))

    async with opened(kept, role, tmp_path / "d", tamper, disk) as (reading, _):
        verdict = await audited(kept, reading)
    failed = {s.number: s.detail for s in verdict.steps if s.result is not Result.OK}
    assert (verdict.verdict, set(failed)) == (Finding.INCONSISTENT, {6})
    assert f"events 0 to {kept.words[role].size - 1} are not those" in failed[6]


async def test_an_entry_that_was_swapped_in_the_log(kept: Kept, role: str, tmp_path: Path) -> None:
    """The event is what it was; the log's own entry is not."""

    def disk(packs: Path) -> None:
        with (packs / "entries.pack").open("r+b") as file:
            file.seek(ROW_BYTES + 2)
            file.write(custody_entry(another_event()))

    async with opened(kept, role, tmp_path / "d", None, disk) as (reading, _):
        verdict = await audited(kept, reading)
    assert verdict.verdict is Finding.INCONSISTENT
    assert [fault.index for fault in verdict.faults] == [1]
