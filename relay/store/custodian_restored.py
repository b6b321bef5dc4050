"""What must be done to a custodian's database that is older than what the custodian did: grants spent, places of lost records taken."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.core.dossier import RECORD_ENTRY, parse_entry, tag
from relay.core.grants import parse_grant
from relay.durable.database import Database
from relay.durable.errors import StorageFailed
from relay.ports.custodian import LogCheckpoint
from relay.ports.ledgers import Anchor
from relay.store.at_rest import MasterKey
from relay.store.custodian_rows import LIVING
from relay.store.mirror_log import StoredMirrorLog

DATABASE: Final = "custodian.sqlite"
LOST_KIND: Final = "lost"
"""Stands where the kind of a record stood that nobody knows any more."""
BASIS: Final = "loss: the lender's storage was restored from a backup that is older than this record"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRecords:
    """Records of one dossier whose entries are anchored and whose content is gone. `places`: (seq, log index), ascending."""

    dossier: str
    places: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LostStatement:
    """The lender's signed word that they are gone."""

    lost: LostRecords
    token: str
    at_s: int


def missing_payload(data: Path) -> str:
    """The name of a payload that a copied database refers to and whose file was not copied; empty when none is missing."""
    with closing(sqlite3.connect(data / DATABASE)) as connection:
        rows = connection.execute("SELECT blob FROM payload WHERE blob NOT IN (SELECT blob FROM erased_payload)")
        return next((name for (name,) in rows if not (data / "vault" / name).is_file()), "")


def spend_all_uses(data: Path) -> None:
    """How often the grants were used since is not known: no use of them is left. Raises `StorageFailed`."""
    try:
        with closing(sqlite3.connect(data / DATABASE)) as connection, connection:
            spend_uses(connection)
    except sqlite3.Error as error:
        raise StorageFailed(f"{data / DATABASE}: {error}") from error


def spend_uses(connection: sqlite3.Connection) -> None:
    """In the caller's transaction. What was begun is not taken up again either: its grant may be revoked."""
    rows = connection.execute("SELECT digest, token FROM grant_record").fetchall()
    connection.executemany(
        "UPDATE grant_record SET uses_spent = max(uses_spent, ?) WHERE digest = ?",
        [(parse_grant(token).uses, digest) for digest, token in rows],
    )
    connection.execute("DELETE FROM disclosure")


class RestoredRows:
    """The part of the custodian's store that mends what is older than its anchors."""

    _database: Database
    _master: MasterKey
    _log: StoredMirrorLog
    _writing: asyncio.Lock

    async def known_height(self) -> int:
        """The highest block in which an anchor of the evidence log is known to stand; 0 when none is."""
        sql = "SELECT coalesce(max(anchored_height), 0) FROM checkpoint"
        return await self._database.read(lambda c: int(c.execute(sql).fetchone()[0]))

    async def spend_all_uses(self) -> None:
        """No use of any grant is left, and nothing that was begun can be taken up again."""
        await self._database.write(spend_uses)

    async def lost_records(self, entries: Sequence[bytes]) -> list[LostRecords]:
        """Which dossiers held here go on in the entries that follow on the log. Reads the whole dossier table."""
        return await self._database.read(lambda c: self._lost(c, self._log.size, entries))

    def _lost(self, c: sqlite3.Connection, start: int, entries: Sequence[bytes]) -> list[LostRecords]:
        at: dict[bytes, int] = {}
        for index, raw in enumerate(entries, start):
            entry = parse_entry(raw)
            if entry.version == RECORD_ENTRY:
                at.setdefault(entry.tag, index)
        found = []
        counts: Mapping[str, int] = dict(c.execute("SELECT dossier, count(*) FROM record GROUP BY dossier"))
        for dossier, sealed in c.execute(f"SELECT id, sealed_keys FROM dossier WHERE {LIVING} ORDER BY rowid"):
            key, seq = self._master.unwrap(dossier, sealed).dossier, counts.get(dossier, 0)
            places = []
            while (index := at.get(tag(key, seq), -1)) >= 0:
                places.append((seq, index))
                seq += 1
            if places:
                found.append(LostRecords(dossier=dossier, places=tuple(places)))
        return found

    async def put_back(
        self, entries: Sequence[bytes], statements: Sequence[LostStatement], checkpoint: LogCheckpoint, anchor: Anchor
    ) -> None:
        """Entries, the places of the records that are lost, their tombstones, and the anchored checkpoint: all or nothing."""

        def write(c: sqlite3.Connection) -> None:
            for one in statements:
                _insert_lost(c, one)
            spend_uses(c)
            c.execute(
                "INSERT INTO checkpoint (size, root, note, anchored_height, anchored_ms, anchor_tx) VALUES (?, ?, ?, ?, ?, ?)",
                (checkpoint.size, checkpoint.root, checkpoint.note, anchor.height, anchor.time_ms, anchor.tx_id),
            )

        async with self._writing:
            await self._log.append(entries, write)


def _insert_lost(c: sqlite3.Connection, one: LostStatement) -> None:
    dossier, at_ms = one.lost.dossier, one.at_s * 1000
    done = c.execute(
        "INSERT INTO tombstone (dossier, whole, reference, token, erased_s, basis, begun_ms, done_ms)"
        " VALUES (?, 0, NULL, ?, ?, ?, ?, ?) RETURNING number",
        (dossier, one.token, one.at_s, BASIS, at_ms, at_ms),
    )
    number = int(done.fetchone()[0])
    for seq, index in one.lost.places:
        c.execute(
            "INSERT INTO record (dossier, seq, position, kind, event_time_s, confidentiality, sealed_text, input_digest)"
            " VALUES (?, ?, ?, ?, 0, 'ordinary', x'', x'')",
            (dossier, seq, index, LOST_KIND),
        )
        c.execute("INSERT INTO erased VALUES (?, ?, ?)", (dossier, seq, number))
