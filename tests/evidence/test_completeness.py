"""Dropping, doubling, cutting off or adding late any one record of a dossier is reported, by its seq and by what it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.core.completeness import SCOPE
from relay.core.dossier import make_entry, tag
from relay.core.verify_completeness import AFTER_DISCLOSURE, AFTER_GRANT
from relay.services.custodian import deposit
from tests.support.bundles import make_home, noon_of, take_apart
from tests.support.lines import repayment
from tests.support.way import Way, open_way

COUNT = 12
SEQS = range(COUNT)


class Lender:
    """Deposits dossiers of twelve records and cheats in one of them each: in its log, or in its list."""

    def __init__(self, way: Way, patch: pytest.MonkeyPatch) -> None:
        self.way = way
        self.left_out: dict[str, set[int]] = {}
        self.never_logged = -1
        records, honest_tag = way.custodian_store.records, deposit.tag

        async def listed(dossier: str) -> Any:
            return [r for r in await records(dossier) if r.seq not in self.left_out.get(dossier, ())]

        def logged(key: bytes, seq: int) -> bytes:
            """The entry of one record gets a tag that nobody can derive: as good as never logged."""
            return hashlib.sha256(key).digest() if seq == self.never_logged else honest_tag(key, seq)

        patch.setattr(way.custodian_store, "records", listed)
        patch.setattr(deposit, "tag", logged)

    async def dossier(self, name: str, *, unlisted: set[int] = set(), unlogged: int = -1, count: int = COUNT) -> str:  # noqa: B006  # read only
        self.never_logged = unlogged
        stored = await self.way.deposit(name, [repayment(seq, payload=None) for seq in range(count)])
        self.never_logged = -1
        self.left_out[stored.dossier] = unlisted
        return stored.dossier

    async def log_again(self, dossier: str, seq: int) -> None:
        """A second entry with the tag of a record."""
        state = await self.way.custodian_store.dossier(dossier)
        assert state is not None
        await self.way.custodian_store.append_entries([make_entry(tag(state.key, seq), bytes(32))])

    async def verdict(self, dossier: str, grant: str = "") -> dict[str, Any]:
        _, done, _ = await self.way.retrieve(grant or await self.way.grant(dossier))
        document: dict[str, Any] = json.loads(done.verdict)
        return document


@pytest.fixture
async def lender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lender]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="completeness") as way:
        yield Lender(way, monkeypatch)


def said(verdict: dict[str, Any], step: int) -> str:
    detail: str = verdict["steps"][step - 1]["detail"]
    return detail.removeprefix("completeness: ") if verdict["steps"][step - 1]["result"] == "failed" else ""


async def test_record_left_out_of_the_lenders_list_is_a_hole_or_a_cut_tail(lender: Lender) -> None:
    dossiers = [await lender.dossier(f"loan {seq}", unlisted={seq}) for seq in SEQS]
    await lender.way.forward()
    for seq, dossier in zip(SEQS, dossiers, strict=True):
        verdict = await lender.verdict(dossier)
        assert verdict["verdict"] == "INCONSISTENT"
        last = seq == COUNT - 1
        assert said(verdict, 13) == (f"cut tail: seq {seq} missing" if last else f"hole: seq {seq} missing")
        if not last:
            assert f"hole: seq {seq} missing" in said(verdict, 6)
        assert [row["seq"] for row in verdict["records"]] == [s for s in SEQS if s != seq]
        assert {row["verdict"] for row in verdict["records"]} == {"CONSISTENT"}


async def test_tail_cut_off_the_list_anywhere_is_named_from_where_it_is_cut(lender: Lender) -> None:
    dossiers = [await lender.dossier(f"loan {seq}", unlisted=set(range(seq, COUNT))) for seq in SEQS if seq]
    await lender.way.forward()
    for seq, dossier in zip(range(1, COUNT), dossiers, strict=True):
        verdict = await lender.verdict(dossier)
        run = f"seq {seq} to {COUNT - 1}" if seq < COUNT - 1 else f"seq {seq}"
        assert said(verdict, 13) == f"cut tail: {run} missing"


async def test_record_that_never_was_logged_is_a_hole_in_the_log_whether_listed_or_not(lender: Lender) -> None:
    listed = [await lender.dossier(f"loan {seq}", unlogged=seq) for seq in SEQS]
    neither = [await lender.dossier(f"other {seq}", unlogged=seq, unlisted={seq}) for seq in SEQS]
    await lender.way.forward()
    for seq in SEQS:
        verdict = await lender.verdict(listed[seq])
        assert verdict["verdict"] == "INCONSISTENT"
        assert verdict["records"][seq]["verdict"] in ("NOT_FOUND", "INCONSISTENT")
        last = seq == COUNT - 1
        expected = (
            f"seq {seq} not logged" if last else f"hole in the log: seq {seq} not logged, though seq {COUNT - 1} is"
        )
        assert expected in said(verdict, 13)
        verdict = await lender.verdict(neither[seq])
        if last:
            # the limit of any log: what never was logged and is not spoken of cannot be missed, and the statement says so
            assert verdict["verdict"] == "CONSISTENT"
            assert any("recorded every event" in line for line in verdict["does_not_prove"])
        else:
            assert said(verdict, 13) == f"hole in the log: seq {seq} not logged, though seq {COUNT - 1} is"
            assert f"hole: seq {seq} missing" in said(verdict, 6)


async def test_tag_that_is_logged_twice_is_doubled(lender: Lender) -> None:
    dossiers = []
    for seq in SEQS:
        dossiers.append(await lender.dossier(f"loan {seq}"))
        await lender.log_again(dossiers[-1], seq)
    await lender.way.forward()
    for seq, dossier in zip(SEQS, dossiers, strict=True):
        verdict = await lender.verdict(dossier)
        first = seq * (COUNT + 1) + seq
        second = seq * (COUNT + 1) + COUNT
        assert said(verdict, 13) == f"doubled: seq {seq} stands in the log at {first}, {second}"
        assert verdict["verdict"] == "INCONSISTENT"


async def test_record_added_after_the_grant_or_after_the_first_disclosure_is_a_late_addition(lender: Lender) -> None:
    way = lender.way
    dossiers = [await lender.dossier(f"loan {seq}", count=seq) for seq in SEQS if seq]
    await way.forward()
    grants = [await way.grant(dossier) for dossier in dossiers]
    way.clock.ms += 60_000
    for seq in range(1, COUNT):
        await lender.dossier(f"loan {seq}", count=seq + 1)
    await way.forward()
    for seq, dossier, grant in zip(range(1, COUNT), dossiers, grants, strict=True):
        verdict = await lender.verdict(dossier, grant)
        assert verdict["verdict"] == "CONSISTENT"
        assert [row["late_addition"] for row in verdict["records"]] == [""] * seq + [AFTER_GRANT]
        assert verdict["steps"][12]["detail"].endswith(f"; late addition: seq {seq}")
    way.clock.ms += 60_000
    for seq in range(1, COUNT):
        await lender.dossier(f"loan {seq}", count=seq + 2)
    await way.forward()
    for seq, dossier in zip(range(1, COUNT), dossiers, strict=True):
        verdict = await lender.verdict(dossier)
        assert verdict["verdict"] == "CONSISTENT"
        assert [row["late_addition"] for row in verdict["records"]] == [""] * (seq + 1) + [AFTER_DISCLOSURE]
        assert verdict["steps"][12]["detail"].endswith(f"; late addition: seq {seq + 1}")


async def granted(lender: Lender, count: int, unlisted: set[int] = set()) -> tuple[str, str]:  # noqa: B006  # read only
    """A dossier that the court's ledger has, and a grant on it."""
    dossier = await lender.dossier("loan", count=count, unlisted=unlisted)
    await lender.way.forward()
    return dossier, await lender.way.grant(dossier)


async def grown_meanwhile(
    lender: Lender, patch: pytest.MonkeyPatch, dossier: str, grant: str, count: int
) -> dict[str, Any]:
    """The verdict of a retrieval during which the dossier grows: more is accepted once the lender has made its list."""
    records = lender.way.custodian_store.records
    grown = False

    async def read(asked: str) -> Any:
        nonlocal grown
        listed = await records(asked)
        if asked == dossier and not grown:
            grown = True
            await lender.dossier("loan", count=count)
            await lender.way.forward()
        return listed

    with patch.context() as growing:
        growing.setattr(lender.way.custodian_store, "records", read)
        verdict = await lender.verdict(dossier, grant)
    assert grown
    return verdict


async def test_dossier_that_grows_while_it_is_retrieved_is_judged_as_it_stood_when_it_was_asked_for(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    dossier, grant = await granted(lender, 3)
    verdict = await grown_meanwhile(lender, monkeypatch, dossier, grant, 5)
    assert verdict["verdict"] == "CONSISTENT"
    assert verdict["steps"][12]["detail"].startswith("all 3 records")
    verdict = await lender.verdict(dossier, grant)
    assert verdict["steps"][12]["detail"].startswith("all 5 records")
    assert verdict["verdict"] == "CONSISTENT"


async def test_listed_record_that_is_accepted_only_with_later_ones_waits(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records 3 and 4 are accepted in one checkpoint, after the request; the list has only record 3."""
    dossier, grant = await granted(lender, 3)
    await lender.dossier("loan", count=4)
    verdict = await grown_meanwhile(lender, monkeypatch, dossier, grant, 5)
    assert [row["verdict"] for row in verdict["records"]] == ["CONSISTENT"] * 3 + ["PENDING_FINALITY"]
    assert not said(verdict, 13)


async def test_record_accepted_before_the_request_is_missed_however_the_dossier_grows(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The growth of a dossier excuses nobody: what the court's ledger had when it was asked for must be in the list."""
    dossier, grant = await granted(lender, 4, unlisted={3})
    verdict = await grown_meanwhile(lender, monkeypatch, dossier, grant, 6)
    assert verdict["verdict"] == "INCONSISTENT"
    assert said(verdict, 13) == "cut tail: seq 3 missing"


async def test_statement_in_the_bundle_says_what_it_does_not_cover(lender: Lender) -> None:
    dossier = await lender.dossier("loan")
    await lender.way.forward()
    _, _, data = await lender.way.retrieve(await lender.way.grant(dossier))
    assert b"completeness.jwt" in data
    assert SCOPE.endswith("this covers what was logged, not what never was")
    assert take_apart(data)["completeness.jwt"].count(b".") == 2
