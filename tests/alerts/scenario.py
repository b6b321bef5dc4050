"""Take one component away from real roles, wait for its alert in a real Prometheus, give it back, wait until nothing fires.

Used by the suite and by `python3 run.py alerts`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from relay.app import desk
from relay.app.initialise import initialise
from relay.core.errors import RelayError
from relay.sample import generate
from tests.alerts.faults import Fault, Scene
from tests.alerts.prometheus import Pace, Prometheus, running_prometheus, write_config

PATIENCE_S: Final = 240.0
POLL_S: Final = 0.2
LOANS: Final = 12
WELL: Final = "min(courtrelay_component_up or up)"


@dataclass
class Told:
    """How long an alert took to fire and to clear, and every alert that fired meanwhile."""

    fired_s: float = 0.0
    cleared_s: float = 0.0
    seen: set[str] = field(default_factory=set)

    def wrong(self, alert: str) -> str:
        """Why this is not exactly the one alert; "" when it is."""
        if len(self.seen) == 1 and next(iter(self.seen)).startswith(f"{alert} "):
            return ""
        return f"expected {alert} alone, saw {'; '.join(sorted(self.seen)) or 'nothing'}"


@asynccontextmanager
async def watched(
    folder: Path, pace: Pace, faults: Sequence[Fault], loans: int = LOANS
) -> AsyncIterator[tuple[Scene, Prometheus]]:
    """A network prepared for these faults, all of it up, with something deposited, and a Prometheus that has seen it so."""
    home = initialise(folder / "home", base_port=0, validators=4, threshold=3).home
    generate(folder / "loans", loans, 1)
    scene = Scene(home, faults)
    try:
        await scene.begin()
        async with running_prometheus(write_config(home, folder, pace), folder) as prometheus:
            await deposit(home, folder / "loans", 0)
            await _until(lambda: _well(prometheus), "every component is up", lambda: _said(prometheus))
            yield scene, prometheus
    finally:
        await scene.end()


async def deposit(home: Path, loans: Path, loan: int) -> None:
    """One loan; a network with a hole in it may refuse it."""
    with suppress(RelayError):
        await desk.deposit(home, loans, lambda _d, _t: None, slice(loan, loan + 1))


@contextmanager
def traffic(home: Path, folder: Path, loans: int, every_s: float) -> Iterator[None]:
    """One loan after the other is deposited, and all of them again, while the body runs."""

    async def run() -> None:
        loan = 0
        while True:
            await deposit(home, folder, loan % loans)
            loan += 1
            await asyncio.sleep(every_s)

    task = asyncio.create_task(run(), name="traffic")
    try:
        yield
    finally:
        task.cancel()


async def suffer(scene: Scene, prometheus: Prometheus, fault: Fault) -> Told:
    """What Prometheus told of one fault, from the moment it began until nothing fires and every component is up again."""
    told = Told()

    async def look(until: Callable[[set[str]], bool]) -> bool:
        firing = await prometheus.firing()
        told.seen |= firing
        return until(firing)

    began = time.monotonic()
    await fault.stop(scene)
    try:
        fires = lambda firing: any(line.startswith(f"{fault.alert} ") for line in firing)  # noqa: E731
        await _until(lambda: look(fires), f"{fault.alert} fires", lambda: _said(prometheus))
        told.fired_s = time.monotonic() - began
    finally:
        began = time.monotonic()
        await fault.recover(scene)
    await _until(lambda: look(lambda firing: not firing), f"{fault.alert} clears", lambda: _said(prometheus))
    told.cleared_s = time.monotonic() - began
    await _until(lambda: _well(prometheus), "every component is up again", lambda: _said(prometheus))
    await look(bool)
    return told


async def _well(prometheus: Prometheus) -> bool:
    """Every role is scraped and has found everything up, and no alert fires."""
    return await prometheus.value(f"count(up) == 3 and {WELL} == 1") is not None and not await prometheus.firing()


async def _said(prometheus: Prometheus) -> str:
    down = await prometheus.get("/api/v1/query", query="(courtrelay_component_up or up) == 0")
    alerts = (await prometheus.get("/api/v1/alerts"))["alerts"]
    return f"down: {[one['metric'] for one in down['result']]}; alerts: {[one['labels'] for one in alerts]}"


async def _until(done: Callable[[], Awaitable[bool]], what: str, said: Callable[[], Awaitable[str]]) -> None:
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        if await done():
            return
        await asyncio.sleep(POLL_S)
    raise AssertionError(f"never came to be: {what}; {await said()}")
