"""Sessions in cookies: a secret that no script reads and no other site's request carries."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from relay.ports.sessions import Session
from relay.web.site import Person


def cookie_name(purpose: str, url: str) -> str:
    """`__Host-` binds a cookie to this host and to TLS (RFC 6265bis section 4.1.3.2); plain names are for the loopback alone."""
    return f"__Host-{purpose}" if url.startswith("https://") else purpose


def set_cookie(
    response: Response, purpose: str, value: str, url: str, *, seconds: int | None = None, lax: bool = False
) -> None:
    """A cookie for this host, HttpOnly and SameSite=Strict; `lax` for the one that must come back with an OpenID provider's answer."""
    response.set_cookie(
        cookie_name(purpose, url),
        value,
        max_age=seconds,
        path="/",
        secure=url.startswith("https://"),
        httponly=True,
        samesite="lax" if lax else "strict",
    )


def read_cookie(request: Request, purpose: str, url: str) -> str:
    """Its value, empty when there is none."""
    return request.cookies.get(cookie_name(purpose, url), "")


def person_from(session: Session) -> Person:
    """The pages' view of a session."""
    return Person(name=session.name, roles=session.roles, case=session.case, dossiers=session.dossiers)
