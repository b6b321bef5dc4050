"""RFC 6962 second preimages and Bitcoin CVE-2017-12842: bytes of an inner node passed as a leaf. Our log entries even look like
one (65 bytes, the first of them 01), so leaf and node hashes must never meet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from relay.core.checkpoint import Checkpoint
from relay.core.dossier import parse_entry
from relay.core.limits import ENTRY_BYTES
from relay.core.merkle import MemoryTree, leaf_hash, node_hash, root_of, verify_inclusion
from relay.core.package import Package, check_proof
from tests.regression.refusing import refusal

MOST = 257
LEAVES = [leaf_hash(n.to_bytes(2, "big")) for n in range(MOST)]
Node = tuple[int, int, bytes, bytes, list[bytes]]


def inner_nodes(start: int, end: int, hashes: dict[tuple[int, int], bytes], path: Sequence[bytes]) -> Iterator[Node]:
    """(start, end, left, right, path from the node to the root) of every inner node over these leaves."""
    if end - start == 1:
        return
    middle = start + (1 << (end - start - 1).bit_length() - 1)
    left, right = (hash_of(a, b, hashes) for a, b in ((start, middle), (middle, end)))
    yield start, end, left, right, [*path]
    yield from inner_nodes(start, middle, hashes, [right, *path])
    yield from inner_nodes(middle, end, hashes, [left, *path])


def hash_of(start: int, end: int, hashes: dict[tuple[int, int], bytes]) -> bytes:
    if (start, end) not in hashes:
        hashes[start, end] = root_of(LEAVES[start:end])
    return hashes[start, end]


def test_inner_node_is_no_leaf_of_its_tree() -> None:
    """Every inner node of every tree to 257 leaves, with its own path, at every place it could claim."""
    hashes: dict[tuple[int, int], bytes] = {}
    tried = 0
    for size in range(2, MOST + 1):
        root = hash_of(0, size, hashes)
        for start, end, left, right, path in inner_nodes(0, size, hashes, []):
            node = node_hash(left, right)
            for index in {start, end - 1, start >> (end - start - 1).bit_length()}:
                refusal(verify_inclusion, node, index, size, path, root)
                tried += 1
    assert tried > 60_000


def test_bytes_of_an_inner_node_are_no_entry_of_any_tree() -> None:
    """Also for an attacker who may choose the size: both hashes joined, with and without the node's own tag."""
    hashes: dict[tuple[int, int], bytes] = {}
    for size in (*range(2, 66), 127, 128, 129, MOST):
        root = hash_of(0, size, hashes)
        for start, end, left, right, path in inner_nodes(0, size, hashes, []):
            level = (end - start - 1).bit_length()
            for entry in (left + right, b"\x01" + left + right, b"\x00" + left + right, right + left):
                for tree in {size, (size - 1 >> level) + 1}:
                    index = start >> level
                    if index < tree:
                        refusal(verify_inclusion, leaf_hash(entry), index, tree, path, root)


def test_inner_node_that_reads_as_a_log_entry_is_refused() -> None:
    """A tree of n pairs sold as a log of n entries: each pair of leaf hashes is a well-formed entry of 65 bytes."""
    for pairs in (1, 2, 3, 7, 100, 256):
        leaves = [leaf_hash(b"\x01" + n.to_bytes(2, "big") * 32) for n in range(2 * pairs)]
        entries = [b"\x01" + a + b for a, b in zip(leaves[::2], leaves[1::2], strict=True)]
        for entry in entries:
            assert (len(entry), parse_entry(entry).version) == (ENTRY_BYTES, 1)
        target = Checkpoint(origin="a.example/log", size=pairs, root=root_of(leaves))
        refusal(check_proof, Package(start=0, entries=b"".join(entries), proof=()), entries, [], target)


def test_leaf_and_node_tags_are_those_of_the_rfc() -> None:
    a, b = leaf_hash(b""), leaf_hash(b"\x00")
    assert a.hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert b.hex() == "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
    assert node_hash(a, b) == hashlib.sha256(b"\x01" + a + b).digest()
    assert len({leaf_hash(a + b), node_hash(a, b), hashlib.sha256(a + b).digest(), leaf_hash(b"\x01" + a + b)}) == 4


def test_leaves_of_64_bytes_are_leaves() -> None:
    """The length that was fatal elsewhere is an ordinary one: entries that are two hashes joined prove as what they are."""
    level = LEAVES[:64]
    while len(level) > 1:
        entries = [a + b for a, b in zip(level[::2], level[1::2], strict=True)]
        tree = MemoryTree([leaf_hash(entry) for entry in entries])
        inner = [node_hash(a, b) for a, b in zip(level[::2], level[1::2], strict=True)]
        assert tree.root() != root_of(inner) == root_of(level)
        for index, entry in enumerate(entries):
            verify_inclusion(leaf_hash(entry), index, len(entries), tree.inclusion_proof(index), tree.root())
            refusal(verify_inclusion, inner[index], index, len(entries), tree.inclusion_proof(index), tree.root())
        level = inner
