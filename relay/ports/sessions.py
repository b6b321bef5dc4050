"""Who is signed in to a court's pages, and what that is stored in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, get_args

PersonRole = Literal["judge", "clerk", "party", "auditor"]
PERSON_ROLES: Final[tuple[PersonRole, ...]] = get_args(PersonRole)
SignInWay = Literal["certificate", "link", "oidc", "invitation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One person's session. `name` is the identity that the custody log calls them; times in ms since 1970 UTC.

    `certificate` is what they showed, in PEM, so that the session ends with it; empty for other ways.
    """

    name: str
    roles: frozenset[PersonRole]
    case: str = ""
    dossiers: frozenset[str] = field(default_factory=frozenset)
    way: SignInWay
    certificate: bytes = b""
    begun_ms: int
    seen_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLink:
    """A link that signs somebody in once, until `ends_ms`."""

    name: str
    roles: frozenset[PersonRole]
    ends_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSignIn:
    """Somebody was sent to the OpenID provider and is not back: what their answer must fit (RFC 7636, OpenID Connect Core 3.1.2)."""

    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    next: str
    ends_ms: int


class SessionStore(Protocol):
    """Secrets are known here by their SHA-256 alone. Every write is durable on return."""

    async def begin(self, digest: bytes, session: Session, replaced: bytes) -> None:
        """Keep a session; the one with the digest `replaced` (may be empty) ends in the same transaction."""

    async def find(self, digest: bytes) -> Session | None:
        """The session as it was kept, ended by time or not."""

    async def seen(self, digest: bytes, at_ms: int) -> None:
        """Note when it was used last."""

    async def end(self, digest: bytes) -> None:
        """Forget it. What is not there is no error."""

    async def end_all(self, name: str) -> int:
        """Forget all sessions of a person; how many there were."""

    async def add_link(self, digest: bytes, link: SignInLink, now_ms: int) -> None:
        """Keep a link; those that ended before `now_ms` are forgotten."""

    async def take_link(self, digest: bytes) -> SignInLink | None:
        """A link, which is gone from then on: two callers never both get it."""

    async def add_waiting(self, digest: bytes, waiting: WaitingSignIn, now_ms: int) -> None:
        """Keep it; ended ones are forgotten. Raises `Busy` when too many wait."""

    async def take_waiting(self, digest: bytes) -> WaitingSignIn | None:
        """As `take_link`."""
