"""Bitcoin CVE-2012-2459: an odd leaf was paired with itself, so a list with its tail repeated had the same root, and
remembering that root as invalid kept the true block out. Here no two lists share a root, and a refusal is of bytes, never of a
root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from relay.core.checkpoint import Checkpoint
from relay.core.errors import Unverified
from relay.core.merkle import Frontier, MemoryTree, leaf_hash, node_hash, root_of
from relay.core.package import Package
from relay.services.mirroring import PackageIntake
from relay.store.relay import SqliteRelayStore
from tests.ledgers.bench import Bench
from tests.ledgers.test_embedded_attacks import forged

MOST = 1025
MORE = 4
LEAVES = [leaf_hash(n.to_bytes(2, "big")) for n in range(MOST + MORE)]


def tails(size: int) -> Iterator[list[bytes]]:
    """What repeats the end of the first `size` leaves: its last 1 to 4 again, or its last one up to 4 times."""
    for count in range(1, MORE + 1):
        yield [LEAVES[size - 1]] * count
        if 1 < count <= size:
            yield LEAVES[size - count : size]


def paired_with_itself(hashes: Sequence[bytes]) -> bytes:
    """The tree of the incident."""
    level = list(hashes)
    while len(level) > 1:
        if len(level) % 2:
            level.append(level[-1])
        level = [node_hash(a, b) for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def test_no_list_with_a_repeated_tail_has_the_root_of_another() -> None:
    """Every size to 1,025: all prefixes and all repetitions together have roots of their own."""
    roots: dict[bytes, tuple[int, int]] = {}
    grown = Frontier.empty()
    lists = 0
    for size in range(1, MOST + 1):
        grown.append_leaves(LEAVES[size - 1 : size])
        assert grown.root() == root_of(LEAVES[:size])
        assert roots.setdefault(grown.root(), (size, 0)) == (size, 0)
        lists += 1
        for number, tail in enumerate(tails(size), 1):
            longer = grown.copy()
            longer.append_leaves(tail)
            assert roots.setdefault(longer.root(), (size, number)) == (size, number)
            lists += 1
    assert len(roots) == lists > 7 * MOST - 10


def test_all_three_builders_of_a_tree_agree_on_repeated_tails() -> None:
    """The control: the tree of the incident has such pairs among the same lists."""
    pairs = 0
    for size in range(1, 70):
        for tail in tails(size):
            leaves = [*LEAVES[:size], *tail]
            grown = Frontier.empty()
            grown.append_leaves(leaves)
            assert root_of(leaves) == MemoryTree(leaves).root() == grown.root() != root_of(LEAVES[:size])
            pairs += paired_with_itself(leaves) == paired_with_itself(LEAVES[:size])
    assert pairs > 30


async def test_refused_entries_do_not_keep_the_true_ones_out(tmp_path: Path) -> None:
    """The same checkpoint, first with a repeated tail, then with its own entries."""
    entries = [b"\x01" + hashlib.sha256(bytes([n])).digest() * 2 for n in range(7)]
    store = await SqliteRelayStore.open(tmp_path)
    log = await store.log("a.example/log")
    root = root_of([leaf_hash(e) for e in entries])
    target = Checkpoint(origin="a.example/log", size=7, root=root)
    for wrong in ([*entries[:6], entries[5]], [*entries[:5], entries[3], entries[4]], [*entries[:3], *entries[:4]]):
        try:
            await PackageIntake(log, target).take([Package(start=0, entries=b"".join(wrong), proof=())])
        except Unverified:
            assert log.size == 0
        else:
            raise AssertionError("accepted")
    intake = PackageIntake(log, target)
    assert await intake.take([Package(start=0, entries=b"".join(entries), proof=())]) == 7
    intake.check_root()
    await store.close()


async def test_root_refused_with_a_bad_proof_is_accepted_with_a_good_one(bench: Bench) -> None:
    good = await bench.submission(3)
    for _ in range(3):
        try:
            await bench.court.submit(bench.replaced(good, anchor=forged(bench, bench.checkpoint(3))))
        except Unverified:
            continue
        raise AssertionError("accepted")
    receipt = await bench.court.submit(good)
    assert (receipt.size, receipt.root) == (3, bench.checkpoint(3).root)
