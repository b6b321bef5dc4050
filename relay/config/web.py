"""The table `[web]` of a court: its pages for judges, clerks, parties and the public (docs/court-pages.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from relay.config.http import is_loopback
from relay.config.strict import Table
from relay.core.identity import Role, parse_identity
from relay.ports.sessions import PERSON_ROLES, PersonRole

UPLOAD_BYTES_MAX: Final = 2 * 1024**3
"""Default of `upload_bytes_max`: 2 GiB."""
UPLOAD_BYTES_HIGHEST: Final = 4 * 1024**3
COURT_NAME_CHARS_MAX: Final = 120
PEOPLE_MAX: Final = 10_000
OPEN_ROLES: Final = frozenset(PERSON_ROLES) - {"party"}
"""What a configuration can make somebody; a party is invited to one case."""
ISSUER_CHARS_MAX: Final = 512
SCOPE: Final = "openid profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcConfig:
    """An OpenID provider. `claim` is a member of the ID token whose values `roles` turns into roles here."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    claim: str
    roles: Mapping[str, frozenset[PersonRole]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """`secure`: TLS is spoken here, a client's certificate is asked for and not required. `url`: where people reach the pages."""

    listen: str
    secure: bool
    certificate: Path | None
    key: Path | None
    """The server's own certificate and key for browsers; None: the role's."""
    url: str
    court_name: str
    people: Mapping[str, frozenset[PersonRole]]
    oidc: OidcConfig | None
    upload_bytes_max: int


def read_web(table: Table) -> WebConfig:
    """Raises `Malformed` naming file and key."""
    listen, secure = _listen(table)
    own = table.has("certificate")
    config = WebConfig(
        listen=listen,
        secure=secure,
        certificate=table.file("certificate") if own else None,
        key=table.private_file("key") if own else None,
        url=_url(table, secure),
        court_name=_court_name(table),
        people=_people(table.table("people")) if table.has("people") else {},
        oidc=_oidc(table.table("oidc")) if table.has("oidc") else None,
        upload_bytes_max=(
            table.integer("upload_bytes_max", low=1024, high=UPLOAD_BYTES_HIGHEST)
            if table.has("upload_bytes_max")
            else UPLOAD_BYTES_MAX
        ),
    )
    table.done()
    return config


def _listen(table: Table) -> tuple[str, bool]:
    listen, host = table.listen("listen")
    kind = table.text("tls") if table.has("tls") else "optional"
    if kind not in ("optional", "none"):
        raise table.refuse("tls", f"{kind!a} is neither optional nor none")
    if kind == "none" and not _is_here(host):
        raise table.refuse("tls", "none is for the loopback alone; put a proxy with TLS in front for others")
    return listen, kind == "optional"


def _url(table: Table, secure: bool) -> str:
    text = table.text("url")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise table.refuse("url", "is not an address of the web") from None
    if f"{parts.scheme}://{parts.netloc}" != text or not parts.hostname or "@" in parts.netloc or port == 0:
        raise table.refuse("url", "must be https://<host> or https://<host>:<port>, without anything after it")
    plain = parts.scheme == "http" and not secure and _is_here(parts.hostname)
    if parts.scheme != "https" and not plain:
        raise table.refuse("url", 'must begin with https://; http:// is for the loopback with tls = "none" alone')
    return text


def _court_name(table: Table) -> str:
    name = table.text("court_name")
    if len(name) > COURT_NAME_CHARS_MAX or not name.isprintable():
        raise table.refuse("court_name", f"must be at most {COURT_NAME_CHARS_MAX} printable characters")
    return name


def _people(table: Table) -> dict[str, frozenset[PersonRole]]:
    """Identity → roles; of people and operators, for whoever signs in is a person."""
    found = _roles(table)
    for name in found:
        identity = parse_identity(name, what=table.at(""), field=name[:80])
        if identity.role not in (Role.PERSON, Role.OPERATOR):
            raise table.refuse(name[:80], "must be the id of a person or an operator")
    return found


def _roles(table: Table) -> dict[str, frozenset[PersonRole]]:
    """All of a table: name → list of roles."""
    names = list(table.rest().items())
    if len(names) > PEOPLE_MAX:
        raise table.refuse("", f"{len(names)} lines; at most {PEOPLE_MAX}")
    found: dict[str, frozenset[PersonRole]] = {}
    for name, roles in names:
        if not isinstance(roles, list) or not roles or not all(isinstance(r, str) and r in OPEN_ROLES for r in roles):
            raise table.refuse(name[:80], f"must be a non-empty list of roles out of {', '.join(sorted(OPEN_ROLES))}")
        found[name] = frozenset(role for role in PERSON_ROLES if role in roles)
    return found


def _oidc(table: Table) -> OidcConfig:
    issuer = table.text("issuer")
    parts = urlsplit(issuer)
    loopback = parts.scheme == "http" and parts.hostname is not None and _is_here(parts.hostname)
    if len(issuer) > ISSUER_CHARS_MAX or not (parts.scheme == "https" or loopback) or parts.query or parts.fragment:
        raise table.refuse("issuer", "must be the provider's https:// address, without query and fragment")
    config = OidcConfig(
        issuer=issuer,
        client_id=table.text("client_id"),
        client_secret=table.secret("client_secret"),
        scope=_scope(table),
        claim=table.text("claim"),
        roles=_roles(table.table("roles")),
    )
    if not config.roles:
        raise table.refuse("roles", "is empty: nobody could sign in")
    table.done()
    return config


def _scope(table: Table) -> str:
    scope = table.text("scope") if table.has("scope") else SCOPE
    if "openid" not in scope.split() or not scope.isascii() or not scope.isprintable():
        raise table.refuse("scope", "must be names with spaces between them, openid among them")
    return scope


def _is_here(host: str) -> bool:
    """A browser is given a name more often than an address."""
    return host == "localhost" or is_loopback(host)
