"""A lender's ledger with a bell: hints from a broker make its own adapter look at once. Without hints it is looked at as ever."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Final

from relay.core.canonical import loads_strict
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Malformed, RelayError
from relay.core.ledgerproof import LedgerProof
from relay.ports.ledgers import Anchor, AnchorBlock, AnchorSource, LedgerHead, Prompted
from relay.services.backoff import delays
from relay.telemetry.events import HINTS_FAILED, log_event
from relay.transport.broker import BrokerLink, BrokerSettings, connected, need_library

log = logging.getLogger(__name__)

HINT_BYTES_MAX: Final = 4096
EVERY_S: Final = 1.0
"""However many hints come: the ledger's node is not asked more often for them."""
IDLE_S: Final = 60.0
RETRY_S: Final = (0.2, 10.0)
TOPIC: Final = re.compile(r"[A-Za-z0-9_.%~-]{1,128}(/[A-Za-z0-9_.%~-]{1,128}){0,15}", re.ASCII)
KEYS: Final = ("topic", "broker", "inner", "ledger")


def is_hint(payload: bytes, ledger: str) -> bool:
    """Whether it is a JSON object that names this ledger. Whatever else it says is not looked at: it need not be true."""
    try:
        said = loads_strict(payload, what="hint", bytes_max=HINT_BYTES_MAX)
    except Malformed:
        return False
    return isinstance(said, dict) and said.get("ledger") == ledger


class MqttSource:
    """Implements relay.ports.AnchorSource: the inner one in everything."""

    def __init__(self, inner: AnchorSource, topic: str, broker: BrokerSettings) -> None:
        self._inner = inner
        self._topic = topic
        self._broker = broker
        self._hinted = asyncio.Event()
        self.prompts = 0
        """How often a hint made the ledger be looked at."""
        self.problem = ""
        self._tasks = [
            asyncio.create_task(self._listen(), name=f"hints {topic}"),
            asyncio.create_task(self._ring(), name=f"prompt {inner.ledger}"),
        ]

    @property
    def ledger(self) -> str:
        """See the port."""
        return self._inner.ledger

    async def head(self) -> LedgerHead:
        """See the port."""
        return await self._inner.head()

    def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        """See the port."""
        return self._inner.blocks(start)

    async def find(self, origin: str, size: int) -> Anchor | None:
        """See the port."""
        return await self._inner.find(origin, size)

    async def prove(self, anchor: Anchor) -> LedgerProof:
        """See the port."""
        return await self._inner.prove(anchor)

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        """See the port."""
        return await self._inner.anchor(checkpoint)

    async def close(self) -> None:
        """See the port."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._inner.close()

    async def _listen(self) -> None:
        """Never returns. A broker that is away or refuses changes nothing but how soon the ledger is looked at."""
        waits = delays(*RETRY_S, lambda: secrets.randbelow(1000) / 1000)
        while True:
            try:
                async with connected(self._broker, f"courtrelay-hints-{secrets.token_hex(8)}") as link:
                    await link.subscribe(self._topic)
                    waits = delays(*RETRY_S, lambda: secrets.randbelow(1000) / 1000)
                    self.problem = ""
                    self._hinted.set()  # something may have been announced while nobody listened
                    await self._hear(link)
            except RelayError as error:
                said = f"hints of {self.ledger}: {error}"
                if said != self.problem:
                    log_event(log, HINTS_FAILED, problem=said)
                self.problem = said
            await asyncio.sleep(next(waits))

    async def _hear(self, link: BrokerLink) -> None:
        while True:
            payload = await link.next(IDLE_S)
            if payload is not None and is_hint(payload, self.ledger):
                self._hinted.set()

    async def _ring(self) -> None:
        """Hints that come while the last one still rests become one."""
        while True:
            await self._hinted.wait()
            self._hinted.clear()
            self.prompts += 1
            if isinstance(self._inner, Prompted):
                self._inner.prompt()
            await asyncio.sleep(EVERY_S)


async def open_around(config: Mapping[str, object], inner: AnchorSource) -> MqttSource:
    """Keys: `topic`, the tables `broker` and `inner`; docs/mqtt.md. Raises `Malformed`."""
    need_library()
    topic, broker = config.get("topic"), config.get("broker")
    if not isinstance(topic, str) or TOPIC.fullmatch(topic) is None:
        raise Malformed(
            "configuration", "ledger.topic", "must be one topic: levels of letters, digits, _ . % ~ - joined by /"
        )
    if not isinstance(broker, BrokerSettings):
        raise Malformed("configuration", "ledger.broker", "is missing: the table of the broker that announces")
    unknown = sorted(set(config) - set(KEYS) - {"family"})
    if unknown:
        raise Malformed("configuration", f"ledger.{unknown[0]}", f"is unknown; known are {', '.join(KEYS)}")
    return MqttSource(inner, topic, broker)
