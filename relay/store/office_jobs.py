"""Jobs and objections in the office's database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from relay.core.errors import Conflict, NotFound
from relay.durable.database import Database
from relay.ports.cases import JobPhase, JobRow, Objection

SCHEMA: Final = """
CREATE TABLE job (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, phase TEXT NOT NULL, name TEXT NOT NULL, dossier TEXT NOT NULL,
    digest TEXT NOT NULL, officer TEXT NOT NULL, purpose TEXT NOT NULL, begun_by TEXT NOT NULL, bundle TEXT NOT NULL,
    problem TEXT NOT NULL, begun_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX job_begun ON job (name, dossier, begun_ms) WHERE phase = 'begun';
CREATE TABLE objection (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, dossier TEXT NOT NULL, seqs TEXT NOT NULL, ground TEXT NOT NULL,
    text TEXT NOT NULL, raised_by TEXT NOT NULL, raised_ms INTEGER NOT NULL, outcome TEXT NOT NULL,
    answer TEXT NOT NULL, answered_by TEXT NOT NULL, answered_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX objection_dossier ON objection (name, dossier, raised_ms);
"""
_JOB: Final = "id, kind, phase, name, dossier, digest, officer, purpose, begun_by, bundle, problem, begun_ms, ended_ms"
_OBJECTION: Final = (
    "id, name, dossier, seqs, ground, text, raised_by, raised_ms, outcome, answer, answered_by, answered_ms"
)


class OfficeJobs:
    """Implements relay.ports.cases.JobBook."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin_job(self, job: JobRow) -> JobRow:
        """See the port."""

        def write(c: sqlite3.Connection) -> JobRow:
            same = c.execute(
                f"SELECT {_JOB} FROM job WHERE id = ?"
                " OR (phase = 'begun' AND name = ? AND dossier = ? AND kind = ? AND digest = ?"
                " AND officer = ? AND purpose = ? AND (kind = 'retrieve' OR bundle = ?)) ORDER BY id = ? DESC",
                (job.id, job.case, job.dossier, job.kind, job.grant, job.officer, job.purpose, job.bundle_id, job.id),
            ).fetchone()
            if same is not None:
                return _job(same)
            row = (
                job.id, job.kind, job.phase, job.case, job.dossier, job.grant, job.officer, job.purpose, job.by,
                job.bundle_id, job.problem, job.begun_ms, job.ended_ms,
            )  # fmt: skip
            c.execute(f"INSERT INTO job ({_JOB}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            return job

        return await self._database.write(write)

    async def job(self, job_id: str) -> JobRow:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute(f"SELECT {_JOB} FROM job WHERE id = ?", (job_id,)).fetchone()
        )
        if row is None:
            raise NotFound("no such job")
        return _job(row)

    async def end_job(self, job_id: str, phase: JobPhase, bundle_id: str, problem: str, ended_ms: int) -> None:
        """See the port."""
        values = (phase, bundle_id, problem, ended_ms, job_id)
        await self._database.write(
            lambda c: c.execute(
                "UPDATE job SET phase = ?, bundle = ?, problem = ?, ended_ms = ? WHERE id = ? AND phase = 'begun'",
                values,
            )
        )

    async def begun_jobs(self) -> Sequence[JobRow]:
        """See the port."""
        rows = await self._database.read(
            lambda c: c.execute(f"SELECT {_JOB} FROM job WHERE phase = 'begun' ORDER BY begun_ms, id").fetchall()
        )
        return [_job(row) for row in rows]


class OfficeObjections:
    """Implements relay.ports.cases.ObjectionBook."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_objection(self, objection: Objection) -> None:
        """See the port."""
        o = objection
        row = (
            o.id, o.case, o.dossier, json.dumps(o.seqs), o.ground, o.text, o.by, o.raised_ms, o.outcome, o.answer,
            o.answered_by, o.answered_ms,
        )  # fmt: skip
        await self._database.write(
            lambda c: c.execute(
                f"INSERT INTO objection ({_OBJECTION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
            )
        )

    async def objections(self, case: str, dossier: str) -> tuple[Objection, ...]:
        """See the port."""
        rows = await self._database.read(
            lambda c: c.execute(
                f"SELECT {_OBJECTION} FROM objection WHERE name = ? AND dossier = ? ORDER BY raised_ms, id",
                (case, dossier),
            ).fetchall()
        )
        return tuple(_objection(row) for row in rows)

    async def objection(self, objection_id: str) -> Objection:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute(f"SELECT {_OBJECTION} FROM objection WHERE id = ?", (objection_id,)).fetchone()
        )
        if row is None:
            raise NotFound("no such objection")
        return _objection(row)

    async def answer_objection(self, answered: Objection) -> None:
        """See the port: the condition stands in the SQL, so that of two judges one is told."""
        values = (answered.outcome, answered.answer, answered.answered_by, answered.answered_ms, answered.id)
        done = await self._database.write(
            lambda c: (
                c.execute(
                    "UPDATE objection SET outcome = ?, answer = ?, answered_by = ?, answered_ms = ? WHERE id = ? AND outcome = ''",
                    values,
                ).rowcount
            )
        )
        if not done:
            raise Conflict("the objection has been answered already")


def _job(row: tuple[str, str, str, str, str, str, str, str, str, str, str, int, int]) -> JobRow:
    return JobRow(
        id=row[0], kind="again" if row[1] == "again" else "retrieve", phase=_phase(row[2]), case=row[3], dossier=row[4],
        grant=row[5], officer=row[6], purpose=row[7], by=row[8], bundle_id=row[9], problem=row[10], begun_ms=row[11],
        ended_ms=row[12],
    )  # fmt: skip


def _phase(text: str) -> JobPhase:
    phases: tuple[JobPhase, ...] = ("begun", "done", "failed")
    return next(phase for phase in phases if phase == text)


def _objection(row: tuple[object, ...]) -> Objection:
    names = (
        "id",
        "case",
        "dossier",
        "seqs",
        "ground",
        "text",
        "by",
        "raised_ms",
        "outcome",
        "answer",
        "answered_by",
        "answered_ms",
    )
    values = dict(zip(names, row, strict=True)) | {"seqs": tuple(json.loads(str(row[3])))}
    return Objection(**values)  # type: ignore[arg-type]  # the columns have the types of the members
