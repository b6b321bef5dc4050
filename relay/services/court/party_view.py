"""What an invited party may do with the own dossier in the own case: look, take the proof, object, see who looked. Nothing else.

Every call asks first whether the invitation still stands, and names neither case, dossier nor bundle: these follow from the invitation
alone, so that there is nothing to guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from relay.core.errors import Malformed, NotFound
from relay.core.view import DossierView, ViewPayload
from relay.ports.cases import CaseFacts, DossierRow, Ground, Objection
from relay.services.court.parties import Admission, Parties, SeenPage


class PartyCases(Protocol):
    """What is needed of `relay.services.court.cases.Cases`."""

    async def case(self, case: str) -> CaseFacts:
        """See there."""

    async def view(self, bundle_id: str, by: str, why: str) -> DossierView:
        """See there."""

    async def payload(self, bundle_id: str, seq: int, name: str, by: str) -> tuple[ViewPayload, BinaryIO]:
        """See there."""


class PartyObjections(Protocol):
    """What is needed of `relay.services.court.objections.Objections`."""

    async def raise_(self, dossier: str, case: str, seqs: Sequence[int], ground: Ground, text: str, by: str) -> str:
        """See there."""

    async def of(self, case: str, dossier: str) -> tuple[Objection, ...]:
        """See there."""


class PartyBundles(Protocol):
    """What is needed of `relay.services.court.fetching.Bundles`."""

    async def open(self, bundle_id: str, operator: str) -> BinaryIO:
        """See there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDossier:
    """The dossier as its newest bundle shows it; `row` and `view` are None before the court has retrieved it."""

    admission: Admission
    row: DossierRow | None
    view: DossierView | None


class PartyView:
    """Serves a party's pages. `name` is always the identity of the person who is signed in."""

    def __init__(self, parties: Parties, cases: PartyCases, objections: PartyObjections, bundles: PartyBundles) -> None:
        self._parties = parties
        self._cases = cases
        self._objections = objections
        self._bundles = bundles

    async def dossier(self, name: str) -> OwnDossier:
        """The own dossier, after the custody log says that the party looks. Raises `Denied`."""
        own = await self._parties.admitted(name)
        row = await self._newest(own)
        view = None if row is None else await self._cases.view(row.bundle_id, name, "by the party")
        return OwnDossier(admission=own, row=row, view=view)

    async def proof(self, name: str) -> tuple[str, BinaryIO]:
        """Id and bytes of the newest bundle, after the custody log says who takes it; the caller closes it. Raises `Denied`, `NotFound`."""
        own = await self._parties.admitted(name)
        row = await self._held(own)
        return row.bundle_id, await self._bundles.open(row.bundle_id, name)

    async def payload(self, name: str, seq: int, payload: str) -> tuple[ViewPayload, BinaryIO]:
        """One payload of the newest bundle. Raises `Denied`, `NotFound`."""
        own = await self._parties.admitted(name)
        row = await self._held(own)
        return await self._cases.payload(row.bundle_id, seq, payload, name)

    async def objections(self, name: str) -> tuple[Objection, ...]:
        """The own ones, oldest first, with the court's answers; what others say about the dossier is not shown. Raises `Denied`."""
        own = await self._parties.admitted(name)
        return tuple(one for one in await self._objections.of(own.case, own.dossier) if one.by == name)

    async def object(self, name: str, seqs: Sequence[int], ground: Ground, text: str) -> str:
        """Object to records of the own dossier, to all of it when none is named. Raises `Denied`, `Malformed`."""
        own = await self._parties.admitted(name)
        if seqs:
            view = (await self.dossier(name)).view
            known = set() if view is None else {record.finding.seq for record in view.records}
            if not set(seqs) <= known:
                raise Malformed("objection", "seqs", "names a record that the dossier does not have")
        return await self._objections.raise_(own.dossier, own.case, seqs, ground, text, name)

    async def seen(self, name: str, start: int) -> SeenPage:
        """Who did what with the own dossier, from a log index on. Raises `Denied`."""
        own = frozenset(one.id for one in await self.objections(name))
        return await self._parties.seen(name, start, own)

    async def _held(self, own: Admission) -> DossierRow:
        row = await self._newest(own)
        if row is None:
            raise NotFound("the court has not retrieved this dossier yet")
        return row

    async def _newest(self, own: Admission) -> DossierRow | None:
        """The newest bundle of the dossier under any grant of the case."""
        facts = await self._cases.case(own.case)
        rows = [row for grant in facts.grants for row in grant.dossiers if row.dossier == own.dossier and row.bundle_id]
        return max(rows, key=lambda row: (row.made_at_s, row.bundle_id), default=None)
