"""What the court's own mirror and ledgers say of a dossier: its log, its tags, and the checkpoints that cover it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.completeness import DOUBLED_PLACES_MAX, LOOK_AHEAD
from relay.core.disclosure import DisclosureManifest
from relay.core.dossier import tag
from relay.core.errors import Unverified
from relay.core.grants import Grant
from relay.core.limits import RECORDS_PER_DOSSIER_MAX, TREE_SIZE_MAX
from relay.core.trust import TrustRoots
from relay.ports.court import CourtStore, HeldCheckpoint
from relay.services.court.arrival import Accepted, Expectation

ASKED_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a dossier is.

    `checkpoints`: the first accepted one that covers each record, and the last. `positions[seq]` is the first log index of a tag below
    the last one's size, None for a hole; the last position is no hole, and `looked_ahead` tags after it are absent. `doubled[seq]` are
    further places of a tag.
    """

    origin: str
    checkpoints: tuple[HeldCheckpoint, ...]
    positions: tuple[int | None, ...]
    doubled: Mapping[int, tuple[int, ...]]
    looked_ahead: int


class DossierLookup:
    """Looks a disclosed dossier up in the court's mirror."""

    def __init__(self, store: CourtStore, trust: TrustRoots) -> None:
        self._store = store
        self._trust = trust

    async def find(self, disclosure: DisclosureManifest, asked_sizes: Mapping[str, int]) -> Found:
        """In the lender's log that holds its first tag; the lender's only log when none does. Raises `Unverified`.

        A dossier may grow between the request and now. What was accepted before the request the lender's list must have; where a
        later entry is not in it, the dossier is judged as it stood before that entry: nobody could have listed it.
        """
        origins = [log.origin for log in self._trust.logs_of(disclosure.iss)]
        if not origins:
            raise Unverified("trust roots", f"no log of {disclosure.iss} is pinned here")
        first = tag(disclosure.dossier_key, 0)
        chosen = origins[0]
        for origin in origins:
            if first in await self._store.find_tags(origin, [first]):
                chosen = origin
        indices = [entry.index for entry in disclosure.entries]
        checkpoints = tuple(await self._store.accepted(chosen, indices))
        places, asked = await self._places(chosen, disclosure, _size(checkpoints))
        later = _unlisted(places, disclosure, asked_sizes.get(chosen, TREE_SIZE_MAX))
        if later:
            checkpoints = tuple(await self._store.accepted(chosen, indices, min(later)))
            places, asked = await self._places(chosen, disclosure, _size(checkpoints))
        count = max(places, default=-1) + 1
        return Found(
            origin=chosen,
            checkpoints=checkpoints,
            positions=tuple(places[seq][0] if seq in places else None for seq in range(count)),
            doubled={
                seq: tuple(found[1 : 1 + DOUBLED_PLACES_MAX]) for seq, found in sorted(places.items()) if len(found) > 1
            },
            looked_ahead=asked - count,
        )

    async def _places(self, origin: str, disclosure: DisclosureManifest, size: int) -> tuple[dict[int, list[int]], int]:
        """Places of each tag that is in the log, and how many tags were looked up: LOOK_AHEAD beyond the last one found or listed."""
        places: dict[int, list[int]] = {}
        asked = 0
        beyond = disclosure.entries[-1].seq + 1
        while asked < (end := min(beyond + LOOK_AHEAD, asked + ASKED_AT_ONCE, RECORDS_PER_DOSSIER_MAX)):
            tags = {seq: tag(disclosure.dossier_key, seq) for seq in range(asked, end)}
            held = await self._store.find_tags(origin, list(tags.values()))
            for seq, one in tags.items():
                inside = sorted(i for i in held.get(one, ()) if i < size)
                if inside:
                    places[seq] = inside
                    beyond = max(beyond, seq + 1)
            asked = end
        return places, asked

    async def timestamps(self, found: Found) -> dict[int, tuple[bytes, ...]]:
        """By size, the tokens over the checkpoints that a bundle of this dossier holds."""
        return await self._store.timestamps(found.origin, [held.size for held in found.checkpoints])

    async def expectation(self, disclosure: DisclosureManifest, grant: Grant, found: Found, now_ms: int) -> Expectation:
        """What records will be judged against."""
        mirror = await self._store.log(found.origin)
        return Expectation(
            disclosure=disclosure,
            grant=grant,
            positions=found.positions,
            accepted=tuple(
                Accepted(number=i, size=held.size, anchored_ms=held.anchored_ms)
                for i, held in enumerate(found.checkpoints)
            ),
            mirror=mirror.files,
            mirror_size=mirror.size,
            now_ms=now_ms,
        )


def _size(checkpoints: Sequence[HeldCheckpoint]) -> int:
    return checkpoints[-1].size if checkpoints else 0


def _unlisted(places: Mapping[int, Sequence[int]], disclosure: DisclosureManifest, asked_size: int) -> list[int]:
    """Log indices of tags that the lender's list does not have, and that were accepted only after the request."""
    listed = {entry.seq for entry in disclosure.entries}
    return [i for seq, found in places.items() if seq not in listed for i in found if i >= asked_size]
