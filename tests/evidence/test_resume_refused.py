"""Who may take up a disclosure that broke off: the same court, under the same grant, while it holds; for all others there is one answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.core import sealing
from relay.core.errors import Denied, Malformed, RelayError, Unavailable, Unverified
from relay.core.grants import parse_grant
from relay.core.resume import make_resume, parse_resume
from relay.services.court.asking import RESUMABLE_MS
from relay.setup.keys import load_signing_key, make_signing_key
from tests.support.bundles import make_home, noon_of
from tests.support.resuming import (
    CHUNKS,
    cut_at,
    go_away_after,
    granted,
    lender_events,
    lines,
    staged,
    uses,
)
from tests.support.way import Way, open_way


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="resume") as opened:
        await opened.deposit("loan 1", lines())
        await opened.forward()
        yield opened


async def resume_token(way: Way, under: str, **changes: Any) -> bytes:
    """A resume as the court would make it, with some of it changed."""
    parsed = parse_grant(under)
    now_s = way.clock.ms // 1000
    key = changes.pop("key", None) or load_signing_key(way.home / "court/keys/request.pem")
    kept = await way.custodian_store._database.read(
        lambda c: c.execute("SELECT request FROM disclosure ORDER BY begun_ms DESC LIMIT 1").fetchone()
    )
    values: dict[str, Any] = {
        "iss": parsed.aud, "aud": parsed.iss, "grant": parsed.digest.hex(), "request": kept[0].hex(), "chunk": 1,
        "iat": now_s, "exp": now_s + 300, "public_key": key.public_key, "sign": key.sign,
        "random_bytes": way.disclosures._random,
    }  # fmt: skip
    return make_resume(**(values | changes)).encode()


async def begun(way: Way, **options: Any) -> str:
    grant = await granted(way, **options)
    await go_away_after(way, grant, 1)
    return grant


async def authorise(way: Way, token: bytes) -> Any:
    return await way.disclosures.authorise(parse_resume(token).digest, token)


async def test_honest_resume_is_permitted_logged_and_spends_no_use(way: Way) -> None:
    grant = await begun(way, uses=1)
    permitted = await authorise(way, await resume_token(way, grant, chunk=CHUNKS - 1))
    assert permitted.first == CHUNKS - 1
    event = (await lender_events(way))[-1]
    assert (event.action, event.outcome, event.detail) == (
        "resume",
        "permitted",
        f"from chunk {CHUNKS - 1} of {CHUNKS}",
    )
    assert await uses(way, grant) == 1


async def test_one_thing_wrong_with_a_resume_is_refused(way: Way, tmp_path: Path) -> None:
    grant = await begun(way, days=3)
    elsewhere = "spiffe://courtrelay.example/court/elsewhere"
    other = await granted(way)
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"chunk": CHUNKS}, grant, "beyond"),
        ({"chunk": 2**32 - 1}, grant, "beyond"),
        ({"request": "00" * 32}, grant, "no disclosure of that request"),
        ({}, other, "no disclosure of that request"),
        ({"grant": "00" * 32}, grant, "no grant of that digest"),
        ({"key": make_signing_key(tmp_path / "other.pem")}, grant, "kid"),
        ({"iss": elsewhere}, grant, "not for"),
        ({"aud": "spiffe://courtrelay.example/custodian/other"}, grant, "addressed to"),
        ({"iat": way.clock.ms // 1000 + 301, "exp": way.clock.ms // 1000 + 302}, grant, "future"),
        ({"iat": way.clock.ms // 1000 - 2, "exp": way.clock.ms // 1000}, grant, "expired"),
    ]
    for changes, under, reason in wrong:
        with pytest.raises((Denied, Unverified), match=reason):
            await authorise(way, await resume_token(way, under, **changes))
    token = await resume_token(way, grant)
    with pytest.raises(Unverified, match="request id"):
        await way.disclosures.authorise(bytes(32), token)
    await authorise(way, token)
    with pytest.raises(Denied, match="nonce"):
        await authorise(way, token)
    way.clock.ms += RESUMABLE_MS + 1000
    with pytest.raises(Denied, match="too long ago"):
        await authorise(way, await resume_token(way, grant))
    now_ms = way.clock.ms
    await way.custodian_store._database.write(lambda c: c.execute("UPDATE disclosure SET begun_ms = ?", (now_ms,)))
    await authorise(way, await resume_token(way, grant))
    token = await resume_token(way, grant)
    await way.grants.revoke(parse_grant(grant).digest, "a mistake")
    with pytest.raises(Denied, match="revoked"):
        await authorise(way, token)
    way.clock.ms += 3 * RESUMABLE_MS
    with pytest.raises(Denied, match=r"has expired|too long ago"):
        await authorise(way, await resume_token(way, grant))


async def test_records_that_are_no_longer_the_same_are_not_sealed_again(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = await begun(way)
    honest = way.custodian_store.records

    async def fewer(dossier: str) -> Any:
        return (await honest(dossier))[:-1]

    monkeypatch.setattr(way.custodian_store, "records", fewer)
    with pytest.raises(Denied, match="no longer what was begun"):
        await authorise(way, await resume_token(way, grant))


async def test_refused_resume_reaches_the_court_as_the_one_answer_and_the_lenders_log_with_its_reason(way: Way) -> None:
    grant = await begun(way)
    token = await resume_token(way, grant, chunk=CHUNKS)
    with pytest.raises(Denied) as refusal:
        async for _ in way.router.retrieve(way.court, parse_grant(grant).iss, token):
            raise AssertionError("a byte was sent")
    assert "beyond" not in str(refusal.value)
    event = (await lender_events(way))[-1]
    assert event.action == "refuse"
    assert "beyond" in event.detail


async def test_resumed_stream_with_another_header_is_refused(way: Way) -> None:
    grant = await granted(way)
    calls = 0

    def tamper(number: int, data: bytes) -> bytes:
        nonlocal calls
        calls += number == 0
        if number == 2 and calls == 1:
            raise Unavailable("the line broke")
        return data.replace(b"courtrelay-sealed/v1", b"courtrelay-sealed/v2") if calls == 2 and not number else data

    way.link.tamper = tamper
    with pytest.raises(Unverified, match="another than when the disclosure began"):
        await way.retrieve(grant)
    assert staged(way) == []


@pytest.mark.parametrize("data", [b"", b"a.b.c", b"\xff" * 10, b"x" * 1_000_000, b"e30.e30.e30"])
def test_garbage_is_no_resume(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_resume(data)


def test_the_stream_key_is_never_printed() -> None:
    stream = sealing.SealedStream(header=b"{}", content_key=b"secret" * 5, plaintext_bytes=1)
    assert "secret" not in repr(stream)


async def test_no_error_of_a_broken_line_is_a_programming_mistake(way: Way) -> None:
    grant = await granted(way, uses=1)
    cut_at(way, 1, times=10_000)
    with pytest.raises(RelayError):
        await way.retrieve(grant)
