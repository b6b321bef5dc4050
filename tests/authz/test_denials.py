"""Over real gRPC and mutual TLS, with real stores: every denial is one answer outside, its reason inside, and no byte of the dossier."""

from __future__ import annotations

import pytest

from relay.core.disclosure import DisclosureManifest, parse_manifest
from relay.core.errors import RelayError, Unavailable
from relay.core.grants import parse_grant
from relay.core.requests import request_digest
from relay.core.sealing import StreamOpener
from relay.ports.custodian import StoredRecord
from relay.services.court.retrieval import BROKEN_OFF, Done, Progress, RetrievalCommand
from tests.authz.canary import canary, find, privileged
from tests.authz.denials import DENIALS, Denial
from tests.authz.stage import REFUSED, Answer, Asked, Stage, says
from tests.support.frozen import settle

on_the_stage = pytest.mark.asyncio(loop_scope="module")


@on_the_stage
@pytest.mark.parametrize("denial", DENIALS, ids=lambda d: d.name.replace(" ", "-"))
async def test_denied(stage: Stage, denial: Denial) -> None:
    situation = await denial.arrange(stage, denial.name)
    since, before = len(stage.way.tap.seen), stage.way.custodian_store.custody_size
    try:
        answer = await stage.ask(situation.asked, over=stage.elsewhere if situation.elsewhere else None)
        assert (answer.header, answer.chunks, answer.status) == (b"", (), REFUSED)
        after = stage.way.custodian_store.custody_size
        if denial.at == "custodian":
            event = await stage.custodian_event()
            token = situation.asked if isinstance(situation.asked, bytes) else situation.asked.token
            assert after == before + 1
            assert says(event, denial.reason), event
            assert event.subject["request"] == request_digest(token).hex()
        else:
            assert after == before, "what the relay refuses never reaches the custodian"
        if denial.at_court:
            await refused_at_court(stage, situation.grant, denial.at_court)
    finally:
        situation.undo()
    passed = stage.way.tap.passed("relay", "court", since=since)
    assert not [one for one in passed if one.method.endswith("/Retrieve") and one.direction == "out"]
    assert not [one for one in passed if canary(denial.name).encode() in one.data]
    assert stage.leaks(since) == []


async def refused_at_court(stage: Stage, grant: str, reason: str) -> None:
    """The gateway does not even ask, and keeps who wanted to."""
    seen = len(stage.way.tap.seen)
    with pytest.raises(RelayError, match=reason):
        await stage.ask_as_a_court_does(grant)
    assert len(stage.way.tap.seen) == seen, "nothing may leave"
    event = await stage.court_event()
    assert says(event, reason), event


@on_the_stage
async def test_what_the_custodian_refuses_stands_in_the_courts_log_too(stage: Stage) -> None:
    """The gateway cannot know that the uses are spent; it hears of it, without the reason."""
    grant = await stage.grant("honest", uses=1)
    await stage.ask(stage.request(grant))
    with pytest.raises(RelayError, match="not permitted"):
        await stage.ask_as_a_court_does(grant)
    event = await stage.court_event()
    assert (event.action, event.outcome) == ("receive", "failed")
    assert says(await stage.custodian_event(), "uses")


def test_search_would_find_a_denied_dossier() -> None:
    """Every row's canary is one that the search knows."""
    assert all(find(canary(denial.name).encode()) for denial in DENIALS)
    assert len({canary(denial.name) for denial in DENIALS}) == len(DENIALS)


def opened(answer: Answer, asked: Asked) -> bytes:
    """All that the court can read of an answer."""
    opener = StreamOpener(answer.header, asked.key, asked.digest)
    return b"".join(opener.open(chunk) for chunk in answer.chunks)


def manifest_in(plaintext: bytes) -> DisclosureManifest:
    """The first frame's body: type, header length, header `{}`, body length, body."""
    size = int.from_bytes(plaintext[7:15], "big")
    return parse_manifest(plaintext[15 : 15 + size].decode())


@on_the_stage
@pytest.mark.parametrize(
    ("kinds", "disclosed", "canaries"),
    [
        (("contract",), [], (False, False)),
        (("*",), [0, 1], (True, False)),
        (("mediation_session",), [2], (False, True)),
        (("*", "mediation_session"), [0, 1, 2], (True, True)),
        (("complaint", "contract"), [1], (True, False)),
    ],
    ids=["kind-outside-scope", "privileged-under-star", "privileged-named", "star-and-named", "one-kind"],
)
async def test_what_a_grant_does_not_open_is_named_and_not_sent(
    stage: Stage, kinds: tuple[str, ...], disclosed: list[int], canaries: tuple[bool, bool]
) -> None:
    """The answer is sealed to this court, so this looks inside: the list has all three, and nothing of a withheld one is there."""
    purpose_class = "mediation" if "mediation_session" in kinds else "trial"
    asked = stage.request(await stage.grant("honest", kinds=kinds, purpose_class=purpose_class))
    answer = await stage.ask(asked)
    plaintext = opened(answer, asked)
    entries = manifest_in(plaintext).entries
    assert [entry.seq for entry in entries if entry.status == "disclosed"] == disclosed
    assert all(entry.reason for entry in entries if entry.status == "withheld")
    body = plaintext[len(manifest_in(plaintext).jws.token) :]
    texts = (canary("honest").encode(), privileged("honest").encode())
    assert tuple(text in body for text in texts) == canaries
    event = await stage.custodian_event()
    assert (event.action, event.outcome) == ("disclose", "permitted")


@on_the_stage
async def test_revoked_in_mid_stream_ends_with_a_refusal(stage: Stage) -> None:
    """The court has read one chunk of many when the lender revokes: the rest stays, and the reason is in the log."""
    grant = await stage.grant("long")
    asked = stage.request(grant)

    async def taken(pieces: int) -> None:
        if pieces == 2:
            await stage.way.grants.revoke(parse_grant(grant).digest, "a mistake")

    answer = await stage.ask(asked, taken=taken)
    assert answer.status == REFUSED
    whole = sum(payload.size for record in await records(stage, "long") for _, payload in record.payloads) >> 20
    assert 1 <= len(answer.chunks) < whole // 2
    event = await stage.custodian_event()
    assert (event.action, event.outcome) == ("refuse", "broken_off")
    assert "revoked while the answer was under way" in event.detail
    assert event.subject == {
        "grant": parse_grant(grant).digest.hex(), "request": asked.digest.hex(), "dossier": stage.dossiers["long"],
    }  # fmt: skip


async def records(stage: Stage, name: str) -> list[StoredRecord]:
    return await stage.way.custodian_store.records(stage.dossiers[name])


@on_the_stage
async def test_court_shows_a_broken_off_answer_as_such_and_keeps_nothing(stage: Stage) -> None:
    grant = await stage.grant("long")
    rows = []
    command = RetrievalCommand(grant=grant.encode(), dossier="", officer="judge-7", purpose="filing")
    bundles = (await stage.way.court_store.counts()).bundles
    with pytest.raises(Unavailable) as refusal:
        async for event in stage.way.retrieval.run(command):
            rows.append(event)
            if len(rows) == 1:
                await stage.way.grants.revoke(parse_grant(grant).digest, "a mistake")
    assert str(refusal.value) == BROKEN_OFF
    assert any(isinstance(row, Progress) for row in rows)
    assert not any(isinstance(row, Done) for row in rows)
    event = await stage.court_event()
    assert (event.action, event.outcome) == ("receive", "broken_off")
    assert (await stage.way.court_store.counts()).bundles == bundles
    data = stage.way.gateway.common.data
    assert [path for folder in ("staging", "bundles") for path in (data / folder).iterdir()] == []
    with pytest.raises(RelayError, match="revoked on the court ledger"):
        await stage.ask_as_a_court_does(grant)


@on_the_stage
async def test_grant_that_expires_while_its_answer_is_under_way_is_answered_to_the_end(stage: Stage) -> None:
    """It was asked in time; only the lender's word ends what has begun."""
    now_s = stage.way.clock.ms // 1000
    grant = await stage.grant("long", expires_s=now_s + 10)
    asked = stage.request(grant)

    async def taken(pieces: int) -> None:
        if pieces == 2:
            stage.way.clock.ms += 11_000

    answer = await stage.ask(asked, taken=taken)
    stage.way.clock.ms -= 11_000
    assert len(opened(answer, asked)) > 40 << 20


@on_the_stage
async def test_custodian_goes_on_answering_after_all_of_it(stage: Stage) -> None:
    await settle(lambda: stage.way.disclosures.connected, "the custodian listens")
    asked = stage.request(await stage.grant("allowed"))
    assert canary("allowed").encode() in opened(await stage.ask(asked), asked)
