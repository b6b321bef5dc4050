"""A caller's share: what it may spend, how it is told, and that nobody else feels it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.errors import Busy, Malformed, Unavailable
from relay.core.identity import Role
from relay.transport import gate, servers
from relay.transport import limits as limits_module
from relay.transport.channels import channel
from relay.transport.credentials import channel_credentials
from relay.transport.limits import Bucket, Limits, Rate, Shares, parse_limits
from tests.support.echo import SAY, TALK, Echo, ask, issued, say, served, streamed
from tests.support.raw_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    call_headers,
    connected,
    frame,
    literal,
    until_ended,
)

SLOW = Limits(default=Rate(0.01, 3))


@given(st.floats(0.01, 1000), st.integers(1, 50), st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=60))
def test_no_more_than_the_burst_and_the_rate_pass(per_s: float, burst: int, pauses: list[float]) -> None:
    """Whenever the calls come; and what is told to wait for is there then."""
    rate, now, passed = Rate(per_s, burst), 0.0, 0
    bucket = Bucket(float(burst), now)
    for pause in pauses:
        now += pause
        wait = bucket.take(rate, now)
        assert 0.0 <= wait <= 1.0 / per_s + 1e-6
        passed += wait == 0.0
        assert passed <= burst + now * per_s + 1e-6
        if wait:
            assert Bucket(bucket.tokens, bucket.at).take(rate, now + wait + 1e-6 + 1e-6 / per_s) == 0.0


def test_clock_that_goes_back_gives_nothing_away() -> None:
    bucket, rate = Bucket(1.0, 100.0), Rate(1.0, 1)
    assert bucket.take(rate, 100.0) == 0.0
    assert bucket.take(rate, 50.0) > 0.0
    assert bucket.take(rate, 50.5) > 0.0


def test_shares_of_callers_and_groups_are_apart() -> None:
    shares = Shares(Limits(default=Rate(1.0, 1), groups={"Big": Rate(1.0, 2)}), lambda: 0.0)
    for caller in ("a", "b"):
        for group, most in (("Small", 1), ("Other", 1), ("Big", 2)):
            for _ in range(most):
                with shares.call(caller, group):
                    pass
            with pytest.raises(Busy) as refusal, shares.call(caller, group):
                pass
            assert refusal.value.retry_s == pytest.approx(1.0)


def test_forgotten_buckets_are_full_ones_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many callers come, who has spent its share is not forgotten."""
    monkeypatch.setattr(limits_module, "CALLERS_MAX", 100)
    now = 0.0
    shares = Shares(Limits(default=Rate(1.0, 2)), lambda: now)
    with shares.call("greedy", "G"), shares.call("greedy", "G"):
        pass
    for number in range(1000):
        now += 0.0005
        with shares.call(f"c{number}", "G"):
            pass
    with pytest.raises(Busy), shares.call("greedy", "G"):
        pass
    now += 10.0
    with shares.call("late", "G"):
        pass
    assert len(shares._buckets) < 100


async def test_greedy_caller_is_told_when_to_come_again_and_nobody_else_feels_it(
    authority: Path, tmp_path: Path
) -> None:
    echo = Echo()
    greedy, modest = (issued(authority, tmp_path / n, Role.OPERATOR, n) for n in ("greedy", "modest"))
    async with served(authority, echo, tmp_path, limits=SLOW) as target:
        async with channel(target, greedy) as opened, channel(target, modest) as other:
            for _ in range(3):
                assert await say(opened) == b"hello"
            for _ in range(20):
                with pytest.raises(Busy, match="calls a second of Echo") as refusal:
                    await say(opened)
                assert 0 < refusal.value.retry_s <= 100
            with pytest.raises(Busy):
                async for _ in streamed(opened, TALK, [b"a"]):
                    pass
            assert [await say(other) for _ in range(3)] == [b"hello"] * 3
            status: Any = opened.unary_unary(SAY)(b"x", timeout=30)
            assert await status.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert int(dict(await status.trailing_metadata())["grpc-retry-pushback-ms"]) > 0
    assert echo.calls == 6


async def test_caller_without_right_spends_its_share_too(authority: Path, tmp_path: Path) -> None:
    files = issued(authority, tmp_path / "o", Role.COURT)
    async with served(authority, Echo(), tmp_path, limits=SLOW) as target, channel(target, files) as opened:
        kinds = []
        for _ in range(5):
            with pytest.raises(Exception) as refusal:
                await say(opened)
            kinds.append(type(refusal.value).__name__)
    assert kinds == ["Denied"] * 3 + ["Busy"] * 2


async def test_open_calls_of_one_caller_leave_room_for_others(authority: Path, tmp_path: Path) -> None:
    files, other = (
        issued(authority, tmp_path / "a", Role.OPERATOR, "a"),
        issued(authority, tmp_path / "b", Role.OPERATOR, "b"),
    )
    few = Limits(calls_open=4)
    async with served(authority, Echo(), tmp_path, limits=few, long_lived=frozenset({TALK})) as target:
        async with channel(target, files) as opened:
            begun: asyncio.Queue[str] = asyncio.Queue()

            async def hold() -> None:
                try:
                    async for _ in streamed(opened, TALK, [b"a"], timeout=None, held=True):
                        begun.put_nowait("open")
                except Busy as busy:
                    begun.put_nowait("refused" if "open already" in str(busy) else str(busy))

            tasks = [asyncio.create_task(hold()) for _ in range(10)]
            assert sorted([await begun.get() for _ in tasks]) == ["open"] * 4 + ["refused"] * 6
            with pytest.raises(Busy):
                await say(opened)
            assert await ask(target, other) == b"hello"
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            while True:
                try:
                    assert await say(opened) == b"hello"
                    break
                except Busy:
                    await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({"calls_open": 0}, "calls_open"),
        ({"calls_open": 1.5}, "calls_open"),
        ({"calls_open": True}, "calls_open"),
        ({"default": {"per_s": 1.0}}, "default"),
        ({"default": {"per_s": 1.0, "burst": 1, "more": 1}}, "default"),
        ({"default": {"per_s": 0, "burst": 1}}, "default.per_s"),
        ({"default": {"per_s": float("inf"), "burst": 1}}, "default.per_s"),
        ({"default": {"per_s": float("nan"), "burst": 1}}, "default.per_s"),
        ({"Echo": {"per_s": 1.0, "burst": 0}}, "Echo.burst"),
        ({"Echo": 5}, "Echo"),
    ],
)
def test_limits_that_are_none_are_named(table: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as refusal:
        parse_limits(table)
    assert refusal.value.field == field


def test_limits_as_written() -> None:
    found = parse_limits({"calls_open": 7, "default": {"per_s": 2, "burst": 3}, "Echo": {"per_s": 0.5, "burst": 1}})
    assert found == Limits(default=Rate(2.0, 3), groups={"Echo": Rate(0.5, 1)}, calls_open=7)
    assert parse_limits({}) == Limits()


async def test_limits_of_a_service_that_is_not_there_are_refused(authority: Path, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="Ekko: is no service of this role; its services are Echo, Health"):
        async with served(authority, Echo(), tmp_path, limits=Limits(groups={"Ekko": Rate(1.0, 1)})):
            pass


OFF = (
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.channelz.v1.Channelz/GetTopChannels",
    "/grpc.channelz.v1.Channelz/GetServers",
)


@pytest.mark.parametrize("method", OFF)
async def test_reflection_and_channelz_are_off(authority: Path, tmp_path: Path, method: str) -> None:
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, Echo(), tmp_path) as target, channel(target, files) as opened:
        calling: Any = opened.unary_unary(method)(b"", timeout=30)
        assert await calling.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_connection_that_is_old_is_replaced(
    authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new handshake then looks at the certificate again. Here after a second, as a rule after an hour."""
    options = [(name, 1000 if name == "grpc.max_connection_age_ms" else value) for name, value in servers.OPTIONS]
    assert options != list(servers.OPTIONS)
    monkeypatch.setattr(servers, "OPTIONS", options)
    peers: set[str] = set()

    class Seeing(Echo):
        async def say(self, request: bytes, context: Any) -> bytes:
            peers.add(context.peer())
            return request

    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, Seeing(), tmp_path) as target, channel(target, files) as opened, asyncio.timeout(30):
        while len(peers) < 2:
            with contextlib.suppress(Unavailable):
                await say(opened)
            await asyncio.sleep(0.05)


async def test_compressed_message_is_refused_packed(authority: Path, tmp_path: Path) -> None:
    echo = Echo()
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, echo, tmp_path) as target:
        async with grpc.aio.secure_channel(target, channel_credentials(files)) as opened:
            packed: Any = opened.unary_unary(SAY)(bytes(100_000), timeout=30, compression=grpc.Compression.Gzip)
            assert await packed.code() is grpc.StatusCode.UNIMPLEMENTED
    assert echo.calls == 0


async def test_metadata_in_many_frames_reaches_nobody(authority: Path, tmp_path: Path) -> None:
    """Which gRPC's own bound lets pass."""
    echo = Echo()
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    most = gate.METADATA_BYTES_MAX // 2

    def send(target: str, count: int) -> list[int]:
        pieces = [literal(b"x-%d" % number, b"a" * most) for number in range(count)]
        frames = [frame(HEADERS, 0, 1, call_headers(SAY)), *(frame(CONTINUATION, 0, 1, piece) for piece in pieces)]
        body = frame(DATA, END_STREAM, 1, b"\x00\x00\x00\x00\x01x")
        with connected(target, files) as secure:
            secure.sendall(b"".join(frames) + frame(CONTINUATION, END_HEADERS, 1, literal(b"x", b"")) + body)
            return [
                kind for kind, flags, stream, payload in until_ended(secure) if stream and (payload or kind == DATA)
            ]

    async with served(authority, echo, tmp_path) as target:
        assert DATA in await asyncio.to_thread(send, target, 1)
        for count in (2, 3, 50):
            assert DATA not in await asyncio.to_thread(send, target, count)
    assert echo.calls == 1


async def test_message_that_never_comes_ends_the_call(
    authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "MESSAGE_WITHIN_S", 0.2)
    files = issued(authority, tmp_path / "o", Role.OPERATOR)

    def send(target: str) -> list[bytes]:
        with connected(target, files) as secure:
            secure.sendall(frame(HEADERS, END_HEADERS, 1, call_headers(SAY)))
            return [payload for kind, _, stream, payload in until_ended(secure) if stream and kind == HEADERS]

    async with served(authority, Echo(), tmp_path) as target:
        assert b"did not come within" in b"".join(await asyncio.to_thread(send, target))
