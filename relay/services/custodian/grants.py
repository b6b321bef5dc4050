"""Grants: issue, revoke, and have both written to the court ledger. A grant counts here first and at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from relay.core.custody import make_event
from relay.core.errors import Conflict, Malformed, NotFound, RelayError, Unverified
from relay.core.fields import DOSSIER, check_plain
from relay.core.grants import (
    GRANT_MODES,
    GrantAction,
    grant_digest,
    issue_grant,
    make_grant_statement,
    parse_grant_statement,
)
from relay.core.jose import thumbprint
from relay.core.ledgerproof import LedgerProof, LedgerProofVerifier
from relay.core.limits import REASON_CHARS_MAX
from relay.core.trust import TrustRoots
from relay.ports.common import Clock, RandomBytes, RecordCatalogue, Signer
from relay.ports.custodian import CustodianStore, GrantRecord, IssueRequest, PendingStatement, RelayLink
from relay.services.custodian.scopes import GrantCommand, open_scope
from relay.telemetry import metrics

log = logging.getLogger(__name__)

FIRST_TRY_S: Final = 10.0
REQUEST_ID_BYTES: Final = 32
_WHAT: Final = "grant"


class Grants:
    """Serves the lender's desk; `run` sends statements to the court ledger and never returns."""

    def __init__(
        self,
        *,
        identity: str,
        origin: str,
        store: CustodianStore,
        relay: RelayLink,
        catalogue: RecordCatalogue,
        signer: Signer,
        trust: TrustRoots,
        verifiers: Mapping[str, LedgerProofVerifier],
        clock: Clock,
        random_bytes: RandomBytes,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._identity = identity
        self._origin = origin
        self._store = store
        self._relay = relay
        self._catalogue = catalogue
        self._signer = signer
        self._trust = trust
        self._verifiers = verifiers
        self._clock = clock
        self._random = random_bytes
        self._backoff = backoff
        self._sending = asyncio.Lock()
        self._wake = asyncio.Event()
        self._asked: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self.problem = ""

    async def issue(self, command: GrantCommand) -> str:
        """The signed grant, stored, and registered on the court ledger if that can be reached now. Raises `Malformed`.

        A request id that was used before gives the grant of then; raises `Conflict` when something else was asked for.
        """
        if not command.request_id:
            return await self._issue(command)
        if len(command.request_id) != REQUEST_ID_BYTES:
            raise Malformed(
                _WHAT, "request_id", f"{len(command.request_id)} bytes; must be empty or {REQUEST_ID_BYTES}"
            )
        async with self._one_at_a_time(command.request_id):
            held = await self._store.issued(command.request_id)
            if held is None:
                return await self._issue(command)
        if held.command != command.digest:
            raise Conflict("another grant was issued under this request id")
        if not held.registered_ms:
            await self._try_now()
        return held.token

    @asynccontextmanager
    async def _one_at_a_time(self, request_id: bytes) -> AsyncIterator[None]:
        """Two calls under one request id: the second waits, and finds what the first has stored."""
        lock = self._asked.setdefault(request_id, asyncio.Lock())  # there as long as anybody holds it or waits for it
        async with lock:
            yield

    async def _issue(self, command: GrantCommand) -> str:
        if command.mode not in GRANT_MODES:
            raise Malformed(_WHAT, "mode", f"must be {' or '.join(GRANT_MODES)}")
        dossiers = [await self._dossier_id(name) for name in command.dossiers]
        opened = open_scope(self._catalogue, command)
        now_ms = self._clock.now_ms()
        if command.expires_s <= now_ms // 1000:
            raise Malformed(_WHAT, "exp", "lies in the past")
        token = issue_grant(
            iss=self._identity,
            aud=command.court,
            case=command.case,
            dossiers=dossiers,
            kinds=opened.kinds,
            mode="retrieve" if command.mode == "retrieve" else "verify",
            purpose=command.purpose,
            nbf=command.not_before_s,
            exp=command.expires_s,
            iat=now_ms // 1000,
            uses=command.uses,
            request_key=self._request_key(command.court, now_ms),
            public_key=self._signer.public_key,
            sign=self._signer.sign,
            random_bytes=self._random,
            scope=opened.scope,
            purpose_class=opened.purpose_class,
        )
        digest = grant_digest(token)
        statement = self._statement("register", digest, command.expires_s)
        request = IssueRequest(id=command.request_id, command=command.digest) if command.request_id else None
        await self._store.save_grant(digest, token, statement, self._event("grant", digest, "issued", ""), request)
        await self._try_now()
        return token

    async def _dossier_id(self, name: str) -> str:
        held = await self._store.find_dossier(name)
        if held is None and DOSSIER.fullmatch(name):
            held = await self._store.dossier(name)
        if held is None:
            raise Malformed(_WHAT, "dossiers", f"no dossier {name[:64]!a} is deposited here")
        return held.id

    def _request_key(self, court: str, now_ms: int) -> bytes:
        try:
            return self._trust.newest("request", party=court, at_ms=now_ms).public_key
        except Unverified as error:
            raise Malformed(_WHAT, "court", f"{error.reason}; see the trust roots file") from None

    async def list(self) -> list[GrantRecord]:
        """All grants, newest first."""
        return await self._store.grants()

    async def revoke(self, digest: bytes, reason: str) -> int:
        """Refused here from now on; returns the time in ms of the first revocation. Raises `NotFound`."""
        check_plain(reason, "revocation", "reason", chars_max=REASON_CHARS_MAX)
        if await self._store.grant(digest) is None:
            raise NotFound("no grant of that digest was issued here; `courtrelay grant list` shows them")
        statement = self._statement("revoke", digest, None)
        event = self._event("revoke", digest, "revoked", reason)
        revoked_ms = await self._store.revoke_grant(digest, self._clock.now_ms(), statement, event)
        await self._try_now()
        return revoked_ms

    def _statement(self, action: GrantAction, digest: bytes, exp: int | None) -> str:
        return make_grant_statement(
            iss=self._identity,
            action=action,
            grant=digest,
            exp=exp,
            iat=self._clock.now_ms() // 1000,
            public_key=self._signer.public_key,
            sign=self._signer.sign,
        )

    def _event(self, action: str, digest: bytes, outcome: str, detail: str) -> bytes:
        return make_event(
            at_ms=self._clock.now_ms(),
            actor=self._identity,
            action="grant" if action == "grant" else "revoke",
            subject={"grant": digest.hex()},
            outcome=outcome,
            detail=detail,
            random_bytes=self._random,
        )

    async def run(self) -> None:
        """Send what the court ledger does not hold yet, oldest first, until nothing is left; then sleep until woken."""
        waits = self._backoff()
        while True:
            self._wake.clear()
            try:
                await self.send_pending()
                waits = self._backoff()
                self.problem = ""
            except RelayError as error:
                self.problem = f"registering grants: {error}"
                log.info(self.problem)
                await asyncio.sleep(next(waits))
                continue
            await self._wake.wait()

    async def _try_now(self) -> None:
        """So that a grant is usually registered when its issuer gets it; trouble is for the worker to mend."""
        try:
            async with asyncio.timeout(FIRST_TRY_S):
                await self.send_pending()
        except (RelayError, TimeoutError) as error:
            log.info("the court ledger will be told later: %s", error)
            self._wake.set()

    async def send_pending(self) -> None:
        """One pass; each statement counts as recorded only by the court ledger's own proof."""
        async with self._sending:
            for pending in await self._store.pending_statements():
                proof = await self._relay.record_grant(self._signed_now(pending))
                time_ms = self._verify(pending, proof)
                await self._store.statement_recorded(pending.grant, pending.action, time_ms)
                if pending.action == "revoke":
                    said_s = parse_grant_statement(pending.token).iat
                    metrics.grant_revocation_lag.labels(self._origin).observe(max(0.0, time_ms / 1000 - said_s))

    def _signed_now(self, pending: PendingStatement) -> str:
        """A statement signed before the grant key was changed is said again with the new one: the ledger takes no other."""
        statement = parse_grant_statement(pending.token)
        if statement.jws.kid == thumbprint(self._signer.public_key):
            return pending.token
        return self._statement(statement.action, pending.grant, statement.exp)

    def _verify(self, pending: PendingStatement, proof: LedgerProof) -> int:
        root = self._trust.ledger_root(proof.ledger)
        verifier = self._verifiers.get(root.kind)
        if verifier is None or proof.ledger not in {court.ledger for court in self._trust.courts}:
            raise Unverified("grant registration", f"{proof.ledger} is not the ledger of a court that is pinned here")
        fact = verifier(proof, root)
        wanted = {"type": "grant", "action": pending.action, "grant": pending.grant.hex(), "issuer": self._identity}
        for name, value in wanted.items():
            if fact.fact.get(name) != value:
                raise Unverified("grant registration", f"the court ledger's {name} is not that of our statement")
        return fact.time_ms
