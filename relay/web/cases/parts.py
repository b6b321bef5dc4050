"""What the groups of case pages share: the services, words for what is chosen from lists, and reading queries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from starlette.requests import Request

from relay.core.errors import NotFound
from relay.ports.cases import CASE_STATES, CaseQuery, CaseState, Ground, Outcome
from relay.services.court.cases import Cases
from relay.services.court.objections import Objections
from relay.web.site import PersonRole, Site
from relay.words import Words

READERS: Final[tuple[PersonRole, ...]] = ("judge", "clerk")
"""Who may see dossiers."""
LOOKERS: Final[tuple[PersonRole, ...]] = ("judge", "clerk", "auditor")
"""Who may see lists and verdicts."""
SEARCH_CHARS_MAX: Final = 128
STATE_WORDS: Final[dict[CaseState, Words]] = {
    "waiting": "None retrieved yet",
    "partly": "Some retrieved",
    "retrieved": "All retrieved",
}
GROUND_WORDS: Final[dict[Ground, Words]] = {
    "platform": "Against the platform (art. 17)",
    "before_anchoring": "Untrue before anchoring (art. 18)",
    "other": "Another ground",
}
OUTCOME_WORDS: Final[dict[Outcome, Words]] = {"sustained": "Sustained", "overruled": "Overruled", "noted": "Noted"}
OpenBundle = Callable[[str, str], Awaitable[BinaryIO]]
"""(bundle id, person) → the bundle's file, after the custody log says who took it. Raises `NotFound`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Put together by relay/app/court_cases.py."""

    site: Site
    cases: Cases
    objections: Objections
    open_bundle: OpenBundle


def query_of(request: Request) -> CaseQuery:
    """Search and filters; what is none of the choices counts as no choice."""
    wanted = request.query_params.get
    states: dict[str, CaseState] = {one: one for one in CASE_STATES}
    return CaseQuery(
        search=wanted("search", "").strip()[:SEARCH_CHARS_MAX],
        verdict=wanted("verdict", "")[:32],
        state=states.get(wanted("state", ""), ""),
    )


def number_of(text: str) -> int:
    """A number out of a path. Raises `NotFound` for any other text."""
    if not text.isascii() or not text.isdecimal() or len(text) > 6 or str(int(text)) != text:
        raise NotFound("no such page")
    return int(text)
