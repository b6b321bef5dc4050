"""An export says what the log says, in one spelling, and every change of it is found where it was made."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.app.custody import verify_file
from relay.app.trust import read_trust
from relay.core.base64strict import b64encode
from relay.core.custody_export import (
    FIRST_LINE,
    LAST_LINE,
    ExportedEvent,
    event_line,
    parse_event_line,
    parse_head_line,
)
from relay.core.custody_verdict import CustodyVerdict
from relay.core.errors import Malformed
from relay.core.verdict import Finding, Result
from relay.ports.custody import CustodyFilter
from tests.custody.test_tampered_logs import another_event
from tests.support.custody import ROLES, Kept, exported, opened, write_lines


def quiet(_done: int, _total: int) -> None:
    """No bar."""


def verdict_of(kept: Kept, tmp_path: Path, lines: list[bytes]) -> CustodyVerdict:
    return verify_file(write_lines(tmp_path / "log.jsonld", lines), kept.home / "trust.json", quiet)


def failed(verdict: CustodyVerdict) -> set[int]:
    return {step.number for step in verdict.steps if step.result is Result.FAILED}


async def lines_of(kept: Kept, role: str, folder: Path, wanted: CustodyFilter | None = None) -> list[bytes]:
    async with opened(kept, role, folder) as (reading, _):
        return await exported(reading, wanted or CustodyFilter())


@pytest.mark.parametrize("role", ROLES)
async def test_the_same_log_gives_the_same_bytes_and_they_verify(kept: Kept, role: str, tmp_path: Path) -> None:
    first = await lines_of(kept, role, tmp_path / "a")
    assert first == await lines_of(kept, role, tmp_path / "b")
    document = json.loads(b"".join(first))
    assert len(document["@graph"]) == len(first) - 2
    verdict = verdict_of(kept, tmp_path, first)
    assert (verdict.verdict, verdict.complete, verdict.events) == (Finding.CONSISTENT, True, len(first) - 3)


async def test_an_extract_proves_what_it_shows_and_says_that_it_is_one(kept: Kept, tmp_path: Path) -> None:
    lines = await lines_of(kept, "custodian", tmp_path / "d", CustodyFilter(dossier=kept.dossier, action="disclose"))
    verdict = verdict_of(kept, tmp_path, lines)
    assert (verdict.verdict, verdict.complete, verdict.events) == (Finding.CONSISTENT, False, 1)
    assert "does not show that none was left out" in verdict.steps[1].detail


async def test_an_extract_sold_as_the_whole_log(kept: Kept, tmp_path: Path) -> None:
    lines = await lines_of(kept, "custodian", tmp_path / "d", CustodyFilter(action="disclose"))
    whole = [lines[0], lines[1].replace(b'"courtrelay:complete":false', b'"courtrelay:complete":true'), *lines[2:]]
    assert 2 in failed(verdict_of(kept, tmp_path, whole))


@pytest.mark.parametrize("role", ROLES)
async def test_an_event_taken_out_of_an_export(kept: Kept, role: str, tmp_path: Path) -> None:
    lines = await lines_of(kept, role, tmp_path / "d")
    verdict = verdict_of(kept, tmp_path, [*lines[:3], *lines[4:]])
    assert (failed(verdict), verdict.faults[0].index) == ({2, 4, 6}, 1)
    assert verdict.faults[0].what.startswith("event 1 missing")


@pytest.mark.parametrize("role", ROLES)
async def test_two_events_of_an_export_in_the_other_order(kept: Kept, role: str, tmp_path: Path) -> None:
    lines = await lines_of(kept, role, tmp_path / "d")
    verdict = verdict_of(kept, tmp_path, [*lines[:3], lines[4], lines[3], *lines[5:]])
    assert {2, 4} <= failed(verdict)
    assert {1, 2} >= {fault.index for fault in verdict.faults if fault.step == 2}


async def test_another_event_under_an_old_proof(kept: Kept, tmp_path: Path) -> None:
    lines = await lines_of(kept, "court", tmp_path / "d")
    head = parse_head_line(lines[1])
    row = parse_event_line(lines[3], 4, head.state.origin)
    forged = event_line(head.state.origin, ExportedEvent(index=row.index, event=another_event(), proof=row.proof))
    verdict = verdict_of(kept, tmp_path, [*lines[:3], forged, *lines[4:]])
    assert {3, 4} <= failed(verdict)
    assert [(f.index, f.step) for f in verdict.faults] == [(1, 3)]


async def test_a_term_that_tells_another_story_than_its_event(kept: Kept, tmp_path: Path) -> None:
    """Who reads the RDF and not the event would see another actor; the verifier makes every term again."""
    lines = await lines_of(kept, "custodian", tmp_path / "d")
    told = lines[3].replace(b'"uco-core:name":"', b'"uco-core:name":"un')
    verdict = verdict_of(kept, tmp_path, [*lines[:3], told, *lines[4:]])
    assert 1 in failed(verdict)
    assert [(f.index, f.step) for f in verdict.faults] == [(1, 1)]


async def test_a_head_whose_readable_terms_name_another_keeper(kept: Kept, tmp_path: Path) -> None:
    lines = await lines_of(kept, "court", tmp_path / "d")
    told = lines[1].replace(b'"uco-core:name":"custody log court', b'"uco-core:name":"custody log lender')
    with pytest.raises(Malformed, match="line 2"):
        verdict_of(kept, tmp_path, [lines[0], told, *lines[2:]])


async def test_a_head_signed_by_another_key(kept: Kept, tmp_path: Path) -> None:
    lines = await lines_of(kept, "court", tmp_path / "d")
    roots = read_trust(kept.home / "trust.json")
    keys = {key.name: key for key in roots.pinned_keys if key.use == "custody"}
    lender, court = (next(k for n, k in keys.items() if word in n) for word in ("lender", "court."))
    swapped = roots.to_json().decode().replace(_b64(court.public_key), "A").replace(_b64(lender.public_key), "B")
    swapped = swapped.replace('"A"', f'"{_b64(lender.public_key)}"').replace('"B"', f'"{_b64(court.public_key)}"')
    (tmp_path / "other.json").write_text(swapped)
    path = write_lines(tmp_path / "log.jsonld", lines)
    assert failed(verify_file(path, tmp_path / "other.json", quiet)) == {5}


def _b64(data: bytes) -> str:
    return b64encode(data)


async def test_without_a_pinned_key_or_ledger_nothing_is_green(kept: Kept, tmp_path: Path) -> None:
    lines = await lines_of(kept, "custodian", tmp_path / "d")
    roots = read_trust(kept.home / "trust.json")
    few = replace(roots, pinned_keys=tuple(k for k in roots.pinned_keys if k.use != "custody"))
    (tmp_path / "few.json").write_bytes(few.to_json())
    verdict = verify_file(write_lines(tmp_path / "log.jsonld", lines), tmp_path / "few.json", quiet)
    assert verdict.verdict is Finding.UNVERIFIABLE
    assert verdict.steps[4].result is Result.NOT_RUN


async def test_a_file_cut_off_anywhere_between_lines(kept: Kept, tmp_path: Path) -> None:
    lines = await lines_of(kept, "court", tmp_path / "d")
    for end in range(len(lines)):
        with pytest.raises(Malformed):
            verdict_of(kept, tmp_path, lines[:end])
    with pytest.raises(Malformed, match="after the end"):
        verdict_of(kept, tmp_path, [*lines, b"\n"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_single_byte_of_an_export_can_be_another(
    kept: Kept, whole: list[bytes], tmp_path: Path, data: st.DataObject
) -> None:
    raw = bytearray(b"".join(whole))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255).filter(lambda value: value != raw[at]))
    path = tmp_path / "one.jsonld"
    path.write_bytes(raw)
    try:
        verdict = verify_file(path, kept.home / "trust.json", quiet)
    except Malformed:
        return
    assert verdict.verdict is not Finding.CONSISTENT


@pytest.fixture(scope="session")
def whole(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return asyncio.run(lines_of(kept, "court", tmp_path_factory.mktemp("whole") / "d"))


def test_memory_does_not_grow_with_the_log(kept: Kept, whole: list[bytes], tmp_path: Path) -> None:
    """The file is ten times as long, what is held at once is not even twice as much."""
    head = parse_head_line(whole[1])
    event = parse_event_line(whole[2], 3, head.state.origin).event

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.jsonld"
        with path.open("wb") as file:
            file.write(FIRST_LINE + whole[1])
            for i in range(count):
                file.write(event_line(head.state.origin, ExportedEvent(index=i, event=event, proof=b"")))
            file.write(LAST_LINE)
        tracemalloc.start()
        try:
            verdict = verify_file(path, kept.home / "trust.json", quiet)
            assert (verdict.verdict, verdict.events, len(verdict.faults)) == (Finding.INCONSISTENT, count, 100)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(1500) < 2 * peak(150)
