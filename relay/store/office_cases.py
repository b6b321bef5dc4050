"""Cases, grants and views of bundles in the office's database. A case's line in the list is kept up to date, not counted when read."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from typing import Final

from relay.core.errors import Malformed, NotFound
from relay.core.verdict import Finding, severity
from relay.durable.database import Database
from relay.ports.cases import (
    CaseFacts,
    CasePage,
    CaseQuery,
    CaseRow,
    DossierRow,
    GrantFacts,
    GrantRow,
    KeptView,
)

SCHEMA: Final = """
CREATE TABLE court_case (
    name TEXT PRIMARY KEY, changed_ms INTEGER NOT NULL, grants INTEGER NOT NULL DEFAULT 0,
    dossiers INTEGER NOT NULL DEFAULT 0, retrieved INTEGER NOT NULL DEFAULT 0, severity INTEGER NOT NULL DEFAULT -1
) STRICT, WITHOUT ROWID;
CREATE INDEX court_case_newest ON court_case (changed_ms, name);
CREATE TABLE court_grant (
    digest TEXT PRIMARY KEY, name TEXT NOT NULL REFERENCES court_case, token BLOB NOT NULL, issuer TEXT NOT NULL,
    mode TEXT NOT NULL, purpose TEXT NOT NULL, dossiers TEXT NOT NULL, not_before_s INTEGER NOT NULL,
    expires_s INTEGER NOT NULL, added_ms INTEGER NOT NULL, added_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX court_grant_case ON court_grant (name, added_ms);
CREATE TABLE granted (
    name TEXT NOT NULL, dossier TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (name, dossier, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX granted_dossier ON granted (dossier, name);
CREATE TABLE kept_view (
    bundle TEXT PRIMARY KEY, name TEXT NOT NULL, dossier TEXT NOT NULL, digest TEXT NOT NULL, severity INTEGER NOT NULL,
    trust_version INTEGER NOT NULL, made_at_s INTEGER NOT NULL, checked_ms INTEGER NOT NULL, document BLOB NOT NULL
) STRICT;
CREATE INDEX kept_view_dossier ON kept_view (name, dossier, made_at_s);
CREATE TABLE newest_view (
    name TEXT NOT NULL, dossier TEXT NOT NULL, bundle TEXT NOT NULL, PRIMARY KEY (name, dossier)
) STRICT, WITHOUT ROWID;
"""
_AFTER: Final = re.compile(r"([0-9]{1,16})\.(.{1,256})", re.DOTALL)
_DOSSIER_PART: Final = re.compile(r"[0-9a-f]{4,32}")
_GRANT: Final = "digest, token, name, issuer, mode, purpose, dossiers, not_before_s, expires_s, added_ms, added_by"
_VIEW: Final = "v.bundle, v.name, v.dossier, v.digest, v.severity, v.trust_version, v.made_at_s, v.checked_ms"
_LINE: Final = """
UPDATE court_case SET
    changed_ms = max(changed_ms, ?),
    grants = (SELECT count(*) FROM court_grant g WHERE g.name = court_case.name),
    dossiers = (SELECT count(DISTINCT dossier) FROM granted d WHERE d.name = court_case.name),
    retrieved = (SELECT count(*) FROM newest_view n WHERE n.name = court_case.name),
    severity = (SELECT coalesce(max(v.severity), -1) FROM newest_view n JOIN kept_view v ON v.bundle = n.bundle
                WHERE n.name = court_case.name)
WHERE name = ?
"""
_STATES: Final = {
    "waiting": "c.retrieved = 0",
    "partly": "c.retrieved > 0 AND c.retrieved < c.dossiers",
    "retrieved": "c.retrieved > 0 AND c.retrieved >= c.dossiers",
}
_DOSSIERS: Final = """
SELECT d.name, d.dossier, d.digest, coalesce(v.bundle, ''), coalesce(v.severity, -1), coalesce(v.trust_version, 0),
    coalesce(v.made_at_s, 0), coalesce(v.checked_ms, 0),
    coalesce((SELECT j.id FROM job j WHERE j.phase = 'begun' AND j.name = d.name AND j.dossier = d.dossier
              ORDER BY j.begun_ms LIMIT 1), '')
FROM granted d
LEFT JOIN newest_view n ON n.name = d.name AND n.dossier = d.dossier
LEFT JOIN kept_view v ON v.bundle = n.bundle
"""
_VERDICTS: Final = {severity(finding): finding.value for finding in Finding if finding is not Finding.SUPERSEDED}


class OfficeCases:
    """Implements relay.ports.cases.CaseBook."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_grant(self, grant: GrantRow) -> None:
        """See the port."""

        def write(c: sqlite3.Connection) -> None:
            c.execute(
                "INSERT INTO court_case (name, changed_ms) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (grant.case, grant.added_ms),
            )
            row = (
                grant.digest, grant.token, grant.case, grant.issuer, grant.mode, grant.purpose, json.dumps(grant.dossiers),
                grant.not_before_s, grant.expires_s, grant.added_ms, grant.added_by,
            )  # fmt: skip
            made = c.execute(
                f"INSERT INTO court_grant ({_GRANT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                row,
            )
            if made.rowcount:
                rows = ((grant.case, dossier, grant.digest) for dossier in grant.dossiers)
                c.executemany("INSERT INTO granted VALUES (?, ?, ?)", rows)
                c.execute(_LINE, (grant.added_ms, grant.case))

        await self._database.write(write)

    async def grant(self, digest: str) -> GrantRow:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute(f"SELECT {_GRANT} FROM court_grant WHERE digest = ?", (digest,)).fetchone()
        )
        if row is None:
            raise NotFound("no such grant")
        return _grant(row)

    async def cases(self, query: CaseQuery, after: str, count: int) -> CasePage:
        """See the port."""
        where, values = _where(query)
        if after:
            match = _AFTER.fullmatch(after)
            if match is None:
                raise Malformed("list of cases", "after", "must be as the page before gave it")
            where.append("(c.changed_ms, c.name) < (?, ?)")
            values += [int(match[1]), match[2]]
        clause = f"WHERE {' AND '.join(where)}" if where else ""
        rows = await self._database.read(
            lambda c: c.execute(
                "SELECT c.name, c.grants, c.dossiers, c.retrieved, c.severity, c.changed_ms"
                f" FROM court_case c {clause} ORDER BY c.changed_ms DESC, c.name DESC LIMIT ?",
                (*values, count + 1),
            ).fetchall()
        )
        found = tuple(
            CaseRow(
                case=r[0], grants=r[1], dossiers=r[2], retrieved=r[3], worst=_VERDICTS.get(r[4], ""), changed_ms=r[5]
            )
            for r in rows[:count]
        )
        last = found[-1] if len(rows) > count else None
        return CasePage(rows=found, after=f"{last.changed_ms}.{last.case}" if last else "")

    async def case(self, case: str) -> CaseFacts:
        """See the port."""

        def read(c: sqlite3.Connection) -> CaseFacts:
            grants = c.execute(
                f"SELECT {_GRANT} FROM court_grant WHERE name = ? ORDER BY added_ms DESC, digest DESC", (case,)
            ).fetchall()
            if not grants:
                raise NotFound("no such case")
            dossiers: dict[str, list[DossierRow]] = {}
            for row in c.execute(f"{_DOSSIERS} WHERE d.name = ? ORDER BY d.dossier", (case,)):
                dossiers.setdefault(row[2], []).append(_dossier(row))
            rows = (_grant(row) for row in grants)
            return CaseFacts(
                case=case, grants=tuple(GrantFacts(grant=g, dossiers=tuple(dossiers.get(g.digest, ()))) for g in rows)
            )

        return await self._database.read(read)

    async def dossiers(self, query: CaseQuery, after: tuple[str, str, str], count: int) -> Sequence[DossierRow]:
        """See the port."""
        where, values = _where(query)
        where.append("(d.name, d.dossier, d.digest) > (?, ?, ?)")
        rows = await self._database.read(
            lambda c: c.execute(
                f"{_DOSSIERS} JOIN court_case c ON c.name = d.name WHERE {' AND '.join(where)}"
                " ORDER BY d.name, d.dossier, d.digest LIMIT ?",
                (*values, *after, count),
            ).fetchall()
        )
        return [_dossier(row) for row in rows]

    async def keep_view(self, view: KeptView) -> None:
        """See the port."""

        def write(c: sqlite3.Connection) -> None:
            row = (
                view.bundle_id, view.case, view.dossier, view.grant, severity(Finding(view.verdict)), view.trust_version,
                view.made_at_s, view.checked_ms, view.document,
            )  # fmt: skip
            c.execute("INSERT OR REPLACE INTO kept_view VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            c.execute(
                "INSERT OR REPLACE INTO newest_view SELECT name, dossier, bundle FROM kept_view"
                " WHERE name = ? AND dossier = ? ORDER BY made_at_s DESC, bundle DESC LIMIT 1",
                (view.case, view.dossier),
            )
            c.execute(_LINE, (view.checked_ms, view.case))

        await self._database.write(write)

    async def view(self, bundle_id: str) -> KeptView:
        """See the port."""
        return await self._view(bundle_id, "v.document")

    async def view_head(self, bundle_id: str) -> KeptView:
        """See the port."""
        return await self._view(bundle_id, "x''")

    async def _view(self, bundle_id: str, document: str) -> KeptView:
        row = await self._database.read(
            lambda c: c.execute(
                f"SELECT {_VIEW}, {document} FROM kept_view v WHERE v.bundle = ?", (bundle_id,)
            ).fetchone()
        )
        if row is None:
            raise NotFound("no such bundle")
        return KeptView(
            bundle_id=row[0], case=row[1], dossier=row[2], grant=row[3], verdict=_VERDICTS[row[4]], trust_version=row[5],
            made_at_s=row[6], checked_ms=row[7], document=row[8],
        )  # fmt: skip


def _where(query: CaseQuery) -> tuple[list[str], list[object]]:
    """Conditions on `court_case c`; what a person typed is only ever a value."""
    where: list[str] = []
    values: list[object] = []
    if query.search:
        found = "instr(c.name, ?) > 0"
        values.append(query.search)
        if _DOSSIER_PART.fullmatch(query.search):
            found += " OR c.name IN (SELECT g.name FROM granted g WHERE g.dossier >= ? AND g.dossier < ?)"
            values += [query.search, query.search + "g"]
        where.append(f"({found})")
    if query.verdict:
        where.append("c.severity = ?")
        values.append(next((number for number, name in _VERDICTS.items() if name == query.verdict), -2))
    if query.state:
        where.append(_STATES[query.state])
    return where, values


def _grant(row: tuple[str, bytes, str, str, str, str, str, int, int, int, str]) -> GrantRow:
    return GrantRow(
        digest=row[0], token=row[1], case=row[2], issuer=row[3], mode=row[4], purpose=row[5],
        dossiers=tuple(json.loads(row[6])), not_before_s=row[7], expires_s=row[8], added_ms=row[9], added_by=row[10],
    )  # fmt: skip


def _dossier(row: tuple[str, str, str, str, int, int, int, int, str]) -> DossierRow:
    return DossierRow(
        case=row[0], dossier=row[1], grant=row[2], bundle_id=row[3], verdict=_VERDICTS.get(row[4], ""),
        trust_version=row[5], made_at_s=row[6], checked_ms=row[7], job=row[8],
    )  # fmt: skip
