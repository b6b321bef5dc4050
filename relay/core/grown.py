"""A log's tree with entries after it that no log holds yet: what it proves of them before they are stored."""

from __future__ import annotations

from collections.abc import Sequence

from relay.core.errors import NotFound
from relay.core.merkle import HashReader, consistency_proof, leaf_hash, node_hash


class GrownTree:
    """A `HashReader` over a tree of `size` leaves and the leaf hashes that follow them, which are in memory."""

    def __init__(self, below: HashReader, size: int, leaf_hashes: Sequence[bytes]) -> None:
        """`below` gives what lies within the first `size` leaves."""
        self._below = below
        self._held = size
        self._leaves = leaf_hashes
        self._made: dict[tuple[int, int], bytes] = {}

    @property
    def size(self) -> int:
        """All leaves."""
        return self._held + len(self._leaves)

    def node(self, level: int, index: int) -> bytes:
        """See `HashReader`. Raises `NotFound` beyond the size."""
        end = (index + 1) << level
        if end <= self._held:
            return self._below.node(level, index)
        if end > self.size:
            raise NotFound(f"node {index} at level {level} is beyond a tree of {self.size}")
        if level == 0:
            return self._leaves[index - self._held]
        found = self._made.get((level, index))
        if found is None:
            found = node_hash(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))
            self._made[level, index] = found
        return found


def extension_proof(size: int, entries: Sequence[bytes], below: HashReader) -> list[bytes]:
    """PROOF(size, D[size + entries]) of RFC 6962 section 2.1.2, where `below` holds the first `size` alone.

    Empty where nothing is to be shown: from the empty tree, or without entries.
    """
    tree = GrownTree(below, size, [leaf_hash(entry) for entry in entries])
    return consistency_proof(size, tree.size, tree)
