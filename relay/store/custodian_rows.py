"""Rows of the custodian's tables turned into records; synchronous, for a worker thread."""

from __future__ import annotations

import sqlite3
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.core.errors import Conflict
from relay.ports.custodian import StoredRecord, VaultPayload
from relay.store.at_rest import unseal

LIVING: Final = "NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.dossier = dossier.id AND t.whole = 1)"
"""A dossier whose erasure as a whole has begun is not there any more for anybody."""
RECORDS: Final = (
    "SELECT r.seq, r.position, r.kind, r.event_time_s, r.confidentiality, r.sealed_text, t.erased_s, t.basis FROM record r"
    " LEFT JOIN erased e ON e.dossier = r.dossier AND e.seq = r.seq LEFT JOIN tombstone t ON t.number = e.tombstone"
    " WHERE r.dossier = ? ORDER BY r.seq"
)
PAYLOADS: Final = (
    "SELECT p.seq, p.name, p.blob, p.size, p.sha256, p.sealed_key FROM payload p WHERE p.dossier = ? AND NOT EXISTS"
    " (SELECT 1 FROM erased e WHERE e.dossier = p.dossier AND e.seq = p.seq) ORDER BY p.seq, p.place"
)


def open_records(
    data: AESGCM, dossier: str, rows: list[tuple[object, ...]], payloads: list[tuple[object, ...]]
) -> list[StoredRecord]:
    """What `RECORDS` and `PAYLOADS` gave, decrypted. An erased record has neither text nor payloads. Raises `Malformed`."""
    by_seq: dict[object, list[tuple[str, VaultPayload]]] = {}
    for seq, name, blob, size, sha256, sealed_key in payloads:
        key = unseal(data, sealed_key, str(blob).encode())
        payload = VaultPayload(blob=str(blob), size=int(str(size)), sha256=str(sha256), key=key)
        by_seq.setdefault(seq, []).append((str(name), payload))
    return [
        StoredRecord(
            seq=int(str(seq)),
            index=int(str(position)),
            kind=str(kind),
            event_time_s=int(str(event_time_s)),
            confidentiality=str(confidentiality),
            text="" if erased_s is not None else unseal(data, sealed, f"{dossier}/{seq}".encode()).decode(),
            payloads=tuple(by_seq.get(seq, ())),
            erased_s=int(str(erased_s or 0)),
            basis=str(basis or ""),
        )
        for seq, position, kind, event_time_s, confidentiality, sealed, erased_s, basis in rows
    ]


def check_takes_records(c: sqlite3.Connection, dossier: str, reference: bytes, sealed_keys: bytes | None) -> None:
    """New records may be added under the keys that were read. Raises `Conflict` when an erasure came between."""
    begun = c.execute(
        "SELECT 1 FROM tombstone WHERE reference = ? OR (dossier = ? AND (whole = 1 OR done_ms = 0))",
        (reference, dossier),
    ).fetchone()
    row = c.execute("SELECT sealed_keys FROM dossier WHERE id = ?", (dossier,)).fetchone()
    if begun is not None or (None if row is None else row[0]) != sealed_keys:
        raise Conflict("records of this dossier are being erased; deposit again in a moment")
