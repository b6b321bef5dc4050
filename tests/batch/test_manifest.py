"""Manifests: every planted fault is named with its row and field, and whatever the bytes, rows are counted right."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.app.batch_files import _bounded, lines_of
from relay.core.batch import BadRow, BatchRow, join_csv, read_manifest, request_id, split_csv
from relay.core.errors import Malformed
from relay.core.limits import BATCH_LINE_BYTES_MAX
from tests.support.manifests import DUPLICATE, FAULTS, write_manifest

HEADER = b"case,dossier\r\n"
plain = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\n"), max_size=20)


def rows_of(data: bytes, form: str = "csv", court: str = "") -> list[BatchRow | BadRow]:
    return list(read_manifest(io.BytesIO(data), "jsonl" if form == "jsonl" else "csv", court))


def bad_fields(data: bytes, form: str = "csv") -> list[tuple[int, str]]:
    return [(row.number, row.field) for row in rows_of(data, form) if isinstance(row, BadRow)]


def test_a_row_says_what_it_says() -> None:
    (row,) = rows_of(b'dossier,case,kinds\r\nL 1,"A ""b"", c",repayment complaint')
    assert isinstance(row, BatchRow)
    assert (row.number, row.line, row.case, row.dossier) == (1, 2, 'A "b", c', "L 1")
    assert (row.kinds, row.purpose, row.expires_s, row.court) == (("repayment", "complaint"), "filing", 0, "")


def test_a_row_opens_the_profile_filing_unless_it_says_otherwise() -> None:
    data = b"case,dossier,profile,kinds\nA,L,,\nB,L,minimal,\nC,L,,*\nD,L,minimal,repayment\nE,L,Minimal,\n"
    rows = rows_of(data)
    good = [(row.case, row.profile, row.kinds) for row in rows if isinstance(row, BatchRow)]
    assert good == [("A", "filing", ()), ("B", "minimal", ()), ("C", "", ("*",))]
    assert bad_fields(data) == [(4, "profile"), (5, "profile")]


def test_json_lines_say_the_same() -> None:
    line = {"case": 'A "b", c', "dossier": "L 1", "kinds": ["repayment", "complaint"]}
    (row,) = rows_of(json.dumps(line).encode() + b"\n", "jsonl")
    (same,) = rows_of(b'case,dossier,kinds\n"A ""b"", c",L 1,repayment complaint\n')
    assert isinstance(row, BatchRow)
    assert isinstance(same, BatchRow)
    assert row.digest == same.digest


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b'{"case": "A"}', "dossier"),
        (b'{"case": "A", "dossier": "L", "case": "B"}', ""),
        (b'{"case": "A", "dossier": 1}', "dossier"),
        (b'{"case": "A", "dossier": "L", "more": "x"}', "more"),
        (b'["A", "L"]', ""),
        (b"", "column 1"),
        (b"[" * 4000, ""),
        (b'{"case": "A", "dossier": "L", "kinds": ["repayment", 1]}', "kinds"),
        (b'{"case": "A", "dossier": "L", "kinds": []} x', "column 44"),
        (b'{"case": "\\ud800", "dossier": "L"}', ""),
    ],
)
def test_bad_json_lines_take_no_other_row_with_them(line: bytes, field: str) -> None:
    good = b'{"case": "A 1", "dossier": "L"}\n'
    assert bad_fields(good + line + b"\n" + good.replace(b"1", b"2"), "jsonl") == [(2, field)]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", "line 1"),
        (b"case\r\nA\r\n", "line 1"),
        (b"case,dossier,case\r\n", "line 1, column 3"),
        (b"case,dossier,cases\r\n", "line 1, column 3"),
        (b"\xef\xbb\xbfcase,dossier\r\n", "line 1"),
        (b"case,dos\xffsier\r\n", "byte 9"),
        (b'case,"dossier\r\n', "column 2"),
        (b"case," + b"x" * 9000, "line 1"),
    ],
)
def test_a_header_that_is_none_is_the_files_own_fault(data: bytes, place: str) -> None:
    with pytest.raises(Malformed) as refused:
        rows_of(data)
    assert place in (refused.value.field, f"{refused.value.what}: {refused.value.field}")


def test_a_mark_before_json_lines_is_the_files_own_fault() -> None:
    with pytest.raises(Malformed, match="byte order mark"):
        rows_of(b'\xef\xbb\xbf{"case": "A", "dossier": "L"}\n', "jsonl")


def test_the_same_case_twice_names_the_first() -> None:
    data = HEADER + b"A,L\r\nB,L\r\nA,L\r\nA,M\r\nA,L\r\n"
    twice = [(row.number, row.reason) for row in rows_of(data) if isinstance(row, BadRow)]
    assert twice == [(3, "the same case, dossier and court as row 1"), (5, "the same case, dossier and court as row 1")]


def test_the_same_court_named_and_left_out_is_the_same_case() -> None:
    court = "spiffe://a.example/court/one"
    data = b"case,dossier,court\nA,L," + court.encode() + b"\nA,L,\n"
    assert [(row.number, row.field) for row in rows_of(data, court=court) if isinstance(row, BadRow)] == [(2, "case")]


def test_a_faulty_row_does_not_make_the_good_one_a_duplicate() -> None:
    assert bad_fields(b"case,dossier,kinds\nA,L,Bad\nA,L,\n") == [(1, "kinds")]


def test_a_line_of_any_length_is_one_row() -> None:
    data = HEADER + b"A," + b"x" * (3 * BATCH_LINE_BYTES_MAX) + b"\r\nB,L\r\n"
    lines = list(_bounded(io.BytesIO(data)))
    assert max(map(len, lines)) == BATCH_LINE_BYTES_MAX + 1
    found = list(read_manifest(lines, "csv"))
    assert [(row.number, isinstance(row, BadRow)) for row in found] == [(1, True), (2, False)]


def test_too_many_rows_are_the_files_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.core.batch.BATCH_ROWS_MAX", 2)
    with pytest.raises(Malformed, match="at most 2 rows"):
        rows_of(HEADER + b"A,L\r\nB,L\r\nC,L\r\n")


@given(st.lists(plain, min_size=1, max_size=8))
def test_what_is_joined_is_split_again_here_and_by_others(cells: list[str]) -> None:
    shown = [f"'{c}" if c[:1] in ("=", "+", "-", "@", "\t") else c for c in cells]
    record = join_csv(cells)
    assert split_csv(record.removesuffix("\r\n")) == shown
    if shown != [""] and "\0" not in record:
        assert next(csv.reader(io.StringIO(record, newline=""), strict=True)) == shown


@given(st.binary(max_size=400))
def test_any_bytes_give_rows_or_one_refusal(data: bytes) -> None:
    for start, form in ((HEADER, "csv"), (b"", "csv"), (b"", "jsonl")):
        try:
            found = rows_of(start + data, form)
        except Malformed:
            continue
        assert [row.number for row in found] == list(range(1, len(found) + 1))
        for row in found:
            assert row.case.isprintable()


def test_a_request_id_belongs_to_one_row_of_one_batch() -> None:
    rows = [row for row in rows_of(HEADER + b"A,L\r\nB,L\r\n") if isinstance(row, BatchRow)]
    ids = {request_id(batch, row) for batch in (b"1" * 16, b"2" * 16) for row in rows}
    assert len(ids) == 4
    assert request_id(b"1" * 16, rows[0]) in ids


TOLD_BY_A_DESK = {
    "unknown dossier", "dossier that is a path", "dossier that is a statement", "unknown dossier id",
    "court that nobody pinned", "unknown kind", "expired",
}  # fmt: skip


def test_every_planted_fault_is_named_with_its_row_and_field(tmp_path: Path) -> None:
    written = write_manifest(tmp_path / "cases.csv", rows=200, faults=len(FAULTS) + 1, dossiers=5, seed=1)
    found = list(read_manifest(lines_of(written.path), "csv"))
    assert [row.number for row in found] == list(range(1, 201))
    bad = {row.number: row for row in found if isinstance(row, BadRow)}
    for number, fault in written.faults.items():
        if fault is None:
            assert DUPLICATE in bad.pop(number).reason
        elif fault.name not in TOLD_BY_A_DESK:
            row = bad.pop(number)
            assert fault.field in row.field, fault.name
            assert bool(row.field) == bool(fault.field), fault.name
    assert bad == {}


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_a_spreadsheet_calculates_no_outcome(cell: str) -> None:
    assert split_csv(join_csv([cell, "x"]).removesuffix("\r\n"))[0] == "'" + cell
