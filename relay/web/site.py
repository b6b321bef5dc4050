"""What the pages stand on: the court's services, who is asking, and how a page is made.

Each group of pages is a module with `routes(site)`; it declares what it needs from the court as a Protocol of its own or takes a
service from relay.services.court, and `relay/app/court_web.py` puts the parts in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from relay.core.errors import Denied
from relay.words import Language, negotiate, speaker

PersonRole = Literal["judge", "clerk", "party", "auditor"]
PERSON_ROLES: Final[tuple[PersonRole, ...]] = get_args(PersonRole)
LANGUAGE_COOKIE: Final = "language"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is signed in. `name` is what the custody log calls them: an identity's URI, or `party:<invitation id>`.

    A party sees `dossiers` of `case` alone; other roles see what their role allows, whatever the case.
    """

    name: str
    roles: frozenset[PersonRole]
    case: str = ""
    dossiers: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Shared by all pages. `url`: where people reach it, without a final slash; it is in QR codes."""

    url: str
    court: str
    """The court's name for people."""
    templates: Environment


def make_templates() -> Environment:
    """Autoescaping for everything; an unknown name in a template is an error, not an empty text."""
    return Environment(
        loader=PackageLoader("relay.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def language_of(request: Request) -> Language:
    """The reader's choice: the cookie of the language switch, else Accept-Language."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return negotiate(chosen) if chosen else negotiate(request.headers.get("accept-language", ""))


def person_of(request: Request) -> Person | None:
    """Who is signed in; set by the session middleware."""
    person: Person | None = request.scope.get("person")
    return person


def need(request: Request, *roles: PersonRole) -> Person:
    """The signed-in person when they have one of these roles. Raises `Denied`: the page for signing in, or 403."""
    person = person_of(request)
    if person is None or not person.roles & set(roles):
        raise Denied("nobody is signed in" if person is None else "the person has none of the roles that may")
    return person


def page(
    site: Site, request: Request, template: str, values: Mapping[str, object], *, status: int = 200
) -> HTMLResponse:
    """A page in the reader's language. Templates have `t` (a text), `w` (the Speaker), `site`, `person`, `csrf`, `path`."""
    language = language_of(request)
    words = speaker(language)
    html = site.templates.get_template(template).render(
        t=words.text,
        w=words,
        language=language,
        site=site,
        person=person_of(request),
        csrf=request.scope.get("csrf", ""),
        path=request.url.path,
        **values,
    )
    return HTMLResponse(html, status, headers={"Content-Language": language, "Vary": "Accept-Language, Cookie"})
