"""What `status` says of a relay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relay.ports.forwarding import RelayStore
from relay.services.forwarding.advance import Advancer
from relay.services.forwarding.origins import Origins
from relay.services.forwarding.route import Router
from relay.services.forwarding.sharing import Sharing
from relay.services.forwarding.watch import Watcher
from relay.services.notices.publishing import Publisher


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginReport:
    """One origin's way: entries held, last confirmed size, and why it stands still if it does."""

    origin: str
    mirrored_size: int
    confirmed_size: int
    halt_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayReport:
    """All that `status` shows."""

    counts: dict[str, int]
    origins: tuple[OriginReport, ...]
    scanned_height: int
    final_height: int
    custodians: tuple[str, ...]
    jobs: tuple[str, ...]
    """What this worker does of the jobs that several share; empty when it is alone."""
    problem: str


class RelayStatus:
    """Reads the store; asks the workers for their last problem."""

    def __init__(
        self,
        store: RelayStore,
        origins: Origins,
        router: Router,
        watchers: Sequence[Watcher],
        advancers: Sequence[Advancer],
        sharing: Sharing | None = None,
        publisher: Publisher | None = None,
    ) -> None:
        self._store = store
        self._origins = origins
        self._router = router
        self._watchers = watchers
        self._advancers = advancers
        self._sharing = sharing
        self._publisher = publisher

    async def report(self) -> RelayReport:
        """Counts by state, origins, heights, connections, and the first problem that stands."""
        rows = []
        for room in self._origins:
            origin = room.config.origin
            mirror = await self._store.log(origin)
            rows.append(
                OriginReport(
                    origin=origin,
                    mirrored_size=mirror.size,
                    confirmed_size=await self._store.last_confirmed(origin),
                    halt_reason=await self._store.halted(origin),
                )
            )
        scanned = [(await self._store.cursor(w.ledger)).height for w in self._watchers]
        problems = [*(w.problem for w in self._watchers), *(a.problem for a in self._advancers)]
        problems += [one.problem for one in (self._sharing, self._publisher) if one]
        return RelayReport(
            counts=await self._store.counts(),
            origins=tuple(rows),
            scanned_height=min(scanned, default=0),
            final_height=min((w.final_height for w in self._watchers), default=0),
            custodians=tuple(self._router.connected),
            jobs=tuple(self._sharing.held) if self._sharing else (),
            problem=next((p for p in problems if p), ""),
        )
