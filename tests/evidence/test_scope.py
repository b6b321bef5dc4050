"""Selective disclosure: what a grant's scope leaves closed stays closed, is named as withheld, and never more is shown."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.core.custody import parse_event
from relay.core.errors import Malformed
from relay.core.grants import parse_grant
from relay.core.records import parse_sd_jwt
from relay.schemas import KindCatalogue
from relay.services.custodian import planning
from relay.services.custodian.scopes import GrantCommand, open_scope
from tests.support.bundles import make_home, noon_of, take_apart
from tests.support.lines import STATED, repayment
from tests.support.way import Way, open_way

MEDIATION = {
    "seq": 2, "kind": "mediation_session", "kind_version": 1, "event_time": "2025-05-05T10:00:00Z", "provenance": STATED,
    "fields": {
        "platform": "court mediation", "mediator": "Li", "started_at": "2025-05-05T09:00:00Z", "duration_s": 1800,
        "lender_offer_cents": 500, "borrower_offer_cents": 300, "currency": "CNY", "minutes": "Both gave way.",
    },
    "payloads": [{"file": "f", "name": "session.mp4", "media_type": "video/mp4"}],
}  # fmt: skip
COMPLAINT = {
    "seq": 1, "kind": "complaint", "kind_version": 1, "event_time": "2025-04-02T14:00:00Z", "provenance": STATED,
    "fields": {
        "received_at": "2025-04-02T14:00:00Z", "channel": "phone", "subject": "collection", "text": "Too many calls.",
        "answer": "We are sorry.", "answered_at": "2025-04-03T14:00:00Z", "upheld": True,
    },
    "payloads": [],
}  # fmt: skip


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    """A repayment with a receipt, a complaint, and a session of mediation with a recording."""
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="scope") as opened:
        await opened.deposit("loan 1", [repayment(0), (COMPLAINT, []), (MEDIATION, [b"recording"])])
        await opened.forward()
        yield opened


async def grant(way: Way, **what: Any) -> str:
    now_s = way.clock.ms // 1000
    values: dict[str, Any] = {"kinds": (), "members": (), "profile": "", "purpose_class": "trial"}
    return await way.grants.issue(
        GrantCommand(
            court=way.court, case="Case 1", dossiers=("loan 1",), mode="retrieve", purpose="filing", not_before_s=now_s,
            expires_s=now_s + 1000, uses=3, **(values | what),
        )
    )  # fmt: skip


async def retrieved(way: Way, token: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    _, done, data = await way.retrieve(token)
    return json.loads(done.verdict), take_apart(data)


def shown(parts: dict[str, bytes], seq: int) -> set[str]:
    """Personal members that the bundle shows of a record."""
    return set(parse_sd_jwt(parts[f"records/{seq:06d}/record.sd-jwt"]).disclosed)


async def test_each_profile_shows_what_its_file_says_and_names_the_rest(way: Way) -> None:
    expected: dict[str, tuple[list[set[str] | None], list[list[str]], bool]] = {
        # personal members shown by seq (None: the record is withheld), members named as withheld, receipt.txt there
        "minimal": ([set(), {"text", "answer"}, None], [["payer_account"], [], []], False),
        "filing": ([{"payer_account"}, {"text", "answer"}, None], [[], [], []], True),
        "full": ([{"payer_account"}, {"text", "answer"}, None], [[], [], []], True),
        "mediation": (
            [set(), {"text", "answer"}, {"borrower_offer_cents", "minutes"}],
            [["payer_account"], [], []],
            False,
        ),
    }
    for profile, (members, withheld, receipt) in expected.items():
        verdict, parts = await retrieved(way, await grant(way, profile=profile))
        assert verdict["verdict"] == "CONSISTENT", profile
        for seq, names in enumerate(members):
            row = verdict["records"][seq]
            assert row["status"] == ("withheld" if names is None else "disclosed"), (profile, seq)
            assert row["withheld_members"] == withheld[seq]
            if names is not None:
                assert shown(parts, seq) == names, (profile, seq)
        assert ("records/000000/payloads/receipt.txt" in parts) is receipt
        assert verdict["records"][0]["withheld_payloads"] == ([] if receipt else ["receipt.txt"])
        assert ("records/000002/payloads/session.mp4" in parts) is (profile == "mediation")


async def test_single_members_open_and_nothing_beside_them(way: Way) -> None:
    verdict, parts = await retrieved(way, await grant(way, members=("complaint.answer",)))
    assert verdict["verdict"] == "CONSISTENT"
    assert [row["status"] for row in verdict["records"]] == ["withheld", "disclosed", "withheld"]
    assert shown(parts, 1) == {"answer"}
    assert verdict["records"][1]["withheld_members"] == ["text"]
    assert b"Too many calls" not in b"".join(parts.values())
    assert [name for name in parts if "/payloads/" in name] == []


async def test_kinds_and_members_together(way: Way) -> None:
    verdict, parts = await retrieved(way, await grant(way, kinds=("repayment",), members=("complaint.text",)))
    assert verdict["verdict"] == "CONSISTENT"
    assert (shown(parts, 0), shown(parts, 1)) == ({"payer_account"}, {"text"})
    assert "records/000000/payloads/receipt.txt" in parts


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({}, "nothing"),
        ({"profile": "everything"}, "is none of filing, full, mediation, minimal"),
        ({"profile": "filing", "kinds": ("*",)}, "without kinds and members"),
        ({"profile": "filing", "members": ("complaint.text",)}, "without kinds and members"),
        ({"profile": "filing", "purpose_class": "mediation"}, "the profile filing is for trial"),
        ({"kinds": ("mediation_session",)}, "said in mediation"),
        ({"members": ("mediation_session.minutes",)}, "said in mediation"),
        ({"kinds": ("complaints",)}, "did you mean complaint"),
        ({"members": ("complaint.texts",)}, "answer, text"),
        ({"members": ("complaint",)}, "no personal member"),
        ({"members": ("*.text",)}, "is not a known record kind"),
        ({"kinds": ("*",), "members": ("complaint.text",)}, "name the kinds"),
        ({"kinds": ("*",), "purpose_class": "anything"}, "must be trial or mediation"),
    ],
)
def test_grant_that_makes_no_sense_is_refused_with_its_reason(what: dict[str, Any], reason: str) -> None:
    command = GrantCommand(
        court="c", case="Case 1", dossiers=("d",), mode="retrieve", purpose="p", not_before_s=0, expires_s=1, uses=1,
        **({"kinds": ()} | what),
    )  # fmt: skip
    with pytest.raises(Malformed, match=reason):
        open_scope(KindCatalogue(), command)


async def test_mediation_confidences_stay_closed_under_every_grant_for_a_trial(way: Way) -> None:
    verdict, parts = await retrieved(way, await grant(way, kinds=("*",)))
    assert verdict["records"][2]["status"] == "withheld"
    assert "mediation" in verdict["records"][2]["reason"]
    assert b"Both gave way" not in b"".join(parts.values())
    verdict, _ = await retrieved(way, await grant(way, kinds=("mediation_session",), purpose_class="mediation"))
    assert [row["status"] for row in verdict["records"]] == ["withheld", "withheld", "disclosed"]


def wider(way: Way, monkeypatch: pytest.MonkeyPatch, seq: int, **changes: Any) -> None:
    """A lender whose list says something else of one record than its grant."""
    honest = way.disclosures._planner.entry

    def entry(granted: Any, record: Any) -> Any:
        made = honest(granted, record)
        return replace(made, **changes) if record.seq == seq else made

    monkeypatch.setattr(way.disclosures._planner, "entry", entry)


@pytest.mark.parametrize(
    ("seq", "changes", "said"),
    [
        (1, {"members": ()}, "shows text beyond the grant"),
        (0, {"status": "disclosed", "reason": ""}, "a repayment record of class ordinary is beyond the grant"),
        (2, {"status": "disclosed", "reason": ""}, "class mediation_privileged is beyond the grant"),
    ],
)
async def test_lender_that_shows_more_than_granted_is_named_on_arrival_and_offline(
    way: Way, monkeypatch: pytest.MonkeyPatch, seq: int, changes: dict[str, Any], said: str
) -> None:
    wider(way, monkeypatch, seq, **changes)
    rows, done, _ = await way.retrieve(await grant(way, members=("complaint.answer",)))
    verdict = json.loads(done.verdict)
    assert said in next(row for row in rows if row.seq == seq).reason
    assert said in verdict["records"][seq]["reason"]
    assert verdict["records"][seq]["failed_step"] == 11
    assert verdict["verdict"] == "INCONSISTENT"


async def test_lender_that_sends_a_payload_beyond_the_grant_is_named(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    wider(way, monkeypatch, 0, unsent={})
    rows, done, _ = await way.retrieve(await grant(way, profile="minimal"))
    verdict = json.loads(done.verdict)
    for reason in (rows[0].reason, verdict["records"][0]["reason"]):
        assert "payload receipt.txt is beyond the grant" in reason
    assert verdict["verdict"] == "INCONSISTENT"


async def test_member_withheld_without_a_word_is_named(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lender that hides both members of a complaint and lists one."""
    honest = planning.present
    monkeypatch.setattr(planning, "present", lambda text, _names: honest(text, []))
    wider(way, monkeypatch, 1, members=("text",))
    rows, done, _ = await way.retrieve(await grant(way, kinds=("*",)))
    verdict = json.loads(done.verdict)
    for reason in (rows[1].reason, verdict["records"][1]["reason"]):
        assert "hides 2 personal members, the lender's list names text" in reason


async def test_member_shown_and_called_withheld_is_named(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "present", lambda text, _names: text)
    wider(way, monkeypatch, 1, members=("text",))
    rows, _, _ = await way.retrieve(await grant(way, kinds=("*",)))
    assert "shows text, which the lender's list calls withheld" in rows[1].reason


async def test_grant_in_the_bundle_says_what_was_opened(way: Way) -> None:
    token = await grant(way, profile="filing")
    _, parts = await retrieved(way, token)
    scope = parse_grant(parts["grant.jwt"]).scope
    assert scope is not None
    assert (scope.profile, scope.members["contract"]) == (
        "filing",
        ("borrower_id_number", "borrower_name", "service_address"),
    )
    assert parse_event(parts["custody/events.jsonl"].splitlines()[0]).action == "request"
