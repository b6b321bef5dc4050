"""What `status` says of a custodian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relay.ports.custodian import CustodianStore


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodianReport:
    """All that `status` shows."""

    origin: str
    log_size: int
    anchored_size: int
    pushed_size: int
    confirmed_size: int
    dossiers: int
    relay_connected: bool
    problem: str


class CustodianStatus:
    """Reads the store; asks the workers for what they know."""

    def __init__(
        self,
        origin: str,
        store: CustodianStore,
        *,
        pushed: Callable[[], int],
        connected: Callable[[], bool],
        problems: Sequence[Callable[[], str]],
    ) -> None:
        self._origin = origin
        self._store = store
        self._pushed = pushed
        self._connected = connected
        self._problems = problems

    async def report(self) -> CustodianReport:
        """Sizes, counts, and the first problem that stands."""
        counts = await self._store.counts()
        return CustodianReport(
            origin=self._origin,
            log_size=self._store.size,
            anchored_size=counts.anchored_size,
            pushed_size=max(self._pushed(), counts.confirmed_size),
            confirmed_size=counts.confirmed_size,
            dossiers=counts.dossiers,
            relay_connected=self._connected(),
            problem=next((p for ask in self._problems if (p := ask())), ""),
        )
