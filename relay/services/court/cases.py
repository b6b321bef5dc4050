"""The court's cases: grants taken in, dossiers retrieved under them, and what their bundles show.

A view is made once, when a bundle is stored or first opened, and kept beside the bundle's id; whoever looks at it is in the custody
log first. Who may do what is the edges' to check; what is refused here is refused to everybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import BinaryIO, Final

from relay.core.checks import Verifiers, check_grant
from relay.core.errors import Malformed, NotFound
from relay.core.fields import check_plain
from relay.core.grants import Grant, parse_grant
from relay.core.limits import CASE_CHARS_MAX, OFFICER_CHARS_MAX, PURPOSE_CHARS_MAX, REASON_CHARS_MAX
from relay.core.trust import TrustRoots
from relay.core.verdict import Finding
from relay.core.view import DossierView, StageOf, ViewPayload
from relay.core.view_json import parse_view, view_bytes
from relay.ports.cases import CaseBook, CaseFacts, CasePage, CaseQuery, DossierRow, GrantRow, JobBook, JobRow, KeptView
from relay.ports.common import Clock, RandomBytes
from relay.ports.court import CourtStore
from relay.services.court.case_jobs import Advance, CaseJobs, JobState
from relay.services.court.custody import CustodyKeeper
from relay.services.court.once import NamedRetrievals
from relay.services.court.viewing import make_view, open_part

ID_BYTES: Final = 16
PAGE_CASES: Final = 50
EXPORT_ROWS: Final = 500
"""Rows of an export that are read at a time."""
READ_VIEWS_MAX: Final = 8
"""Views held as they were read: a reader comes back to one dossier again and again."""
READ_VIEW_BYTES_MAX: Final = 8 * 1024 * 1024
"""A longer document is read anew each time."""
EVERYTHING: Final = CaseQuery()


class Cases:
    """Serves pages and the HTTP interface. `start` once, `close` at the end."""

    def __init__(
        self,
        *,
        identity: str,
        book: CaseBook,
        jobs: JobBook,
        court: CourtStore,
        named: NamedRetrievals,
        custody: CustodyKeeper,
        trust: TrustRoots,
        verifiers: Verifiers,
        stage_of: StageOf,
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        self._identity = identity
        self._book = book
        self._court = court
        self._custody = custody
        self._trust = trust
        self._verifiers = verifiers
        self._stage_of = stage_of
        self._clock = clock
        self._random = random_bytes
        self._jobs = CaseJobs(book=book, jobs=jobs, named=named, take_in=self._take_in, clock=clock)
        self._read: dict[tuple[str, int], DossierView] = {}

    async def start(self) -> None:
        """Go on with jobs that a restart has broken off."""
        await self._jobs.take_up()

    async def close(self) -> None:
        """Let go of jobs; they stay begun."""
        await self._jobs.close()

    async def add_grant(self, token: bytes, by: str) -> GrantRow:
        """Take a grant in, checked as a retrieval checks it: the lender's signature, and that it is for this court.

        The same one again changes nothing. Raises `Malformed`, `Unverified`.
        """
        grant = parse_grant(token.strip())
        check_grant(
            grant, self._trust, lender=grant.iss, court=self._identity, dossier=grant.dossiers[0], case=grant.case
        )
        await self._custody.note("grant", {"grant": grant.digest.hex()}, "taken_in", "", actor=by)
        row = _grant_row(grant, self._clock.now_ms(), by)
        await self._book.add_grant(row)
        return await self._book.grant(row.digest)

    async def cases(self, query: CaseQuery = EVERYTHING, after: str = "", count: int = PAGE_CASES) -> CasePage:
        """Cases by newest change; a page begins after the `after` of the one before. Raises `Malformed`."""
        return await self._book.cases(query, after, min(max(count, 1), EXPORT_ROWS))

    async def case(self, case: str) -> CaseFacts:
        """Its grants with their dossiers. Raises `NotFound`."""
        if not 0 < len(case) <= CASE_CHARS_MAX:
            raise NotFound("no such case")
        return await self._book.case(case)

    async def export(self, query: CaseQuery) -> AsyncIterator[DossierRow]:
        """Every dossier of the cases that the query names, by case, dossier and grant."""
        after = ("", "", "")
        while rows := await self._book.dossiers(query, after, EXPORT_ROWS):
            for row in rows:
                yield row
            after = (rows[-1].case, rows[-1].dossier, rows[-1].grant)

    async def begin(
        self, grant_digest: str, dossier: str, officer: str, purpose: str, by: str, job_id: str = ""
    ) -> str:
        """Begin a retrieval; returns its job's id, which a caller may choose. Raises `NotFound`, and `Malformed` for words that a
        request cannot hold.
        """
        grant = await self._book.grant(grant_digest)
        if dossier not in grant.dossiers:
            raise NotFound("no such dossier under this grant")
        check_plain(officer, "retrieval", "officer", chars_max=OFFICER_CHARS_MAX)
        check_plain(purpose, "retrieval", "purpose", chars_max=PURPOSE_CHARS_MAX)
        return await self._jobs.begin(
            JobRow(
                id=job_id or self._random(ID_BYTES).hex(),
                kind="retrieve",
                phase="begun",
                case=grant.case,
                dossier=dossier,
                grant=grant.digest,
                officer=officer,
                purpose=purpose,
                by=by,
                bundle_id="",
                problem="",
                begun_ms=self._clock.now_ms(),
                ended_ms=0,
            )
        )

    async def job(self, job_id: str) -> JobState:
        """How far a job is. Raises `NotFound`."""
        return await self._jobs.state(job_id)

    async def again(self, bundle_id: str, by: str) -> str:
        """Verify a stored bundle again now, with the trust roots of today; returns the job's id. Raises `NotFound`."""
        head = await self._head(bundle_id)
        return await self._jobs.begin(
            JobRow(
                id=self._random(ID_BYTES).hex(),
                kind="again",
                phase="begun",
                case=head.case,
                dossier=head.dossier,
                grant=head.grant,
                officer="",
                purpose="",
                by=by,
                bundle_id=bundle_id,
                problem="",
                begun_ms=self._clock.now_ms(),
                ended_ms=0,
            )
        )

    async def head(self, bundle_id: str) -> KeptView:
        """Of which case and dossier a bundle is, its verdict and when it was checked: nothing of its content. Raises `NotFound`."""
        return await self._head(bundle_id)

    async def view(self, bundle_id: str, by: str, why: str) -> DossierView:
        """What a bundle shows, after the custody log says who looks and why. Raises `NotFound`."""
        head = await self._head(bundle_id)
        await self._custody.note("view", _subject(head), "permitted", why[:REASON_CHARS_MAX], actor=by)
        return await self._view(head)

    async def payload(self, bundle_id: str, seq: int, name: str, by: str) -> tuple[ViewPayload, BinaryIO]:
        """A payload as its record names it, and its bytes as a file that the caller closes, after the custody log says who looks.

        Raises `NotFound`, also for one that was not disclosed.
        """
        head = await self._head(bundle_id)
        view = await self._view(head)
        record = next((r for r in view.records if r.finding.seq == seq), None)
        payload = next((p for p in record.payloads if p.name == name and p.part), None) if record else None
        if payload is None:
            raise NotFound("no such payload")
        await self._custody.note("view", _subject(head), "permitted", f"payload {name} of seq {seq}", actor=by)
        bundle = await self._court.open_bundle(bundle_id)
        try:
            return payload, await asyncio.to_thread(open_part, bundle, payload.part)
        except BaseException:
            bundle.close()
            raise

    async def _head(self, bundle_id: str) -> KeptView:
        """The kept view's head; a bundle that came in another way gets its view now."""
        try:
            return await self._book.view_head(bundle_id)
        except NotFound:
            await self._court.bundle_dossier(bundle_id)
            await self._take_in(bundle_id, None, lambda _done, _total: None)
            return await self._book.view_head(bundle_id)

    async def _view(self, head: KeptView) -> DossierView:
        key = (head.bundle_id, head.checked_ms)
        view = self._read.pop(key, None)
        if view is None:
            kept = await self._book.view(head.bundle_id)
            view = await asyncio.to_thread(parse_view, kept.document)
            if len(kept.document) > READ_VIEW_BYTES_MAX:
                return view
        self._read[key] = view
        while len(self._read) > READ_VIEWS_MAX:
            del self._read[next(iter(self._read))]
        return view

    async def _take_in(self, bundle_id: str, job: JobRow | None, advance: Advance) -> None:
        """Verify a bundle and keep its view; the grant and the case that it is for are taken in with it."""
        dossier = await self._court.bundle_dossier(bundle_id)
        with await self._court.open_bundle(bundle_id) as file:
            view, token = await asyncio.to_thread(
                make_view, file, self._trust, self._verifiers, self._stage_of, advance
            )
        document = await asyncio.to_thread(view_bytes, view)
        case, digest = (job.case, job.grant) if job else ("", "")
        if token and not job:
            grant = parse_grant(token)
            case, digest = grant.case, grant.digest.hex()
            await self._book.add_grant(_grant_row(grant, self._clock.now_ms(), self._identity))
        if not case:
            raise Malformed("bundle", "grant", "holds no grant that this court can place; retrieve the dossier again")
        if job is not None and job.kind == "again":
            outcome = "consistent" if view.verdict.verdict is Finding.CONSISTENT else "not_consistent"
            subject = {"bundle": bundle_id, "dossier": dossier}
            await self._custody.note("verify", subject, outcome, "verified again", actor=job.by)
        await self._book.keep_view(
            KeptView(
                bundle_id=bundle_id,
                case=case,
                dossier=dossier,
                grant=digest,
                verdict=view.verdict.verdict.value,
                trust_version=view.trust_version,
                made_at_s=view.made_at_s,
                checked_ms=self._clock.now_ms(),
                document=document,
            )
        )


def _grant_row(grant: Grant, now_ms: int, by: str) -> GrantRow:
    return GrantRow(
        digest=grant.digest.hex(),
        token=grant.jws.token.encode("ascii"),
        case=grant.case,
        issuer=grant.iss,
        mode=grant.mode,
        purpose=grant.purpose,
        dossiers=tuple(grant.dossiers),
        not_before_s=grant.nbf,
        expires_s=grant.exp,
        added_ms=now_ms,
        added_by=by,
    )


def _subject(head: KeptView) -> dict[str, str]:
    return {"bundle": head.bundle_id, "dossier": head.dossier}
