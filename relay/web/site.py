"""What the pages stand on: the court's name, who is asking, and how a page is made.

Each group of pages is a module with `routes(site, ...)`; it declares what it needs from the court as a Protocol of its own or takes a
service from relay.services.court, and `relay/app/court_web.py` puts the parts in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from relay.core.errors import Denied
from relay.ports.sessions import PERSON_ROLES, PersonRole
from relay.web.forms import Form
from relay.web.plain import plain, quoted
from relay.web.verdicts import MEANINGS, NAMES
from relay.words import Language, negotiate, speaker

LANGUAGE: Final = "language"
"""Purpose of the cookie of the language switch."""
__all__ = ["PERSON_ROLES", "MenuEntry", "Person", "PersonRole", "Site", "form_of", "need", "page", "person_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is signed in. `name` is what the custody log calls them: an identity's URI.

    A party sees `dossiers` of `case` alone; other roles see what their role allows, whatever the case.
    """

    name: str
    roles: frozenset[PersonRole]
    case: str = ""
    dossiers: frozenset[str] = field(default_factory=frozenset)

    @property
    def short(self) -> str:
        """The last part of the identity, for the top of a page."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """A line of the menu: shown to whom has one of these roles. `text` is a template of the catalogues."""

    path: str
    text: str
    roles: frozenset[PersonRole]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Shared by all pages. `url`: where people reach it, without a final slash; it is in QR codes."""

    url: str
    court: str
    """The court's name for people."""
    templates: Environment
    menu: tuple[MenuEntry, ...] = ()


def make_templates() -> Environment:
    """Autoescaping for everything; an unknown name in a template is an error, not an empty text.

    Filters for text that people sent: `plain` (a text), `quoted` (the same, isolated in a <bdi>).
    """
    templates = Environment(
        loader=PackageLoader("relay.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals.update(verdict_names=NAMES, verdict_meanings=MEANINGS)
    templates.filters["plain"] = plain
    templates.filters["quoted"] = quoted
    return templates


def language_of(request: Request) -> Language:
    """The reader's choice: the cookie of the language switch, else Accept-Language."""
    chosen = _language_cookie(request)
    return negotiate(chosen) if chosen else negotiate(request.headers.get("accept-language", ""))


def _language_cookie(request: Request) -> str:
    return request.cookies.get(f"__Host-{LANGUAGE}", "") or request.cookies.get(LANGUAGE, "")


def person_of(request: Request) -> Person | None:
    """Who is signed in; set by the guard."""
    person: Person | None = request.scope.get("person")
    return person


def need(request: Request, *roles: PersonRole) -> Person:
    """The signed-in person when they have one of these roles. Raises `Denied`: the page for signing in, or 404."""
    person = person_of(request)
    if person is None or not person.roles & set(roles):
        raise Denied("nobody is signed in" if person is None else "the person has none of the roles that may")
    return person


def form_of(request: Request) -> Form:
    """The form that a POST carried: read within its bounds, its token right. Its files are gone after the answer."""
    form: Form = request.scope["form"]
    return form


def page(
    site: Site, request: Request, template: str, values: Mapping[str, object], *, status: int = 200
) -> HTMLResponse:
    """A page in the reader's language.

    Templates have `t` (a text), `w` (the Speaker), `site`, `person`, `menu`, `csrf`, `path` and `here` (path and query of this page).
    """
    language = language_of(request)
    words = speaker(language)
    person = person_of(request)
    roles = person.roles if person else frozenset()
    shared = {
        "t": words.text,
        "w": words,
        "language": language,
        "site": site,
        "person": person,
        "menu": [entry for entry in site.menu if entry.roles & roles],
        "csrf": request.scope.get("csrf", ""),
        "path": request.url.path,
        "here": _here(request),
    }
    html = site.templates.get_template(template).render({**shared, **values})
    return HTMLResponse(html, status, headers={"Content-Language": language, "Vary": "Accept-Language, Cookie"})


def _here(request: Request) -> str:
    """This page's own address, to come back to after the language was changed; a result of a form has none."""
    if request.method not in ("GET", "HEAD"):
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
