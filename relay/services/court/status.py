"""What `status` says of a court gateway."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relay.ports.court import CourtStore


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginReport:
    """Sizes of one origin: entries held, and the last size the court ledger is known to have accepted."""

    origin: str
    mirrored_size: int
    receipted_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CourtReport:
    """All that `status` shows."""

    origins: tuple[OriginReport, ...]
    bundles: int
    retrievals: int
    problem: str


class CourtStatus:
    """Reads the store; asks the workers for their last problem."""

    def __init__(self, store: CourtStore, origins: Sequence[str], problems: Sequence[Callable[[], str]]) -> None:
        self._store = store
        self._origins = origins
        self._problems = problems

    async def report(self) -> CourtReport:
        """Sizes, counts, and the first problem that stands."""
        rows = []
        for origin in self._origins:
            last = await self._store.receipted_size(origin)
            mirror = await self._store.log(origin)
            rows.append(OriginReport(origin=origin, mirrored_size=mirror.size, receipted_size=last))
        counts = await self._store.counts()
        problem = next((p for ask in self._problems if (p := ask())), "")
        return CourtReport(origins=tuple(rows), bundles=counts.bundles, retrievals=counts.retrievals, problem=problem)
