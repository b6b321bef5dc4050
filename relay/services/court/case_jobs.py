"""Jobs of the court's people: retrievals and verifications that go on when the browser is closed, and after a restart.

A job is stored before it begins. One that was begun and is not running is taken up again: at the start, and whenever somebody
looks at it. A retrieval runs under a name made from its job's id, so that taking it up joins what is under way or finds its bundle.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from relay.core.errors import RelayError
from relay.core.fields import as_plain
from relay.core.limits import REASON_CHARS_MAX
from relay.ports.cases import CaseBook, JobBook, JobPhase, JobRow
from relay.ports.common import Clock
from relay.services.court.asking import RetrievalCommand
from relay.services.court.once import NamedRetrievals
from relay.services.court.retrieval import Done, Progress, Seen
from relay.telemetry.events import CASE_JOB_BROKE_OFF, log_event

log = logging.getLogger(__name__)

AT_ONCE: Final = 8
"""Jobs that run at a time; the others wait their turn, begun and stored."""
_DOMAIN: Final = b"courtrelay/office-job/v1"
Advance = Callable[[int, int], None]
TakeIn = Callable[[str, JobRow, Advance], Awaitable[None]]
"""Verify a bundle and keep its view, for a job, telling how far it is in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """A job as it stands. `seen`: records' verdicts on arrival, while it runs; `waiting`: it has not got its turn yet."""

    row: JobRow
    progress: Progress | None
    seen: tuple[Seen, ...]
    waiting: bool


class CaseJobs:
    """Runs jobs; `close` lets go of them, which leaves them begun."""

    def __init__(self, *, book: CaseBook, jobs: JobBook, named: NamedRetrievals, take_in: TakeIn, clock: Clock) -> None:
        self._book = book
        self._jobs = jobs
        self._named = named
        self._take_in = take_in
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._bytes: dict[str, Progress] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def begin(self, job: JobRow) -> str:
        """The id of this job, or of the same one that is under way already."""
        stored = await self._jobs.begin_job(job)
        self._run(stored)
        return stored.id

    async def take_up(self) -> None:
        """Go on with whatever was begun before a restart."""
        for job in await self._jobs.begun_jobs():
            self._run(job)

    async def state(self, job_id: str) -> JobState:
        """How far it is; one that nobody is at is taken up. Raises `NotFound`."""
        row = await self._jobs.job(job_id)
        if row.phase == "begun":
            self._run(row)
        trail = self._named.trail(_request_id(job_id))
        progress = trail.progress if trail else self._bytes.get(job_id)
        return JobState(
            row=row,
            progress=progress,
            seen=tuple(trail.seen[seq] for seq in sorted(trail.seen)) if trail else (),
            waiting=row.phase == "begun" and trail is None and progress is None,
        )

    async def close(self) -> None:
        """End the tasks, not the jobs."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _run(self, job: JobRow) -> None:
        if job.id not in self._tasks:
            task = asyncio.create_task(self._to_its_end(job), name=f"job {job.id}")
            self._tasks[job.id] = task
            task.add_done_callback(lambda done: self._ended(job.id, done))

    def _ended(self, job_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(job_id, None)
        self._bytes.pop(job_id, None)
        if not task.cancelled() and task.exception() is not None:
            log_event(log, CASE_JOB_BROKE_OFF, job=job_id, reason=task.exception())

    async def _to_its_end(self, job: JobRow) -> None:
        async with self._turns:
            bundle, problem = job.bundle_id, ""
            try:
                if job.kind == "retrieve":
                    bundle = await self._retrieved(job)
                await self._take_in(bundle, job, lambda done, total: self._advanced(job.id, done, total))
            except RelayError as error:
                problem = as_plain(str(error), chars_max=REASON_CHARS_MAX) or "failed"
            phase: JobPhase = "failed" if problem else "done"
            await self._jobs.end_job(job.id, phase, bundle, problem, self._clock.now_ms())

    async def _retrieved(self, job: JobRow) -> str:
        grant = await self._book.grant(job.grant)
        command = RetrievalCommand(
            grant=grant.token,
            dossier=job.dossier,
            officer=job.officer,
            purpose=job.purpose,
            request_id=_request_id(job.id),
        )
        async for event in self._named.run(command):
            if isinstance(event, Done):
                return event.bundle_id
        raise RuntimeError("a named retrieval ends with its bundle")

    def _advanced(self, job_id: str, done: int, total: int) -> None:
        self._bytes[job_id] = Progress(records=0, records_total=0, bytes=done, bytes_total=total)


def _request_id(job_id: str) -> bytes:
    return hashlib.sha256(_DOMAIN + job_id.encode()).digest()
