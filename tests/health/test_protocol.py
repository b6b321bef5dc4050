"""gRPC's health service as a probe or a load balancer uses it, and what a peer's answer tells of its clock: real servers, mutual TLS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from relay.core.errors import Unavailable
from relay.core.identity import Role
from relay.setup.ca import make_authority
from relay.telemetry.health import Component, Health
from relay.transport.channels import channel
from relay.transport.health import HealthDesk, PeerHealth
from tests.support.echo import NOW, SERVICE, Echo, issued, say, served
from tests.support.frozen import TestClock

Status = health_pb2.HealthCheckResponse
NAMES = ("", SERVICE)


class Switch:
    """A needed component that is up or down."""

    def __init__(self) -> None:
        self.problem = ""
        component = Component(kind="database", name="x", look=self._look, needed=True)
        self.health = Health("relay", [component], now_ms=TestClock(1).now_ms, sleep=asyncio.sleep)

    async def _look(self) -> str:
        return self.problem

    async def turn(self, problem: str) -> None:
        self.problem = problem
        await self.health.look()


@asynccontextmanager
async def asking(tmp_path: Path, **options: Any) -> AsyncIterator[grpc.aio.Channel]:
    """A channel of a court to a server behind the real gate."""
    authority = tmp_path / "authority"
    authority.mkdir()
    make_authority(authority, "a.example", NOW)
    files = issued(authority, tmp_path / "court", Role.COURT)
    async with served(authority, Echo(), tmp_path, **options) as target, channel(target, files) as opened:
        yield opened


async def check(opened: grpc.aio.Channel, service: str) -> Any:
    stub: Any = health_pb2_grpc.HealthStub(opened)
    return (await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)).status


def watch(opened: grpc.aio.Channel, service: str) -> Any:
    stub: Any = health_pb2_grpc.HealthStub(opened)
    return stub.Watch(health_pb2.HealthCheckRequest(service=service))


async def test_every_service_and_the_whole_follow_the_role(tmp_path: Path) -> None:
    switch = Switch()
    async with asking(tmp_path, health=switch.health) as opened:
        assert [await check(opened, name) for name in NAMES] == [Status.NOT_SERVING] * 2  # nothing was looked at yet
        await switch.turn("")
        assert [await check(opened, name) for name in NAMES] == [Status.SERVING] * 2
        await switch.turn("stuck")
        assert [await check(opened, name) for name in NAMES] == [Status.NOT_SERVING] * 2
        await switch.turn("")
        assert [await check(opened, name) for name in NAMES] == [Status.SERVING] * 2


async def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    async with asking(tmp_path, health=Switch().health) as opened:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await check(opened, "no.such.Service")
        assert error.value.code() is grpc.StatusCode.NOT_FOUND
        calling = watch(opened, "no.such.Service")
        assert (await calling.read()).status == Status.SERVICE_UNKNOWN
        calling.cancel()


async def test_who_watches_sees_each_turn(tmp_path: Path) -> None:
    switch = Switch()
    await switch.turn("")
    async with asking(tmp_path, health=switch.health) as opened:
        await switch.turn("")
        calling = watch(opened, SERVICE)
        assert (await calling.read()).status == Status.SERVING
        await switch.turn("stuck")
        assert (await calling.read()).status == Status.NOT_SERVING
        await switch.turn("")
        assert (await calling.read()).status == Status.SERVING
        await switch.health.stop()
        assert (await calling.read()).status == Status.NOT_SERVING
        await switch.turn("")  # a role that was asked to end does not come back
        assert await check(opened, "") == Status.NOT_SERVING
        calling.cancel()


async def test_attack_watcher_that_takes_nothing_holds_nobody_up() -> None:
    """It has asked for the stream and reads no more: turns and the end go on without it, and another watcher sees them."""
    desk = HealthDesk([SERVICE], serving=True)
    request = health_pb2.HealthCheckRequest()
    lazy, keen = desk.Watch(request, None), desk.Watch(request, None)
    assert (await anext(lazy)).status == (await anext(keen)).status == Status.SERVING
    for _ in range(3):
        await desk.turn(False)
        assert (await anext(keen)).status == Status.NOT_SERVING
        await desk.turn(True)
        assert (await anext(keen)).status == Status.SERVING
    await desk.end()
    await desk.turn(True)
    assert (await anext(keen)).status == (await anext(lazy)).status == Status.NOT_SERVING
    await lazy.aclose()
    await keen.aclose()


async def test_a_server_without_a_role_serves_while_it_runs(tmp_path: Path) -> None:
    async with asking(tmp_path) as opened:
        assert [await check(opened, name) for name in NAMES] == [Status.SERVING] * 2


async def test_a_call_under_way_is_answered_while_the_server_ends(tmp_path: Path) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Echo):
        async def say(self, request: bytes, context: Any) -> bytes:
            began.set()
            await go_on.wait()
            return await super().say(request, context)

    authority = tmp_path / "authority"
    authority.mkdir()
    make_authority(authority, "a.example", NOW)
    files = issued(authority, tmp_path / "operator", Role.OPERATOR)
    serving = served(authority, Slow(), tmp_path)
    async with channel(await serving.__aenter__(), files) as opened:
        answer = asyncio.create_task(say(opened, b"before", timeout=20))
        await began.wait()
        ending = asyncio.create_task(serving.__aexit__(None, None, None))
        go_on.set()
        assert await answer == b"before"
        await ending


async def test_clock_of_a_peer_is_measured(tmp_path: Path) -> None:
    """Half of the way there and back is taken off; here the asker's clock is an hour slow."""
    async with asking(tmp_path) as opened:
        asked = PeerHealth(opened, now_ms=lambda: time.time_ns() // 1_000_000 - 3_600_000, monotonic=time.monotonic)
        assert await asked.ask()
        assert asked.offset_s is not None
        assert abs(asked.offset_s - 3600) <= asked.unsure_s + 0.002


async def test_peer_that_is_away_has_no_clock(tmp_path: Path) -> None:
    async with asking(tmp_path) as opened:
        asked = PeerHealth(opened, now_ms=lambda: 0, monotonic=time.monotonic)
        await asked.ask()
    async with channel("127.0.0.1:1", issued(tmp_path / "authority", tmp_path / "other", Role.COURT)) as nowhere:
        away = PeerHealth(nowhere, now_ms=lambda: 0, monotonic=time.monotonic)
        with pytest.raises(Unavailable):
            await away.ask()
        assert away.offset_s is None
