"""Trees to make proofs of: dense ones in memory, and sparse ones of any size in which few leaves differ from the rest."""

from __future__ import annotations

import random
from functools import cache

from relay.core.merkle import MemoryTree, leaf_hash, node_hash


@cache
def plain(level: int) -> bytes:
    """A perfect subtree of leaves that are all the same."""
    return node_hash(plain(level - 1), plain(level - 1)) if level else leaf_hash(b"")


class SparseTree:
    """A true tree over up to 2^53 leaves of which all but a few are the same; a `HashReader`."""

    def __init__(self, special: dict[int, bytes]) -> None:
        self._levels: list[dict[int, bytes]] = [special]

    def node(self, level: int, index: int) -> bytes:
        """Hashes above special leaves are computed once, all others depend on their level only."""
        while len(self._levels) <= level:
            below, height = self._levels[-1], len(self._levels) - 1
            other = plain(height)
            self._levels.append(
                {i: node_hash(below.get(2 * i, other), below.get(2 * i + 1, other)) for i in {j >> 1 for j in below}}
            )
        found = self._levels[level].get(index)
        return plain(level) if found is None else found


def dense_tree(count: int, chosen: random.Random) -> MemoryTree:
    """A tree whose leaves are all different."""
    return MemoryTree([chosen.randbytes(32) for _ in range(count)])


def sparse_tree(bits: int, chosen: random.Random) -> SparseTree:
    """A tree below 2^bits whose special leaves lie at all distances from each other."""
    ends = [(1 << n) + chosen.randrange(-2, 3) for n in range(2, bits)]
    anywhere = [chosen.randrange(1 << bits) for _ in range(bits)]
    return SparseTree({index: chosen.randbytes(32) for index in (0, 1, *ends, *anywhere)})
