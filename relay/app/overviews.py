"""Each role's overview, from its health, its own status and the files that it uses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from relay.app.expiries import endings
from relay.app.heights import Heights, HeightsSeen
from relay.app.runtime import SystemClock, program_version
from relay.config.roles import Common
from relay.core.errors import RelayError
from relay.core.lifecycle import ItemState
from relay.durable.errors import StorageFailed
from relay.ports.forwarding import RelayStore, Waiting
from relay.ports.ledgers import AnchorSource
from relay.services.court.status import CourtStatus
from relay.services.custodian.status import CustodianStatus
from relay.services.forwarding.origins import Origins
from relay.services.forwarding.status import OriginReport, RelayStatus
from relay.telemetry.health import Health
from relay.telemetry.overview import Figure, OriginView, Overview


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What differs between roles."""

    origins: tuple[OriginView, ...]
    figures: tuple[Figure, ...]
    problem: str


Report = Callable[[], Awaitable[Told]]
WITHIN_S: Final = 4.0


class Overviews:
    """Takes one overview at a time, however many ask."""

    def __init__(self, health: Health, common: Common, report: Report) -> None:
        self._health = health
        self._common = common
        self._report = report
        self._one = asyncio.Lock()

    async def tell(self) -> Overview:
        """A new one. What a store that is away or stuck would have told is left out, and said."""
        async with self._one:
            told = await self._told()
            now_ms = SystemClock().now_ms()
            ends = await asyncio.to_thread(endings, self._health.role, self._common, now_ms / 1000)
            return Overview(
                role=self._health.role,
                identity=self._common.identity,
                version=program_version(),
                taken_ms=now_ms,
                ready=self._health.ready,
                stopping=self._health.stopping,
                problem=told.problem or self._health.starting,
                components=self._health.states,
                origins=told.origins,
                endings=tuple(ends),
                figures=told.figures,
            )

    async def _told(self) -> Told:
        try:
            async with asyncio.timeout(WITHIN_S):
                return await self._report()
        except TimeoutError:
            problem = f"the store did not answer within {WITHIN_S:.0f} s"
        except (RelayError, StorageFailed, OSError) as error:
            problem = f"the store does not answer: {error}"
        return Told(origins=(), figures=(), problem=problem)


def custodian_report(status: CustodianStatus) -> Report:
    """Entries on their way, as the lender's side has them."""

    async def report() -> Told:
        seen = await status.report()
        origin = OriginView(origin=seen.origin, held=seen.log_size, confirmed=seen.confirmed_size)
        figures = _figures(dossiers=seen.dossiers, anchored=seen.anchored_size, pushed=seen.pushed_size)
        return Told(origins=(origin,), figures=figures, problem=seen.problem)

    return report


def court_report(status: CourtStatus) -> Report:
    """Mirrors and what was read from the court's ledger."""

    async def report() -> Told:
        seen = await status.report()
        origins = tuple(
            OriginView(origin=one.origin, held=one.mirrored_size, confirmed=one.receipted_size) for one in seen.origins
        )
        figures = _figures(bundles=seen.bundles, retrievals=seen.retrievals)
        return Told(origins=origins, figures=figures, problem=seen.problem)

    return report


def relay_report(
    status: RelayStatus, store: RelayStore, origins: Origins, sources: Mapping[str, AnchorSource]
) -> Report:
    """Heights, sizes and what waits."""
    heights = {name: Heights(source, store) for name, source in sources.items()}

    async def report() -> Told:
        seen = await status.report()
        ledgers = dict(zip(heights, await asyncio.gather(*(one.seen() for one in heights.values())), strict=True))
        of = {room.config.origin: room.config.ledger for room in origins}
        counts = await store.counts_by_origin()
        views = []
        for one in seen.origins:
            set_aside = counts.get(one.origin, {}).get(ItemState.QUARANTINED.value, 0)
            views.append(_view(one, ledgers[of[one.origin]], await store.waiting(one.origin), set_aside))
        return Told(origins=tuple(views), figures=_figures(custodians=len(seen.custodians)), problem=seen.problem)

    return report


def _view(one: OriginReport, at: HeightsSeen, waiting: Waiting, set_aside: int) -> OriginView:
    return OriginView(
        origin=one.origin,
        latest=at.latest,
        final=at.final,
        proven=at.read,
        compared=at.compared,
        held=one.mirrored_size,
        confirmed=one.confirmed_size,
        backlog=waiting.items,
        oldest_s=waiting.oldest_s if waiting.items else None,
        quarantined=set_aside,
        halted=one.halt_reason,
    )


def _figures(**counts: int) -> tuple[Figure, ...]:
    return tuple(Figure(name=name, value=value) for name, value in counts.items())
