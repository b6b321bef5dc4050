"""Hints from a broker: they make a ledger be looked at, and nothing else, whoever sends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.mqtt.source import HINT_BYTES_MAX, MqttSource, is_hint, open_around
from adapters.tlog.source import open_source as open_tlog
from relay.app.adapters import load_adapter, open_court, open_source
from relay.config.roles import LedgerConfig
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Malformed
from relay.core.ledgerproof import LedgerProof
from relay.ports.ledgers import Anchor, AnchorBlock, LedgerHead
from relay.transport.broker import connected
from tests.conformance.mqtt import on_broker
from tests.conformance.owners import failures, not_run, outcomes
from tests.conformance.test_embedded import NEVER_RUN
from tests.mqtt.broker import PATIENCE_S, Mosquitto, mosquitto
from tests.support.frozen import settle
from tests.tlog.bench import LEDGER as TLOG
from tests.tlog.bench import settings
from tests.tlog.writer import NOW_S, folder_log

LEDGER, TOPIC = "embedded:lender-1", "gateway/anchors"
HINT = json.dumps({"ledger": LEDGER, "origin": "a.example/log", "size": 7}).encode()


class Ledger:
    """Counts how often it was asked to look."""

    ledger = LEDGER

    def __init__(self) -> None:
        self.prompted = 0
        self.closed = 0

    def prompt(self) -> None:
        self.prompted += 1

    async def head(self) -> LedgerHead:
        return LedgerHead(height=3, block_hash=b"h", final_height=2)

    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        raise NotImplementedError
        yield

    async def find(self, origin: str, size: int) -> Anchor | None:
        return None

    async def prove(self, anchor: Anchor) -> LedgerProof:
        raise NotImplementedError

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        raise NotImplementedError

    async def close(self) -> None:
        self.closed += 1


async def opened(broker: Mosquitto) -> tuple[MqttSource, Ledger]:
    ledger = Ledger()
    source = await open_around({"topic": TOPIC, "broker": broker.settings(), "ledger": LEDGER}, ledger)
    await settle(lambda: ledger.prompted >= 1 or bool(source.problem), "it listens, and looks once")
    return source, ledger


async def test_every_promise_of_the_port_holds_over_a_real_broker(tmp_path: Path) -> None:
    async with on_broker(tmp_path) as owner:
        results = await outcomes(owner, "source.*")
    assert failures(results) == {}
    assert not_run(results) == {name for name in NEVER_RUN if name.startswith("source.")}


async def test_hint_makes_the_ledger_be_looked_at(tmp_path: Path) -> None:
    async with mosquitto(tmp_path / "m") as broker:
        source, ledger = await opened(broker)
        async with connected(broker.settings(), "gateway") as gateway:
            await gateway.publish(TOPIC, HINT)
            await settle(lambda: ledger.prompted == 2, "the hint is followed")
        await source.close()
        assert ledger.closed == 1


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"\xff\xfe", b"[" * 4000, b'{"ledger":"embedded:lender-2"}', b'{"ledger":["embedded:lender-1"]}', b"null",
     b'{"ledger":"embedded:lender-1","ledger":"embedded:lender-1"}', HINT + b" " * HINT_BYTES_MAX, b'"embedded:lender-1"',
     b'{"ledger":1e999}', HINT[:-1]],
)  # fmt: skip
def test_what_is_no_hint_for_this_ledger_is_none(payload: bytes) -> None:
    assert not is_hint(payload, LEDGER)


async def test_flood_of_hints_asks_the_node_once_a_second_at_most(tmp_path: Path) -> None:
    """Attack: thousands of hints, true and false, and huge ones. Time is counted by the looks themselves: two in a row rest between."""
    async with mosquitto(tmp_path / "m") as broker:
        source, ledger = await opened(broker)
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with connected(broker.settings(), "gateway") as gateway:
            for _ in range(300):
                await gateway.publish(TOPIC, HINT)
            for _ in range(5):
                await gateway.publish(TOPIC, b"x" * 1_000_000)
            await settle(lambda: ledger.prompted >= 2, "the flood is one hint")
            assert ledger.prompted <= 2 + (loop.time() - began)
            assert await source.head() == await ledger.head()
            await gateway.publish(TOPIC, HINT)
        assert source.problem == ""
        await source.close()


async def test_broker_that_is_away_or_comes_back_changes_nothing_but_when(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "m")
    source, ledger = await opened(broker)
    assert "cannot be reached" in source.problem
    assert (await source.head()).height == 3
    broker.start()
    try:
        await settle(lambda: ledger.prompted == 1, "it listens, and looks for what it did not hear")
        broker.kill()
        await settle(lambda: bool(source.problem), "the broker is away again")
        assert (await source.head()).height == 3
        broker.start()
        await settle(lambda: ledger.prompted == 2, "it looks again when it is back")
    finally:
        broker.kill()
        await source.close()


async def test_broker_that_lets_nobody_read_is_said(tmp_path: Path) -> None:
    """mosquitto's access file says so to nobody; other brokers answer with the code 0x80 (MQTT 3.1.1, 3.9.3)."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            for answer in (b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x80"):
                _, length = await reader.readexactly(2)
                await reader.readexactly(length)
                writer.write(answer)
            await reader.read()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        broker = Mosquitto(tmp_path / "m").settings("3.1.1", port=server.sockets[0].getsockname()[1])
        ledger = Ledger()
        source = await open_around({"topic": TOPIC, "broker": broker, "ledger": LEDGER}, ledger)
        await settle(lambda: "access list" in source.problem, "it says that it may not read")
        assert ledger.prompted == 0
        await source.close()


@pytest.mark.parametrize("topic", ["", "#", "a/#", "+/b", "$SYS/x", "/a", "a//b", "a\u0000", "a b", 7, None])
async def test_topic_is_one_plain_topic(tmp_path: Path, topic: object) -> None:
    settings = {"topic": topic, "broker": Mosquitto(tmp_path / "m").settings(), "ledger": LEDGER}
    with pytest.raises(Malformed, match=r"ledger\.topic"):
        await open_around(settings, Ledger())


async def test_family_is_a_source_alone_and_needs_a_ledger_behind(tmp_path: Path) -> None:
    settings = {"topic": TOPIC, "broker": Mosquitto(tmp_path / "m").settings()}
    with pytest.raises(Malformed, match="inner"):
        await open_source(LedgerConfig(family="mqtt", settings=settings))
    with pytest.raises(Malformed, match="court"):
        await open_court("mqtt", settings)
    with pytest.raises(Malformed, match="unknown"):
        await open_around({**settings, "more": 1, "ledger": LEDGER}, Ledger())
    with pytest.raises(Malformed, match="broker"):
        await open_around({"topic": TOPIC, "ledger": LEDGER}, Ledger())
    assert load_adapter("mqtt").proof_kind == ""


async def test_hint_brings_a_block_long_before_the_next_look(tmp_path: Path) -> None:
    """A log that is looked at once an hour; what was published a moment ago comes as soon as its gateway says so."""
    log = folder_log(tmp_path / "log")
    log.publish(3)
    tiled = await open_tlog(settings(str(tmp_path / "log"), tmp_path / "data", poll_s=3600.0))
    async with mosquitto(tmp_path / "m") as broker:
        source = await open_around({"topic": TOPIC, "broker": broker.settings(), "ledger": TLOG}, tiled)
        feed = source.blocks(1)
        assert (await anext(feed)).anchors[0].size == 3
        await settle(lambda: source.prompts == 1, "it listens")
        coming = asyncio.create_task(anext(feed))  # type: ignore[arg-type]
        log.publish(6, time_s=NOW_S + 6)
        async with connected(broker.settings(), "gateway") as gateway:
            await gateway.publish(TOPIC, json.dumps({"ledger": TLOG, "size": 9_999, "root": "a lie"}).encode())
            block = await asyncio.wait_for(coming, PATIENCE_S)
        assert (block.anchors[0].size, block.anchors[0].root) == (6, log.root(6))
        await source.close()
