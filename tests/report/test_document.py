"""The document: canonical, the same for the same inputs, whole, strict, masked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from relay.core.canonical import dumps
from relay.core.errors import Malformed
from relay.core.report import make_report, parse_report, parse_seal
from relay.core.report_profile import BLOCKS
from relay.core.report_shapes import SHAPES
from relay.core.verdict import DOES_NOT_PROVE
from relay.core.view import ViewMember, ViewRecord
from tests.report.support import NAME, PROFILES, Seals, document, order
from tests.support.views import changed, loan, not_shown, view_of_loan


def edited(content: bytes, change: Any) -> bytes:
    """The document with something changed, canonical again."""
    value = json.loads(content)
    change(value)
    return dumps(value)


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert document() == document()


def test_every_block_and_every_member_is_there() -> None:
    blocks = json.loads(document())["blocks"]
    assert sorted(blocks) == sorted(BLOCKS)
    for letter, block in blocks.items():
        assert set(block) == {*SHAPES[letter], "not_known"}


def test_what_is_not_known_is_said_as_not_known() -> None:
    blocks = json.loads(document())["blocks"]
    assert blocks["A"]["not_known"] == ["certificate", "licence"]
    assert {"timestamp", "tokens", "clock_source"} <= set(blocks["F"]["not_known"])
    assert blocks["I"]["not_known"] == ["statements"]


def test_a_list_of_what_is_not_known_that_leaves_something_out_is_refused() -> None:
    forged = edited(document(), lambda d: d["blocks"]["A"].update(not_known=["certificate"]))
    with pytest.raises(Malformed, match="not_known"):
        parse_report(forged)


def test_names_and_numbers_are_masked_everywhere() -> None:
    view = view_of_loan(loan(1))
    texts = {m.value for r in view.records for m in r.members if m.personal and isinstance(m.value, str)}
    open_texts = {m.value for r in view.records for m in r.members if not m.personal and isinstance(m.value, str)}
    secret = {t for t in texts - open_texts if len(t) > 2 and "*" not in t}
    assert len(secret) > 10
    content = document(view).decode()
    leaked = {t for t in secret if t in content}
    assert not leaked
    person = json.loads(content)["blocks"]["C"]["persons"][0]
    assert "某" in person["name"]
    assert person["id_number"].count("*") >= 8


def test_withheld_records_stay_in_their_places() -> None:
    def closed(record: ViewRecord) -> ViewRecord:
        return not_shown(record) if record.finding.seq in (1, 3) else record

    blocks = json.loads(document(changed(view_of_loan(loan(1)), closed)))["blocks"]
    assert [row["seq"] for row in blocks["K"]["closed"]] == [1, 3]
    assert blocks["K"]["withheld"] == 2
    assert blocks["D"]["items"][1]["status"] == "withheld"
    assert blocks["D"]["items"][1]["deposit_kind"] == ""
    assert blocks["H"]["not_shown"] == [1, 3]


def test_the_four_times_stand_apart() -> None:
    times = json.loads(document())["blocks"]["F"]
    assert times["lender_ledger"]["last_ms"] != times["court_ledger"]["last_ms"]
    assert times["event"]["first_ms"] < times["event"]["last_ms"]
    assert times["timestamp"] == {"first_ms": 0, "last_ms": 0}


def test_all_six_headings_of_provenance_stand_for_every_shown_record() -> None:
    view = view_of_loan(loan(1))
    rows = json.loads(document(view))["blocks"]["H"]["records"]
    assert len(rows) == len(view.records)
    headings = {"seq", "source", "generation", "storage", "notarisation", "witnesses", "corroboration"}
    assert all(set(row) == headings for row in rows)


def test_it_says_what_it_does_not_prove() -> None:
    assert json.loads(document())["blocks"]["J"]["does_not_prove"] == list(DOES_NOT_PROVE)


def test_a_report_never_says_that_something_is_true_or_authentic() -> None:
    words = json.dumps(json.loads(document())["blocks"]["J"]).lower()
    assert "authentic" not in words


def test_a_profile_leaves_out_blocks_and_says_which() -> None:
    value = json.loads(document(profile="filing"))
    assert value["left_out"] == ["C", "G", "H", "I"]
    assert sorted(value["blocks"]) == sorted(set(BLOCKS) - {"C", "G", "H", "I"})


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(extra=1),
        lambda d: d["blocks"]["D"]["items"][0].update(extra=""),
        lambda d: d["blocks"]["D"]["items"][0].pop("kind"),
        lambda d: d["blocks"]["D"]["items"][0].update(verdict="TRUE"),
        lambda d: d["blocks"].pop("K"),
        lambda d: d.update(order=d["order"][1:]),
        lambda d: d.update(left_out=["A"]),
        lambda d: d.update(order=[*d["order"], "M"]),
        lambda d: d["blocks"]["A"].update(number="BG5NFD-2026-000001-00"),
        lambda d: d["blocks"]["A"].update(number=""),
        lambda d: d["blocks"]["A"].update(code="00041061050R3GG28A1C60T3GX"),
        lambda d: d["blocks"]["A"].update(url="https://elsewhere.example/r/"),
        lambda d: d["blocks"]["L"].update(bundle_sha256="zz"),
        lambda d: d.update(language="fr"),
        lambda d: d.update(format="courtrelay-report/v2"),
    ],
)
def test_a_document_of_another_form_is_refused(change: Any) -> None:
    with pytest.raises(Malformed):
        parse_report(edited(document(), change))


def test_another_spelling_of_the_same_document_is_refused() -> None:
    with pytest.raises(Malformed, match="canonical"):
        parse_report(json.dumps(json.loads(document()), indent=1).encode())


def test_the_seal_covers_every_member(seals: Seals) -> None:
    signed = seals.signed(document())
    parse_seal(parse_report(signed))
    forged = edited(signed, lambda d: d["blocks"]["K"].update(withheld=0, count=1))
    with pytest.raises(Malformed, match="sha256"):
        parse_seal(parse_report(forged))


def test_a_seal_is_not_put_on_twice(seals: Seals) -> None:
    with pytest.raises(Malformed, match="there already"):
        seals.signed(seals.signed(document()))


def test_a_lender_that_writes_controls_into_its_texts_changes_nothing_but_the_text() -> None:
    evil = "\N{RIGHT-TO-LEFT OVERRIDE}</para><b>&amp;\x00\N{ZERO WIDTH SPACE}" + "长" * 3000

    def change(record: ViewRecord) -> ViewRecord:
        return replace(
            record,
            finding=replace(record.finding, reason=evil),
            members=(ViewMember(name="lender_name", value=evil, personal=False),),
        )

    value = json.loads(document(changed(view_of_loan(loan(1)), change)))
    assert value["blocks"]["B"]["lender_name"] == evil


def test_an_unreadable_bundle_has_a_report_too() -> None:
    """Nothing of it was shown: every block says so, and the verdict is not green."""
    view = view_of_loan(loan(1))
    from relay.core.report_inputs import BundleFacts, Issuer
    from relay.core.verdict import Finding

    nothing = replace(
        view, records=(), anchors=(), grant=None, lender="", verdict=replace(view.verdict, verdict=Finding.UNVERIFIABLE, records=()),
    )  # fmt: skip
    issuer = Issuer(identity="", name=NAME, licence="")
    content = make_report(nothing, BundleFacts(sha256="", size=0), issuer, order(), PROFILES["full"])
    blocks = parse_report(content).blocks
    assert blocks["D"]["not_known"] == ["items"]
    assert blocks["J"]["verdict"] == "UNVERIFIABLE"
