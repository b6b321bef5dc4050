"""RFC 6962 Merkle tree: hashes, roots, inclusion, consistency and subtree proofs. Takes bytes and integers only.

Sources: RFC 6962 section 2.1, RFC 9162 section 2.1 (the verifying algorithms), and for subtrees the Merkle Tree
Certificates draft (draft-ietf-plants-merkle-tree-certs, "Subtrees"). Proof order is leaf side first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, Protocol

from relay.core.errors import Malformed, Unverified
from relay.core.limits import PROOF_HASHES_MAX, TREE_SIZE_MAX

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

_sha256 = hashlib.sha256


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry)."""
    return _sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return _sha256(b"\x01" + left + right).digest()


class HashReader(Protocol):
    """Gives the hashes of perfect subtrees."""

    def node(self, level: int, index: int) -> bytes:
        """Hash of the perfect subtree over leaves [index·2^level, (index+1)·2^level)."""


def _below(size: int) -> int:
    """The largest power of two smaller than `size` (RFC 6962's k); size > 1."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_range(start: int, end: int, size: int) -> None:
    if not 0 <= start < end <= size <= TREE_SIZE_MAX:
        raise ValueError(f"no range [{start}, {end}) in a tree of {size}")


def range_hash(start: int, end: int, reader: HashReader) -> bytes:
    """MTH over leaves [start, end); `start` is a multiple of the power of two that covers the range."""
    if start == end:
        return EMPTY_ROOT
    width = end - start
    peaks = []
    while width:
        part = 1 << (width.bit_length() - 1)
        level = part.bit_length() - 1
        peaks.append(reader.node(level, start >> level))
        start += part
        width -= part
    hashed = peaks.pop()
    while peaks:
        hashed = node_hash(peaks.pop(), hashed)
    return hashed


def root_from(size: int, reader: HashReader) -> bytes:
    """Root of the first `size` leaves."""
    return range_hash(0, size, reader)


def inclusion_proof(index: int, size: int, reader: HashReader) -> list[bytes]:
    """RFC 6962 section 2.1.1, PATH(index, D[size])."""
    _check_range(index, index + 1, size)
    ranges = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _below(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return [range_hash(a, b, reader) for a, b in reversed(ranges)]


def consistency_proof(size1: int, size2: int, reader: HashReader) -> list[bytes]:
    """RFC 6962 section 2.1.2, PROOF(size1, D[size2]); empty when the sizes are equal or size1 is 0."""
    if not 0 <= size1 <= size2 <= TREE_SIZE_MAX:
        raise ValueError(f"no consistency from {size1} to {size2}")
    if size1 in (0, size2):
        return []
    return subtree_consistency_proof(0, size1, size2, reader)


def is_subtree(start: int, end: int) -> bool:
    """Whether [start, end) is a subtree: start is a multiple of the smallest power of two that is ≥ end − start."""
    return 0 <= start < end and start % (1 << (end - start - 1).bit_length()) == 0


def subtree_consistency_proof(start: int, end: int, size: int, reader: HashReader) -> list[bytes]:
    """SUBTREE_PROOF(start, end, D[size]) of the draft; for start = 0 it is RFC 6962's PROOF(end, D[size])."""
    _check_range(start, end, size)
    if not is_subtree(start, end):
        raise ValueError(f"[{start}, {end}) is not a subtree")
    ranges = []
    low, high, whole = 0, size, True
    while (start, end) != (low, high):
        middle = low + _below(high - low)
        if end <= middle:
            ranges.append((middle, high))
            high = middle
        elif start >= middle:
            ranges.append((low, middle))
            low = middle
        else:
            # The subtree spans the split, so it starts at `low`; what remains is its right part, hash not known.
            ranges.append((low, middle))
            low = start = middle
            whole = False
    if not whole:
        ranges.append((low, high))
    return [range_hash(a, b, reader) for a, b in reversed(ranges)]


def _check_proof_form(step: str, hashes: Sequence[bytes], *roots: bytes) -> None:
    if len(hashes) > PROOF_HASHES_MAX:
        raise Unverified(step, f"{len(hashes)} hashes; no proof has more than {PROOF_HASHES_MAX}")
    if any(len(h) != HASH_BYTES for h in hashes) or any(len(r) != HASH_BYTES for r in roots):
        raise Unverified(step, f"every hash must be {HASH_BYTES} bytes")


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162 section 2.1.3.2. `leaf` is the leaf hash. Raises `Unverified`."""
    step = "inclusion"
    if not 0 <= index < size <= TREE_SIZE_MAX:
        raise Unverified(step, f"index {index} is not in a tree of {size}")
    _check_proof_form(step, proof, leaf, root)
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    if len(proof) != inner + border:
        raise Unverified(step, f"{len(proof)} hashes; index {index} of {size} needs {inner + border}")
    hashed = leaf
    for i in range(inner):
        pair = proof[i] + hashed if index >> i & 1 else hashed + proof[i]
        hashed = _sha256(b"\x01" + pair).digest()
    for sibling in proof[inner:]:
        hashed = _sha256(b"\x01" + sibling + hashed).digest()
    if hashed != root:
        raise Unverified(step, "the path does not lead to the root")


def verify_consistency(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """RFC 9162 section 2.1.4.2. Raises `Unverified`, also from size 0: such a proof would show nothing."""
    step = "consistency"
    if not 0 < size1 <= size2 <= TREE_SIZE_MAX:
        raise Unverified(step, f"there is no proof from size {size1} to size {size2}")
    if size1 == size2:
        if proof:
            raise Unverified(step, "equal sizes have an empty proof")
        if root1 != root2:
            raise Unverified(step, f"two different roots of size {size1}")
        return
    _check_proof_form(step, proof, root1, root2)
    verify_subtree_consistency(0, size1, size2, proof, root1, root2, step=step)


def verify_subtree_consistency(
    start: int,
    end: int,
    size: int,
    proof: Sequence[bytes],
    subtree_root: bytes,
    root: bytes,
    *,
    step: str = "subtree consistency",
) -> None:
    """The draft's verification of SUBTREE_PROOF: [start, end) with that root is part of the tree. Raises `Unverified`."""
    if not 0 <= start < end <= size <= TREE_SIZE_MAX or not is_subtree(start, end):
        raise Unverified(step, f"[{start}, {end}) is not a subtree of a tree of {size}")
    _check_proof_form(step, proof, subtree_root, root)
    first, last, end_of_tree = start, end - 1, size - 1
    # Skip the levels below the subtree's root, or below its last whole part when it is not perfect.
    if last == end_of_tree:
        while first != last:
            first, last, end_of_tree = first >> 1, last >> 1, end_of_tree >> 1
    else:
        while first != last and last & 1:
            first, last, end_of_tree = first >> 1, last >> 1, end_of_tree >> 1
    hashes = list(proof)
    if first == last:
        inner = outer = subtree_root
    else:
        if not hashes:
            raise Unverified(step, "the proof is too short")
        inner = outer = hashes.pop(0)
    for sibling in hashes:
        if end_of_tree == 0:
            raise Unverified(step, "the proof is too long")
        if last & 1 or last == end_of_tree:
            if first < last:
                inner = node_hash(sibling, inner)
            outer = node_hash(sibling, outer)
            while not last & 1:
                first, last, end_of_tree = first >> 1, last >> 1, end_of_tree >> 1
        else:
            outer = node_hash(outer, sibling)
        first, last, end_of_tree = first >> 1, last >> 1, end_of_tree >> 1
    if end_of_tree != 0:
        raise Unverified(step, "the proof is too short")
    if inner != subtree_root or outer != root:
        raise Unverified(step, "the proof does not lead to both roots")


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root over leaf hashes held in memory."""
    if not leaf_hashes:
        return EMPTY_ROOT
    level = list(leaf_hashes)
    sha = _sha256
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        parents = [sha(b"\x01" + a + b).digest() for a, b in pairs]
        if len(level) & 1:
            parents.append(level[-1])
        level = parents
    return level[0]


class MemoryTree:
    """A whole tree in memory: for blocks of a ledger and for tests."""

    def __init__(self, leaf_hashes: Sequence[bytes]) -> None:
        self._levels = [list(leaf_hashes)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            pairs = zip(below[::2], below[1::2], strict=False)
            self._levels.append([node_hash(a, b) for a, b in pairs])

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._levels[0])

    def node(self, level: int, index: int) -> bytes:
        """See `HashReader`."""
        return self._levels[level][index]

    def root(self, size: int | None = None) -> bytes:
        """Root of the first `size` leaves, by default of all."""
        return root_from(self.size if size is None else size, self)

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Proof of a leaf in the tree of `size`, by default of all."""
        return inclusion_proof(index, self.size if size is None else size, self)

    def consistency_proof(self, size1: int, size2: int | None = None) -> list[bytes]:
        """Proof from `size1` to `size2`, by default to all."""
        return consistency_proof(size1, self.size if size2 is None else size2, self)


class Frontier:
    """A compact range: size and peak hashes only. Appends in amortised constant time."""

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int, peaks: Sequence[bytes]) -> None:
        if size < 0 or len(peaks) != size.bit_count() or any(len(p) != HASH_BYTES for p in peaks):
            raise Malformed(
                "frontier", "", f"a tree of {size} has {max(size, 0).bit_count()} peaks of {HASH_BYTES} bytes"
            )
        self.size = size
        self._peaks = list(peaks)

    @classmethod
    def empty(cls) -> Frontier:
        """The empty tree."""
        return cls(0, ())

    def append_leaves(self, leaf_hashes: Sequence[bytes]) -> None:
        """Append leaf hashes in order."""
        peaks = self._peaks
        for hashed in leaf_hashes:
            carry = self.size
            while carry & 1:
                hashed = node_hash(peaks.pop(), hashed)
                carry >>= 1
            peaks.append(hashed)
            self.size += 1

    def root(self) -> bytes:
        """Root of what was appended."""
        if not self._peaks:
            return EMPTY_ROOT
        hashed = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            hashed = node_hash(peak, hashed)
        return hashed

    def copy(self) -> Frontier:
        """An independent copy."""
        return Frontier(self.size, self._peaks)

    def to_bytes(self) -> bytes:
        """uint64be size, then the peaks, largest first."""
        return self.size.to_bytes(8, "big") + b"".join(self._peaks)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """The inverse of `to_bytes`. Raises `Malformed`."""
        if len(data) < 8 or len(data) % HASH_BYTES != 8:
            raise Malformed("frontier", "", f"{len(data)} bytes")
        peaks = [data[i : i + HASH_BYTES] for i in range(8, len(data), HASH_BYTES)]
        return cls(int.from_bytes(data[:8], "big"), peaks)
