"""Wires a role's publisher, and follows one for a person at a terminal."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final

from relay.app.desk import open_desk
from relay.app.runtime import SystemClock, backoff, random_bytes
from relay.config.mqtt import FollowConfig
from relay.config.roles import Common
from relay.core.errors import Denied, Malformed, Unavailable
from relay.core.identity import parse_identity
from relay.core.notices import Notice
from relay.core.topics import Topics
from relay.ports.notices import Broker, NoticeStore
from relay.services.notices.following import Follower, Missing
from relay.services.notices.publishing import Kept, Publisher
from relay.telemetry.health import Health
from relay.transport.broker import Will, connected, need_library
from relay.wire.notices_desk import NoticesClient

DAY_MS: Final = 86_400_000
DESKS: Final = {"relay": "relay-desk", "court": "court-desk"}
"""Role → its operators' desk."""
LOOK_S: Final = 30.0
"""How long a follower that hears nothing waits until it asks all the same."""

Say = Callable[[dict[str, Any]], None]


def open_publisher(common: Common, store: NoticeStore | None, origins: Iterable[str] = ()) -> Publisher | None:
    """The role's publisher; None where the configuration has no broker. Raises `Malformed` where the extra is not installed."""
    if common.mqtt is None:
        return None
    need_library()
    mqtt, identity = common.mqtt, parse_identity(common.identity)
    topics = Topics(mqtt.prefix, identity, origins)
    broker = mqtt.broker

    def connect(topic: str, gone: bytes) -> AbstractAsyncContextManager[Broker]:
        # one name a role: whoever publishes for it now ends the connection of who did before
        return connected(broker, topics.base, will=Will(topic=topic, payload=gone))

    return Publisher(
        topics,
        store,
        Kept(count=mqtt.keep, age_ms=mqtt.keep_days * DAY_MS),
        connect=connect,
        clock=SystemClock(),
        random_bytes=random_bytes,
        sleep=asyncio.sleep,
        backoff=backoff,
    )


def publishing(publisher: Publisher | None, health: Health) -> list[tuple[str, Coroutine[Any, Any, None]]]:
    """The worker of a role that publishes alone, whose readiness it tells."""
    if publisher is None:
        return []
    publisher.watch(health)
    return [("notices", publisher.run())]


def as_json(said: Notice | Missing) -> dict[str, Any]:
    """One line of output."""
    if isinstance(said, Notice):
        line: dict[str, Any] = json.loads(said.to_json())
        return line
    kind = "restored" if said.restored else "pruned"
    return {"event": "missing", "why": kind, "after": said.after, "upto": said.upto}


async def read_notices(home: Path, role: str, after: int, limit: int) -> list[dict[str, Any]]:
    """What a role's outbox has beyond a number. Raises `NotFound` when it keeps none."""
    async with open_desk(home, _desk(role)) as (channel, _):
        page = await NoticesClient(channel).after(after, "", limit)
    return [as_json(notice) for notice in page.notices]


async def follow_notices(home: Path, role: str, after: int, say: Say, complain: Callable[[str], None]) -> None:
    """Every notice beyond a number, in order, without holes or repeats, for ever. A broker or role that is away is waited for."""
    async with open_desk(home, _desk(role)) as (channel, config):
        if config.mqtt is None:
            file = str(home / _desk(role) / "desk.toml")
            raise Malformed(file, "mqtt", "is missing: to follow notices a desk needs its broker (docs/mqtt.md)")
        follower = Follower(NoticesClient(channel).after, after)
        waits, told = backoff(), set[str]()
        while True:
            before, wrong = follower.place, set[str]()
            for part in (partial(_follow_once, config.mqtt), _say_all):
                try:
                    await part(follower, say)
                except (Unavailable, Denied) as error:
                    wrong.add(str(error))
            for one in sorted(wrong - told):
                complain(one)
            told = wrong
            if follower.place != before:
                waits = backoff()
            await asyncio.sleep(next(waits))


async def _follow_once(config: FollowConfig, follower: Follower, say: Say) -> None:
    """Until the connection ends. Raises `Unavailable`, `Denied`."""
    topics = Topics(config.prefix, config.publisher)
    async with connected(config.broker, f"courtrelay-notices-{secrets.token_hex(8)}") as link:
        await link.subscribe(topics.all)
        # only now: what is told from here on is heard, what was told before is read
        await _say_all(follower, say)
        while True:
            message = await link.next(LOOK_S)
            said = True if message is None else follower.heard(message)
            if isinstance(said, Notice):
                say(as_json(said))
            elif said:
                await _say_all(follower, say)


async def _say_all(follower: Follower, say: Say) -> None:
    async for said in follower.refill():
        say(as_json(said))


def _desk(role: str) -> str:
    if role not in DESKS:
        raise Malformed("notices", "--role", f"{role!a} is none of {', '.join(DESKS)}")
    return DESKS[role]
