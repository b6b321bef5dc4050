"""Parties: a clerk invites a person to one dossier of one case; the person comes in by a link, name and identity number.

Whatever is wrong at the door there is one answer, and it takes as long: the link is unknown, revoked, expired, locked, or name or number
do not fit. The reason stands in the custody log alone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from relay.core.custody import CustodyEvent, parse_event
from relay.core.errors import Busy, Denied, Malformed, NotFound
from relay.core.fields import DOSSIER
from relay.core.identity import Identity, Role, parse_identity
from relay.core.invitation import (
    COST,
    HASH_BYTES,
    SALT_BYTES,
    SECRET_BYTES,
    ScryptCost,
    derive,
    fits,
    format_secret,
    one_spelling,
    parse_secret,
    secret_digest,
)
from relay.core.limits import CASE_CHARS_MAX, CUSTODY_PAGE_EVENTS_MAX
from relay.ports.common import Clock, RandomBytes
from relay.ports.custody import CustodyFilter
from relay.ports.parties import CaseFiles, Invitation, PartyStore, Traces
from relay.services.court.custody import CustodyKeeper
from relay.services.custody_reading import CustodyReading

DAYS_DEFAULT: Final = 14
DAYS_MAX: Final = 365
DAY_MS: Final = 86_400_000
ID_BYTES: Final = 16
OPEN_MAX: Final = 20
"""Open invitations to one dossier of one case."""
LISTED_MAX: Final = 500
AT_ONCE: Final = 2
"""Tries compared at the same time: each holds 32 MiB."""
WAITING_MAX: Final = 16
_WHAT: Final = "invitation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A person who was let in. `name` is their identity in the custody log."""

    invitation: str
    name: str
    case: str
    dossier: str
    expires_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEvent:
    """One event that concerns a party's dossier. `who`: `self`, `party` (another one, unnamed), `court` (its gateway) or `person`."""

    index: int
    event: CustodyEvent
    who: str
    name: str
    """Of a person who acts for the court; empty for everybody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPage:
    """Some events, oldest first, and where the next page begins (0 after the last)."""

    events: tuple[SeenEvent, ...]
    next: int


class Parties:
    """Serves the court's pages and its HTTP interface. `identity` is the gateway's; `cost` is for new invitations."""

    def __init__(
        self,
        *,
        identity: str,
        store: PartyStore,
        files: CaseFiles,
        custody: CustodyKeeper,
        reading: CustodyReading,
        clock: Clock,
        random_bytes: RandomBytes,
        cost: ScryptCost = COST,
    ) -> None:
        self._identity = identity
        self._trust_domain = parse_identity(identity).trust_domain
        self._store = store
        self._files = files
        self._custody = custody
        self._reading = reading
        self._clock = clock
        self._random = random_bytes
        self._cost = cost
        self._comparing = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def invite(self, case: str, dossier: str, name: str, id_number: str, days: int, by: str) -> tuple[str, str]:
        """Invitation id, and the secret for the link, which is told this once.

        Raises `Malformed`, `NotFound` (no grant of the case names the dossier), `Conflict` (too many are open).
        """
        if not 1 <= days <= DAYS_MAX:
            raise Malformed(_WHAT, "days", f"must be 1 to {DAYS_MAX}")
        pair = one_spelling(name, id_number)
        await self._traces(case, dossier)
        secret, salt = self._random(SECRET_BYTES), self._random(SALT_BYTES)
        async with self._comparing:
            kept = await asyncio.to_thread(derive, pair, salt, secret, self._cost)
        now_ms = self._clock.now_ms()
        invitation = Invitation(
            id=self._random(ID_BYTES).hex(),
            case=case,
            dossier=dossier,
            link=secret_digest(secret),
            salt=salt,
            cost=self._cost,
            kept=kept,
            by=by,
            made_ms=now_ms,
            expires_ms=now_ms + days * DAY_MS,
        )
        await self._custody.note("invite", _subject(invitation), "issued", "", actor=by)
        await self._store.add(invitation, OPEN_MAX)
        return invitation.id, format_secret(secret)

    async def invitations(self, case: str = "", dossier: str = "") -> list[Invitation]:
        """The newest first, of all cases when none is named."""
        if len(case) > CASE_CHARS_MAX or (dossier and not DOSSIER.fullmatch(dossier)):
            return []
        return await self._store.of(case, dossier, LISTED_MAX)

    async def revoke(self, invitation_id: str, by: str) -> None:
        """End an invitation and every session that came of it. Raises `NotFound`. Safe to repeat."""
        found = await self._store.find(invitation_id)
        if found is None:
            raise NotFound("no such invitation")
        if not found.revoked_ms:
            await self._custody.note("invite", _subject(found), "revoked", "", actor=by)
            await self._store.revoke(invitation_id, self._clock.now_ms())

    async def enter(self, secret: str, name: str, id_number: str) -> Admission:
        """Let a person in. Raises `Denied` whatever is wrong, `Busy` when too many are at the door.

        A try is counted before anything is compared: tries at the same moment cannot pass the limit together.
        """
        if self._waiting >= WAITING_MAX:
            raise Busy("too many people are signing in at this moment; try again shortly", retry_s=5)
        self._waiting += 1
        try:
            async with self._comparing:
                return await self._judge(secret, name, id_number)
        finally:
            self._waiting -= 1

    async def admitted(self, name: str) -> Admission:
        """Whether a person who was let in before may still be: asked at every access, so that revoking ends open sessions.

        Raises `Denied`; the refusal is in the custody log.
        """
        identity = parse_identity(name)
        found = await self._store.find(identity.name) if identity.role is Role.PERSON else None
        if found is None:
            raise Denied("this person was not invited")
        state = found.state(self._clock.now_ms())
        if state in ("revoked", "expired"):
            await self._custody.note("refuse", _subject(found), "refused", f"the invitation is {state}", actor=name)
            raise Denied(f"the invitation is {state}")
        return self._admission(found)

    async def seen(self, name: str, start: int = 0, objections: frozenset[str] = frozenset()) -> SeenPage:
        """What the custody log holds of a party's own dossier in their own case, from a log index on. Raises `Denied`.

        Events of the same dossier in other cases are left out, objections but the own (`objections`) too, and whoever else was
        invited has no name.
        """
        own = await self.admitted(name)
        traces = await self._traces(own.case, own.dossier)
        invited = {one.id for one in await self._store.of(own.case, own.dossier, LISTED_MAX)}
        wanted = CustodyFilter(dossier=own.dossier)
        rows, upto = await self._reading.find(wanted, start, CUSTODY_PAGE_EVENTS_MAX)
        events = [(row.index, _readable(row.event)) for row in rows]
        mine = [
            self._seen(index, event, own, invited)
            for index, event in events
            if event is not None and _concerns(event, own, traces, invited, objections)
        ]
        return SeenPage(events=tuple(mine), next=upto)

    async def _judge(self, secret_text: str, name: str, id_number: str) -> Admission:
        now_ms = self._clock.now_ms()
        secret, found = bytes(SECRET_BYTES), None
        try:
            secret = parse_secret(secret_text)
            found = await self._store.take_try(secret_digest(secret), now_ms)
        except Malformed:
            pass  # judged below, as slowly as every other
        try:
            pair = one_spelling(name, id_number)
        except Malformed:
            pair = b""  # is nobody's
        salt, cost, kept = bytes(SALT_BYTES), self._cost, bytes(HASH_BYTES)
        if found is not None:
            salt, cost, kept = found.salt, found.cost, found.kept
        right = await asyncio.to_thread(fits, pair, salt, secret, cost, kept)
        if found is None:
            return await self._refuse({}, "no invitation has this link")
        state = found.state(now_ms)
        if state != "open":
            return await self._refuse(_subject(found), f"the invitation is {state}")
        if not right or not pair:
            return await self._refuse(_subject(found), f"name or identity number do not fit: try {found.tries + 1}")
        admission = self._admission(found)
        await self._custody.note("sign_in", _subject(found), "permitted", "by invitation", actor=admission.name)
        if not await self._store.let_in(found.id, self._clock.now_ms()):
            return await self._refuse(_subject(found), "the invitation was ended at this moment")
        return admission

    async def _refuse(self, subject: dict[str, str], reason: str) -> Admission:
        await self._custody.note("refuse", subject, "refused", reason)
        raise Denied(reason)

    async def _traces(self, case: str, dossier: str) -> Traces:
        if not case or len(case) > CASE_CHARS_MAX or not DOSSIER.fullmatch(dossier):
            raise NotFound("no grant of this case names this dossier")
        return await self._files.traces(case, dossier)

    def _admission(self, found: Invitation) -> Admission:
        name = str(Identity(trust_domain=self._trust_domain, role=Role.PERSON, name=found.id))
        return Admission(
            invitation=found.id, name=name, case=found.case, dossier=found.dossier, expires_ms=found.expires_ms
        )

    def _seen(self, index: int, event: CustodyEvent, own: Admission, invited: set[str]) -> SeenEvent:
        actor = parse_identity(event.actor)
        who, name = "person", actor.name
        if event.actor == own.name:
            who, name = "self", ""
        elif actor.name in invited:
            who, name = "party", ""
        elif event.actor == self._identity:
            who, name = "court", ""
        return SeenEvent(index=index, event=event, who=who, name=name)


def _readable(data: bytes) -> CustodyEvent | None:
    """None for an event that was damaged: whose it was cannot be told, and the court's auditors are shown it."""
    try:
        return parse_event(data)
    except Malformed:
        return None


def _subject(invitation: Invitation) -> dict[str, str]:
    return {"invitation": invitation.id, "dossier": invitation.dossier}


def _concerns(
    event: CustodyEvent, own: Admission, traces: Traces, invited: set[str], objections: frozenset[str]
) -> bool:
    """Whether an event about the dossier is of this case, by its grant, its bundle or its invitation, and is the party's to see.

    That somebody else was invited, or came, is not; that they looked at the dossier is.
    """
    subject = event.subject
    if event.action in ("invite", "sign_in", "refuse") and subject.get("invitation", "") not in ("", own.invitation):
        return False
    named = (("grant", traces.grants), ("bundle", traces.bundles), ("invitation", invited))
    if "objection" in subject:
        return subject["objection"] in objections
    return any(subject.get(name, "") in known for name, known in named)
