"""Retrieval with somebody cheating: on the way, at the lender, at the court."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.core.custody import parse_event
from relay.core.disclosure import ManifestEntry
from relay.core.errors import Denied, Malformed, NotFound, RelayError, Unavailable, Unverified
from relay.core.grants import parse_grant
from relay.core.requests import RequestDetails, make_request, request_digest
from relay.core.sealing import Kem, new_sealing_key
from relay.setup.keys import load_signing_key, make_signing_key
from tests.support.bundles import DAY_MS, make_home, noon_of
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    """Three records of one dossier, confirmed."""
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="attacks") as opened:
        await opened.deposit("loan 1", small_dossier())
        await opened.forward()
        yield opened


async def dossier_of(way: Way, reference: str = "loan 1") -> str:
    state = await way.custodian_store.find_dossier(reference)
    assert state is not None
    return state.id


async def verdict_of(way: Way, **grant: Any) -> dict[str, Any]:
    _, done, _ = await way.retrieve(await way.grant(await dossier_of(way), **grant))
    document: dict[str, Any] = json.loads(done.verdict)
    return document


async def last_event(way: Way) -> Any:
    """The newest event of the lender's custody log."""
    size = way.custodian_store.custody_size
    row = await way.custodian_store._database.read(
        lambda c: c.execute("SELECT event FROM custody_event WHERE position = ?", (size - 1,)).fetchone()
    )
    return parse_event(row[0])


def request_under(way: Way, grant: str, **changes: Any) -> bytes:
    """A request as the court would make it, with some of it changed."""
    parsed = parse_grant(grant)
    now_s = way.clock.ms // 1000
    key = changes.pop("key", None) or load_signing_key(way.home / "court/keys/request.pem")
    values: dict[str, Any] = {
        "iss": parsed.aud,
        "aud": parsed.iss,
        "grant": changes.pop("digest", parsed.digest),
        "iat": now_s,
    }
    values["details"] = RequestDetails(
        case=changes.pop("case", parsed.case),
        dossier=changes.pop("dossier", parsed.dossiers[0]),
        officer="judge-7",
        purpose="filing",
    )
    values["exp"] = changes.pop("exp", values["iat"] + 300)
    values.update(changes)
    recipient = new_sealing_key(Kem.MLKEM768_X25519, way.disclosures._random)
    return make_request(
        recipient=recipient.public_key,
        custodian_key=way.disclosures._sealing_key.public_key,
        public_key=key.public_key,
        sign=key.sign,
        random_bytes=way.disclosures._random,
        **values,
    ).encode()


async def authorise(way: Way, token: bytes) -> None:
    await way.disclosures.authorise(request_digest(token), token)


async def test_honest_request_is_permitted_and_logged_before_anything_leaves(way: Way) -> None:
    token = request_under(way, await way.grant(await dossier_of(way)))
    permitted = await way.disclosures.authorise(request_digest(token), token)
    assert [r.seq for r in permitted.records] == [0, 1, 2]
    event = await last_event(way)
    assert (event.action, event.outcome) == ("disclose", "permitted")
    assert event.subject["request"] == request_digest(token).hex()


async def test_replayed_request_is_denied(way: Way) -> None:
    token = request_under(way, await way.grant(await dossier_of(way)))
    await authorise(way, token)
    with pytest.raises(Denied, match="nonce"):
        await authorise(way, token)


async def test_uses_spent_is_denied(way: Way) -> None:
    grant = await way.grant(await dossier_of(way), uses=1)
    await authorise(way, request_under(way, grant))
    with pytest.raises(Denied, match="uses"):
        await authorise(way, request_under(way, grant))


async def test_revoked_grant_is_denied_by_lender_and_court(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    token = request_under(way, grant)
    await way.grants.revoke(parse_grant(grant).digest, "a mistake")
    with pytest.raises(Denied, match="revoked"):
        await authorise(way, token)
    with pytest.raises(Unverified, match="revoked on the court ledger"):
        await way.retrieve(grant)


async def test_expired_grant_is_denied_by_lender_and_court(way: Way) -> None:
    grant = await way.grant(await dossier_of(way), days=1)
    way.clock.ms += DAY_MS + 1000
    with pytest.raises(Denied, match="expired"):
        await authorise(way, request_under(way, grant))
    with pytest.raises(Unverified, match="has expired"):
        await way.retrieve(grant)


async def test_grant_not_yet_valid_is_denied_by_lender_and_court(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    way.clock.ms -= 60_000
    with pytest.raises(Denied, match="not valid yet"):
        await authorise(way, request_under(way, grant))
    with pytest.raises(Unverified, match="not valid yet"):
        await way.retrieve(grant)


async def test_future_dated_request_is_denied(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    with pytest.raises(Denied, match="dated in the future"):
        await authorise(way, request_under(way, grant, iat=way.clock.ms // 1000 + 301, exp=way.clock.ms // 1000 + 400))


async def test_expired_request_is_denied(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    now_s = way.clock.ms // 1000
    with pytest.raises(Denied, match="has expired"):
        await authorise(way, request_under(way, grant, iat=now_s - 100, exp=now_s))


async def test_wrong_key_is_unverified(way: Way, tmp_path: Path) -> None:
    grant = await way.grant(await dossier_of(way))
    with pytest.raises(Unverified, match="kid"):
        await authorise(way, request_under(way, grant, key=make_signing_key(tmp_path / "other.pem")))


async def test_other_case_is_denied(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    with pytest.raises(Denied, match="another case"):
        await authorise(way, request_under(way, grant, case="Case 2"))


async def test_other_dossier_is_denied(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    other = await way.deposit("loan 2", small_dossier(1))
    with pytest.raises(Denied, match="does not name this dossier"):
        await authorise(way, request_under(way, grant, dossier=other.dossier))


async def test_other_court_is_denied(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    with pytest.raises(Denied, match="not for"):
        await authorise(way, request_under(way, grant, iss="spiffe://courtrelay.example/court/elsewhere"))


async def test_request_for_another_custodian_is_denied(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    with pytest.raises(Denied, match="addressed to"):
        await authorise(way, request_under(way, grant, aud="spiffe://courtrelay.example/custodian/other"))


async def test_grant_of_somebody_else_is_denied(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    with pytest.raises(Denied, match="no grant of that digest"):
        await authorise(way, request_under(way, grant, digest=bytes(32)))


async def test_request_under_another_id_is_unverified(way: Way) -> None:
    token = request_under(way, await way.grant(await dossier_of(way)))
    with pytest.raises(Unverified, match="request id"):
        await way.disclosures.authorise(bytes(32), token)


async def test_garbage_request_is_malformed(way: Way) -> None:
    for token in (b"", b"a.b.c", b"\xff" * 10, b"x" * 1_000_000):
        with pytest.raises(Malformed):
            await authorise(way, token)


async def test_refusal_reaches_the_court_without_reason_and_the_lenders_log_with_it(way: Way) -> None:
    grant = await way.grant(await dossier_of(way), uses=1)
    await way.retrieve(grant)
    with pytest.raises(Denied) as refusal:
        await way.retrieve(grant)
    assert "uses" not in str(refusal.value)
    event = await last_event(way)
    assert (event.action, event.outcome) == ("refuse", "refused")
    assert "uses" in event.detail


@pytest.mark.parametrize("number", [0, 1])
async def test_bit_changed_on_the_way_is_refused(way: Way, number: int) -> None:
    def tamper(at: int, piece: bytes) -> bytes:
        if at != number:
            return piece
        changed = bytearray(piece)
        changed[len(piece) // 2] ^= 1
        return bytes(changed)

    way.link.tamper = tamper
    with pytest.raises((Unverified, Malformed)):
        await verdict_of(way)
    assert (await way.court_store.counts()).bundles == 0


async def test_answer_cut_short_is_refused(way: Way) -> None:
    way.link.tamper = lambda at, piece: piece if at == 0 else None
    with pytest.raises((Unverified, Unavailable)):
        await verdict_of(way)


async def test_chunk_repeated_is_refused(way: Way) -> None:
    kept: list[bytes] = []

    def tamper(at: int, piece: bytes) -> bytes:
        kept.append(piece)
        return piece + piece if at == 1 else piece

    way.link.tamper = tamper
    with pytest.raises(Unverified):
        await verdict_of(way)
    assert len(kept) >= 2


async def test_lender_leaves_a_listed_record_out(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = way.disclosures._planner.again
    monkeypatch.setattr(
        way.disclosures._planner,
        "again",
        lambda manifest, records: honest(manifest, [r for r in records if r.seq != 1]),
    )
    verdict = await verdict_of(way)
    assert verdict["verdict"] == "INCONSISTENT"
    assert any("seq 1 missing" in step["detail"] for step in verdict["steps"] if step["result"] == "failed")


async def test_lender_cuts_the_tail_of_its_list(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = way.custodian_store.records

    async def first_two(dossier: str) -> Any:
        return (await honest(dossier))[:2]

    monkeypatch.setattr(way.custodian_store, "records", first_two)
    verdict = await verdict_of(way)
    assert verdict["verdict"] == "INCONSISTENT"
    completeness = verdict["steps"][12]
    assert completeness["result"] == "failed"
    assert "cut tail: seq 2 missing" in completeness["detail"]


async def test_lender_gives_a_wrong_place_for_a_record(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = way.disclosures._planner.entry

    def moved(grant: Any, record: Any) -> ManifestEntry:
        entry = honest(grant, record)
        return replace(entry, index={0: 1, 1: 0}.get(entry.index, entry.index))

    monkeypatch.setattr(way.disclosures._planner, "entry", moved)
    verdict = await verdict_of(way)
    assert verdict["verdict"] == "INCONSISTENT"
    assert [r["verdict"] for r in verdict["records"]] == ["INCONSISTENT", "INCONSISTENT", "CONSISTENT"]


async def test_record_not_yet_anchored_is_pending_never_consistent(way: Way) -> None:
    await way.deposit("loan 1", small_dossier(5))
    verdict = await verdict_of(way)
    assert verdict["verdict"] == "PENDING_FINALITY"
    assert [r["verdict"] for r in verdict["records"]] == ["CONSISTENT"] * 3 + ["PENDING_FINALITY"] * 2


async def test_growing_dossier_rests_on_several_checkpoints(way: Way) -> None:
    await way.deposit("loan 1", small_dossier(5))
    await way.forward()
    verdict = await verdict_of(way)
    assert verdict["verdict"] == "CONSISTENT"
    assert verdict["steps"][6]["detail"] == "2 checkpoints anchored"


async def test_unreachable_custodian_is_unavailable_and_logged(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    way.router._streams.clear()
    with pytest.raises(Unavailable, match="not connected"):
        await way.retrieve(grant)
    custody = await way.court_store.custody_log()
    assert custody.size == 2


async def test_custody_heads_grow_on_the_court_ledger(way: Way) -> None:
    grant = await way.grant(await dossier_of(way))
    await way.retrieve(grant)
    await way.custody.publish()
    first = await way.registry.latest(way.custody._key.name)
    await way.retrieve(grant)
    await way.custody.publish()
    second = await way.registry.latest(way.custody._key.name)
    assert 0 < first.size < second.size


async def test_no_error_of_a_retrieval_is_a_programming_mistake(way: Way) -> None:
    """Whatever single byte of the first chunk is changed, the court gets one of its own errors."""
    for place in (0, 1, 5, 16, 100, -17, -1):

        def tamper(at: int, piece: bytes, place: int = place) -> bytes:
            if at != 1:
                return piece
            changed = bytearray(piece)
            changed[place] ^= 0x80
            return bytes(changed)

        way.link.tamper = tamper
        with pytest.raises(RelayError) as refusal:
            await verdict_of(way)
        assert not isinstance(refusal.value, NotFound)
