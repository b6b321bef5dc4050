"""Real processes and a real broker: what is told on a whole way, who is gone when, and that no secret is in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relay.app import desk
from relay.app.demo.network import Network
from relay.app.initialise import ORIGIN, initialise
from relay.sample import generate
from relay.transport.broker import BrokerLink, connected
from tests.mqtt.broker import PATIENCE_S, mosquitto
from tests.mqtt.brokers import Reader, broker_loop, start_in_turn, told

CANARY = "canary-7f3a9"


VOCABULARY = {
    "health",
    "anchored",
    "confirmed",
    "halted",
    "resumed",
    "retrieval",
    "ready",
    "waiting",
    "problems",
    "state",
    "ledger",
}
"""Words of the notices themselves."""


def texts(value: Any) -> Iterator[str]:
    """Every text in a record that is long enough to be recognised."""
    if isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, str) and len(value) >= 5 and not value.isdecimal() and value not in VOCABULARY:
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
    """Everything that a broker passes on, topics too."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def listen(self, link: BrokerLink) -> None:
        while True:
            payload = await link.next(PATIENCE_S)
            if payload is not None:
                self.heard.append(payload)

    def has(self, *wanted: str) -> bool:
        return any(all(one.encode() in payload for one in wanted) for payload in self.heard)

    async def until(self, *wanted: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self.has(*wanted):
                await asyncio.sleep(0.05)


async def test_whole_way_is_told_without_a_secret_and_a_killed_role_is_gone(tmp_path: Path) -> None:
    made = generate(tmp_path / "loans", 2, 11)
    home = initialise(tmp_path / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.05).home
    network, ear = Network(home), Ear()
    async with mosquitto(tmp_path / "m") as broker, connected(broker.settings(), "ear") as link:
        told(home, broker)
        await link.subscribe("#")
        listening = asyncio.create_task(ear.listen(link))
        try:
            await start_in_turn(network)
            for role in ("custodian", "relay", "court"):
                await ear.until('"state":"ready"' if role != "custodian" else '"event":"health"')
            report = await desk.deposit(home, tmp_path / "loans", lambda _d, _t: None)
            total = made["records"]
            await network.until("all is confirmed", lambda s: s["custodian"].get("confirmed") == total)
            await ear.until('"event":"confirmed"', f'"size":{total}', ORIGIN)
            dossiers = [stored.dossier for stored in report.stored]
            grant = await _retrieve(home, tmp_path, dossiers[0])
            await ear.until('"event":"retrieval"', '"outcome":"consistent"')
            reader = Reader(home, "court")
            async with reader.following():
                await reader.until(lambda lines: any(line["event"] == "retrieval" for line in lines))
            network.roles["relay"].kill()
            await network.roles["relay"].wait()
            await ear.until('"state":"gone"')
            count = len(ear.heard)
            await network.roles["relay"].start()
            await ear.until('"state":"ready"')
            assert len(ear.heard) >= count
            await network.roles["court"].end()
            for secret in secrets_of(home, tmp_path / "loans", dossiers, grant):
                assert not ear.has(secret), secret
            for payload in ear.heard:
                said = json.loads(payload)
                assert set(said) <= {
                    "seq",
                    "epoch",
                    "time_ms",
                    "event",
                    "origin",
                    "size",
                    "outcome",
                    "state",
                    "problems",
                }
                assert len(payload) < 1024
        finally:
            listening.cancel()
            await network.end()


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
