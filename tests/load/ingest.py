"""Records at a fixed rate, whatever becomes of them (an open loop): a dossier every tick, sent whether the last is answered or not."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from relay.app import desk
from relay.services.custodian.deposit import StoredDossier
from relay.transport.limits import Limits
from relay.wire.desks import CustodianDeskClient
from tests.support.lines import repayment

TICK_S = 0.1
WAITING_MAX = Limits().calls_open - 8
"""Deposits without an answer: past this the machine cannot carry the rate, and the run says so before the custodian refuses more."""


class Ingest:
    """Made by `ingesting`. `indices` are the log indices answered so far."""

    def __init__(self, client: CustodianDeskClient, rate: int, seed: int) -> None:
        self._client = client
        self._each = max(1, round(rate * TICK_S))
        self._random = random.Random(seed)
        self._sent = 0
        self._waiting: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()
        self.indices: list[int] = []
        self.waiting_most = 0

    @property
    def stored(self) -> int:
        """Records whose log index was answered."""
        return len(self.indices)

    async def run(self) -> None:
        """Until stopped; then until everything is answered. Raises what a deposit raises."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            while not self._stopped.is_set():
                self._send(group)
                try:  # by the clock, not by the last one's end
                    async with asyncio.timeout_at(began + self._sent * TICK_S):
                        await self._stopped.wait()
                except TimeoutError:
                    continue

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped.set()

    def _send(self, group: asyncio.TaskGroup) -> None:
        task = group.create_task(self._deposit(self._sent), name=f"deposit {self._sent}")
        self._sent += 1
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)
        self.waiting_most = max(self.waiting_most, len(self._waiting))
        if len(self._waiting) > WAITING_MAX:
            raise AssertionError(
                f"{len(self._waiting)} deposits wait for an answer: the rate is too high for this machine; --rate takes a lower one"
            )

    async def _deposit(self, number: int) -> None:
        reference = f"LOAD-{number}"
        lines = [(seq + 1, self._line(reference, seq), ()) for seq in range(self._each)]
        async for outcome in self._client.deposit([(reference, lines)]):
            if not isinstance(outcome, StoredDossier):
                raise AssertionError(f"refused: {outcome}")
            self.indices += outcome.indices

    def _line(self, reference: str, seq: int) -> bytes:
        line: dict[str, Any] = repayment(seq, amount=self._random.randint(1, 10**7), payload=None)[0]
        return json.dumps({**line, "dossier": reference}).encode()


@asynccontextmanager
async def ingesting(home: Path, rate: int, seed: int) -> AsyncIterator[Ingest]:
    """`rate` records a second while the body runs, without payloads; on the way out everything sent has been answered."""
    async with desk.open_desk(home, "lender-desk") as (opened, _), asyncio.TaskGroup() as group:
        ingest = Ingest(CustodianDeskClient(opened), rate, seed)
        group.create_task(ingest.run(), name="ingest")
        try:
            yield ingest
        finally:
            ingest.stop()
