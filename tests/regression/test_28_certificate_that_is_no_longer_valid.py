"""Certificates that outlive their validity: a connection once opened went on for hours after the certificate it came with had
expired. Here every call and every open stream ends with the caller's certificate, and a certificate that is no leaf of one
identity opens nothing.
"""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Denied, RelayError, Unavailable
from relay.core.identity import Role
from relay.transport.channels import call, channel
from relay.transport.credentials import TlsFiles
from tests.support.echo import COUNT, GATHER, NOW, TALK, Echo, ask, issued, say, sending, served, streamed
from tests.transport.test_peer import LEAF_USAGE, OPERATOR, signed

DAY = datetime.timedelta(days=1)
VALID_S = 4
HANGS_S = 30


def short_lived(authority: Path, folder: Path) -> TlsFiles:
    """An operator's certificate that is valid for the next seconds only."""
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=VALID_S)
    return issued(authority, folder, Role.OPERATOR, now=until - DAY, days=1)


async def hold(opened: Any, method: str, begun: asyncio.Event) -> str:
    """A call that would never end by itself: the name of what ended it."""
    try:
        if method == GATHER:
            async with sending([b"a"], held=True) as requests:
                begun.set()
                await call(opened.stream_unary(GATHER)(requests, timeout=3000))
        else:
            async for reply in streamed(opened, method, [b"a"], timeout=None, held=True):
                assert reply == b"a"
                begun.set()
    except RelayError as error:
        return type(error).__name__
    return "ended"


async def test_open_calls_end_when_the_certificate_does(authority: Path, tmp_path: Path) -> None:
    """A feed and an upload, both waiting: the server ends them, and the same connection opens nothing more. Other callers stay."""
    echo = Echo()
    lasting = issued(authority, tmp_path / "lasting", Role.OPERATOR)
    async with served(authority, echo, tmp_path, long_lived=frozenset({TALK})) as target, asyncio.timeout(HANGS_S):
        async with channel(target, short_lived(authority, tmp_path / "o")) as opened, channel(target, lasting) as other:
            begun = [asyncio.Event() for _ in range(3)]
            feed = asyncio.create_task(hold(opened, TALK, begun[0]))
            upload = asyncio.create_task(hold(opened, GATHER, begun[1]))
            kept = asyncio.create_task(hold(other, TALK, begun[2]))
            for event in begun:
                await event.wait()
            assert await say(opened) == b"hello"
            assert await asyncio.gather(feed, upload) == ["Denied", "Denied"]
            calls = echo.calls
            for method in (COUNT, TALK):
                with pytest.raises(Denied, match=r"^not permitted$"):
                    async for _ in streamed(opened, method, [b"a"], held=True):
                        pass
            with pytest.raises(Denied, match=r"^not permitted$"):
                await say(opened)
            assert echo.calls == calls
            assert not kept.done()
            assert await say(other) == b"hello"
            kept.cancel()


@pytest.mark.parametrize("days", [-30, 30], ids=["expired", "not-yet-valid"])
async def test_certificate_out_of_its_time_opens_no_connection(authority: Path, tmp_path: Path, days: int) -> None:
    echo = Echo()
    files = issued(authority, tmp_path / "o", Role.OPERATOR, now=NOW + days * DAY, days=1)
    async with served(authority, echo, tmp_path) as target:
        with pytest.raises((Unavailable, Denied)):
            await ask(target, files)
        assert await ask(target, issued(authority, tmp_path / "p", Role.OPERATOR)) == b"hello"
    assert echo.calls == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"uris": (OPERATOR, "spiffe://a.example/relay/x")},
        {"uris": (OPERATOR, OPERATOR)},
        {"ca": True},
        {"usages": {**LEAF_USAGE, "key_cert_sign": True}, "ca": True},
        {"usages": {**LEAF_USAGE, "crl_sign": True}},
    ],
    ids=["two-identities", "one-identity-twice", "authority", "authority-that-signs", "signs-lists"],
)
async def test_certificate_of_two_identities_or_of_an_authority_is_refused(
    authority: Path, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    echo = Echo()
    async with served(authority, echo, tmp_path) as target:
        with pytest.raises(Denied):
            await ask(target, signed(authority, tmp_path / "o", **wrong))
    assert echo.calls == 0
