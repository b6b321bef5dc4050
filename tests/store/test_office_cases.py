"""The office's cases in their thousands: searched, filtered, paged and exported, each once, none lost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from relay.core.errors import Malformed, NotFound
from relay.core.verdict import Finding
from relay.ports.cases import CASE_STATES, CaseQuery, CaseRow, DossierRow, GrantRow, JobRow, KeptView
from relay.store.office import SqliteOffice
from relay.store.office_cases import OfficeCases
from relay.store.office_jobs import OfficeJobs

CASES = 5000
VERDICTS = ["", "CONSISTENT", "CONSISTENT", "INCONSISTENT", "UNVERIFIABLE", "PENDING_FINALITY", "NOT_FOUND", "ORPHANED"]
ALL = CaseQuery()


def name(number: int) -> str:
    return f"（2026）云0192民初{number:05d}号"


def dossiers(number: int) -> tuple[str, ...]:
    return tuple(f"{number:05x}{i:027x}" for i in range(1 + number % 3))


def grant(number: int) -> GrantRow:
    return GrantRow(
        digest=f"{number:064x}", token=b"a.b.c", case=name(number), issuer="spiffe://lender.example/custodian/hexin",
        mode="retrieve", purpose="filing", dossiers=dossiers(number), not_before_s=1, expires_s=2,
        added_ms=1000 + number // 7, added_by="spiffe://court.example/person/li",
    )  # fmt: skip


def view(number: int, verdict: str, made_at_s: int = 50, dossier: int = 0) -> KeptView:
    one = dossiers(number)[dossier]
    return KeptView(
        bundle_id=f"{one}{made_at_s:x}", case=name(number), dossier=one, grant=f"{number:064x}", verdict=verdict,
        trust_version=1, made_at_s=made_at_s, checked_ms=500_000 + number, document=b"{}",
    )  # fmt: skip


async def fill(book: OfficeCases, count: int) -> None:
    await asyncio.gather(*(book.add_grant(grant(n)) for n in range(count)))
    views = [view(n, VERDICTS[n % 8]) for n in range(count) if VERDICTS[n % 8]]
    await asyncio.gather(*(book.keep_view(one) for one in views))


@pytest_asyncio.fixture
async def office(tmp_path: Path) -> AsyncIterator[SqliteOffice]:
    opened = await SqliteOffice.open(tmp_path)
    yield opened
    await opened.close()


async def walked(book: OfficeCases, query: CaseQuery, count: int = 97) -> list[CaseRow]:
    rows: list[CaseRow] = []
    after = ""
    while True:
        page = await book.cases(query, after, count)
        assert len(page.rows) <= count
        rows += page.rows
        after = page.after
        if not after:
            return rows


async def test_five_thousand_cases_are_paged_each_once_newest_first(office: SqliteOffice) -> None:
    book = OfficeCases(office.database)
    await fill(book, CASES)
    rows = await walked(book, ALL)
    assert sorted(r.case for r in rows) == [name(n) for n in range(CASES)]
    assert [r.changed_ms for r in rows] == sorted((r.changed_ms for r in rows), reverse=True)
    assert {r.case: r.worst for r in rows} == {name(n): VERDICTS[n % 8] for n in range(CASES)}
    assert all(r.dossiers == 1 + int(r.case[-6:-1]) % 3 for r in rows)
    for verdict in set(VERDICTS) - {""}:
        found = await walked(book, CaseQuery(verdict=verdict))
        assert {r.case for r in found} == {name(n) for n in range(CASES) if VERDICTS[n % 8] == verdict}
    by_state = [{r.case for r in await walked(book, CaseQuery(state=state))} for state in CASE_STATES]
    assert sum(map(len, by_state)) == len(set.union(*by_state)) == CASES
    exported: list[DossierRow] = []
    while more := await book.dossiers(ALL, ("", "", "") if not exported else _key(exported[-1]), 500):
        exported += more
    assert [r.dossier for r in exported] == [d for n in range(CASES) for d in dossiers(n)]


def _key(row: DossierRow) -> tuple[str, str, str]:
    return row.case, row.dossier, row.grant


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("民初00012号", [12]),
        ("00012", [12, 0x12]),
        ("0001b", [0x1B]),
        (dossiers(23)[1], [23]),
        ("民初0001", list(range(10, 20))),
        ("%", []),
        ("_", []),
        ("' OR ''='", []),
        ("zz", []),
    ],
)
async def test_a_search_finds_part_of_a_number_or_a_dossier_and_takes_nothing_for_a_pattern(
    office: SqliteOffice, search: str, found: list[int]
) -> None:
    book = OfficeCases(office.database)
    await fill(book, 40)
    assert sorted(r.case for r in await walked(book, CaseQuery(search=search), 3)) == [name(n) for n in found]


async def test_pages_and_lists_walk_an_index_and_sort_nothing(
    office: SqliteOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time of a page does not grow with how far in the list it is."""
    seen: list[str] = []
    read = office.database.read

    async def explained(fn: object) -> object:
        def run(c: sqlite3.Connection) -> object:
            class Watching:
                def execute(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
                    seen.extend(row[3] for row in c.execute(f"EXPLAIN QUERY PLAN {sql}", values))
                    return c.execute(sql, values)

            return fn(Watching())  # type: ignore[operator]

        return await read(run)

    book = OfficeCases(office.database)
    await fill(book, 30)
    monkeypatch.setattr(office.database, "read", explained)
    page = await book.cases(ALL, "", 7)
    await book.cases(ALL, page.after, 7)
    await book.case(name(3))
    assert not [step for step in seen if "TEMP B-TREE" in step or step.startswith("SCAN v")]
    assert [step for step in seen if "court_case_newest" in step]


@pytest.mark.parametrize("after", ["x", "1", "1.", ".a", "-1.a", "99999999999999999.a", "1.a" + "b" * 300])
async def test_a_page_that_none_gave_is_refused(office: SqliteOffice, after: str) -> None:
    with pytest.raises(Malformed):
        await OfficeCases(office.database).cases(ALL, after, 10)


async def test_the_newest_bundle_counts_and_the_worst_of_a_cases_dossiers(office: SqliteOffice) -> None:
    book = OfficeCases(office.database)
    await book.add_grant(grant(2))
    await book.keep_view(view(2, "INCONSISTENT", made_at_s=10))
    await book.keep_view(view(2, "CONSISTENT", made_at_s=20))
    assert (await book.cases(ALL, "", 10)).rows[0].worst == "CONSISTENT"
    await book.keep_view(view(2, "UNVERIFIABLE", made_at_s=10, dossier=1))
    row = (await book.cases(ALL, "", 10)).rows[0]
    assert (row.worst, row.retrieved, row.dossiers) == ("UNVERIFIABLE", 2, 3)
    await book.keep_view(replace(view(2, "UNVERIFIABLE", made_at_s=20), checked_ms=900_000))
    rows = (await book.case(name(2))).grants[0].dossiers
    assert [(r.verdict, r.made_at_s) for r in rows] == [("UNVERIFIABLE", 20), ("UNVERIFIABLE", 10), ("", 0)]


async def test_every_verdict_of_a_dossier_can_be_kept(office: SqliteOffice) -> None:
    book = OfficeCases(office.database)
    await book.add_grant(grant(2))
    for made, finding in enumerate(f for f in Finding if f is not Finding.SUPERSEDED):
        one = view(2, finding.value, made_at_s=made)
        await book.keep_view(one)
        assert await book.view(one.bundle_id) == one
        assert await book.view_head(one.bundle_id) == replace(one, document=b"")
    with pytest.raises(NotFound):
        await book.view("none")


async def test_jobs_end_once_and_the_same_one_is_not_begun_twice(office: SqliteOffice) -> None:
    jobs = OfficeJobs(office.database)
    job = JobRow(
        id="1", kind="retrieve", phase="begun", case="c", dossier="d", grant="g", officer="li", purpose="p", by="b",
        bundle_id="", problem="", begun_ms=1, ended_ms=0,
    )  # fmt: skip
    assert await jobs.begin_job(job) == job
    assert await jobs.begin_job(replace(job, id="2", begun_ms=2)) == job
    other = replace(job, id="3", officer="wang", begun_ms=3)
    assert await jobs.begin_job(other) == other
    assert await jobs.begun_jobs() == [job, other]
    await jobs.end_job("1", "failed", "", "why", 9)
    await jobs.end_job("1", "done", "bundle", "", 10)
    assert await jobs.job("1") == replace(job, phase="failed", problem="why", ended_ms=9)
    again = replace(job, id="4", begun_ms=4)
    assert await jobs.begin_job(again) == again
    with pytest.raises(NotFound):
        await jobs.job("9")
