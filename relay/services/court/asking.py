"""Ask for a dossier: check the grant, sign the request or the wish to go on, and keep what is needed to go on after a restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.checks import Verifiers, check_grant, check_registration
from relay.core.errors import Malformed, Unavailable, Unverified
from relay.core.grants import Grant, parse_grant
from relay.core.jose import thumbprint
from relay.core.ledgerproof import LedgerProof
from relay.core.requests import RequestDetails, RetrievalRequest, make_request, parse_request
from relay.core.resume import make_resume
from relay.core.sealing import SealingPrivateKey, new_sealing_key
from relay.core.times import format_utc
from relay.core.trust import TrustRoots
from relay.ports.common import Clock, RandomBytes, Signer
from relay.ports.court import CourtStore, KeptRetrieval
from relay.ports.ledgers import CourtRegistry
from relay.services.court.custody import CustodyKeeper

REQUEST_LIFETIME_S: Final = 300
RESUMABLE_MS: Final = 86_400_000
"""How long a retrieval that broke off is kept; the lender keeps its side as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalCommand:
    """What an officer asks for; an empty dossier means the only one in the grant."""

    grant: bytes
    dossier: str
    officer: str
    purpose: str
    request_id: bytes = b""
    """The caller's name for it, stored with the bundle; empty without one."""


@dataclass(slots=True, kw_only=True)
class Under:
    """One retrieval under way. `token` is what is sent next: the request, or a resume; `header` is empty until it came."""

    grant: Grant
    registration: LedgerProof
    dossier: str
    officer: str
    purpose: str
    request: RetrievalRequest
    key: SealingPrivateKey
    events: list[tuple[bytes, int]]
    begun_ms: int
    token: bytes
    header: bytes = b""
    asked_sizes: Mapping[str, int]
    """Origin → size of the last checkpoint accepted before the request was made: the lender's list must have all entries below it."""
    taken_up: bool = False
    """It was begun by an earlier call."""
    request_id: bytes = b""
    """Of the call that is under way: an earlier one may have had another, or none."""

    @property
    def subject(self) -> dict[str, str]:
        """For custody events."""
        return {"grant": self.grant.digest.hex(), "request": self.request.digest.hex(), "dossier": self.dossier}


class Asking:
    """Makes and takes up retrievals."""

    def __init__(
        self,
        *,
        identity: str,
        store: CourtStore,
        registry: CourtRegistry,
        custody: CustodyKeeper,
        trust: TrustRoots,
        verifiers: Verifiers,
        request_keys: Sequence[Signer],
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        self._identity = identity
        self._store = store
        self._registry = registry
        self._custody = custody
        self._trust = trust
        self._verifiers = verifiers
        self._request_keys = request_keys
        self._clock = clock
        self._random = random_bytes

    async def check(self, command: RetrievalCommand) -> tuple[Grant, LedgerProof, str]:
        """Grant, its registration, and the dossier asked for. What the lender will check too is told here with its reason."""
        now_s = self._clock.now_ms() // 1000
        if stale := self._trust.why_stale(now_s):
            raise Unverified("trust roots", stale)
        grant = parse_grant(command.grant.strip())
        check_grant(
            grant, self._trust, lender=grant.iss, court=self._identity, dossier=grant.dossiers[0], case=grant.case
        )
        self._bound_key(grant)
        self._trust.refuse_revoked("request", thumbprint(grant.request_key), grant.aud, now_s * 1000)
        if now_s < grant.nbf:
            raise Unverified("grant", f"is not valid yet: it begins at {format_utc(grant.nbf)}")
        if now_s >= grant.exp:
            raise Unverified("grant", f"has expired: at {format_utc(grant.exp)}")
        state = await self._registry.grant_state(grant.iss, grant.digest)
        if not state.registration:
            raise Unavailable("the grant is not registered on the court ledger yet; ask again in a moment")
        if state.revoked_ms:
            raise Unverified("grant", f"was revoked on the court ledger at {format_utc(state.revoked_ms // 1000)}")
        registration = await self._registry.prove(state.registration)
        check_registration(registration, grant, self._identity, self._trust, self._verifiers)
        return grant, registration, _dossier(command, grant)

    async def begin(self, command: RetrievalCommand, grant: Grant, registration: LedgerProof, dossier: str) -> Under:
        """A request of its own; custody event and one-time key are durable before it leaves."""
        now_s = self._clock.now_ms() // 1000
        custodian_key = self._trust.newest("sealing", party=grant.iss, at_ms=now_s * 1000).sealing_key
        request_key = self._bound_key(grant)
        key = new_sealing_key(custodian_key.kem, self._random)
        logs = self._trust.logs_of(grant.iss)
        asked_sizes = {log.origin: await self._store.receipted_size(log.origin) for log in logs}
        token = make_request(
            iss=self._identity,
            aud=grant.iss,
            grant=grant.digest,
            details=RequestDetails(case=grant.case, dossier=dossier, officer=command.officer, purpose=command.purpose),
            iat=now_s,
            exp=now_s + REQUEST_LIFETIME_S,
            recipient=key.public_key,
            custodian_key=custodian_key,
            public_key=request_key.public_key,
            sign=request_key.sign,
            random_bytes=self._random,
        )
        under = Under(
            grant=grant,
            registration=registration,
            dossier=dossier,
            officer=command.officer,
            purpose=command.purpose,
            request=parse_request(token),
            key=key,
            events=[],
            begun_ms=now_s * 1000,
            token=token.encode("ascii"),
            asked_sizes=asked_sizes,
        )
        await self._note(under, "request", f"{command.officer}: {command.purpose}")
        return under

    async def kept(
        self,
        command: RetrievalCommand,
        grant: Grant,
        registration: LedgerProof,
        dossier: str,
        busy: Mapping[bytes, object],
    ) -> Under | None:
        """One that broke off: same grant, dossier, officer and purpose, and nobody is at it now."""
        await self._store.drop_retrievals_before(self._clock.now_ms() - RESUMABLE_MS)
        for kept in await self._store.kept_retrievals(grant.digest, dossier):
            if kept.request in busy or (kept.officer, kept.purpose) != (command.officer, command.purpose):
                continue
            request = parse_request(kept.token)
            return Under(
                grant=grant,
                registration=registration,
                dossier=dossier,
                officer=kept.officer,
                purpose=kept.purpose,
                request=request,
                key=SealingPrivateKey(kem=request.recipient.kem, raw=kept.key),
                events=list(kept.events),
                begun_ms=kept.begun_ms,
                token=b"",
                header=kept.header,
                asked_sizes=kept.asked_sizes,
                taken_up=True,
            )
        return None

    async def resume(self, under: Under, chunk: int) -> None:
        """Sign the wish to go on at a chunk; its custody event is durable before it leaves."""
        now_s = self._clock.now_ms() // 1000
        request_key = self._bound_key(under.grant)
        token = make_resume(
            iss=self._identity,
            aud=under.grant.iss,
            grant=under.request.grant,
            request=under.request.digest.hex(),
            chunk=chunk,
            iat=now_s,
            exp=now_s + REQUEST_LIFETIME_S,
            public_key=request_key.public_key,
            sign=request_key.sign,
            random_bytes=self._random,
        )
        under.token = token.encode("ascii")
        await self._note(under, "resume", f"from chunk {chunk}")

    def _bound_key(self, grant: Grant) -> Signer:
        """The request key a grant is bound to: a grant lives on when the court's key is changed. Raises `Unverified`."""
        for key in self._request_keys:
            if key.public_key == grant.request_key:
                return key
        raise Unverified("grant", "is bound to a key that this court does not have; the lender must issue a new one")

    async def got_header(self, under: Under, header: bytes) -> None:
        """The first one is kept; a stream that is taken up again must have the same. Raises `Unverified`."""
        if not under.header:
            under.header = header
            await self._keep(under)
        elif header != under.header:
            raise Unverified("sealed stream header", "is another than when the disclosure began")

    async def _note(self, under: Under, action: str, detail: str) -> None:
        event = await self._custody.note("request" if action == "request" else "resume", under.subject, "sent", detail)
        under.events.append(event)
        await self._keep(under)

    async def _keep(self, under: Under) -> None:
        await self._store.keep_retrieval(
            KeptRetrieval(
                request=under.request.digest,
                grant=under.grant.digest,
                dossier=under.dossier,
                officer=under.officer,
                purpose=under.purpose,
                token=under.request.jws.token.encode("ascii"),
                key=under.key.raw,
                header=under.header,
                events=tuple(under.events),
                begun_ms=under.begun_ms,
                asked_sizes=under.asked_sizes,
            )
        )


def _dossier(command: RetrievalCommand, grant: Grant) -> str:
    dossier = command.dossier or grant.dossiers[0]
    if not command.dossier and len(grant.dossiers) > 1:
        raise Malformed("retrieval", "dossier", f"the grant names {len(grant.dossiers)} dossiers; say which one")
    if dossier not in grant.dossiers:
        raise Malformed("retrieval", "dossier", "the grant does not name this dossier; `courtrelay inspect` shows it")
    return dossier
