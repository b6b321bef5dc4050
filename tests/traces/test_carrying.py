"""The context on the wire, behind the real gate, and with checkpoints and items in the real stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Denied
from relay.core.identity import Role
from relay.setup.ca import make_authority
from relay.store.relay import SqliteRelayStore
from relay.telemetry.trace import Span, recording, span, take_up, traceparent
from relay.transport.channels import call, channel, outgoing, stream
from tests.support.echo import COUNT, NOW, SAY, Echo, issued, served
from tests.traces.test_trace import CALLER, recorder

TRACE_ID = CALLER[3:35]


class Listening(Echo):
    """Remembers under which context it worked."""

    def __init__(self) -> None:
        super().__init__()
        self.under: list[str] = []

    async def say(self, request: bytes, _context: Any) -> bytes:
        self.under.append(traceparent())
        return await super().say(request, _context)

    async def count(self, request: bytes, _context: Any) -> AsyncIterator[bytes]:
        self.under.append(traceparent())
        async for piece in super().count(request, _context):
            yield piece


@pytest.fixture
def kept() -> Iterator[list[Span]]:
    spans: list[Span] = []
    take_up(None)
    with recording(recorder(spans)):
        yield spans
    take_up(None)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    folder = tmp_path / "authority"
    folder.mkdir()
    make_authority(folder, "a.example", NOW)
    return folder


async def test_context_reaches_the_handler_and_each_call_its_own(
    authority: Path, tmp_path: Path, kept: list[Span]
) -> None:
    echo = Listening()
    files = issued(authority, tmp_path / "operator", Role.OPERATOR)
    async with served(authority, echo, tmp_path) as target, channel(target, files) as opened:
        take_up(CALLER)
        await call(opened.unary_unary(SAY)(b"x", timeout=30, metadata=outgoing()))
        async for _ in stream(opened.unary_stream(COUNT)(b"xy", timeout=30, metadata=outgoing())):
            pass
        take_up(None)
        await call(opened.unary_unary(SAY)(b"x", timeout=30, metadata=outgoing()))
    assert [one[3:35] for one in echo.under] == [TRACE_ID, TRACE_ID, ""]
    assert [(one.name, str(one.parent)) for one in kept] == [("Echo/Say", CALLER), ("Echo/Count", CALLER)]


@pytest.mark.parametrize(
    "said",
    [
        (("traceparent", CALLER.upper()),),
        (("traceparent", CALLER + "-more"),),
        (("traceparent", "x" * 5000),),
        (("traceparent-bin", CALLER.encode()),),
        (("tracestate", "a=b"),),
    ],
)
async def test_context_that_is_none_is_ignored_and_the_call_answered(
    authority: Path, tmp_path: Path, kept: list[Span], said: tuple[tuple[str, str | bytes], ...]
) -> None:
    echo = Listening()
    files = issued(authority, tmp_path / "operator", Role.OPERATOR)
    async with served(authority, echo, tmp_path) as target, channel(target, files) as opened:
        assert await call(opened.unary_unary(SAY)(b"x", timeout=30, metadata=said)) == b"x"
    assert echo.under == [""]
    assert kept == []


async def test_refused_caller_begins_no_span_here(authority: Path, tmp_path: Path, kept: list[Span]) -> None:
    """A court's certificate where operators alone are served: its trace is not taken up either."""
    echo = Listening()
    files = issued(authority, tmp_path / "court", Role.COURT)
    async with served(authority, echo, tmp_path) as target, channel(target, files) as opened:
        with pytest.raises(Denied):
            await call(opened.unary_unary(SAY)(b"x", timeout=30, metadata=(("traceparent", CALLER),)))
    assert kept == []


async def test_old_relay_store_gets_the_column_and_keeps_its_items(tmp_path: Path) -> None:
    from relay.durable.database import Database
    from relay.store.relay_schema import APPLICATION, MIGRATIONS

    old = await Database.open(tmp_path / "relay.sqlite", application=APPLICATION, migrations=MIGRATIONS[:3])
    await old.write(
        lambda c: c.execute(
            "INSERT INTO item VALUES (?, 'l', 'o', 3, ?, 1, ?, ?, 5, 'final', 0, '')",
            (b"i" * 32, bytes(32), bytes(32), bytes(32)),
        )
    )
    await old.close()
    store = await SqliteRelayStore.open(tmp_path)
    item = await store.next_item("o")
    assert item is not None
    assert item.trace == ""
    await store.save_checkpoint("o", 3, b"note", CALLER)
    await store.save_checkpoint("o", 3, b"note", CALLER.replace("ab", "ef"))
    again = await store.next_item("o")
    assert again is not None
    assert again.trace == CALLER, "the first one stays: a push that is repeated begins no other way"
    await store.close()


def test_no_call_carries_what_is_not_there() -> None:
    take_up(None)
    assert outgoing() is None
    with span("work", under=CALLER):
        assert outgoing() == (("traceparent", CALLER),)
