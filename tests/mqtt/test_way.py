"""Real processes and a real broker: what is told on a whole way, who is gone when, and that no secret is in it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from relay.app import desk
from relay.app.demo.network import Network
from relay.app.initialise import ORIGIN, initialise
from relay.app.notices import follow_notices, read_notices
from relay.core.errors import Malformed
from relay.core.topics import level
from relay.sample import generate
from tests.mqtt.broker import PATIENCE_S, mosquitto
from tests.mqtt.brokers import Reader, broker_loop, start_in_turn, told
from tests.support.command import courtrelay

CANARY = "canary-7f3a9"


MEMBERS = {"seq", "epoch", "time_ms", "event", "origin", "size", "outcome", "state", "problems"}
WORD = re.compile(r"[a-z_]+|[0-9]{1,9}", re.ASCII)
"""Words of record kinds and states, and short figures: not recognisable as anybody's."""


def texts(value: Any) -> Iterator[str]:
    """Every text in a record that is long enough to be recognised."""
    if isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, str) and len(value) >= 5 and WORD.fullmatch(value) is None:
        yield value


def secrets_of(home: Path, folder: Path, dossiers: list[str], grant: Path) -> set[str]:
    """What must be in no notice: the records' texts, dossier ids, the grant, people, case, purpose, and every key."""
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    found = {text for line in lines for text in texts(line)} | set(dossiers) | {CANARY}
    found |= {part for part in grant.read_text().strip().split(".") if part}
    for path in [*home.rglob("*.key"), *home.rglob("*.pem")]:
        data = path.read_bytes()
        found |= {
            data.hex(),
            *(line for line in data.decode("latin-1").splitlines() if len(line) > 20 and "---" not in line),
        }
    return found


class Ear:
    """Everything that a broker passes on: topic, a space, payload."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            self.heard.append(f"{message.topic} ".encode() + message.payload)

    def has(self, *wanted: str, since: int = 0) -> bool:
        return any(all(one.encode() in payload for one in wanted) for payload in self.heard[since:])

    async def until(self, *wanted: str, since: int = 0) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self.has(*wanted, since=since):
                await asyncio.sleep(0.05)


async def test_whole_way_is_told_without_a_secret_and_a_killed_role_is_gone(tmp_path: Path) -> None:
    made = generate(tmp_path / "loans", 2, 11)
    home = initialise(tmp_path / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.05).home
    network, ear = Network(home), Ear()
    async with mosquitto(tmp_path / "m") as broker, aiomqtt.Client("127.0.0.1", broker.port) as client:
        told(home, broker)
        await client.subscribe("#", qos=1)
        listening = asyncio.create_task(ear.listen(client))
        try:
            await start_in_turn(network)
            for topic in ("custodian/lender", "relay/relay", "court/court"):
                await ear.until(f"lab/{topic}/health ", '"state":"ready"')
            report = await desk.deposit(home, tmp_path / "loans", lambda _d, _t: None)
            total = made["records"]
            await network.until("all is confirmed", lambda s: s["custodian"].get("confirmed") == total)
            await ear.until(f"lab/relay/relay/confirmed/{level(ORIGIN)} ", f'"size":{total}', ORIGIN)
            dossiers = [stored.dossier for stored in report.stored]
            grant = await _retrieve(home, tmp_path, dossiers[0])
            await ear.until("lab/court/court/retrieval ", '"outcome":"consistent"')
            reader = Reader(home, "court")
            async with reader.following():
                await reader.until(lambda lines: any(line["event"] == "retrieval" for line in lines))
            shown = await asyncio.to_thread(courtrelay, "notices", "--after", "1", "--home", home)
            assert [json.loads(line)["seq"] for line in shown.out.splitlines()] == list(range(2, await _last(home) + 1))
            network.roles["relay"].kill()
            await network.roles["relay"].wait()
            await ear.until("lab/relay/relay/health ", '"state":"gone"')
            restarted = len(ear.heard)
            await network.roles["relay"].start()
            await ear.until("lab/relay/relay/health ", '"state":"ready"', since=restarted)
            ended = len(ear.heard)
            await network.roles["court"].end()
            await ear.until("lab/court/court/health ", '"state":"gone"', since=ended)
            for secret in secrets_of(home, tmp_path / "loans", dossiers, grant):
                assert not ear.has(secret), secret
            for one in ear.heard:
                said = json.loads(one.partition(b" ")[2])
                assert set(said) <= MEMBERS
                assert len(one) < 1024
        finally:
            listening.cancel()
            await network.end()


async def _last(home: Path) -> int:
    return int((await read_notices(home, "relay", 0, 1000))[-1]["seq"])


async def _retrieve(home: Path, folder: Path, dossier: str) -> Path:
    grant = folder / "one.grant"
    wish = desk.GrantWish(
        court="", case=f"({CANARY}) No. 1", dossiers=[dossier], kinds=["*"], mode="retrieve", purpose=f"filing {CANARY}",
        days=1, uses=1,
    )  # fmt: skip
    await desk.issue_grant(home, wish, grant)
    async with asyncio.timeout(PATIENCE_S):
        while (await desk.list_grants(home))[0]["state"] != "registered":
            await asyncio.sleep(0.1)
    asked = desk.RetrieveWish(grant=grant, dossier="", officer=f"{CANARY} officer", purpose="filing")
    await desk.retrieve(home, asked, folder / "bundle.zip", lambda _d, _t: None)
    return grant


async def test_broker_killed_again_and_again_loses_nothing() -> None:
    outcome = await broker_loop(3, 5)
    assert outcome.violations == []
    assert outcome.kills == 3


async def test_desk_without_a_broker_is_told_what_to_write(tmp_path: Path) -> None:
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1).home
    with pytest.raises(Malformed, match=r"mqtt: is missing.*docs/mqtt\.md"):
        await follow_notices(home, "relay", 0, lambda _line: None, lambda _text: None)
    with pytest.raises(Malformed, match="--role"):
        await read_notices(home, "custodian", 0, 10)
