"""Whether a role's components answer, and whether the role is ready: it works, or it safely waits and says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from relay.core.errors import RelayError
from relay.telemetry import metrics

log = logging.getLogger(__name__)

EVERY_S: Final = 5.0
WITHIN_S: Final = 4.0


Kind = Literal["ledger", "court_ledger", "custodian", "relay", "court", "database", "disk", "clock", "broker"]


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
        self._states: dict[tuple[Kind, str], State] = {}
        self.stopping = False

    async def run(self) -> None:
        """Never returns; it ends by cancellation."""
        while True:
            await self.look()
            await self._sleep(EVERY_S)

    async def look(self) -> None:
        """Every component once, side by side."""
        await asyncio.gather(*(self._one(component) for component in self._components))
        metrics.ready.labels(self.role).set(self.ready)

    async def _one(self, component: Component) -> None:
        key = component.kind, component.name
        try:
            async with asyncio.timeout(WITHIN_S):
                problem = await component.look()
        except TimeoutError:
            problem = f"did not answer within {WITHIN_S:.0f} s"
        except (RelayError, OSError) as error:
            problem = str(error) or type(error).__name__
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
        return seen and not self.stopping and not any(one.problem for one in states if one.needed)
