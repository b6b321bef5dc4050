"""Retrieve one dossier under a grant: log, ask, judge on arrival, bundle, verify the bundle, store it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.core.bundlezip import FileSource
from relay.core.checks import Verifiers, check_disclosure, check_grant, check_registration
from relay.core.disclosure import DisclosureManifest, parse_manifest
from relay.core.errors import Denied, Malformed, RelayError, Unavailable, Unverified
from relay.core.fields import as_plain
from relay.core.grants import Grant, grant_digest, parse_grant
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import REASON_CHARS_MAX
from relay.core.requests import RequestDetails, RetrievalRequest, make_request, parse_request
from relay.core.sealing import SealingPrivateKey, StreamOpener, new_sealing_key
from relay.core.times import format_utc
from relay.core.trust import TrustRoots
from relay.core.verdict import Finding, Verdict
from relay.core.verify import verify_bundle
from relay.ports.common import Clock, RandomBytes, Signer
from relay.ports.court import CourtStore, RetrievalLink
from relay.ports.ledgers import CourtRegistry
from relay.services.ahead import one_ahead
from relay.services.court.arrival import Arrival, Judged
from relay.services.court.bundle_file import write_bundle
from relay.services.court.bundling import Retrieved, make_parts
from relay.services.court.custody import CustodyKeeper
from relay.services.court.lookup import DossierLookup, Found

REQUEST_LIFETIME_S: Final = 300
BUNDLE_ID_BYTES: Final = 16
BROKEN_OFF: Final = (
    "the lender broke its answer off and refuses to go on; what had arrived is discarded: ask whether the grant stands"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalCommand:
    """What an officer asks for; an empty dossier means the only one in the grant."""

    grant: bytes
    dossier: str
    officer: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Records and bytes so far; totals are 0 while unknown."""

    records: int
    records_total: int
    bytes: int
    bytes_total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One record's verdict on arrival."""

    seq: int
    kind: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The stored bundle and the verdict document on it."""

    bundle_id: str
    bundle_bytes: int
    verdict: bytes


@dataclass(slots=True)
class _Under:
    """One retrieval under way."""

    grant: Grant
    registration: LedgerProof
    dossier: str
    request: RetrievalRequest
    key: SealingPrivateKey
    events: list[tuple[bytes, int]]
    disclosure: DisclosureManifest | None = None
    found: Found | None = None
    arrival: Arrival | None = None
    staging: Path = Path()


class Retrieval:
    """Serves the court's desk."""

    def __init__(
        self,
        *,
        identity: str,
        store: CourtStore,
        link: RetrievalLink,
        registry: CourtRegistry,
        custody: CustodyKeeper,
        trust: TrustRoots,
        verifiers: Verifiers,
        request_key: Signer,
        seal_key: Signer,
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        self._identity = identity
        self._store = store
        self._link = link
        self._registry = registry
        self._custody = custody
        self._trust = trust
        self._verifiers = verifiers
        self._request_key = request_key
        self._seal_key = seal_key
        self._clock = clock
        self._random = random_bytes
        self._lookup = DossierLookup(store, trust)

    async def run(self, command: RetrievalCommand) -> AsyncIterator[Progress | Seen | Done]:
        """Events up to `Done`. Raises `Malformed`, `Unverified`, `Denied`, `Unavailable`; every outcome is in the custody log."""
        try:
            under = await self._begin(command)
        except RelayError as error:
            # an officer who asks for what no grant gives is worth knowing of, too
            asked = {"grant": grant_digest(command.grant.strip()).hex()}
            await self._custody.note("refuse", asked, "refused", _words(error))
            raise
        staging = await self._store.staging()
        try:
            async for event in self._receive(under, staging):
                yield event
            yield await self._finish(under)
        except RelayError as error:
            refused_midway = isinstance(error, Denied) and under.staging != Path()
            outcome = "broken_off" if refused_midway else "failed"
            await self._custody.note("receive", _subject(under), outcome, _words(error))
            if refused_midway:
                raise Unavailable(BROKEN_OFF) from None
            raise
        finally:
            await asyncio.to_thread(shutil.rmtree, staging, True)

    async def _begin(self, command: RetrievalCommand) -> _Under:
        grant, registration = await self._check_grant(command)
        dossier = command.dossier or grant.dossiers[0]
        if not command.dossier and len(grant.dossiers) > 1:
            raise Malformed("retrieval", "dossier", f"the grant names {len(grant.dossiers)} dossiers; say which one")
        if dossier not in grant.dossiers:
            raise Malformed(
                "retrieval", "dossier", "the grant does not name this dossier; `courtrelay inspect` shows it"
            )
        now_s = self._clock.now_ms() // 1000
        custodian_key = self._trust.keys("sealing", party=grant.iss, at_ms=now_s * 1000)[0].sealing_key
        key = new_sealing_key(custodian_key.kem, self._random)
        token = make_request(
            iss=self._identity,
            aud=grant.iss,
            grant=grant.digest,
            details=RequestDetails(case=grant.case, dossier=dossier, officer=command.officer, purpose=command.purpose),
            iat=now_s,
            exp=now_s + REQUEST_LIFETIME_S,
            recipient=key.public_key,
            custodian_key=custodian_key,
            public_key=self._request_key.public_key,
            sign=self._request_key.sign,
            random_bytes=self._random,
        )
        request = parse_request(token)
        under = _Under(grant=grant, registration=registration, dossier=dossier, request=request, key=key, events=[])
        # durable before the request leaves
        detail = f"{command.officer}: {command.purpose}"
        under.events.append(await self._custody.note("request", _subject(under), "sent", detail))
        return under

    async def _check_grant(self, command: RetrievalCommand) -> tuple[Grant, LedgerProof]:
        """What the lender will check too, so that a bad grant is told here with its reason."""
        now_s = self._clock.now_ms() // 1000
        if stale := self._trust.why_stale(now_s):
            raise Unverified("trust roots", stale)
        grant = parse_grant(command.grant.strip())
        check_grant(
            grant, self._trust, lender=grant.iss, court=self._identity, dossier=grant.dossiers[0], case=grant.case
        )
        if grant.request_key != self._request_key.public_key:
            raise Unverified("grant", "is bound to another key than this court's")
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
        return grant, registration

    async def _receive(self, under: _Under, staging: Path) -> AsyncIterator[Progress | Seen]:
        token = under.request.jws.token.encode("ascii")
        async with self._link.retrieve(under.grant.iss, token) as pieces:
            stream = aiter(pieces)
            header = await anext(stream, None)
            if header is None:
                raise Unavailable("the answer was empty")
            opener = StreamOpener(header, under.key, under.request.digest)
            under.staging = staging / "contents"
            arrival = Arrival(opener, under.staging, self._trust, under.grant.iss)
            try:
                async for event in self._chunks(under, arrival, stream):
                    yield event
            finally:
                arrival.close()
        await self._arrived(under, arrival)

    async def _chunks(
        self, under: _Under, arrival: Arrival, stream: AsyncIterator[bytes]
    ) -> AsyncIterator[Progress | Seen]:
        """One chunk is held back: only the end of the stream tells that it was the last."""
        seen = 0
        total = 0
        stream = aiter(one_ahead(stream))
        held = await anext(stream, None)
        while held is not None:
            ahead = await anext(stream, None)
            events = arrival.feed(held, last=ahead is None)
            while True:
                event = await asyncio.to_thread(next, events, None)
                if event is None:
                    break
                if isinstance(event, str):
                    total = await self._expect(under, arrival, event)
                    continue
                seen += 1
                yield _seen(event)
            yield Progress(records=seen, records_total=total, bytes=arrival.bytes, bytes_total=0)
            held = ahead

    async def _expect(self, under: _Under, arrival: Arrival, token: str) -> int:
        """The lender's list is here: check it, look the dossier up, and tell the arrival what to expect."""
        disclosure = parse_manifest(token)
        check_disclosure(disclosure, under.grant, under.request, under.dossier, self._trust)
        under.disclosure = disclosure
        under.found = await self._lookup.find(disclosure)
        arrival.expect(await self._lookup.expectation(disclosure, under.found, self._clock.now_ms()))
        return sum(entry.status == "disclosed" for entry in disclosure.entries)

    async def _arrived(self, under: _Under, arrival: Arrival) -> None:
        detail = f"{len(arrival.records)} records, {arrival.bytes} bytes"
        under.events.append(await self._custody.note("receive", _subject(under), "received", detail))
        under.arrival = arrival

    async def _finish(self, under: _Under) -> Done:
        arrival = under.arrival
        if under.disclosure is None or under.found is None or arrival is None:
            raise Unverified("disclosure", "ended before the lender's list of records")
        checkpoint, proofs = await self._custody.proofs([index for _, index in under.events])
        mirror = await self._store.log(under.found.origin)
        retrieved = Retrieved(
            court=self._identity,
            grant=under.grant,
            registration=under.registration,
            request=under.request,
            disclosure=under.disclosure,
            records=arrival.records,
            found=under.found,
            mirror=mirror.files,
            arrived=arrival.parts,
            custody_events=[event for event, _ in under.events],
            custody_proofs=proofs,
            custody_checkpoint=checkpoint,
            made_at_s=self._clock.now_ms() // 1000,
        )
        bundle_id = self._random(BUNDLE_ID_BYTES).hex()
        path = await self._store.new_bundle(bundle_id)
        verdict = await asyncio.to_thread(self._write_and_verify, path, retrieved, under.staging)
        document = json.dumps(verdict.as_json(), ensure_ascii=False).encode()
        size = await self._store.save_bundle(bundle_id, under.found.origin, under.dossier, document)
        outcome = "consistent" if verdict.verdict is Finding.CONSISTENT else "not_consistent"
        await self._custody.note("verify", _subject(under), outcome, _words(verdict.summary))
        return Done(bundle_id=bundle_id, bundle_bytes=size, verdict=document)

    def _write_and_verify(self, path: Path, retrieved: Retrieved, staging: Path) -> Verdict:
        write_bundle(path, make_parts(retrieved, self._seal_key), staging)
        with path.open("rb") as file:
            return verify_bundle(FileSource(file), self._trust, self._verifiers)


def _subject(under: _Under) -> dict[str, str]:
    return {
        "grant": under.grant.digest.hex(),
        "request": under.request.digest.hex(),
        "dossier": under.dossier,
    }


def _words(said: object) -> str:
    return as_plain(str(said), chars_max=REASON_CHARS_MAX)


def _seen(judged: Judged) -> Seen:
    return Seen(seq=judged.seq, kind=judged.kind, verdict=judged.verdict.value, reason=judged.reason)
