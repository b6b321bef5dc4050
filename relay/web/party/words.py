"""What the custody log says, in plain words for a party."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from relay.services.court.parties import DAYS_MAX, OPEN_MAX, SeenEvent
from relay.words import Words

WHAT: Final[Mapping[str, Words]] = {
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
REVOKED: Final[Words] = "ended the invitation"
OTHER: Final[Words] = "did something with the dossier"
WHO: Final[Mapping[str, Words]] = {
    "self": "You",
    "party": "Another person whom the court invited",
    "court": "The court's gateway",
}
PERSON: Final[Words] = "{name}, for the court"
STATES: Final[Mapping[str, Words]] = {
    "open": "Open",
    "expired": "Run out",
    "revoked": "Ended",
    "locked": "Locked after wrong tries",
}
NOT_INVITED: Final[Mapping[str, Words]] = {
    "name": "The name is missing, is too long, or holds characters that cannot be seen.",
    "id_number": "The identity number does not fit: a character is wrong, or its check digit is that of another number.",
    "days": "An invitation is valid for 1 to {days} days.",
    "dossier": "This court holds no grant of this case for this dossier.",
    "open": "There are {open} open invitations to this dossier already; end one that is not needed.",
}
"""Why nobody was invited, by the field that was refused."""
NOT_TAKEN: Final[Mapping[str, Words]] = {
    "ground": "Choose one of the grounds.",
    "seqs": "Name records that the dossier has, by their numbers with commas between.",
    "text": "Say why, in words that can be seen, at most 4000 characters.",
    "": "There are very many objections to this dossier already; write to the court.",
}
"""Why an objection was not taken, by the field that was refused."""
LIMITS: Final = {"days": DAYS_MAX, "open": OPEN_MAX}


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
