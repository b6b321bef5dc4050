"""The court's register of deposit reports, in the office's database."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from relay.core.errors import Conflict, NotFound
from relay.durable.database import Database
from relay.ports.reports import ReportFiles, ReportRow

SCHEMA: Final = """
CREATE TABLE report_serial (year INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
CREATE TABLE report (
    number TEXT PRIMARY KEY, code TEXT NOT NULL UNIQUE, case_number TEXT NOT NULL, dossier TEXT NOT NULL, bundle TEXT NOT NULL,
    language TEXT NOT NULL, profile TEXT NOT NULL, verdict TEXT NOT NULL, issued_ms INTEGER NOT NULL, issued_by TEXT NOT NULL,
    content_sha256 TEXT NOT NULL, pdf_sha256 TEXT NOT NULL, supersedes TEXT NOT NULL, superseded_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX report_dossier ON report (case_number, dossier, superseded_by);
CREATE INDEX report_bundle ON report (bundle);
CREATE INDEX report_issued ON report (issued_ms);
CREATE TABLE report_file (number TEXT PRIMARY KEY REFERENCES report, pdf BLOB NOT NULL, document BLOB NOT NULL) STRICT;
"""
_COLUMNS: Final = (
    "number, code, case_number, dossier, bundle, language, profile, verdict, issued_ms, issued_by, content_sha256, pdf_sha256,"
    " supersedes, superseded_by"
)


class OfficeReports:
    """Implements relay.ports.reports.ReportBook."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def next_serial(self, year: int) -> int:
        """See the port."""

        def write(c: sqlite3.Connection) -> int:
            c.execute(
                "INSERT INTO report_serial VALUES (?, 1) ON CONFLICT (year) DO UPDATE SET last = last + 1", (year,)
            )
            return int(c.execute("SELECT last FROM report_serial WHERE year = ?", (year,)).fetchone()[0])

        return await self._database.write(write)

    async def newest(self, case: str, dossier: str, language: str) -> ReportRow | None:
        """See the port."""
        rows = await self._rows(
            "case_number = ? AND dossier = ? AND superseded_by = '' AND language = ? ORDER BY issued_ms DESC, number DESC LIMIT 1",
            (case, dossier, language),
        )
        return rows[0] if rows else None

    async def add(self, row: ReportRow, files: ReportFiles) -> None:
        """See the port."""
        values = (
            row.number, row.code, row.case, row.dossier, row.bundle_id, row.language, row.profile, row.verdict, row.issued_ms,
            row.issued_by, row.content_sha256, row.pdf_sha256, row.supersedes, "",
        )  # fmt: skip

        def write(c: sqlite3.Connection) -> None:
            held = c.execute("SELECT 1 FROM report WHERE number = ? OR code = ?", (row.number, row.code)).fetchone()
            if held is not None:
                raise Conflict(f"report {row.number} is there already")
            c.execute(
                "UPDATE report SET superseded_by = ? WHERE case_number = ? AND dossier = ? AND superseded_by = ''"
                " AND NOT (bundle = ? AND language <> ?)",
                (row.number, row.case, row.dossier, row.bundle_id, row.language),
            )
            c.execute(f"INSERT INTO report ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)
            c.execute("INSERT INTO report_file VALUES (?, ?, ?)", (row.number, files.pdf, files.document))

        await self._database.write(write)

    async def by_number(self, number: str) -> ReportRow:
        """See the port."""
        return self._one(await self._rows("number = ?", (number,)))

    async def by_code(self, code: str) -> ReportRow:
        """See the port."""
        return self._one(await self._rows("code = ?", (code,)))

    async def files(self, number: str) -> ReportFiles:
        """See the port."""

        def read(c: sqlite3.Connection) -> ReportFiles:
            row = c.execute("SELECT pdf, document FROM report_file WHERE number = ?", (number,)).fetchone()
            if row is None:
                raise NotFound("no such report")
            return ReportFiles(pdf=row[0], document=row[1])

        return await self._database.read(read)

    async def of_bundle(self, bundle_id: str) -> tuple[ReportRow, ...]:
        """See the port."""
        return await self._rows("bundle = ? ORDER BY issued_ms DESC, number DESC", (bundle_id,))

    async def page(self, before_ms: int, count: int) -> tuple[ReportRow, ...]:
        """See the port."""
        where = "(? = 0 OR issued_ms < ?) ORDER BY issued_ms DESC, number DESC LIMIT ?"
        return await self._rows(where, (before_ms, before_ms, count))

    async def _rows(self, where: str, values: tuple[Any, ...]) -> tuple[ReportRow, ...]:
        def read(c: sqlite3.Connection) -> tuple[ReportRow, ...]:
            return tuple(_row(row) for row in c.execute(f"SELECT {_COLUMNS} FROM report WHERE {where}", values))

        return await self._database.read(read)

    @staticmethod
    def _one(rows: tuple[ReportRow, ...]) -> ReportRow:
        if not rows:
            raise NotFound("no such report")
        return rows[0]


def _row(row: tuple[Any, ...]) -> ReportRow:
    (
        number,
        code,
        case,
        dossier,
        bundle,
        language,
        profile,
        verdict,
        issued_ms,
        by,
        content,
        pdf,
        supersedes,
        superseded,
    ) = row
    return ReportRow(
        number=number,
        code=code,
        case=case,
        dossier=dossier,
        bundle_id=bundle,
        language=language,
        profile=profile,
        verdict=verdict,
        issued_ms=issued_ms,
        issued_by=by,
        content_sha256=content,
        pdf_sha256=pdf,
        supersedes=supersedes,
        superseded_by=superseded,
    )
