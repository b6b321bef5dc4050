"""Cases: from a grant to a dossier that can be read, with nobody looking unlogged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from relay.core.errors import Malformed, NotFound, Unavailable, Unverified
from relay.core.fields import check_plain
from relay.ports.cases import CaseQuery
from relay.services.court.case_jobs import JobState
from tests.core.evidence import STRANGER, resigned
from tests.support.bundles import make_home
from tests.support.frozen import settle
from tests.support.lines import small_dossier
from tests.support.office import CLERK, JUDGE, Office, open_office


@pytest_asyncio.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(make_home(tmp_path / "home")) as opened:
        yield opened


async def granted(office: Office, reference: str = "loan 1", **more: Any) -> tuple[str, str]:
    """(grant, dossier), deposited and confirmed."""
    stored = await office.way.deposit(reference, small_dossier())
    await office.way.forward()
    return await office.way.grant(stored.dossier, **more), stored.dossier


async def ended(office: Office, job_id: str) -> JobState:
    async def over() -> bool:
        return (await office.cases.job(job_id)).row.phase != "begun"

    await settle(over, "the job has ended")
    return await office.cases.job(job_id)


async def retrieved(office: Office) -> str:
    """A bundle, by a job."""
    token, dossier = await granted(office)
    row = await office.cases.add_grant(token.encode(), CLERK)
    state = await ended(office, await office.cases.begin(row.digest, dossier, "li", "filing", CLERK))
    assert (state.row.phase, state.row.problem) == ("done", "")
    return state.row.bundle_id


async def test_from_a_grant_to_a_view_to_a_payload(office: Office) -> None:
    token, dossier = await granted(office)
    row = await office.cases.add_grant(b"\n" + token.encode() + b"\n", CLERK)
    facts = await office.cases.case("Case 1")
    (under,) = facts.grants[0].dossiers
    assert (under.dossier, under.bundle_id, under.verdict) == (dossier, "", "")
    job_id = await office.cases.begin(row.digest, dossier, "li", "filing", CLERK)
    assert (await office.cases.case("Case 1")).grants[0].dossiers[0].job == job_id
    state = await ended(office, job_id)
    bundle = state.row.bundle_id
    (under,) = (await office.cases.case("Case 1")).grants[0].dossiers
    assert (under.bundle_id, under.verdict, under.job) == (bundle, "CONSISTENT", "")
    view = await office.cases.view(bundle, JUDGE, "dossier")
    assert [r.finding.verdict.value for r in view.records] == ["CONSISTENT"] * 3
    assert view.records[0].stage == "service"
    payload, file = await office.cases.payload(bundle, 1, "receipt.txt", JUDGE)
    with file:
        assert (payload.size, file.read()) == (40, b"receipt 1\n" * 4)
        file.seek(8)
        assert file.read(4) == b"1\nre"
        assert file.seek(0, 2) == 40
        assert file.read(1) == b""
    page = await office.cases.cases()
    assert [(r.case, r.grants, r.dossiers, r.retrieved, r.worst) for r in page.rows] == [
        ("Case 1", 1, 1, 1, "CONSISTENT")
    ]


async def test_who_looks_is_in_the_custody_log_before_anything_is_given(office: Office) -> None:
    bundle = await retrieved(office)
    assert await office.logged("view") == []
    await office.cases.view(bundle, JUDGE, "dossier")
    _, file = await office.cases.payload(bundle, 0, "receipt.txt", CLERK)
    file.close()
    seen = [(e.actor, e.subject["bundle"], e.detail) for e in await office.logged("view")]
    assert seen == [(JUDGE, bundle, "dossier"), (CLERK, bundle, "payload receipt.txt of seq 0")]


async def test_when_it_cannot_be_logged_nothing_is_given(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A custody log that fails closes every way to content."""
    bundle = await retrieved(office)
    await office.cases.view(bundle, JUDGE, "it is in memory now")

    async def refuse(*_: object, **__: object) -> tuple[bytes, int]:
        raise Unavailable("the custody log is full")

    monkeypatch.setattr(office.way.custody, "note", refuse)
    for given in (
        office.cases.view(bundle, JUDGE, "dossier"),
        office.cases.payload(bundle, 0, "receipt.txt", JUDGE),
        office.objections.raise_("ab" * 16, "Case 1", [0], "other", "why", JUDGE),
    ):
        with pytest.raises(Unavailable):
            await given
    assert await office.objections.of("Case 1", "ab" * 16) == ()


async def test_a_grant_that_the_lender_did_not_sign_is_not_taken_in(office: Office) -> None:
    token, _ = await granted(office)
    for forged in (resigned(token, STRANGER), resigned(token, STRANGER, case="Case 2")):
        with pytest.raises(Unverified):
            await office.cases.add_grant(forged.encode(), CLERK)
    for bytes_ in (b"", b"not a grant", token.encode()[:-2], token.encode() * 2):
        with pytest.raises((Malformed, Unverified)):
            await office.cases.add_grant(bytes_, CLERK)
    with pytest.raises(NotFound):
        await office.cases.case("Case 1")


async def test_a_grant_for_another_court_is_not_taken_in(office: Office) -> None:
    token, _ = await granted(office)
    office.cases._identity = "spiffe://court.example/court/elsewhere"
    with pytest.raises(Unverified):
        await office.cases.add_grant(token.encode(), CLERK)


async def test_the_same_grant_again_changes_nothing(office: Office) -> None:
    token, _ = await granted(office)
    first = await office.cases.add_grant(token.encode(), CLERK)
    office.way.clock.ms += 60_000
    assert await office.cases.add_grant(token.encode(), JUDGE) == first
    assert len((await office.cases.case("Case 1")).grants) == 1


async def test_a_case_number_that_nobody_granted_does_not_exist(office: Office) -> None:
    await granted(office)
    for forged in ("Case 1 ", "case 1", "Case 2", "", "x" * 200, "' OR 1=1 --"):
        with pytest.raises(NotFound):
            await office.cases.case(forged)


async def test_what_a_grant_does_not_name_cannot_be_begun(office: Office) -> None:
    token, dossier = await granted(office)
    row = await office.cases.add_grant(token.encode(), CLERK)
    with pytest.raises(NotFound):
        await office.cases.begin(row.digest, "ff" * 16, "li", "filing", CLERK)
    with pytest.raises(NotFound):
        await office.cases.begin("00" * 32, dossier, "li", "filing", CLERK)
    for officer, purpose in (("", "filing"), ("li", ""), ("li", "a\u202eb"), ("l" * 129, "filing"), ("li", "p" * 501)):
        with pytest.raises(Malformed):
            await office.cases.begin(row.digest, dossier, officer, purpose, CLERK)


async def test_asking_twice_for_the_same_is_one_retrieval(office: Office) -> None:
    token, dossier = await granted(office, uses=1)
    row = await office.cases.add_grant(token.encode(), CLERK)
    ids = {await office.cases.begin(row.digest, dossier, "li", "filing", CLERK) for _ in range(3)}
    assert len(ids) == 1
    assert (await ended(office, ids.pop())).row.phase == "done"
    assert len(await office.logged("request")) == 1


async def test_verdicts_are_seen_while_records_arrive(office: Office) -> None:
    """A watcher sees each record's verdict before the retrieval has ended."""
    token, dossier = await granted(office)
    row = await office.cases.add_grant(token.encode(), CLERK)
    gate = asyncio.Event()
    finish = office.way.retrieval._finish

    async def held(*arguments: Any) -> Any:
        await gate.wait()
        return await finish(*arguments)

    office.way.retrieval._finish = held  # type: ignore[method-assign]
    job_id = await office.cases.begin(row.digest, dossier, "li", "filing", CLERK)

    async def all_seen() -> bool:
        return len((await office.cases.job(job_id)).seen) == 3

    await settle(all_seen, "three verdicts are there")
    state = await office.cases.job(job_id)
    assert [(s.seq, s.kind, s.verdict) for s in state.seen] == [(i, "repayment", "CONSISTENT") for i in range(3)]
    assert state.progress is not None
    assert (state.progress.records, state.progress.records_total) == (3, 3)
    assert (state.row.phase, state.waiting) == ("begun", False)
    gate.set()
    assert (await ended(office, job_id)).row.phase == "done"


@pytest.mark.parametrize("again", ["at the start", "when somebody looks"])
async def test_a_job_survives_a_restart_in_its_middle(office: Office, again: str) -> None:
    """The lender discloses once: what came before the restart is taken up, not asked for anew."""
    token, dossier = await granted(office, uses=1)
    row = await office.cases.add_grant(token.encode(), CLERK)
    reached = asyncio.Event()
    finish = office.way.retrieval._finish

    async def stuck(*_: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    office.way.retrieval._finish = stuck  # type: ignore[method-assign]
    job_id = await office.cases.begin(row.digest, dossier, "li", "filing", CLERK)
    await reached.wait()
    await office.restart()
    office.way.retrieval._finish = finish  # type: ignore[method-assign]
    if again == "at the start":
        await office.cases.start()
    else:
        assert (await office.cases.job(job_id)).row.phase == "begun"
    state = await ended(office, job_id)
    assert (state.row.phase, state.row.problem) == ("done", "")
    assert len(await office.logged("request")) == 1
    assert (await office.cases.head(state.row.bundle_id)).verdict == "CONSISTENT"


async def test_a_job_that_was_stored_as_done_is_not_run_again(office: Office) -> None:
    bundle = await retrieved(office)
    await office.restart()
    await office.cases.start()
    assert len(await office.logged("request")) == 1
    assert (await office.cases.head(bundle)).verdict == "CONSISTENT"


async def test_a_refused_retrieval_says_why_and_can_be_begun_anew(office: Office) -> None:
    token, dossier = await granted(office, uses=1)
    row = await office.cases.add_grant(token.encode(), CLERK)
    assert (
        await ended(office, await office.cases.begin(row.digest, dossier, "li", "filing", CLERK))
    ).row.phase == "done"
    state = await ended(office, await office.cases.begin(row.digest, dossier, "li", "hearing", CLERK))
    assert state.row.phase == "failed"
    assert state.row.problem
    check_plain(state.row.problem, "job", "problem")
    assert (await office.cases.case("Case 1")).grants[0].dossiers[0].verdict == "CONSISTENT"


async def test_a_bundle_that_came_in_another_way_gets_its_case_when_it_is_first_opened(office: Office) -> None:
    token, dossier = await granted(office)
    _, done, _ = await office.way.retrieve(token)
    assert (await office.cases.cases()).rows == ()
    view = await office.cases.view(done.bundle_id, JUDGE, "dossier")
    assert view.verdict.dossier == dossier
    (row,) = (await office.cases.cases()).rows
    assert (row.case, row.retrieved, row.worst) == ("Case 1", 1, "CONSISTENT")


async def test_verified_again_a_bundle_that_rotted_is_inconsistent(office: Office) -> None:
    bundle = await retrieved(office)
    path = office.way.home / "court/data/bundles" / f"{bundle}.zip"
    data = bytearray(path.read_bytes())
    place = data.index(b"receipt 1\n" * 4)
    data[place] ^= 1
    path.write_bytes(data)
    office.way.clock.ms += 60_000
    state = await ended(office, await office.cases.again(bundle, JUDGE))
    assert (state.row.phase, state.row.kind, state.row.bundle_id) == ("done", "again", bundle)
    head = await office.cases.head(bundle)
    assert (head.verdict, head.checked_ms) == ("INCONSISTENT", office.way.clock.ms)
    assert (await office.cases.view(bundle, JUDGE, "dossier")).verdict.verdict == "INCONSISTENT"
    assert (await office.cases.cases(CaseQuery(verdict="INCONSISTENT"))).rows[0].case == "Case 1"
    assert [(e.actor, e.outcome) for e in await office.logged("verify")][-1] == (JUDGE, "not_consistent")


@pytest.mark.parametrize(
    ("seq", "name"), [(0, "other.txt"), (9, "receipt.txt"), (-1, "receipt.txt"), (0, "../manifest.json")]
)
async def test_what_no_record_names_is_no_payload(office: Office, seq: int, name: str) -> None:
    bundle = await retrieved(office)
    with pytest.raises(NotFound):
        await office.cases.payload(bundle, seq, name, JUDGE)


async def test_a_bundle_that_there_is_none_of_is_not_found(office: Office) -> None:
    for bundle in ("", "00" * 16, "../../office/office"):
        for asked in (
            office.cases.view(bundle, JUDGE, "x"),
            office.cases.again(bundle, JUDGE),
            office.cases.head(bundle),
        ):
            with pytest.raises(NotFound):
                await asked


async def test_objections_are_kept_logged_and_answered_once(office: Office) -> None:
    where = ("Case 1", "ab" * 16)
    first = await office.objections.raise_(where[1], where[0], [3, 1, 3], "before_anchoring", " a \r\n\n b ", CLERK)
    office.way.clock.ms += 1
    await office.objections.raise_(where[1], where[0], [], "platform", "the lender runs the chain", CLERK)
    listed = await office.objections.of(*where)
    assert [(o.ground, o.seqs, o.text) for o in listed] == [
        ("before_anchoring", (1, 3), "a\n\nb"),
        ("platform", (), "the lender runs the chain"),
    ]
    answered = await office.objections.answer(first, "The lender has stated the source.", "overruled", JUDGE)
    assert await office.objections.one(first) == answered
    assert answered == replace(
        listed[0], outcome="overruled", answer="The lender has stated the source.", answered_by=JUDGE,
        answered_ms=office.way.clock.ms,
    )  # fmt: skip
    with pytest.raises(Exception, match="answered already"):
        await office.objections.answer(first, "Another thought.", "sustained", JUDGE)
    assert (await office.objections.one(first)).outcome == "overruled"
    assert [e.actor for e in await office.logged("object")] == [CLERK, CLERK]
    assert next((e.actor, e.outcome) for e in await office.logged("answer")) == (JUDGE, "overruled")


@pytest.mark.parametrize(
    ("seqs", "text"),
    [
        ([0], ""),
        ([0], " \n\t\r\n"),
        ([0], "a\u202eb"),
        ([0], "a\x00"),
        ([0], "x" * 4001),
        ([-1], "a"),
        ([100_000], "a"),
        (range(201), "a"),
    ],
)
async def test_objections_of_another_form_are_refused(office: Office, seqs: Any, text: str) -> None:
    with pytest.raises(Malformed):
        await office.objections.raise_("ab" * 16, "Case 1", seqs, "other", text, CLERK)
    assert await office.logged("object") == []
