"""Tell a broker what has happened: the outbox in order, and whether the role is ready. Nothing waits for it.

A notice is published until the broker has acknowledged it, so that it may come twice; none is left out but those that were pruned
before, which are counted. Without a broker the outbox grows to its bounds and readers lose nothing: they are refilled over gRPC.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Final, Literal

from relay.core.errors import RelayError
from relay.core.notices import HealthNotice
from relay.core.topics import CLASSES, Topics
from relay.ports.common import Clock, RandomBytes
from relay.ports.notices import Broker, NoticeStore, OutboxHead
from relay.telemetry import metrics
from relay.telemetry.events import NOTICES_FAILED, NOTICES_NOT_PRUNED, log_event
from relay.telemetry.health import Health

log = logging.getLogger(__name__)

AT_ONCE: Final = 64
LOOK_S: Final = 0.2
HEALTH_EVERY_S: Final = 30.0
PRUNE_EVERY_S: Final = 60.0
LAST_WORDS_S: Final = 2.0
EPOCH_BYTES: Final = 8

State = Literal["ready", "waiting", "not_ready", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How much of the outbox stays: that many notices, none older."""

    count: int
    age_ms: int


class Publisher:
    """One role's. `run` never returns; it ends by cancellation and may be started again.

    `connect` opens a connection whose last will is this payload, retained at the health topic.
    """

    def __init__(
        self,
        topics: Topics,
        store: NoticeStore | None,
        kept: Kept,
        *,
        connect: Callable[[str, bytes], AbstractAsyncContextManager[Broker]],
        clock: Clock,
        random_bytes: RandomBytes,
        sleep: Callable[[float], Awaitable[None]],
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._topics = topics
        self._store = store
        self._kept = kept
        self._connect = connect
        self._clock = clock
        self._random = random_bytes
        self._sleep = sleep
        self._backoff = backoff
        self._health: Health | None = None
        self._waits = backoff()
        self._epoch = ""
        self.problem = ""
        self.connected = False
        """Whether the broker is there now; a worker without the lease never has it."""

    def watch(self, health: Health) -> None:
        """Whose readiness to tell; until then the role is not ready."""
        self._health = health

    async def run(self) -> None:
        """Publish, and keep the outbox small."""
        await self._begin()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._publish(), name="notices: publish")
                group.create_task(self._prune(), name="notices: prune")
        finally:
            self.problem = ""

    async def _begin(self) -> None:
        self._epoch = self._random(EPOCH_BYTES).hex()
        begun = self._store is None
        while self._store is not None and not begun:
            try:
                await self._store.begin(self._epoch)
                begun = True
            except RelayError as error:
                await self._failed(error)

    async def _publish(self) -> None:
        while True:
            try:
                gone = self._health_notice(await self._head(), "gone")
                async with self._connect(self._topics.health, gone.to_json()) as broker:
                    try:
                        await self._serve(broker)
                    finally:
                        self.connected = False
                        await self._last_words(broker)
            except RelayError as error:
                await self._failed(error)

    async def _failed(self, error: RelayError) -> None:
        said = f"notices: {error}"
        if said != self.problem:
            log_event(log, NOTICES_FAILED, problem=said)
        self.problem = said
        await self._sleep(next(self._waits))

    async def _last_words(self, broker: Broker) -> None:
        """A role that ends in order says so itself: its connection's end is then no accident, and the broker says nothing."""
        with suppress(RelayError, TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                gone = self._health_notice(await self._head(), "gone")
                await broker.publish(self._topics.health, gone.to_json(), retain=True)

    async def _serve(self, broker: Broker) -> None:
        """Until the connection ends."""
        told: tuple[State, tuple[tuple[str, str], ...]] | None = None
        rested = 0.0
        while True:
            now = self._state()
            if now != told or rested >= HEALTH_EVERY_S:
                notice = self._health_notice(await self._head(), *now)
                await broker.publish(self._topics.health, notice.to_json(), retain=True)
                told, rested = now, 0.0
            more = await self._some(broker)
            if not self.connected:  # only now: a broker may let us say how we are, and nothing else
                self.connected, self.problem = True, ""
            if more:
                continue
            self._waits = self._backoff()
            await broker.rest(LOOK_S)
            rested += LOOK_S

    async def _some(self, broker: Broker) -> int:
        """The next notices of the outbox, in order; how many."""
        if self._store is None:
            return 0
        notices = await self._store.unsent(AT_ONCE)
        done = 0
        try:
            for notice in notices:
                await broker.publish(self._topics.of(notice.event, notice.origin), notice.to_json())
                metrics.mqtt_published.labels(CLASSES[notice.event]).inc()
                done = notice.seq
        finally:
            if done:
                await self._store.sent(done)
        return len(notices)

    async def _prune(self) -> None:
        while self._store is not None:
            try:
                dropped = await self._store.prune(self._kept.count, self._kept.age_ms)
            except RelayError as error:
                log_event(log, NOTICES_NOT_PRUNED, problem=str(error))
            else:
                for event, count in dropped.items():
                    metrics.mqtt_dropped.labels(CLASSES[event]).inc(count)
            await self._sleep(PRUNE_EVERY_S)

    async def _head(self) -> OutboxHead:
        if self._store is None:
            return OutboxHead(epoch=self._epoch, seq=0, sent=0)
        return await self._store.head()

    def _state(self) -> tuple[State, tuple[tuple[str, str], ...]]:
        """This very broker apart: who reads it has it."""
        health = self._health
        if health is None:
            return "not_ready", ()
        down = tuple((one.kind, one.name) for one in health.states if one.problem and one.kind != "broker")
        if not health.ready:
            return "not_ready", down
        return ("waiting" if down else "ready"), down

    def _health_notice(
        self, head: OutboxHead, state: State, problems: tuple[tuple[str, str], ...] = ()
    ) -> HealthNotice:
        return HealthNotice(
            seq=head.seq, epoch=head.epoch, time_ms=self._clock.now_ms(), state=state, problems=problems
        )
