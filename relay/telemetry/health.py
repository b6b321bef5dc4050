"""Whether a role's components answer, and whether the role is ready: it works, or it safely waits and says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from relay.core.errors import RelayError
from relay.telemetry import metrics
from relay.telemetry.events import HEALTH_NOT_TOLD, LOOK_FAILED, log_event

log = logging.getLogger(__name__)

EVERY_S: Final = 5.0
WITHIN_S: Final = 4.0


Kind = Literal["ledger", "court_ledger", "custodian", "relay", "court", "database", "disk", "clock", "broker"]


Follower = Callable[[bool], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """`kind` is a word of a fixed set, `name` one out of the configuration. `needed`: without it the role is not ready; otherwise it waits
    safely, as a relay without its court.

    `look` gives "" or what is wrong and what to do, or raises RelayError or OSError; more than WITHIN_S is no answer.
    """

    kind: Kind
    name: str
    look: Callable[[], Awaitable[str]]
    needed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`problem` is empty while the component is up."""

    kind: Kind
    name: str
    problem: str
    needed: bool
    since_ms: int


async def _problem(component: Component) -> str:
    """What a look says; one that fails in a way that nobody thought of is a problem, too, and no end of the looking."""
    try:
        async with asyncio.timeout(WITHIN_S):
            return await component.look()
    except TimeoutError:
        return f"did not answer within {WITHIN_S:.0f} s"
    except (RelayError, OSError) as error:
        return str(error) or type(error).__name__
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return "the question was broken off"
    except Exception as error:
        log_event(log, LOOK_FAILED, exc_info=error, component=component.kind, name=component.name)
        return f"cannot be looked at: {type(error).__name__}: {error}"


class Health:
    """Looks at every component again and again. Until the first look is done a role is not ready."""

    def __init__(
        self,
        role: str,
        components: Sequence[Component],
        *,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.role = role
        self._components = tuple(components)
        self._now_ms = now_ms
        self._sleep = sleep
        self._followers: list[Follower] = []
        self._states: dict[tuple[Kind, str], State] = {}
        self.starting = ""
        self.stopping = False

    async def run(self) -> None:
        """Never returns; it ends by cancellation, whatever a look or a follower raises."""
        while True:
            await self.look()
            await self._sleep(EVERY_S)

    def follow(self, follower: Follower) -> None:
        """Call this after every look, and when the role begins to stop, with whether it is ready."""
        self._followers.append(follower)

    def begin(self, why: str) -> None:
        """Not ready until `begun`, whatever the components say: what the role does before it serves."""
        self.starting = why

    async def begun(self) -> None:
        """The role serves from now on."""
        self.starting = ""
        await self._tell()

    @property
    def phase(self) -> str:
        """What the role does instead of serving; empty while it serves."""
        return "stopping" if self.stopping else self.starting

    async def stop(self) -> None:
        """Not ready from now on: the process is asked to end."""
        self.stopping = True
        await self._tell()

    async def look(self) -> None:
        """Every component once, side by side."""
        await asyncio.gather(*(self._one(component) for component in self._components))
        await self._tell()

    async def _tell(self) -> None:
        metrics.ready.labels(self.role).set(self.ready)
        for follower in self._followers:
            try:
                await follower(self.ready)
            except Exception as error:
                log_event(log, HEALTH_NOT_TOLD, exc_info=error)

    async def _one(self, component: Component) -> None:
        key = component.kind, component.name
        problem = await _problem(component)
        held = self._states.get(key)
        changed = held is None or bool(held.problem) != bool(problem)
        since_ms = self._now_ms() if held is None or changed else held.since_ms
        self._states[key] = State(
            kind=component.kind, name=component.name, problem=problem, needed=component.needed, since_ms=since_ms
        )
        metrics.component_up.labels(self.role, component.kind, component.name).set(not problem)

    @property
    def states(self) -> tuple[State, ...]:
        """In the order of the components; fewer before the first look is done."""
        return tuple(self._states[key] for one in self._components if (key := (one.kind, one.name)) in self._states)

    @property
    def ready(self) -> bool:
        """Whether calls should come here."""
        states = self.states
        seen = len(states) == len(self._components)
        return seen and not self.phase and not any(one.problem for one in states if one.needed)
