"""Retrieve one dossier under a grant: log, ask, judge on arrival, bundle, verify the bundle, store it.

A retrieval that breaks off is taken up at the chunk it had come to, by itself a bounded number of times, and by the next call with the
same grant, dossier, officer and purpose, also after a restart.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from relay.core.bundlezip import FileSource
from relay.core.checks import Verifiers, check_disclosure
from relay.core.disclosure import DisclosureManifest, parse_manifest
from relay.core.errors import Denied, RelayError, Unavailable, Unverified
from relay.core.fields import as_plain
from relay.core.grants import grant_digest
from relay.core.limits import REASON_CHARS_MAX
from relay.core.sealing import StreamOpener
from relay.core.trust import TrustRoots
from relay.core.verdict import Finding, Verdict
from relay.core.verify import verify_bundle
from relay.ports.common import Clock, RandomBytes, Signer
from relay.ports.court import CourtStore, RetrievalLink
from relay.ports.ledgers import CourtRegistry
from relay.services.ahead import one_ahead
from relay.services.court.arrival import Arrival, Judged
from relay.services.court.asking import Asking, RetrievalCommand, Under
from relay.services.court.bundle_file import write_bundle
from relay.services.court.bundling import Retrieved, make_parts
from relay.services.court.custody import CustodyKeeper
from relay.services.court.lookup import DossierLookup, Found
from relay.services.court.staging import Staging
from relay.services.court.statements import statements_for
from relay.telemetry import metrics
from relay.telemetry.counting import disclosure_decided, stopwatch
from relay.telemetry.trace import span

T = TypeVar("T")

BUNDLE_ID_BYTES: Final = 16
BROKEN_OFF: Final = (
    "the lender broke its answer off and refuses to go on; what had arrived is discarded: ask whether the grant stands"
)
TRIES_WITHOUT_PROGRESS: Final = 10
"""How often a broken answer is asked for again before the caller is told; a chunk that arrived starts the count anew."""


class _RefusedMidway(Exception):
    """The lender ended a stream that it had begun: there will be no more of it."""


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
    attempts: int = 0


@dataclass(slots=True)
class _Content:
    """What came so far of one retrieval."""

    staging: Staging
    arrival: Arrival | None = None
    disclosure: DisclosureManifest | None = None
    found: Found | None = None
    records: int = 0
    records_total: int = 0

    @property
    def chunks(self) -> int:
        """The next chunk wanted."""
        return self.arrival.chunks if self.arrival else 0


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
        request_keys: Sequence[Signer],
        seal_key: Signer,
        clock: Clock,
        random_bytes: RandomBytes,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._identity = identity
        self._store = store
        self._ledger = registry.ledger
        self._link = link
        self._custody = custody
        self._trust = trust
        self._verifiers = verifiers
        self._seal_key = seal_key
        self._clock = clock
        self._random = random_bytes
        self._backoff = backoff
        self._lookup = DossierLookup(store, trust)
        self._busy: dict[bytes, Under] = {}
        self._asking = Asking(
            identity=identity,
            store=store,
            registry=registry,
            custody=custody,
            trust=trust,
            verifiers=verifiers,
            request_keys=request_keys,
            clock=clock,
            random_bytes=random_bytes,
        )

    async def run(self, command: RetrievalCommand) -> AsyncIterator[Progress | Seen | Done]:
        """Events up to `Done`. Raises `Malformed`, `Unverified`, `Denied`, `Unavailable`; every outcome is in the custody log.

        After `Unavailable`, or when the caller goes away, what came is kept: the same command goes on from there.
        """
        with span("court.retrieve", root=True):
            async with aclosing(self._run(command)) as events:
                async for event in events:
                    yield event

    async def _run(self, command: RetrievalCommand) -> AsyncGenerator[Progress | Seen | Done]:
        checked = await self._or_refuse(command, self._asking.check(command))
        under = await self._asking.kept(command, *checked, self._busy)
        if under is not None:
            try:
                async for event in self._one(under, command.request_id):
                    yield event
                return
            except Denied:
                # the lender no longer keeps it, or would send something else by now: nothing of it can be used, begin anew
                pass
        under = await self._or_refuse(command, self._asking.begin(command, *checked))
        async for event in self._one(under, command.request_id):
            yield event

    async def _or_refuse(self, command: RetrievalCommand, asking: Awaitable[T]) -> T:
        """An officer who asks for what no grant gives is worth knowing of, too."""
        try:
            return await asking
        except RelayError as error:
            disclosure_decided(self._ledger, error)
            asked = {"grant": grant_digest(command.grant.strip()).hex()}
            await self._custody.note("refuse", asked, "refused", _words(error))
            raise

    async def _one(self, under: Under, request_id: bytes) -> AsyncIterator[Progress | Seen | Done]:
        """One retrieval to its end."""
        request = under.request.digest
        under.request_id = request_id
        self._busy[request] = under
        content = _Content(staging=Staging(await self._store.staging(request)))
        done: Done | None = None
        over = False
        seconds = stopwatch()
        try:
            async for event in self._all_chunks(under, content):
                yield event
            done = await self._finish(under, content)
            over = True
            disclosure_decided(self._ledger, None)
            metrics.disclosure_duration.labels(self._ledger).observe(seconds())
        except _RefusedMidway:
            over = True
            disclosure_decided(self._ledger, Denied(BROKEN_OFF, "grant"))
            await self._custody.note("receive", under.subject, "broken_off", BROKEN_OFF)
            raise Unavailable(BROKEN_OFF) from None
        except RelayError as error:
            over = not isinstance(error, Unavailable)
            disclosure_decided(self._ledger, error)
            await self._custody.note("receive", under.subject, "failed", _words(error))
            raise
        finally:
            content.staging.close()
            del self._busy[request]
            if over:
                await self._store.drop_retrieval(request)
        # last of all: whoever has this may go away at once, and nothing may be left behind
        yield done

    async def _all_chunks(self, under: Under, content: _Content) -> AsyncIterator[Progress | Seen]:
        """Ask, and ask again from where it broke off."""
        if under.taken_up:
            async for event in self._staged(under, content):
                yield event
            if content.arrival is not None and content.arrival.complete:
                return
            await self._asking.resume(under, content.chunks)
        waits, tries = self._backoff(), 0
        while True:
            before = content.chunks
            try:
                async for event in self._receive(under, content):
                    yield event
                return
            except Unavailable:
                if content.chunks > before:
                    waits, tries = self._backoff(), 0
                tries += 1
                if not under.header or tries > TRIES_WITHOUT_PROGRESS:
                    raise
            await asyncio.sleep(next(waits))
            await self._asking.resume(under, content.chunks)

    def _arrival(self, under: Under, content: _Content) -> Arrival:
        opener = StreamOpener(under.header, under.key, under.request.digest)
        content.arrival = Arrival(opener, content.staging, self._trust, under.grant.iss)
        return content.arrival

    async def _staged(self, under: Under, content: _Content) -> AsyncIterator[Progress | Seen]:
        """Judge again what an earlier call has received."""
        if under.header:
            async for event in self._judge(under, content, self._arrival(under, content).again()):
                yield event
            yield _progress(content)

    async def _receive(self, under: Under, content: _Content) -> AsyncIterator[Progress | Seen]:
        async with self._link.retrieve(under.grant.iss, under.token) as pieces:
            stream = aiter(one_ahead(pieces))
            header = await anext(stream, None)
            if header is None:
                raise Unavailable("the answer was empty")
            await self._asking.got_header(under, header)
            arrival = content.arrival or self._arrival(under, content)
            async for chunk in _unless_refused(stream):
                async for event in self._judge(under, content, arrival.feed(chunk)):
                    yield event
                yield _progress(content)
            if not arrival.complete:
                # an end that comes too early is a broken line, however politely it is said
                raise Unavailable(f"the answer ended after {arrival.bytes} of {arrival.bytes_total} bytes")

    async def _judge(self, under: Under, content: _Content, events: Iterator[str | Judged]) -> AsyncIterator[Seen]:
        """Verdicts that come out of a chunk; the lender's list, when it comes, is checked before the first of them."""
        more = True
        while more:
            some = await asyncio.to_thread(_up_to_a_list, events)
            more = False
            for event in some:
                if isinstance(event, str):
                    await self._expect(under, content, event)
                    more = True
                    continue
                content.records += 1
                yield Seen(seq=event.seq, kind=event.kind, verdict=event.verdict.value, reason=event.reason)

    async def _expect(self, under: Under, content: _Content, token: str) -> None:
        """The lender's list is here: check it, look the dossier up, and tell the arrival what to expect."""
        disclosure = parse_manifest(token)
        check_disclosure(disclosure, under.grant, under.request, under.dossier, self._trust)
        content.disclosure = disclosure
        content.found = await self._lookup.find(disclosure, under.asked_sizes)
        content.records_total = sum(entry.status == "disclosed" for entry in disclosure.entries)
        if content.arrival is None:
            raise RuntimeError("a manifest came before its stream")
        now_ms = self._clock.now_ms()
        content.arrival.expect(await self._lookup.expectation(disclosure, under.grant, content.found, now_ms))

    async def _finish(self, under: Under, content: _Content) -> Done:
        arrival, disclosure, found = content.arrival, content.disclosure, content.found
        if disclosure is None or found is None or arrival is None:
            raise Unverified("disclosure", "ended before the lender's list of records")
        arrival.finish()
        detail = f"{len(arrival.records)} records, {arrival.bytes} bytes"
        under.events.append(await self._custody.note("receive", under.subject, "received", detail))
        checkpoint, proofs = await self._custody.proofs([index for _, index in under.events])
        mirror = await self._store.log(found.origin)
        made_at_s = self._clock.now_ms() // 1000
        size = found.checkpoints[-1].size if found.checkpoints else 0
        retrieved = Retrieved(
            court=self._identity,
            grant=under.grant,
            registration=under.registration,
            request=under.request,
            disclosure=disclosure,
            records=arrival.records,
            found=found,
            mirror=mirror.files,
            arrived=arrival.parts,
            custody_events=[event for event, _ in under.events],
            custody_proofs=proofs,
            custody_checkpoint=checkpoint,
            made_at_s=made_at_s,
            statements=await statements_for(self._store, self._trust, self._identity, found),
            timestamps=await self._lookup.timestamps(found),
            first=await self._store.first_disclosure(found.origin, under.dossier, size, made_at_s) if size else None,
        )
        bundle_id = self._random(BUNDLE_ID_BYTES).hex()
        path = await self._store.new_bundle(bundle_id)
        verdict = await asyncio.to_thread(self._write_and_verify, path, retrieved, content.staging.contents)
        document = json.dumps(verdict.as_json(), ensure_ascii=False).encode()
        bundle_bytes = await self._store.save_bundle(bundle_id, found.origin, under.dossier, document, under.request_id)
        outcome = "consistent" if verdict.verdict is Finding.CONSISTENT else "not_consistent"
        await self._custody.note("verify", under.subject, outcome, _words(verdict.summary))
        return Done(bundle_id=bundle_id, bundle_bytes=bundle_bytes, verdict=document)

    def _write_and_verify(self, path: Path, retrieved: Retrieved, contents: Path) -> Verdict:
        write_bundle(path, make_parts(retrieved, self._seal_key), contents)
        with path.open("rb") as file:
            return verify_bundle(FileSource(file), self._trust, self._verifiers)


async def _unless_refused(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same; a refusal after the header is told apart from one that came instead of an answer."""
    try:
        async for chunk in chunks:
            yield chunk
    except Denied:
        raise _RefusedMidway from None


def _up_to_a_list(events: Iterator[str | Judged]) -> list[str | Judged]:
    """In one go what a chunk gives, but not beyond the lender's list: the court must look tags up first."""
    some: list[str | Judged] = []
    for event in events:
        some.append(event)
        if isinstance(event, str):
            break
    return some


def _words(said: object) -> str:
    return as_plain(str(said), chars_max=REASON_CHARS_MAX)


def _progress(content: _Content) -> Progress:
    arrival = content.arrival
    return Progress(
        records=content.records,
        records_total=content.records_total,
        bytes=arrival.bytes if arrival else 0,
        bytes_total=arrival.bytes_total if arrival else 0,
    )
