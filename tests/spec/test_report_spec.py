"""report.md and deposit-number.md say what the code does: blocks, members, steps, and examples that verify."""

from __future__ import annotations

import re
from pathlib import Path

from relay.core.deposit_number import parse_deposit_number
from relay.core.jose import verify_jws
from relay.core.report import parse_report, parse_seal
from relay.core.report_check import PdfFacts, check_pdf
from relay.core.report_number import check_code, parse_report_number
from relay.core.report_profile import NEVER_LEFT_OUT
from relay.core.report_shapes import SHAPES
from tests.spec.access import trust
from tests.spec.actors import KEYS, ORIGIN
from tests.spec.documents import example_texts

SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec"
TEXT = (SPEC / "report.md").read_text()


def test_every_block_and_member_is_documented() -> None:
    rows = dict(re.findall(r"^\| ([A-L]) [a-z ]+ \| (.+) \|$", TEXT, re.MULTILINE))
    assert sorted(rows) == sorted(SHAPES)
    for letter, shape in SHAPES.items():
        told = set(re.findall(r"`([a-z0-9_]+)`", rows[letter]))
        assert set(shape) <= told, (letter, set(shape) - told)


def test_steps_have_the_same_numbers_and_names() -> None:
    told = re.findall(r"^\| ([0-9]) \| ([a-z' ]+) \|", TEXT, re.MULTILINE)
    facts = PdfFacts(sealed=True)
    made = check_pdf(facts, trust(), 0, asked=True).steps
    assert told == [(str(step.number), step.name) for step in made]


def test_what_may_not_be_left_out_is_told() -> None:
    assert f"{', '.join(sorted(NEVER_LEFT_OUT)[:-1])} and L are always" in TEXT


def test_the_example_report_verifies_as_it_stands() -> None:
    texts = example_texts()
    report = parse_report(texts["report-document"].encode())
    assert report.digest == texts["report-digest"]
    verify_jws(parse_seal(report), KEYS["seal"].public)


def test_the_example_numbers_are_read_back() -> None:
    texts = example_texts()
    for line in texts["deposit-numbers"].splitlines():
        origin, index, number = line.split()
        assert (origin, parse_deposit_number(number).index) == (ORIGIN, int(index))
    (_, _, _, number), (_, code) = (line.split() for line in texts["report-numbers"].splitlines())
    assert parse_report_number(number).serial == 1
    check_code(code)
