"""What inviting parties needs: a durable memory of invitations, and what the court holds of one dossier in one case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from relay.core.invitation import ScryptCost

TRIES_MAX: Final = 5
"""Wrong tries after which a link is dead; a right one starts the count anew."""
InvitationState = Literal["open", "expired", "revoked", "locked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """One person's way to one dossier of one case. Name and number are not in it; `kept` is what `relay.core.invitation.derive` gave."""

    id: str
    """32 lower-case hex digits; the name of the person in the custody log."""
    case: str
    dossier: str
    link: bytes
    """Digest of the link's secret."""
    salt: bytes
    cost: ScryptCost
    kept: bytes
    by: str
    """Who invited."""
    made_ms: int
    expires_ms: int
    revoked_ms: int = 0
    tries: int = 0
    entered_ms: int = 0
    """When the person was last let in, 0 for never."""

    def state(self, now_ms: int) -> InvitationState:
        """Whether it still lets anybody in, and if not, why."""
        if self.revoked_ms:
            return "revoked"
        if now_ms >= self.expires_ms:
            return "expired"
        return "locked" if self.tries >= TRIES_MAX else "open"


class PartyStore(Protocol):
    """Durable memory of invitations. Every write returns only after its transaction is durable."""

    async def add(self, invitation: Invitation, open_max: int) -> None:
        """Keep a new one. Raises `Conflict` when the dossier has `open_max` that are open in this case; counted in the same transaction."""

    async def find(self, invitation_id: str) -> Invitation | None:
        """One by its id."""

    async def of(self, case: str, dossier: str, limit: int) -> list[Invitation]:
        """The newest of a case, or of one of its dossiers, newest first; an empty case means all."""

    async def take_try(self, link: bytes, now_ms: int) -> Invitation | None:
        """Count one try, before anything is compared, and return the invitation as it was; None for a link nobody was given.

        Only an open invitation is counted up, in the SQL statement itself, so that tries at the same moment cannot pass the limit together.
        """

    async def let_in(self, invitation_id: str, now_ms: int) -> bool:
        """Name and number were right: forget the wrong tries. False when it was revoked or has expired meanwhile."""

    async def revoke(self, invitation_id: str, now_ms: int) -> Invitation | None:
        """End it; the first moment stays. None when there is no such invitation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """How one dossier of one case is named in the custody log, all in hex."""

    grants: frozenset[str]
    bundles: frozenset[str]


class CaseFiles(Protocol):
    """What the court holds of cases, as far as a party's view needs it."""

    async def traces(self, case: str, dossier: str) -> Traces:
        """The case's grants for the dossier, and bundles retrieved under them. Raises `NotFound` when no grant names both."""
