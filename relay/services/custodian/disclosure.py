"""Answer retrieval requests: deny by default, log durably, and only then let the first byte leave.

Whatever the reason of a refusal, outside there is one answer; the reason stands in the lender's own custody log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from relay.core.custody import make_event
from relay.core.disclosure import FrameEncoder, ManifestEntry, make_manifest
from relay.core.errors import Denied, Malformed, NotFound, RelayError, Unverified
from relay.core.fields import as_plain
from relay.core.grants import Access, Grant, opens, parse_grant, permits
from relay.core.limits import REASON_CHARS_MAX
from relay.core.requests import (
    RequestDetails,
    RetrievalRequest,
    check_fresh,
    open_details,
    parse_request,
    request_digest,
    verify_request,
)
from relay.core.sealing import SealingPrivateKey, StreamSealer
from relay.core.trust import TrustRoots
from relay.ports.common import Clock, RandomBytes, Signer
from relay.ports.custodian import CustodianStore, DossierState, PayloadVault, RelayLink, StoredRecord
from relay.services.ahead import from_thread

log = logging.getLogger(__name__)

ANSWERS_AT_ONCE: Final = 4
OUT_OF_SCOPE: Final = "outside the grant's record kinds"
PRIVILEGED: Final = "privileged: opens only by a grant that names this kind"


@dataclass(slots=True)
class _Asked:
    """What is proven of a request so far, for the log of its refusal: hex by name."""

    subject: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """A request that passed every check and is durably logged."""

    request: RetrievalRequest
    grant: Grant
    details: RequestDetails
    dossier: DossierState
    records: tuple[StoredRecord, ...]


class Disclosures:
    """Holds the request stream open and answers. `run` never returns; it ends by cancellation."""

    def __init__(
        self,
        *,
        identity: str,
        origin: str,
        store: CustodianStore,
        vault: PayloadVault,
        relay: RelayLink,
        signer: Signer,
        sealing_key: SealingPrivateKey,
        trust: TrustRoots,
        clock: Clock,
        random_bytes: RandomBytes,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._identity = identity
        self._origin = origin
        self._store = store
        self._vault = vault
        self._relay = relay
        self._signer = signer
        self._sealing_key = sealing_key
        self._trust = trust
        self._clock = clock
        self._random = random_bytes
        self._backoff = backoff
        self._slots = asyncio.Semaphore(ANSWERS_AT_ONCE)
        self.connected = False
        self._trouble = ""

    @property
    def problem(self) -> str:
        """What keeps courts from being answered, in words; empty when nothing does."""
        return self._trust.why_stale(self._clock.now_ms() // 1000) or self._trouble

    async def run(self) -> None:
        """Listen; a broken stream is opened again after a growing delay."""
        waits = self._backoff()
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    async with self._relay.requests(self._origin) as requests:
                        async for request_id, token in requests:
                            self.connected, self._trouble = True, ""
                            waits = self._backoff()
                            if request_id:
                                group.create_task(self._handle(request_id, token), name="answer")
                    self._trouble = "the relay closed the request stream"
                except RelayError as error:
                    self._trouble = f"request stream: {error}"
                    log.info(self._trouble)
                self.connected = False
                await asyncio.sleep(next(waits))

    async def _handle(self, request_id: bytes, token: bytes) -> None:
        async with self._slots:
            asked = _Asked({"request": request_id.hex()})
            try:
                permitted = await self.authorise(request_id, token, asked)
            except (Denied, Malformed, NotFound, Unverified) as refusal:
                await self._refuse(request_id, refusal, asked)
                return
            try:
                await self.answer(request_id, permitted)
            except RelayError as error:
                log.warning("an answer broke off: %s", error)

    async def authorise(self, request_id: bytes, token: bytes, asked: _Asked | None = None) -> Permitted:
        """All checks, in order; returns after the custody event, nonce and use are durable in one transaction.

        `asked` is told what the court has proven before a refusal. Raises `Malformed`, `Unverified`, `Denied`, `NotFound`.
        """
        # 1. Form, and that the relay's id is of this very request.
        request = parse_request(token)
        if request_digest(token) != request_id:
            raise Unverified("request", "the relay's request id is not the request's digest")
        # 2. Addressed to us.
        if request.aud != self._identity:
            raise Denied(f"the request is addressed to {request.aud}")
        # 3. Only while this side would hear of a revoked key.
        now_ms = self._clock.now_ms()
        if stale := self._trust.why_stale(now_ms // 1000):
            raise Denied(stale)
        # 4. Under a grant that we issued and keep.
        held = await self._store.grant(bytes.fromhex(request.grant))
        if held is None:
            raise Denied("no grant of that digest was issued here")
        grant = parse_grant(held.token)
        # 5. Signed by the key the grant is bound to.
        verify_request(request, grant.request_key)
        asked = asked or _Asked({})
        asked.subject["grant"] = request.grant  # from here on it is the court's own word
        # 6. Within its time window.
        check_fresh(request, now_ms // 1000)
        # 7. What is asked for, sealed to us.
        details = open_details(request, self._sealing_key)
        asked.subject["dossier"] = details.dossier
        # 8. The grant's scope, period, uses, registration and revocation.
        access = Access(
            custodian=self._identity,
            court=request.iss,
            case=details.case,
            dossier=details.dossier,
            mode="retrieve",
            kid=request.jws.kid,
        )
        permits(
            grant,
            access,
            now_s=now_ms // 1000,
            uses_spent=held.uses_spent,
            revoked_at_s=held.revoked_ms // 1000 if held.revoked_ms else None,
            registered=held.registered_ms > 0,
        )
        # 9. The dossier itself.
        dossier = await self._store.dossier(details.dossier)
        if dossier is None:
            raise NotFound("the dossier is not here any more")
        records = tuple(await self._store.records(dossier.id))
        # 10. Nonce, use and custody event in one transaction: before this nothing leaves, after it something may have.
        event = self._event("disclose", request, "permitted", details)
        await self._store.begin_disclosure(grant.digest, grant.uses, request.nonce, event)
        return Permitted(request=request, grant=grant, details=details, dossier=dossier, records=records)

    def _event(self, action: str, request: RetrievalRequest, outcome: str, details: RequestDetails) -> bytes:
        return make_event(
            at_ms=self._clock.now_ms(),
            actor=request.iss,
            action="disclose" if action == "disclose" else "refuse",
            subject={"grant": request.grant, "request": request.digest.hex(), "dossier": details.dossier},
            outcome=outcome,
            detail=f"{details.officer}: {details.purpose}"[:REASON_CHARS_MAX].strip(),
            random_bytes=self._random,
        )

    def _refusal(self, subject: Mapping[str, str], outcome: str, reason: str) -> bytes:
        return make_event(
            at_ms=self._clock.now_ms(),
            actor=self._identity,
            action="refuse",
            subject=subject,
            outcome=outcome,
            detail=as_plain(reason, chars_max=REASON_CHARS_MAX),
            random_bytes=self._random,
        )

    async def _refuse(self, request_id: bytes, refusal: RelayError, asked: _Asked) -> None:
        await self._store.append_custody(self._refusal(asked.subject, "refused", str(refusal)))
        try:
            await self._relay.refuse(request_id)
        except RelayError as error:
            log.info("the refusal could not be delivered: %s", error)

    async def answer(self, request_id: bytes, permitted: Permitted) -> None:
        """Seal manifest, records and payloads to the request's one-time key and upload them."""
        sealer = StreamSealer(
            request_digest=request_id, recipient=permitted.request.recipient, random_bytes=self._random
        )
        chunks: AsyncIterator[bytes] = from_thread(sealer.seal(self._frames(permitted)))
        await self._relay.answer(request_id, sealer.header, self._while_granted(permitted, chunks))

    async def _while_granted(self, permitted: Permitted, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The chunks, each only after the grant was looked at once more. Raises `Denied` when it is revoked by then."""
        sent = 0
        async for chunk in chunks:
            held = await self._store.grant(permitted.grant.digest)
            if held is None or held.revoked_ms:
                reason = f"the grant was revoked while the answer was under way; {sent} chunks had left"
                request = permitted.request
                subject = {"grant": request.grant, "request": request.digest.hex(), "dossier": permitted.dossier.id}
                await self._store.append_custody(self._refusal(subject, "broken_off", reason))
                raise Denied(reason)
            yield chunk
            sent += 1

    def _frames(self, permitted: Permitted) -> Iterator[bytes | bytearray | memoryview]:
        entries = [self._entry(permitted.grant, record) for record in permitted.records]
        encoder = FrameEncoder()
        manifest = make_manifest(
            iss=self._identity,
            aud=permitted.request.iss,
            grant=permitted.grant.digest,
            request=permitted.request.digest,
            dossier=permitted.dossier.id,
            dossier_key=permitted.dossier.key,
            iat=self._clock.now_ms() // 1000,
            entries=entries,
            public_key=self._signer.public_key,
            sign=self._signer.sign,
        )
        yield encoder.manifest(manifest)
        for entry, record in zip(entries, permitted.records, strict=True):
            if entry.status == "disclosed":
                yield encoder.record(record.seq, record.text)
                yield from self._payload_frames(encoder, record)
        yield encoder.end()

    def _payload_frames(self, encoder: FrameEncoder, record: StoredRecord) -> Iterator[bytes | bytearray | memoryview]:
        for name, payload in record.payloads:
            try:
                self._vault.check(payload)
            except (NotFound, Unverified) as loss:
                # the court sees that it is missing and says so; the rest still goes
                log.error("payload %s of seq %d cannot be disclosed: %s", name, record.seq, loss)
                continue
            yield from encoder.payload(record.seq, name, payload.size, self._vault.read(payload))

    def _entry(self, grant: Grant, record: StoredRecord) -> ManifestEntry:
        open_ = opens(grant, kind=record.kind, confidentiality=record.confidentiality)
        reason = "" if open_ else OUT_OF_SCOPE if record.confidentiality == "ordinary" else PRIVILEGED
        return ManifestEntry(
            seq=record.seq,
            index=record.index,
            kind=record.kind,
            event_time_s=record.event_time_s,
            status="disclosed" if open_ else "withheld",
            reason=reason,
        )
