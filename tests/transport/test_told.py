"""A refusal that overtakes what is still being sent arrives as what it is, and not as an accident of the library's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from relay.core.errors import Busy, Conflict, Denied, NotFound, RelayError
from relay.core.identity import Role
from relay.transport.channels import call, channel, stream
from relay.transport.limits import Limits, Rate
from relay.transport.told import OVERWRITTEN, Told
from tests.support.echo import GATHER, TALK, Echo, issued, served

PLENTY = Limits(default=Rate(100_000.0, 100_000))
AT_ONCE, ROUNDS, PIECES, PIECE_BYTES = 50, 10, 30, 20_000


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(PIECES):
        yield bytes(PIECE_BYTES)


async def talk(opened: Any) -> None:
    async for _ in stream(opened.stream_stream(TALK)(pieces(), timeout=60)):
        pass


async def gather(opened: Any) -> None:
    await call(opened.stream_unary(GATHER)(pieces(), timeout=60))


@pytest.mark.parametrize("upload", [talk, gather])
@pytest.mark.parametrize(
    "refusal", [NotFound("no such origin"), Denied("grant"), Busy("later", 3.0), Conflict("taken")]
)
async def test_refused_upload_says_why_however_much_was_under_way(
    authority: Path, tmp_path: Path, upload: Any, refusal: RelayError
) -> None:
    """Without the first word about one in five of these ends as an internal error."""
    heard: Counter[tuple[str, str]] = Counter()

    async def one(opened: Any) -> None:
        try:
            await upload(opened)
        except RelayError as error:
            heard[type(error).__name__, str(error)] += 1

    async with served(authority, Echo(refusal), tmp_path, limits=PLENTY) as target:
        async with channel(target, issued(authority, tmp_path / "o", Role.OPERATOR)) as opened:
            for _ in range(ROUNDS):
                await asyncio.gather(*(one(opened) for _ in range(AT_ONCE)))
    said = "not permitted" if isinstance(refusal, Denied) else str(refusal)
    assert heard == {(type(refusal).__name__, said): ROUNDS * AT_ONCE}


def status(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)


def test_what_nobody_overwrote_stays() -> None:
    """An internal error of the peer's own, and one of a call that never had another word."""
    told = Told(object())
    for error in (status(grpc.StatusCode.INTERNAL, "log id 7"), status(grpc.StatusCode.INTERNAL, OVERWRITTEN)):
        assert told.instead_of(error) is error
