"""After a run of real processes: custodian, relay and court must hold the same entries, and every anchor one effect."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from relay.app.hands import fsck
from relay.app.initialise import ORIGIN
from relay.core.merkle import Frontier, leaf_hash
from relay.core.tiles import decode_entries


@dataclass(slots=True)
class Compared:
    """Anchors that the court ledger accepted, and everything that is not as promised (empty: nothing)."""

    checkpoints: int
    violations: list[str] = field(default_factory=list)


def missing_indices(indices: Collection[int], records: int) -> list[str]:
    """A complaint unless exactly the log indices 0 to `records` - 1 were answered."""
    if sorted(indices) == list(range(records)):
        return []
    return [f"{len(indices)} log indices were answered for {records} records"]


async def compare(home: Path, relay_entries: bytes | None = None) -> Compared:
    """All roles have ended. `relay_entries`: the relay's pack where its store is no folder."""
    packs = {role: evidence_pack(home / role / "data" / "logs") for role in ("custodian", "court")}
    packs["relay"] = evidence_pack(home / "relay/data/logs") if relay_entries is None else relay_entries
    bad = [
        f"the entries of {role} differ from the custodian's"
        for role in ("relay", "court")
        if packs[role] != packs["custodian"]
    ]
    anchors, accepted = (facts(home / f"{side}-ledger/data/ledger.sqlite") for side in ("lender", "court"))
    lost = [size for size in anchors if size not in accepted]
    other = [size for size in accepted if anchors.get(size) != accepted[size]]
    if lost or other:
        bad.append(f"anchors without effect on the court ledger: {lost}; effects without anchor: {other}")
    tree = Frontier.empty()
    entries = decode_entries(packs["custodian"])
    for size in sorted(accepted):
        tree.append_leaves([leaf_hash(entry) for entry in entries[tree.size : size]])
        if tree.root() != accepted[size]:
            bad.append(f"the accepted root of size {size} is not that of the entries")
    return Compared(checkpoints=len(accepted), violations=bad + await fsck(home))


def evidence_pack(logs: Path) -> bytes:
    """The biggest log of a role: its evidence log."""
    return max((path.read_bytes() for path in logs.rglob("entries.pack")), key=len)


def facts(path: Path) -> dict[int, bytes]:
    """Size → root of the origin's anchors or accepted checkpoints on a ledger, each exactly once."""
    database = sqlite3.connect(path)
    rows = database.execute(
        "SELECT size, root FROM fact WHERE origin = ? AND kind IN ('anchor', 'checkpoint')", (ORIGIN,)
    ).fetchall()
    database.close()
    found = dict(rows)
    if len(found) != len(rows):
        raise AssertionError(f"{path} holds a size twice")
    return found
