"""What the court's own mirror and ledgers say of a dossier: its log, its tags, and the checkpoints that cover it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relay.core.completeness import LOOK_AHEAD
from relay.core.disclosure import DisclosureManifest
from relay.core.dossier import tag
from relay.core.errors import Unverified
from relay.core.limits import RECORDS_PER_DOSSIER_MAX
from relay.core.trust import TrustRoots
from relay.ports.court import CourtStore, HeldCheckpoint
from relay.services.court.arrival import Accepted, Expectation


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a dossier is. `positions[seq]` are log indices below the last accepted size; `looked_ahead` tags after them are absent."""

    origin: str
    checkpoints: tuple[HeldCheckpoint, ...]
    positions: tuple[int, ...]
    looked_ahead: int


class DossierLookup:
    """Looks a disclosed dossier up in the court's mirror."""

    def __init__(self, store: CourtStore, trust: TrustRoots) -> None:
        self._store = store
        self._trust = trust

    async def find(self, disclosure: DisclosureManifest) -> Found:
        """In the lender's log that holds its first tag; the lender's only log when none does. Raises `Unverified`."""
        origins = [log.origin for log in self._trust.logs if log.party == disclosure.iss]
        if not origins:
            raise Unverified("trust roots", f"no log of {disclosure.iss} is pinned here")
        first = tag(disclosure.dossier_key, 0)
        chosen = origins[0]
        for origin in origins:
            if first in await self._store.find_tags(origin, [first]):
                chosen = origin
        checkpoints = tuple(await self._store.receipted(chosen))
        size = checkpoints[-1].size if checkpoints else 0
        positions, looked_ahead = await self._positions(chosen, disclosure, size)
        return Found(origin=chosen, checkpoints=checkpoints, positions=positions, looked_ahead=looked_ahead)

    async def _positions(self, origin: str, disclosure: DisclosureManifest, size: int) -> tuple[tuple[int, ...], int]:
        """Indices of tags 0, 1, 2, … up to the first absent one, and how many more were looked up and absent."""
        asked = 0
        found: list[int] = []
        ended = False
        wanted = len(disclosure.entries)
        while not ended or asked < max(wanted, len(found)) + LOOK_AHEAD:
            end = min(max(wanted, len(found)) + LOOK_AHEAD, asked + 4096, RECORDS_PER_DOSSIER_MAX)
            if end <= asked:
                break
            tags = [tag(disclosure.dossier_key, seq) for seq in range(asked, end)]
            held = await self._store.find_tags(origin, tags)
            for one in tags:
                inside = sorted(i for i in held.get(one, ()) if i < size)
                if not ended and inside:
                    found.append(inside[0])
                else:
                    ended = True
            asked = end
        return tuple(found), asked - len(found)

    async def expectation(self, disclosure: DisclosureManifest, found: Found, now_ms: int) -> Expectation:
        """What records will be judged against."""
        mirror = await self._store.log(found.origin)
        used = used_checkpoints(found.checkpoints, [entry.index for entry in disclosure.entries])
        return Expectation(
            disclosure=disclosure,
            positions=found.positions,
            accepted=tuple(
                Accepted(number=i, size=held.size, anchored_ms=held.anchored_ms) for i, held in enumerate(used)
            ),
            mirror=mirror.files,
            mirror_size=mirror.size,
            now_ms=now_ms,
        )


def used_checkpoints(checkpoints: Sequence[HeldCheckpoint], indices: Sequence[int]) -> list[HeldCheckpoint]:
    """The first checkpoint that covers each index, and the last one, on which completeness rests."""
    chosen = set()
    for index in indices:
        first = next((held.size for held in checkpoints if held.size > index), None)
        if first is not None:
            chosen.add(first)
    if checkpoints:
        chosen.add(checkpoints[-1].size)
    return [held for held in checkpoints if held.size in chosen]
