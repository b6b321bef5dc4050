"""Who saw a dossier, or asked for it and was refused: what a party may be shown, each row with its proof."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from relay.core.custody import CustodyAction, parse_event
from relay.core.errors import Malformed, NotFound
from relay.core.fields import DOSSIER
from relay.core.grants import Grant, parse_grant
from relay.ports.custodian import CustodianStore
from relay.ports.custody import CustodyFilter
from relay.services.custody_reading import CustodyReading, ReadHead, ReadRow

ACTIONS: Final[frozenset[CustodyAction]] = frozenset({"disclose", "resume", "refuse", "verify", "report"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRow:
    """One event, and what the grant it happened under says; empty where no grant of that digest was issued here."""

    row: ReadRow
    court: str
    case: str
    purpose: str


class DossierSeen:
    """Serves the lender's desk."""

    def __init__(self, store: CustodianStore, reading: CustodyReading) -> None:
        self._store = store
        self._reading = reading

    async def begin(self, name: str) -> tuple[str, ReadHead]:
        """The dossier's id, by its id or the lender's own reference, and the head all rows are proven under.

        Raises `NotFound`. An id that is not stored here any more is searched for all the same: the log outlives the dossier.
        """
        held = await self._store.find_dossier(name)
        if held is None and not DOSSIER.fullmatch(name):
            raise NotFound(
                f"no dossier {name[:64]!a} is deposited here; give the lender's reference or the dossier's id"
            )
        return held.id if held else name, await self._reading.head()

    async def rows(self, dossier: str, size: int) -> AsyncIterator[SeenRow]:
        """Every disclosure, resume, refusal, verification and report that names the dossier, oldest first; damaged events too."""
        async for group in self._reading.read(CustodyFilter(dossier=dossier), size, proofs=True):
            for row in group:
                try:
                    event = parse_event(row.event)
                except Malformed:
                    yield SeenRow(row=row, court="", case="", purpose="")
                    continue
                if event.action in ACTIONS:
                    grant = await self._grant(event.subject.get("grant", ""))
                    yield SeenRow(
                        row=row,
                        court=grant.aud if grant else "",
                        case=grant.case if grant else "",
                        purpose=grant.purpose if grant else "",
                    )

    async def _grant(self, digest: str) -> Grant | None:
        held = await self._store.grant(bytes.fromhex(digest)) if digest else None
        return parse_grant(held.token) if held else None
