"""A tree with leaves that are not stored yet proves what it will prove when they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.errors import NotFound
from relay.core.grown import GrownTree, extension_proof
from relay.core.merkle import MemoryTree, leaf_hash, root_from, verify_consistency

SIZES = st.integers(0, 600)


def entries(count: int) -> list[bytes]:
    return [n.to_bytes(4, "big") for n in range(count)]


def tree(count: int) -> MemoryTree:
    return MemoryTree([leaf_hash(entry) for entry in entries(count)])


@given(SIZES, SIZES)
def test_it_has_the_root_and_the_proof_of_the_whole(size: int, more: int) -> None:
    whole, held = tree(size + more), tree(size)
    after = entries(size + more)[size:]
    grown = GrownTree(held, size, [leaf_hash(entry) for entry in after])
    assert grown.size == size + more
    assert root_from(grown.size, grown) == whole.root()
    proof = extension_proof(size, after, held)
    assert proof == whole.consistency_proof(size)
    if size and more:
        verify_consistency(size, size + more, proof, held.root(), whole.root())


@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_nothing_is_asked_of_the_held_tree_beyond_its_size(size: int, more: int, data: st.DataObject) -> None:
    class Held:
        def node(self, level: int, index: int) -> bytes:
            assert (index + 1) << level <= size
            return bytes(32)

    grown = GrownTree(Held(), size, [bytes(32)] * more)
    level = data.draw(st.integers(0, 9))
    index = data.draw(st.integers(0, 600 >> level))
    if (index + 1) << level <= size + more:
        assert len(grown.node(level, index)) == 32
    else:
        with pytest.raises(NotFound, match=f"a tree of {size + more}"):
            grown.node(level, index)
