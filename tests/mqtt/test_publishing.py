"""A role's publisher against a real broker: in order, once the broker is back, with a last will, refused or not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from relay.app.notices import open_publisher
from relay.config.mqtt import MqttConfig
from relay.core.errors import Denied, Unavailable
from relay.core.identity import Role
from relay.services.notices.publishing import Publisher
from relay.store.relay import SqliteRelayStore
from relay.telemetry import metrics
from relay.telemetry.health import Component, Health
from relay.transport.broker import BrokerLink, BrokerSettings, BrokerTls, connected
from tests.mqtt.broker import PATIENCE_S, Mosquitto, certificate, listening, mosquitto
from tests.store.relay_items import ORIGIN, anchor
from tests.support.frozen import settle

IDENTITY = "spiffe://courtrelay.example/relay/relay-1"
BASE = "lab/relay/relay-1"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRelayStore]:
    opened = await SqliteRelayStore.open(tmp_path / "relay", tells=True)
    yield opened
    await opened.close()


class _Common:
    """What a publisher reads of a role's configuration."""

    def __init__(self, broker: BrokerSettings) -> None:
        self.identity = IDENTITY
        self.mqtt = MqttConfig(broker=broker, prefix="lab", keep=1000, keep_days=1)


@asynccontextmanager
async def publishing(
    store: SqliteRelayStore | None, broker: BrokerSettings, origins: Iterable[str] = (ORIGIN,)
) -> AsyncIterator[Publisher]:
    common: Any = _Common(broker)
    publisher = open_publisher(common, store.notices if store else None, origins)
    assert publisher is not None
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def heard(link: BrokerLink, count: int) -> list[dict[str, Any]]:
    """The next notices that are not of health."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            payload = await link.next(PATIENCE_S)
            if payload is not None and b'"health"' not in payload:
                found.append(json.loads(payload))
    return found


async def health(link: BrokerLink, state: str) -> dict[str, Any]:
    """The next health of that state."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            payload = await link.next(PATIENCE_S)
            if payload is not None and f'"state":"{state}"'.encode() in payload:
                said: dict[str, Any] = json.loads(payload)
                return said


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_notices_come_in_order_over_both_versions(tmp_path: Path, store: SqliteRelayStore, version: str) -> None:
    async with mosquitto(tmp_path / "m") as broker, listening(broker.settings(version), "lab/#") as link:
        before = metrics.mqtt_published.labels("anchored")._value.get()
        async with publishing(store, broker.settings(version)):
            for size in range(1, 101):
                await store.save_found(anchor(size, 1))
            found = await heard(link, 100)
            counted = metrics.mqtt_published.labels("anchored")._value
            # a reader may have the last before the broker's acknowledgement is here
            await settle(lambda: counted.get() == before + 100, "all are counted")
        assert [(n["seq"], n["event"], n["origin"], n["size"]) for n in found] == [
            (size, "anchored", ORIGIN, size) for size in range(1, 101)
        ]
        await health(link, "gone")


async def test_broker_that_forgets_everything_costs_time_alone(tmp_path: Path, store: SqliteRelayStore) -> None:
    """Writers never wait for it; what it had not acknowledged comes again, what it had is in the outbox."""
    broker = Mosquitto(tmp_path / "m")
    broker.start()
    try:
        async with publishing(store, broker.settings()) as publisher:
            await settle(lambda: publisher.connected, "it publishes")
            await store.save_found(anchor(1, 1))
            await settle(lambda: _all_sent(store), "the first is acknowledged")
            broker.kill()
            for size in range(2, 6):
                await store.save_found(anchor(size, 1))
            await settle(lambda: bool(publisher.problem), "it says what is wrong")
            assert "127.0.0.1" in publisher.problem
            assert "\n" not in publisher.problem
            broker.start()
            async with listening(broker.settings(), "lab/#") as link:
                await store.save_found(anchor(6, 1))
                numbers = [n["seq"] for n in await heard(link, 1)]
                while numbers[-1] != 6:
                    numbers += [n["seq"] for n in await heard(link, 1)]
                assert numbers == list(range(numbers[0], 7))
            await settle(lambda: not publisher.problem, "nothing is wrong any more")
            assert [n.seq for n in (await store.notices.after(0, "", 99)).notices] == list(range(1, 7))
    finally:
        broker.kill()


async def _all_sent(store: SqliteRelayStore) -> bool:
    return not await store.notices.unsent(1)


async def test_health_is_retained_and_tells_what_does_not_answer(tmp_path: Path) -> None:
    down = True

    async def look() -> str:
        return "it does not answer" if down else ""

    component = Component(kind="ledger", name="embedded:lender-1", look=look, needed=False)
    states = Health("relay", [component], now_ms=lambda: 5, sleep=asyncio.sleep)
    async with mosquitto(tmp_path / "m") as broker:
        async with publishing(None, broker.settings()) as publisher:
            publisher.watch(states)
            await states.look()
            await settle(lambda: publisher.connected, "it publishes")
            async with listening(broker.settings(), f"{BASE}/health") as link:
                said = await health(link, "waiting")
                assert said["problems"] == [{"kind": "ledger", "name": "embedded:lender-1"}]
                down = False
                await states.look()
                assert (await health(link, "ready"))["problems"] == []
        async with listening(broker.settings(), f"{BASE}/health", "later") as link:
            await health(link, "gone")


async def test_origin_that_the_configuration_does_not_name_gets_no_topic_of_its_own(
    tmp_path: Path, store: SqliteRelayStore
) -> None:
    """Attack: a stored name that is a topic filter, or somebody else's topic."""
    names = ["#", "+", "lab/court/court/health", "$SYS/broker", "../x"]
    async with mosquitto(tmp_path / "m") as broker, listening(broker.settings(), f"{BASE}/anchored/~unknown") as link:
        async with publishing(store, broker.settings()) as publisher:
            for name in names:
                await store.save_found(anchor(1, 1, origin=name))
            assert [n["origin"] for n in await heard(link, len(names))] == names
            assert publisher.problem == ""


async def test_wrong_password_is_one_line(tmp_path: Path, store: SqliteRelayStore) -> None:
    async with mosquitto(tmp_path / "m", "allow_anonymous false") as broker:
        async with publishing(store, broker.settings(username="relay", password="wrong-secret")) as publisher:
            await settle(lambda: bool(publisher.problem), "it says that it is refused")
            assert "refuses this client" in publisher.problem
            assert "\n" not in publisher.problem
            assert "wrong-secret" not in publisher.problem
            await store.save_found(anchor(1, 1))


async def test_access_list_that_refuses_is_one_line_and_nothing_is_given_up(
    tmp_path: Path, store: SqliteRelayStore
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite other/#\n")
    acl.chmod(0o644)
    async with mosquitto(tmp_path / "m", "allow_anonymous true", f"acl_file {acl}") as broker:
        async with publishing(store, broker.settings()) as publisher:
            await store.save_found(anchor(1, 1))
            await settle(lambda: "access list" in publisher.problem, "it says that it may not publish")
            assert publisher.problem.count("\n") == 0
            assert len(await store.notices.unsent(9)) == 1
        async with connected(broker.settings(), "reader") as link:
            with pytest.raises(Denied, match="access list"):
                await link.publish("lab/x", b"1")


async def test_client_certificates_say_who_may_speak(tmp_path: Path, store: SqliteRelayStore) -> None:
    from relay.app.initialise import initialise

    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1).home
    server, mine, other = (
        certificate(home, "broker", Role.LEDGER), certificate(home, "relay-1", Role.RELAY), certificate(home, "stranger")
    )  # fmt: skip
    acl = tmp_path / "acl"
    acl.write_text("user relay-1\ntopic write lab/relay/relay-1/#\n\nuser stranger\ntopic read lab/#\n")
    acl.chmod(0o644)
    async with mosquitto(tmp_path / "m", f"acl_file {acl}", secure=server) as broker:

        def settings(folder: Path | None, ca: Path = home / "ca/ca.pem") -> BrokerSettings:
            shown = (folder / "tls.pem", folder / "tls.key") if folder else (None, None)
            return broker.settings(tls=BrokerTls(ca=ca, certificate=shown[0], key=shown[1]))

        async with listening(settings(other), "lab/#", "stranger") as link:
            async with publishing(store, settings(mine)):
                await store.save_found(anchor(1, 1))
                assert [n["seq"] for n in await heard(link, 1)] == [1]
        with pytest.raises((Unavailable, Denied)):
            async with connected(settings(None), "nobody") as link:
                await link.publish("lab/x", b"1")
        alien = initialise(tmp_path / "alien", base_port=0, validators=1, threshold=1).home
        with pytest.raises(Unavailable, match=r"(?i)certificate"):
            async with connected(settings(mine, alien / "ca/ca.pem"), "wary"):
                raise AssertionError("a broker of another authority was believed")
