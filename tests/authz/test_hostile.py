"""Hostile values where people's words go in: refused by the name of the field, or kept to the letter and harmless."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.canonical import dumps
from relay.core.errors import Denied, Malformed
from relay.core.fields import as_plain, check_plain
from relay.core.grants import parse_grant
from relay.core.jose import sign_jws
from relay.core.requests import TYP, request_digest
from relay.core.sealing import hpke_seal
from relay.services.court.retrieval import Done, RetrievalCommand
from relay.setup.signers import open_signer
from tests.authz.stage import REFUSED, Stage
from tests.support.command import Ran, courtrelay
from tests.support.frozen import settle

on_the_stage = pytest.mark.asyncio(loop_scope="module")
SQL = "x'); DROP TABLE grant_record; --"
PATH = "../../../../etc/passwd"
KEPT = (
    SQL,
    PATH,
    "' OR 1=1 --",
    "%s%n{0}${jndi:ldap://x}",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "案号（2026）第7号",
)
"""What may be said: it is only text."""
REFUSED_TEXTS = {
    "bidirectional": "Case \u202e7 esaC",
    "isolate": "Case \u2066 7",
    "zero width": "Case\u200b7",
    "NUL": "Case\x007",
    "newline": "Case 7\nCase 8",
    "carriage return": "Case 7\r",
    "escape": "\x1b[2JCase",
    "10,000 characters": "7" * 10_000,
    "lone surrogate": "Case \ud800",
    "not composed": "Cafe\u0301",
    "empty": "",
    "spaces around": " Case 7 ",
    "private use": "Case \ue000",
}


@on_the_stage
@pytest.mark.parametrize("text", REFUSED_TEXTS.values(), ids=list(REFUSED_TEXTS))
async def test_case_that_no_clerk_can_read_is_refused_by_its_field(stage: Stage, text: str) -> None:
    before = len(await stage.way.grants.list())
    with pytest.raises(Malformed) as refusal:
        await stage.grant("honest", case=text)
    assert refusal.value.field == "case"
    with pytest.raises(Malformed) as refusal:
        await stage.grant("honest", purpose=text)
    assert refusal.value.field == "purpose"
    assert len(await stage.way.grants.list()) == before


@on_the_stage
@pytest.mark.parametrize("text", REFUSED_TEXTS.values(), ids=list(REFUSED_TEXTS))
async def test_officer_that_no_clerk_can_read_is_refused_by_its_field(stage: Stage, text: str) -> None:
    """Before anything is sent, and with an event in the court's log."""
    grant = await stage.grant("honest")
    seen, events = len(stage.way.tap.seen), (await stage.way.court_store.custody_log()).size
    for name in ("officer", "purpose"):
        with pytest.raises(Malformed) as refusal:
            await as_officer(stage, grant, **{name: text})
        assert refusal.value.field == name
    assert len(stage.way.tap.seen) == seen
    assert (await stage.way.court_store.custody_log()).size == events + 2
    assert (await stage.court_event()).action == "refuse"


async def as_officer(stage: Stage, grant: str, *, officer: str = "judge-7", purpose: str = "filing") -> Done:
    command = RetrievalCommand(grant=grant.encode(), dossier="", officer=officer, purpose=purpose)
    events = [event async for event in stage.way.retrieval.run(command)]
    return next(event for event in events if isinstance(event, Done))


@on_the_stage
@pytest.mark.parametrize("text", KEPT)
async def test_text_that_means_something_elsewhere_is_kept_to_the_letter(stage: Stage, text: str) -> None:
    grant = await stage.grant("honest", case=text, purpose=text)
    assert parse_grant(grant).case == text
    done = await as_officer(stage, grant, officer=text, purpose=text)
    verdict = json.loads(done.verdict)
    assert (verdict["verdict"], verdict["case"]) == ("CONSISTENT", text)
    event = await stage.custodian_event()
    assert event.detail == f"{text}: {text}"
    assert grant in [row.token for row in await stage.way.grants.list()]


@on_the_stage
@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("dossiers", {"dossiers": (SQL,)}),
        ("dossiers", {"dossiers": (PATH, "\u202e")}),
        ("dossiers", {"dossiers": ()}),
        ("mode", {"mode": SQL}),
        ("mode", {"mode": "retrieve\0"}),
        ("court", {"court": SQL}),
        ("court", {"court": "spiffe://courtrelay.example/court/\u202e"}),
        ("kind", {"kinds": (SQL,)}),
        ("kind", {"kinds": ("../repayment.v1",)}),
        ("kinds", {"kinds": ()}),
        ("uses", {"uses": 10**18}),
        ("exp", {"expires_s": 10**15}),
    ],
)
async def test_hostile_member_of_a_grant_is_refused_by_its_field(
    stage: Stage, field: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(Malformed) as refusal:
        await stage.grant("honest", **changes)
    assert field in str(refusal.value)


def crafted(stage: Stage, grant: str, details: dict[str, Any], **members: Any) -> bytes:
    """A request by a court whose software was changed: any details, any members, signed with the right key."""
    honest = stage.request(grant)
    claims = parse_claims(honest.token)
    key = stage.way.disclosures._sealing_key.public_key
    sealed = hpke_seal(key, dumps(details), b"courtrelay/request-details/v1")
    signer = open_signer(stage.way.gateway.request_keys[0])
    return sign_jws(
        TYP, {**claims, "sealed": _b64(sealed), **members}, signer.public_key, signer.sign
    ).encode()  # fmt: skip


def parse_claims(token: bytes) -> dict[str, Any]:
    part = token.split(b".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    return claims


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def hostile_details(stage: Stage) -> list[dict[str, Any]]:
    right = {"case": "Case 1", "dossier": stage.dossiers["honest"], "officer": "judge-7", "purpose": "filing"}
    return [
        *({**right, "officer": text} for text in REFUSED_TEXTS.values() if "\ud800" not in text and len(text) < 3000),
        {**right, "cafe\u0301": 1},
        {**right, "e\u200d\u0301": 1},
        {**right, "\u202e": 1},
        {**right, "\u0301": 1},
        {**right, SQL: 1},
        {**right, "dossier": SQL},
        {**right, "dossier": [right["dossier"]]},
        {**right, "case": None},
        {**right, "case": ["Case 1"]},
        {name: value for name, value in right.items() if name != "dossier"},
        {},
    ]


@on_the_stage
async def test_details_of_a_hostile_court_are_refused_and_the_custodian_lives(stage: Stage) -> None:
    """The relay cannot see them. Whatever they hold: one answer, one event, and the next honest request is answered."""
    grant = await stage.grant("honest", uses=100)
    for details in hostile_details(stage):
        before = stage.way.custodian_store.custody_size
        answer = await stage.ask(crafted(stage, grant, details))
        assert (answer.status, answer.chunks) == (REFUSED, ()), details
        assert stage.way.custodian_store.custody_size == before + 1
        event = await stage.custodian_event()
        assert (event.action, "request details" in event.detail) == ("refuse", True), event
    assert (await stage.ask(stage.request(grant))).chunks


@on_the_stage
async def test_request_of_a_hostile_relay_is_refused_and_the_custodian_lives(stage: Stage) -> None:
    """A relay that forwards what its own check would refuse."""
    grant = await stage.grant("honest")
    (queue,) = stage.way.router._streams.values()
    tokens = [crafted(stage, grant, {}, **{name: 1}) for name in ("cafe\u0301", "e\u200d\u0301", "\u202e", SQL)]
    for token in (*tokens, b"", b"..", b"\xff" * 100, "é.é.é".encode(), b"e30.e30.e30"):
        before = stage.way.custodian_store.custody_size
        await queue.put((request_digest(token), token, ""))
        await settle(lambda before=before: stage.way.custodian_store.custody_size == before + 1, "it is logged")
        assert (await stage.custodian_event()).action == "refuse"
    assert stage.way.disclosures.connected
    assert (await stage.ask(stage.request(grant))).chunks


@on_the_stage
async def test_grant_with_hostile_members_is_refused_and_logged_by_the_court(stage: Stage) -> None:
    for token in (b"", b"..", b"\xff" * 100, "é.é.é".encode(), b"x" * 200_000, SQL.encode(), b"a\0b"):
        events = (await stage.way.court_store.custody_log()).size
        with pytest.raises((Malformed, Denied)):
            async for _ in stage.way.retrieval.run(RetrievalCommand(grant=token, dossier="", officer="o", purpose="p")):
                pass
        assert (await stage.way.court_store.custody_log()).size == events + 1


@given(st.text(max_size=120))
def test_words_that_quote_anything_can_be_logged(text: str) -> None:
    check_plain(as_plain(text, chars_max=500), "event", "detail", chars_max=500, empty=True)
    check_plain(as_plain(f"cafe\u200d\u0301 {text}", chars_max=20), "event", "detail", chars_max=20, empty=True)


TYPED = {
    "bidirectional": "Case \u202e7",
    "newline": "Case 7\nCase 8",
    "10,000 characters": "7" * 10_000,
    "bytes that are no text": "Case \udcff",
}


@on_the_stage
async def test_hostile_words_at_a_terminal_are_one_line_with_the_field(stage: Stage, tmp_path: Path) -> None:
    """`courtrelay` as a user runs it; a traceback would fail the test in `courtrelay` itself."""
    home, known = stage.way.home, tmp_path / "known.grant"
    known.write_text(await stage.grant("honest"))

    async def issue(case: str, out: str) -> Ran:
        return await asyncio.to_thread(
            courtrelay,
            "grant",
            "issue",
            "--case",
            case,
            "--dossier",
            "loan honest",
            "--home",
            home,
            "--out",
            tmp_path / out,
        )

    async def retrieve(officer: str, out: str) -> Ran:
        return await asyncio.to_thread(
            courtrelay, "retrieve", "--grant", known, "--officer", officer, "--home", home, "--out", tmp_path / out
        )

    for text in TYPED.values():
        issued, retrieved = await asyncio.gather(issue(text, "no.grant"), retrieve(text, "no.zip"))
        assert (issued.code, retrieved.code) == (2, 2), (issued.err, retrieved.err)
        assert "case" in issued.err
        assert "officer" in retrieved.err
        assert all(len(ran.err.splitlines()) == 1 and ran.err.isprintable() is False for ran in (issued, retrieved))
    assert not (tmp_path / "no.grant").exists()
    assert not (tmp_path / "no.zip").exists()
    issued, retrieved = await asyncio.gather(issue(SQL, "sql.grant"), retrieve(PATH, "path.zip"))
    assert (issued.code, retrieved.code) == (0, 0), (issued.err, retrieved.err)
    assert parse_grant((tmp_path / "sql.grant").read_bytes().strip()).case == SQL
    listed = await asyncio.to_thread(courtrelay, "grant", "list", "--home", home)
    assert SQL in listed.out
