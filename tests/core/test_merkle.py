"""The tree against a naive reading of RFC 6962, and proofs that somebody changed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.errors import Malformed, Unverified
from relay.core.merkle import (
    EMPTY_ROOT,
    Frontier,
    MemoryTree,
    leaf_hash,
    root_of,
    subtree_consistency_proof,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
)


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(n.to_bytes(4, "big")) for n in range(count)]


def mth(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def path(m: int, hashes: Sequence[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1, word for word."""
    if len(hashes) == 1:
        return []
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if m < k:
        return [*path(m, hashes[:k]), mth(hashes[k:])]
    return [*path(m - k, hashes[k:]), mth(hashes[:k])]


def subproof(m: int, hashes: Sequence[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 section 2.1.2, word for word."""
    if m == len(hashes):
        return [] if whole else [mth(hashes)]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if m <= k:
        return [*subproof(m, hashes[:k], whole), mth(hashes[k:])]
    return [*subproof(m - k, hashes[k:], False), mth(hashes[:k])]


SIZES = st.integers(1, 70)


@given(SIZES)
def test_root_is_that_of_the_rfc(size: int) -> None:
    hashes = leaves(size)
    assert MemoryTree(hashes).root() == root_of(hashes) == mth(hashes)
    frontier = Frontier.empty()
    frontier.append_leaves(hashes)
    assert frontier.root() == mth(hashes)
    assert Frontier.from_bytes(frontier.to_bytes()).root() == mth(hashes)


def test_empty_tree_has_the_empty_root() -> None:
    assert Frontier.empty().root() == root_of([]) == EMPTY_ROOT == mth([])


@given(SIZES, st.data())
def test_inclusion_proof_is_that_of_the_rfc_and_verifies(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = leaves(size)
    tree = MemoryTree(hashes)
    proof = tree.inclusion_proof(index)
    assert proof == path(index, hashes)
    verify_inclusion(hashes[index], index, size, proof, tree.root())


@given(SIZES, st.data())
def test_consistency_proof_is_that_of_the_rfc_and_verifies(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    hashes = leaves(size)
    tree = MemoryTree(hashes)
    proof = tree.consistency_proof(old)
    assert proof == subproof(old, hashes, True)
    verify_consistency(old, size, proof, tree.root(old), tree.root())


@given(st.integers(1, 600), st.data())
def test_subtree_of_a_tile_is_part_of_the_tree(size: int, data: st.DataObject) -> None:
    hashes = leaves(size)
    tree = MemoryTree(hashes)
    start = 256 * data.draw(st.integers(0, (size - 1) // 256))
    end = min(start + 256, size)
    proof = subtree_consistency_proof(start, end, size, tree)
    verify_subtree_consistency(start, end, size, proof, mth(hashes[start:end]), tree.root())
    with pytest.raises(Unverified):
        verify_subtree_consistency(start, end, size, proof, bytes(32), tree.root())


@given(st.integers(2, 40), st.data())
def test_any_bit_of_an_inclusion_proof_counts(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = leaves(size)
    tree = MemoryTree(hashes)
    proof = tree.inclusion_proof(index)
    at = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    changed = bytearray(proof[at])
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Unverified):
        verify_inclusion(hashes[index], index, size, [*proof[:at], bytes(changed), *proof[at + 1 :]], tree.root())


@given(st.integers(2, 40), st.data())
def test_proof_of_another_place_or_size_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = leaves(size)
    tree = MemoryTree(hashes)
    proof, root = tree.inclusion_proof(index), tree.root()
    for other in {index - 1, index + 1, index ^ 1, size, -1} - {index}:
        with pytest.raises(Unverified):
            verify_inclusion(hashes[index], other, size, proof, root)
    for wrong in (proof[:-1], [*proof, bytes(32)], [bytes(32), *proof], [p[:31] for p in proof]):
        with pytest.raises(Unverified):
            verify_inclusion(hashes[index], index, size, wrong, root)


@given(st.integers(3, 40), st.data())
def test_forked_history_has_no_consistency_proof(size: int, data: st.DataObject) -> None:
    """The attack on a log: another past under the same size."""
    old = data.draw(st.integers(1, size - 1))
    hashes = leaves(size)
    forked = [*hashes]
    forked[data.draw(st.integers(0, old - 1))] = leaf_hash(b"forged")
    honest, other = MemoryTree(hashes), MemoryTree(forked)
    with pytest.raises(Unverified):
        verify_consistency(old, size, other.consistency_proof(old), honest.root(old), other.root())


def test_shrinking_or_empty_consistency_is_refused() -> None:
    tree = MemoryTree(leaves(5))
    for first, second in ((0, 5), (5, 4), (-1, 5), (5, 2**60)):
        with pytest.raises(Unverified):
            verify_consistency(first, second, [], tree.root(), tree.root())


@pytest.mark.parametrize("data", [b"", b"1234567", bytes(8) + bytes(32), (3).to_bytes(8, "big") + bytes(32)])
def test_frontier_that_does_not_fit_its_size_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        Frontier.from_bytes(data)


def test_two_roots_of_one_size_are_never_consistent() -> None:
    root, other = bytes(32), bytes([1] * 32)
    verify_consistency(5, 5, [], root, root)
    with pytest.raises(Unverified, match="two different roots"):
        verify_consistency(5, 5, [], root, other)
