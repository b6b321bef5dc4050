"""Answer retrieval requests: deny by default, log durably, and only then let the first byte leave.

Whatever the reason of a refusal, outside there is one answer; the reason stands in the lender's own custody log. An answer that broke off
is taken up at any chunk: key, header and manifest are kept with the use that was spent, and the plaintext must be the same to the byte.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from relay.core.custody import CustodyAction, make_event
from relay.core.errors import Denied, Malformed, NotFound, RelayError, Unverified
from relay.core.fields import as_plain
from relay.core.grants import Access, Grant, parse_grant, permits
from relay.core.jose import verify_jws
from relay.core.limits import CHUNK_PLAINTEXT_BYTES, REASON_CHARS_MAX
from relay.core.requests import RetrievalRequest, check_fresh, open_details
from relay.core.resume import Asked, ResumeRequest, parse_asked
from relay.core.sealing import SealedStream, SealingPrivateKey, StreamSealer, chunk_count, new_stream
from relay.core.tombstone import parse_tombstone
from relay.core.trust import TrustRoots
from relay.ports.common import Clock, RandomBytes, Signer
from relay.ports.custodian import (
    CustodianStore,
    DossierState,
    GrantRecord,
    KeptDisclosure,
    PayloadVault,
    RelayLink,
    StoredRecord,
)
from relay.services.ahead import from_thread
from relay.services.custodian.planning import Plan, Planner
from relay.telemetry import metrics
from relay.telemetry.counting import disclosure_decided, stopwatch

log = logging.getLogger(__name__)

ANSWERS_AT_ONCE: Final = 4
UNKNOWN: Final = "unknown"
"""The court of a request that proved nothing, for those who count."""
RESUMABLE_MS: Final = 86_400_000
"""How long a disclosure can be taken up again; its content key is forgotten afterwards."""


@dataclass(slots=True)
class _Proven:
    """What is proven of a request so far, for the log of its refusal: hex by name."""

    subject: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """A request that passed every check and is durably logged: what is sent, under which key, from which chunk on."""

    grant: Grant
    dossier: DossierState
    records: tuple[StoredRecord, ...]
    request: str
    """Digest of the request that began it, in hex."""
    plan: Plan
    stream: SealedStream
    first: int = 0


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
        self._planner = Planner(identity=identity, vault=vault, signer=signer, clock=clock)
        self._sealing_key = sealing_key
        self._trust = trust
        self._clock = clock
        self._random = random_bytes
        self._backoff = backoff
        self._slots = asyncio.Semaphore(ANSWERS_AT_ONCE)
        self._answering: Counter[str] = Counter()
        self._ended = asyncio.Event()
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
        seconds = stopwatch()
        async with self._slots:
            proven = _Proven({"request": request_id.hex()})
            try:
                permitted = await self.authorise(request_id, token, proven)
            except (Denied, Malformed, NotFound, Unverified) as refusal:
                disclosure_decided(await self._court(proven), refusal)
                await self._refuse(request_id, refusal, proven)
                return
            court = self._trust.court_ledger(permitted.grant.aud) or UNKNOWN
            disclosure_decided(court, None)
            try:
                await self.answer(request_id, permitted)
                metrics.disclosure_duration.labels(court).observe(seconds())
            except RelayError as error:
                log.warning("an answer broke off: %s", error)
            finally:
                self._end_answer(permitted.dossier.id)

    async def _court(self, proven: _Proven) -> str:
        """The ledger of the court that a refused request proved to be of."""
        grant = proven.subject.get("grant")
        held = await self._store.grant(bytes.fromhex(grant)) if grant else None
        return (self._trust.court_ledger(parse_grant(held.token).aud) if held else "") or UNKNOWN

    @contextmanager
    def _under_way(self, dossier: str) -> Iterator[None]:
        """Entered before an answer is durable, so that an erasure that begins now waits for it; it ends here only if it is not allowed."""
        self._answering[dossier] += 1
        try:
            yield
        except BaseException:
            self._end_answer(dossier)
            raise

    def _end_answer(self, dossier: str) -> None:
        self._answering[dossier] -= 1
        self._answering += Counter()  # drops what is not above 0
        self._ended.set()

    async def quiet(self, dossier: str) -> None:
        """Wait until no answer about this dossier is under way, begun or taken up again."""
        while self._answering[dossier]:
            self._ended.clear()
            await self._ended.wait()

    async def authorise(self, request_id: bytes, token: bytes, proven: _Proven | None = None) -> Permitted:
        """All checks, in order; returns after custody event, nonce and (for a request) use are durable in one transaction.

        `proven` is told what the court has proven before a refusal. Raises `Malformed`, `Unverified`, `Denied`, `NotFound`.
        """
        proven = proven or _Proven({})
        # 1. Form, and that the relay's id is of this very request.
        asked = parse_asked(token)
        if asked.digest != request_id:
            raise Unverified("request", "the relay's request id is not the request's digest")
        # 2. Addressed to us.
        if asked.aud != self._identity:
            raise Denied(f"the request is addressed to {asked.aud}")
        # 3. Only while this side would hear of a revoked key.
        now_s = self._clock.now_ms() // 1000
        if stale := self._trust.why_stale(now_s):
            raise Denied(stale)
        # 4. Under a grant that we issued and keep.
        held = await self._store.grant(bytes.fromhex(asked.grant))
        if held is None:
            raise Denied("no grant of that digest was issued here", "grant")
        grant = parse_grant(held.token)
        # 5. Signed by the key the grant is bound to, which is not revoked.
        verify_jws(asked.jws, grant.request_key)
        self._trust.refuse_revoked("request", asked.jws.kid, asked.iss, now_s * 1000)
        proven.subject["grant"] = asked.grant  # from here on it is the court's own word
        # 6. Within its time window.
        check_fresh(asked, now_s)
        if isinstance(asked, ResumeRequest):
            return await self._resume(asked, grant, held, proven)
        return await self._begin(asked, grant, held, proven)

    async def _begin(self, request: RetrievalRequest, grant: Grant, held: GrantRecord, proven: _Proven) -> Permitted:
        """Steps 7 to 10 of a request (docs/spec/retrieval.md)."""
        # 7. What is asked for, sealed to us.
        details = open_details(request, self._sealing_key)
        proven.subject["dossier"] = details.dossier
        # 8. The grant's scope, period, uses, registration and revocation.
        self._permits(request, grant, held, details.case, details.dossier, uses_spent=held.uses_spent)
        # 9. The dossier itself; what goes, field by field and payload by payload, and the key for exactly that.
        dossier, records = await self._dossier(details.dossier)
        tombstones = sorted(held.token for held in await self._store.tombstones(dossier.id))
        plan = await asyncio.to_thread(self._planner.plan, request, grant, dossier, records, tombstones)
        stream = new_stream(
            request_digest=request.digest,
            recipient=request.recipient,
            plaintext_bytes=plan.size,
            random_bytes=self._random,
        )
        # 10. Nonce, use, custody event and the kept stream in one transaction: before this nothing leaves, after it something may have.
        now_ms = self._clock.now_ms()
        kept = KeptDisclosure(
            request=request.digest,
            grant=grant.digest,
            dossier=dossier.id,
            case=details.case,
            begun_ms=now_ms,
            manifest=plan.manifest,
            plan=plan.digest,
            header=stream.header,
            content_key=stream.content_key,
        )
        event = self._event("disclose", request, details.dossier, f"{details.officer}: {details.purpose}")
        with self._under_way(dossier.id):
            await self._store.begin_disclosure(
                grant.digest, grant.uses, request.nonce, event, dossier, kept, now_ms - RESUMABLE_MS
            )
        return Permitted(
            grant=grant, dossier=dossier, records=records, request=request.digest.hex(), plan=plan, stream=stream
        )

    async def _resume(self, resume: ResumeRequest, grant: Grant, held: GrantRecord, proven: _Proven) -> Permitted:
        """Steps 7 to 11 of a resume (docs/spec/retrieval.md)."""
        # 7. A disclosure of that request, under this grant, not too long ago.
        kept = await self._store.disclosure(bytes.fromhex(resume.request))
        if kept is None or kept.grant != grant.digest:
            raise Denied("no disclosure of that request under this grant is kept here")
        if self._clock.now_ms() - kept.begun_ms > RESUMABLE_MS:
            raise Denied("the disclosure was begun too long ago to be taken up again", "time")
        proven.subject["dossier"] = kept.dossier
        # 8. The grant still permits it. The use it spent then is its own.
        self._permits(resume, grant, held, kept.case, kept.dossier, uses_spent=max(0, held.uses_spent - 1))
        # 9. The same plaintext to the byte, or the key would seal two: what was begun must be begun anew then.
        dossier, records = await self._dossier(kept.dossier)
        plan = await asyncio.to_thread(self._planner.again, kept.manifest, records)
        if plan.digest != kept.plan:
            raise Denied("what would be sent is no longer what was begun")
        # 10. A chunk of that stream, and everything behind it still there.
        if resume.chunk >= chunk_count(plan.size):
            raise Denied(f"chunk {resume.chunk} is beyond the stream's {chunk_count(plan.size)}")
        await asyncio.to_thread(self._planner.still_whole, plan, resume.chunk * CHUNK_PLAINTEXT_BYTES)
        # 11. Nonce and custody event in one transaction, before a byte leaves.
        detail = f"from chunk {resume.chunk} of {chunk_count(plan.size)}"
        event = self._event("resume", resume, kept.dossier, detail, request=resume.request)
        with self._under_way(dossier.id):
            await self._store.resume_disclosure(grant.digest, resume.nonce, event, kept.request)
        stream = SealedStream(header=kept.header, content_key=kept.content_key, plaintext_bytes=plan.size)
        return Permitted(
            grant=grant,
            dossier=dossier,
            records=records,
            request=resume.request,
            plan=plan,
            stream=stream,
            first=resume.chunk,
        )

    def _permits(
        self, asked: Asked, grant: Grant, held: GrantRecord, case: str, dossier: str, *, uses_spent: int
    ) -> None:
        access = Access(
            custodian=self._identity,
            court=asked.iss,
            case=case,
            dossier=dossier,
            mode="retrieve",
            kid=asked.jws.kid,
        )
        permits(
            grant,
            access,
            now_s=self._clock.now_ms() // 1000,
            uses_spent=uses_spent,
            revoked_at_s=held.revoked_ms // 1000 if held.revoked_ms else None,
            registered=held.registered_ms > 0,
        )

    async def _dossier(self, name: str) -> tuple[DossierState, tuple[StoredRecord, ...]]:
        dossier = await self._store.dossier(name)
        if dossier is None:
            raise Denied(await self._why_gone(name))
        return dossier, tuple(await self._store.records(dossier.id))

    async def _why_gone(self, dossier: str) -> str:
        """For the lender's own log."""
        erased = [held for held in await self._store.tombstones(dossier) if held.whole]
        return (
            f"the dossier was {parse_tombstone(erased[0].token).words()}"
            if erased
            else "the dossier is not here any more"
        )

    def _event(self, action: CustodyAction, asked: Asked, dossier: str, detail: str, *, request: str = "") -> bytes:
        return make_event(
            at_ms=self._clock.now_ms(),
            actor=asked.iss,
            action=action,
            subject={"grant": asked.grant, "request": request or asked.digest.hex(), "dossier": dossier},
            outcome="permitted",
            detail=detail[:REASON_CHARS_MAX].strip(),
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

    async def _refuse(self, request_id: bytes, refusal: RelayError, proven: _Proven) -> None:
        await self._store.append_custody(self._refusal(proven.subject, "refused", str(refusal)))
        try:
            await self._relay.refuse(request_id)
        except RelayError as error:
            log.info("the refusal could not be delivered: %s", error)

    async def answer(self, request_id: bytes, permitted: Permitted) -> None:
        """Seal manifest, records and payloads to the request's one-time key and upload them, from the first wanted chunk on."""
        sealer = StreamSealer(permitted.stream, permitted.first)
        plaintext = permitted.plan.plaintext(self._vault, permitted.first * CHUNK_PLAINTEXT_BYTES)
        chunks: AsyncIterator[bytes] = from_thread(sealer.seal(plaintext))
        await self._relay.answer(request_id, permitted.stream.header, self._while_granted(permitted, chunks))

    async def _while_granted(self, permitted: Permitted, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The chunks, each only after the grant was looked at once more. Raises `Denied` when it is revoked by then."""
        sent = 0
        async for chunk in chunks:
            held = await self._store.grant(permitted.grant.digest)
            if held is None or held.revoked_ms:
                reason = f"the grant was revoked while the answer was under way; {sent} chunks had left"
                grant = permitted.grant.digest.hex()
                subject = {"grant": grant, "request": permitted.request, "dossier": permitted.dossier.id}
                await self._store.append_custody(self._refusal(subject, "broken_off", reason))
                raise Denied(reason, "grant")
            yield chunk
            sent += 1
