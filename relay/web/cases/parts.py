"""What the groups of case pages share: the services, words for kinds and members, and reading queries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from starlette.requests import Request

from relay.core.errors import NotFound
from relay.ports.cases import CASE_STATES, CaseQuery
from relay.services.court.cases import Cases
from relay.services.court.objections import Objections
from relay.web.site import PersonRole, Site
from relay.words import Speaker

READERS: Final[tuple[PersonRole, ...]] = ("judge", "clerk")
"""Who may see dossiers."""
LOOKERS: Final[tuple[PersonRole, ...]] = ("judge", "clerk", "auditor")
"""Who may see lists and verdicts."""
SEARCH_CHARS_MAX: Final = 128
Describe = Callable[[str, int, str], str]
"""(kind, version, member) → what the member means, in English; empty when that is not known."""
OpenBundle = Callable[[str, str], Awaitable[BinaryIO]]
"""(bundle id, person) → the bundle's file, after the custody log says who took it. Raises `NotFound`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Put together by relay/app/court_cases.py."""

    site: Site
    cases: Cases
    objections: Objections
    describe: Describe
    open_bundle: OpenBundle


def query_of(request: Request) -> CaseQuery:
    """Search and filters; what is none of the choices counts as no choice."""
    text = request.query_params.get
    state = next((one for one in CASE_STATES if one == text("state", "")), "")
    return CaseQuery(search=text("search", "").strip()[:SEARCH_CHARS_MAX], verdict=text("verdict", "")[:32], state=state)


def kind_name(w: Speaker, kind: str) -> str:
    """A kind as people call it: `overdue_notice` is "Overdue notice"."""
    return w.text(kind.replace("_", " ").capitalize()) if kind else w.text("Kind not known")


def number_of(text: str) -> int:
    """A number out of a path. Raises `NotFound` for any other text."""
    if not text.isascii() or not text.isdecimal() or len(text) > 6 or str(int(text)) != text:
        raise NotFound("no such page")
    return int(text)


def lasted(w: Speaker, ms: int) -> str:
    """A length of time in its two greatest units, such as "3 days 4 hours"."""
    seconds = abs(ms) // 1000
    if not seconds:
        return w.text("{count} ms", count=abs(ms))
    units = (("{count} days", 86_400), ("{count} hours", 3600), ("{count} minutes", 60), ("{count} seconds", 1))
    said = []
    for text, size in units:
        count, seconds = divmod(seconds, size)
        if count or said:
            said.append(w.text(text, count=count) if count else "")
        if len(said) == 2:
            break
    return " ".join(part for part in said if part)
