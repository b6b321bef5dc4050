"""Pages join without gaps, damage passes every filter, and a misspelt filter is an error and never an empty log."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from relay.core.custody import parse_event
from relay.core.errors import Malformed
from relay.ports.custody import CustodyFilter
from relay.services import custody_reading
from tests.support.custody import Kept, opened


async def test_pages_join_without_gaps(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody_reading, "SCAN_EVENTS", 2)
    async with opened(kept, "custodian", tmp_path / "d") as (reading, _):
        everything, _ = await reading.find(CustodyFilter(), 0, 200)
        for limit in (1, 2, 3):
            at, joined = 0, []
            while True:
                page, at = await reading.find(CustodyFilter(), at, limit)
                joined += page
                if not at:
                    break
            assert joined == everything
    assert [row.index for row in everything] == list(range(len(everything)))


async def test_every_member_filters(kept: Kept, tmp_path: Path) -> None:
    async with opened(kept, "custodian", tmp_path / "d") as (reading, _):
        everything = [(r.index, parse_event(r.event)) for r in (await reading.find(CustodyFilter(), 0, 200))[0]]
        for index, event in everything:
            wanted = CustodyFilter(
                action=event.action, outcome=event.outcome, actor=event.actor, from_ms=event.at_ms,
                to_ms=event.at_ms + 1, **{n: v for n, v in event.subject.items() if n in ("dossier", "grant", "request")},
            )  # fmt: skip
            assert index in [r.index for r in (await reading.find(wanted, 0, 200))[0]]
        refused, _ = await reading.find(CustodyFilter(action="refuse", dossier=kept.dossier), 0, 200)
        assert [parse_event(r.event).outcome for r in refused] == ["refused"]
        assert await reading.find(CustodyFilter(dossier="ab" * 16), 0, 200) == ([], 0)


async def test_damage_passes_every_filter(kept: Kept, tmp_path: Path) -> None:
    def tamper(c: sqlite3.Connection) -> None:
        c.execute("UPDATE custody_event SET event = x'ff' WHERE position = 1")

    async with opened(kept, "court", tmp_path / "d", tamper) as (reading, _):
        rows, _ = await reading.find(CustodyFilter(dossier="ab" * 16), 0, 200)
    assert [row.index for row in rows] == [1]


@pytest.mark.parametrize(
    "wanted",
    [
        CustodyFilter(action="disclosed"),
        CustodyFilter(outcome="Permitted"),
        CustodyFilter(actor="lender"),
        CustodyFilter(dossier="LOAN-1"),
        CustodyFilter(grant="AB" * 32),
        CustodyFilter(request="ab"),
        CustodyFilter(from_ms=2, to_ms=1),
        CustodyFilter(from_ms=-1),
    ],
)
async def test_a_misspelt_filter_is_no_empty_log(kept: Kept, tmp_path: Path, wanted: CustodyFilter) -> None:
    async with opened(kept, "custodian", tmp_path / "d") as (reading, _):
        with pytest.raises(Malformed):
            await reading.find(wanted, 0, 10)
        with pytest.raises(Malformed):
            async for _ in reading.read(wanted, 1, proofs=False):
                pass
        with pytest.raises(Malformed):
            await reading.find(CustodyFilter(), 0, 201)
