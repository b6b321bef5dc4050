"""Who is signed in to the court's pages: sessions, one-time links, and the custody event of every sign-in and refusal.

A session's secret has 256 random bits and is kept as its SHA-256. A new one is made at every sign-in, so that a secret that was set
before is worth nothing after. It ends eight hours after it began, an hour after it was used last, or with the certificate behind it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from relay.core.base64strict import b64url_decode, b64url_encode
from relay.core.errors import Denied, Malformed
from relay.core.identity import Identity, Role, parse_identity
from relay.ports.common import Clock, RandomBytes
from relay.ports.sessions import PERSON_ROLES, PersonRole, Session, SessionStore, SignInLink, SignInWay, WaitingSignIn
from relay.services.court.custody import CustodyKeeper

SESSION_MS: Final = 8 * 3_600_000
IDLE_MS: Final = 3_600_000
SEEN_EVERY_MS: Final = 60_000
"""A session's last use is written down at most this often."""
LINK_MS: Final = 600_000
WAITING_MS: Final = 600_000
SECRET_BYTES: Final = 32
SECRET_CHARS_MAX: Final = 64
Stands = Callable[[bytes], Identity]
"""Whose certificate this is (PEM), when it stands now: one identity, in time, not revoked. Raises `Denied`."""


def digest_of(secret: str) -> bytes | None:
    """What a secret is stored as; None when it is no secret of ours at all."""
    try:
        raw = b64url_decode(secret[:SECRET_CHARS_MAX], what="secret", field="")
    except Malformed:
        return None
    return hashlib.sha256(raw).digest() if len(raw) == SECRET_BYTES else None


class SignIn:
    """Begins and ends sessions. Every sign-in is in the custody log before the session exists."""

    def __init__(
        self,
        *,
        identity: str,
        store: SessionStore,
        custody: CustodyKeeper,
        clock: Clock,
        random_bytes: RandomBytes,
        people: Mapping[str, frozenset[PersonRole]],
        stands: Stands,
    ) -> None:
        self._trust_domain = parse_identity(identity).trust_domain
        self._store = store
        self._custody = custody
        self._clock = clock
        self._random = random_bytes
        self._people = people
        self._stands = stands

    def person(self, name: str) -> str:
        """The identity of a person of this court. Raises `Malformed` for a name that cannot stand in one."""
        uri = f"spiffe://{self._trust_domain}/{Role.PERSON.value}/{name}"
        return str(parse_identity(uri, what="sign-in", field="name"))

    async def begin(self, session: Session, old: str = "") -> str:
        """A new session's secret; the session of the secret `old` ends. The session's times are set here."""
        secret = self._random(SECRET_BYTES)
        digest = hashlib.sha256(secret).digest()
        now = self._clock.now_ms()
        roles = ", ".join(sorted(session.roles))
        subject = {"session": hashlib.sha256(digest).hexdigest()}
        await self._custody.note("sign_in", subject, "permitted", f"{session.way}: {roles}", actor=session.name)
        await self._store.begin(digest, replace(session, begun_ms=now, seen_ms=now), digest_of(old) or b"")
        return b64url_encode(secret)

    async def refused(self, way: SignInWay, reason: str) -> None:
        """Log that somebody was not let in; the reason is told nowhere else."""
        detail = "".join(character for character in f"{way}: {reason}" if character.isprintable())
        await self._custody.note("sign_in", {}, "refused", detail)

    async def whose(self, secret: str) -> Session | None:
        """The living session of a secret; None when there is none, or no more."""
        digest = digest_of(secret)
        held = await self._store.find(digest) if digest else None
        if held is None or digest is None:
            return None
        now = self._clock.now_ms()
        if now >= held.begun_ms + SESSION_MS or now >= held.seen_ms + IDLE_MS:
            await self._store.end(digest)
            return None
        if held.certificate:
            try:
                held = replace(held, roles=self.known(held.certificate)[1])
            except Denied:
                await self._store.end(digest)
                return None
        if now >= held.seen_ms + SEEN_EVERY_MS:
            await self._store.seen(digest, now)
        return held

    async def end(self, secret: str) -> None:
        """Sign out."""
        digest = digest_of(secret)
        if digest:
            await self._store.end(digest)

    async def end_all(self, name: str) -> int:
        """End every session of a person, such as a party whose invitation was withdrawn; how many there were."""
        return await self._store.end_all(name)

    def known(self, certificate: bytes) -> tuple[str, frozenset[PersonRole]]:
        """Identity and roles of a certificate (PEM) that stands now and is one of the court's people. Raises `Denied`."""
        identity = self._stands(certificate)
        if identity.role not in (Role.PERSON, Role.OPERATOR):
            raise Denied(f"{identity} is neither a person nor an operator")
        roles = self._people.get(str(identity))
        if not roles:
            raise Denied(f"{identity} is not among the people of the court's pages")
        return str(identity), roles

    async def by_certificate(self, certificate: bytes, old: str) -> str:
        """Sign in with a certificate. Raises `Denied`, which is logged."""
        try:
            name, roles = self.known(certificate)
        except Denied as denied:
            await self.refused("certificate", denied.reason)
            raise
        return await self.begin(self._session(name, roles, "certificate", certificate), old)

    async def make_link(self, name: str, role: str, operator: str) -> str:
        """The secret of a link that signs a person in once within ten minutes. Raises `Malformed` for a name or role."""
        known: dict[str, PersonRole] = {one: one for one in PERSON_ROLES if one != "party"}
        if role not in known:
            raise Malformed("sign-in link", "role", "must be judge, clerk or auditor; a party is invited to a case")
        person = self.person(name)
        secret = self._random(SECRET_BYTES)
        now = self._clock.now_ms()
        digest = hashlib.sha256(secret).digest()
        link = SignInLink(name=person, roles=frozenset({known[role]}), ends_ms=now + LINK_MS)
        subject = {"link": hashlib.sha256(digest).hexdigest()}
        await self._custody.note("sign_in", subject, "link_made", f"for {person} as {role}", actor=operator)
        await self._store.add_link(digest, link, now)
        return b64url_encode(secret)

    async def by_link(self, secret: str, old: str) -> str:
        """Sign in with a link's secret, once. Raises `Denied`, which is logged."""
        digest = digest_of(secret)
        link = await self._store.take_link(digest) if digest else None
        if link is None or link.ends_ms <= self._clock.now_ms():
            reason = "the link is unknown or was used" if link is None else f"the link of {link.name} has run out"
            await self.refused("link", reason)
            raise Denied(reason)
        return await self.begin(self._session(link.name, link.roles, "link"), old)

    async def by_provider(self, name: str, roles: frozenset[PersonRole], old: str) -> str:
        """Sign in somebody whose ID token was checked."""
        return await self.begin(self._session(self.person(name), roles, "oidc"), old)

    async def wait(self, verifier: str, nonce: str, then: str) -> str:
        """Remember a sign-in that goes by way of the provider; the state to send along. Raises `Busy`."""
        secret = self._random(SECRET_BYTES)
        now = self._clock.now_ms()
        waiting = WaitingSignIn(verifier=verifier, nonce=nonce, next=then, ends_ms=now + WAITING_MS)
        await self._store.add_waiting(hashlib.sha256(secret).digest(), waiting, now)
        return b64url_encode(secret)

    async def waiting(self, state: str) -> WaitingSignIn | None:
        """What was remembered under a state, once; None when there is nothing or its time is over."""
        digest = digest_of(state)
        held = await self._store.take_waiting(digest) if digest else None
        return held if held and held.ends_ms > self._clock.now_ms() else None

    def _session(self, name: str, roles: frozenset[PersonRole], way: SignInWay, certificate: bytes = b"") -> Session:
        return Session(name=name, roles=roles, way=way, certificate=certificate, begun_ms=0, seen_ms=0)
