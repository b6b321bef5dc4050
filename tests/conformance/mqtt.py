"""The embedded ledgers with a bell: a real broker announces, and everything is read from the ledger behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from relay.app.adapters import open_source
from relay.config.roles import LedgerConfig, read_custodian
from relay.conformance import Owner
from relay.ports.ledgers import AnchorSource
from tests.conformance.owners import embedded, embedded_owner
from tests.mqtt.broker import mosquitto

TOPIC = "gateway/anchors"


@asynccontextmanager
async def on_broker(folder: Path) -> AsyncIterator[Owner]:
    """Final under one block so that more can be tried."""
    async with mosquitto(folder / "broker") as broker, embedded(folder, final_depth=1) as bench:
        inner = read_custodian(bench.home / "custodian/config.toml").ledger
        settings = {
            "topic": TOPIC, "broker": broker.settings(), "inner": inner, "ledger": inner.settings["ledger"]
        }  # fmt: skip

        async def opened() -> AnchorSource:
            return await open_source(LedgerConfig(family="mqtt", settings=settings))

        yield replace(embedded_owner(bench, mine=True), open_source=opened)
