"""ICS-23 (October 2022): prefix and suffix bytes around the nodes of a proof were the prover's to choose, so one hash could be
read as another step. Our proof has no such bytes: every node is exactly one hash, every step has one tag, and every place one
length of path.
"""

from __future__ import annotations

import hashlib
import random

from relay.core.base64strict import b64encode
from relay.core.bundle import consistency_bytes, parse_consistency
from relay.core.merkle import MemoryTree, leaf_hash, node_hash, verify_consistency, verify_inclusion
from relay.core.tlogproof import TlogProof, format_tlog_proof, parse_tlog_proof
from tests.regression.refusing import refusal

DEPTHS = range(33)


def path_of(depth: int, tag: bytes = b"\x01") -> tuple[bytes, int, list[bytes], bytes]:
    """(leaf, index, proof, root) of a whole tree of that depth whose other leaves nobody ever sees."""
    dice = random.Random(depth)
    leaf, index = leaf_hash(b"leaf"), dice.randrange(2**depth)
    proof = [dice.randbytes(32) for _ in range(depth)]
    hashed = leaf
    for level, sibling in enumerate(proof):
        pair = sibling + hashed if index >> level & 1 else hashed + sibling
        hashed = hashlib.sha256(tag + pair).digest()
    return leaf, index, proof, hashed


def test_bytes_added_before_or_after_a_node_are_refused_at_every_depth() -> None:
    tried = 0
    for depth in DEPTHS:
        leaf, index, proof, root = path_of(depth)
        verify_inclusion(leaf, index, 2**depth, proof, root)
        for place in range(depth + 1):
            for extra in range(1, 65):
                more = b"\x01" * extra
                for front, back in ((more, b""), (b"", more)):
                    nodes = [leaf, *proof]
                    nodes[place] = front + nodes[place] + back
                    refusal(verify_inclusion, nodes[0], index, 2**depth, nodes[1:], root)
                    tried += 1
    assert tried == sum(d + 1 for d in DEPTHS) * 64 * 2


def test_border_between_leaf_and_sibling_cannot_be_moved() -> None:
    """The bytes that are hashed stay the same, so that only the length of a node can tell."""
    for depth in DEPTHS[1:]:
        leaf, index, proof, root = path_of(depth)
        first, rest, size = proof[0], proof[1:], 2**depth
        for moved in range(1, 33):
            if index & 1:
                shifts = ((leaf[moved:], first + leaf[:moved]), (first[-moved:] + leaf, first[:-moved]))
            else:
                shifts = ((leaf[:-moved], leaf[-moved:] + first), (leaf + first[:moved], first[moved:]))
            for node, sibling in shifts:
                assert "32 bytes" in refusal(verify_inclusion, node, index, size, [sibling, *rest], root)


def test_tree_of_another_hash_operation_is_refused() -> None:
    for depth in DEPTHS[1:]:
        for tag in (b"", b"\x00", b"\x02", b"\xff", b"\x01\x01"):
            leaf, index, proof, root = path_of(depth, tag)
            refusal(verify_inclusion, leaf, index, 2**depth, proof, root)


def test_path_of_one_depth_does_not_fit_a_tree_of_another() -> None:
    """Right hashes, and an index or a size whose width is not that of the path."""
    for depth in DEPTHS:
        leaf, index, proof, root = path_of(depth)
        for other in set(DEPTHS) - {depth}:
            refusal(verify_inclusion, leaf, index, 2**other, proof, root)
            refusal(verify_inclusion, leaf, index | 2**other, 2**other, proof, root)
        for longer in ([*proof, root], [leaf, *proof], [*proof, b""], [b"", *proof]):
            refusal(verify_inclusion, leaf, index, 2**depth, longer, root)


def test_hash_of_another_length_leaves_no_file() -> None:
    """The files that carry proofs cannot say a node with more or fewer bytes."""
    note = b"text\n\nsignature\n"
    assert parse_consistency(consistency_bytes([bytes(32)]), what="proof") == (bytes(32),)
    for length in (*range(1, 32), *range(33, 97)):
        assert "32 bytes" in refusal(lambda n: parse_consistency(consistency_bytes([bytes(n)]), what="proof"), length)
        proof = format_tlog_proof(TlogProof(index=1, hashes=(bytes(length),), checkpoint=note))
        assert "32 bytes" in refusal(parse_tlog_proof, proof)
    a, b = leaf_hash(b"a"), leaf_hash(b"b")
    tree = MemoryTree([a, b])
    assert b64encode(tree.root()) == b64encode(node_hash(a, b))
    refusal(verify_consistency, 1, 2, [b + b"\x00"], a, tree.root())
    refusal(verify_consistency, 1, 2, [b[1:]], a, tree.root())
