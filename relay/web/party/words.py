"""What the custody log says, in plain words for a party."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from relay.services.court.parties import SeenEvent

WHAT: Final[Mapping[str, str]] = {
    "request": "asked the lender for the dossier",
    "receive": "received the dossier from the lender",
    "verify": "verified the proof",
    "fetch": "downloaded the proof",
    "view": "looked at the dossier",
    "check": "checked a file against the dossier",
    "invite": "invited you",
    "sign_in": "signed in by the invitation",
    "refuse": "was refused",
    "object": "raised an objection",
    "answer": "answered an objection",
    "issue": "issued a report on the dossier",
    "grant": "took in a grant for the dossier",
}
REVOKED: Final = "ended the invitation"
OTHER: Final = "did something with the dossier"
WHO: Final[Mapping[str, str]] = {
    "self": "You",
    "party": "Another person whom the court invited",
    "court": "The court's gateway",
}
PERSON: Final = "{name}, for the court"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRow:
    """A line of the list. Texts are keys of the catalogues; `name` is empty unless somebody of the court acted."""

    at_ms: int
    who: str
    name: str
    what: str
    index: int


def seen_row(one: SeenEvent) -> SeenRow:
    """The line of an event."""
    event = one.event
    what = WHAT.get(event.action, OTHER)
    if event.action == "invite" and event.outcome == "revoked":
        what = REVOKED
    return SeenRow(at_ms=event.at_ms, who=WHO.get(one.who, PERSON), name=one.name, what=what, index=one.index)
