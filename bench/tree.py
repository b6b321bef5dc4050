"""The tree: building, proofs from packs on disk, verification, storage; against hashlib and pymerkle 7 in the same run.

Cold: a reader that keeps nothing between proofs reads every hash from the files (the system's page cache is warm). Warm: the store's own
bounded cache. Leaves are asked for at random.
"""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
import time
from pathlib import Path

from pymerkle import InmemoryTree

from bench.table import Row, repeat
from relay.core.limits import ENTRY_BYTES
from relay.core.merkle import leaf_hash, verify_inclusion
from relay.core.tile_reader import TileHashReader
from relay.core.tiles import TileAppender
from relay.store.log_files import LogPacks

SEED = 1
REPEATS = 5
PROOFS = 4000
BATCH = 65_536
PEER_LEAVES = 20_000


def _entries(count: int) -> list[bytes]:
    data = os.urandom(count * (ENTRY_BYTES - 1))
    width = ENTRY_BYTES - 1
    return [b"\x01" + data[i * width : (i + 1) * width] for i in range(count)]


def _cpu(work: object, count: int) -> float:
    began = time.process_time()
    work()  # type: ignore[operator]
    return count / (time.process_time() - began)


def _wall(work: object, count: int) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return count / (time.perf_counter() - began)


def build_rows() -> list[Row]:
    """Tree build against raw SHA-256 and pymerkle, per CPU-second."""
    entries = _entries(10 * BATCH)
    block = b"\x01" + bytes(64)

    def build() -> None:
        appender = TileAppender.empty()
        for i in range(0, len(entries), BATCH):
            appender.append(entries[i : i + BATCH])
        appender.root()

    def hashing() -> None:
        sha = hashlib.sha256
        for _ in range(200_000):
            sha(block).digest()

    def peer() -> None:
        tree = InmemoryTree(algorithm="sha256")
        for entry in entries[:PEER_LEAVES]:
            tree.append_entry(entry)
        tree.get_state()

    ours = repeat(REPEATS, lambda: _cpu(build, len(entries)))
    raw = repeat(REPEATS, lambda: _cpu(hashing, 200_000))
    theirs = repeat(REPEATS, lambda: _cpu(peer, PEER_LEAVES))
    row = Row(name="tree build", values=ours, unit="leaves/CPU-s", target=800_000)
    baseline = Row(name="  baseline: hashlib SHA-256 of 65 bytes", values=raw, unit="hashes/CPU-s")
    other = Row(name=f"  peer: pymerkle 7, {PEER_LEAVES:,} leaves in memory", values=theirs, unit="leaves/CPU-s")
    ratio = f"{row.median / other.median:.1f} x pymerkle; {2 * row.median / baseline.median:.2f} of hashlib's 2 hashes a leaf"
    return [Row(name=row.name, values=ours, unit=row.unit, target=row.target, ratio=ratio), baseline, other]


def peer_proofs() -> float:
    """Pymerkle's inclusion proofs a second at the size it is given here."""
    tree = InmemoryTree(algorithm="sha256")
    for entry in _entries(PEER_LEAVES):
        tree.append_entry(entry)
    chosen = random.Random(SEED)
    indices = [chosen.randrange(PEER_LEAVES) + 1 for _ in range(300)]
    return _wall(lambda: [tree.prove_inclusion(i) for i in indices], len(indices))


def size_rows(leaves: int, peer: float) -> list[Row]:
    """Proofs and storage at one size; verification at a million."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-bench-") as folder:
        packs = LogPacks.open(Path(folder), 0)
        try:
            left = leaves
            while left:
                packs.append(_entries(min(left, BATCH)))
                left -= min(left, BATCH)
            return _rows_of(packs, Path(folder), leaves, peer)
        finally:
            packs.close()


def _rows_of(packs: LogPacks, folder: Path, leaves: int, peer: float) -> list[Row]:
    chosen = random.Random(SEED)
    indices = [chosen.randrange(leaves) for _ in range(PROOFS)]
    cold_reader = TileHashReader(packs, leaves, 0)

    def cold() -> None:
        for i in indices:
            cold_reader.inclusion_proof(i, leaves)

    def warm() -> None:
        for i in indices:
            packs.inclusion_proof(i, leaves)

    warm()
    cold_values = repeat(REPEATS, lambda: _wall(cold, PROOFS))
    warm_values = repeat(REPEATS, lambda: _wall(warm, PROOFS))
    tree_bytes = sum(f.stat().st_size for f in folder.iterdir() if f.name != "entries.pack")
    ratio = f"{sorted(warm_values)[len(warm_values) // 2] / peer:.0f} x pymerkle at {PEER_LEAVES:,}"
    rows = [
        Row(name=f"inclusion proofs, cold, {leaves:,} leaves", values=cold_values, unit="proofs/s", target=5000),
        Row(
            name=f"inclusion proofs, bounded cache, {leaves:,} leaves",
            values=warm_values,
            unit="proofs/s",
            target=20_000,
            ratio=ratio,
        ),
        Row(
            name=f"tree storage, {leaves:,} leaves",
            values=(tree_bytes / leaves,),
            unit="bytes/leaf",
            target=33,
            below=True,
        ),
    ]
    if leaves == 1_000_000:
        rows.append(_verification(packs, indices, leaves))
    return rows


def _verification(packs: LogPacks, indices: list[int], leaves: int) -> Row:
    root = packs.root(leaves)
    proofs = [(leaf_hash(packs.entries(i, i + 1)[0]), i, packs.inclusion_proof(i, leaves)) for i in indices]

    def verify() -> None:
        for leaf, index, proof in proofs:
            verify_inclusion(leaf, index, leaves, proof, root)

    values = repeat(REPEATS, lambda: _wall(verify, len(proofs)))
    return Row(name=f"verification, {leaves:,} leaves", values=values, unit="proofs/s", target=60_000)


def tree_rows(leaves_max: int) -> list[Row]:
    """The whole section."""
    rows = build_rows()
    peer = repeat(REPEATS, peer_proofs)
    rows.append(Row(name=f"  peer: pymerkle 7 inclusion proofs, {PEER_LEAVES:,} leaves", values=peer, unit="proofs/s"))
    middle = sorted(peer)[len(peer) // 2]
    for leaves in (10_000, 100_000, 1_000_000, 10_000_000):
        if leaves <= leaves_max:
            rows += size_rows(leaves, middle)
    return rows
