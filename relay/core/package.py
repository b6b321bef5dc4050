"""Package: up to 256 entries that end at a tile border or at the checkpoint's size, with their proof.

The shape and the check are those of C2SP tlog-mirror's entry packages; what travels (docs/spec/entry.md) is the
`Package` message of `proto/relay/wire/v1/log.proto`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relay.core.checkpoint import Checkpoint
from relay.core.errors import Malformed
from relay.core.limits import ENTRY_BYTES, PACKAGE_ENTRIES_MAX, PROOF_HASHES_MAX
from relay.core.merkle import HASH_BYTES, leaf_hash, root_of, verify_subtree_consistency


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """`entries` are 65 bytes each, one after the other; `proof` leads from their subtree to the checkpoint."""

    start: int
    entries: bytes
    proof: tuple[bytes, ...]

    @property
    def count(self) -> int:
        """How many entries."""
        return len(self.entries) // ENTRY_BYTES

    @property
    def whole(self) -> bool:
        """It holds entries, and no part of one."""
        return bool(self.entries) and len(self.entries) % ENTRY_BYTES == 0

    @property
    def end(self) -> int:
        """Log index after the last entry."""
        return self.start + self.count

    def split(self) -> list[bytes]:
        """The entries one by one."""
        data = self.entries
        return [data[i : i + ENTRY_BYTES] for i in range(0, len(data), ENTRY_BYTES)]


def check_shape(package: Package, *, next_index: int, end: int) -> None:
    """Bounds of a package that must start at `next_index` of a push that ends at `end`. Raises `Malformed`."""
    size = len(package.entries)
    if not package.whole or size > ENTRY_BYTES * PACKAGE_ENTRIES_MAX:
        raise Malformed(
            "package", "entries", f"{size} bytes; must be 1 to {PACKAGE_ENTRIES_MAX} entries of {ENTRY_BYTES}"
        )
    if package.start != next_index:
        raise Malformed("package", "start", f"starts at entry {package.start}, expected {next_index}")
    border = package.start - package.start % PACKAGE_ENTRIES_MAX + PACKAGE_ENTRIES_MAX
    if package.end != min(border, end):
        raise Malformed("package", "entries", f"ends at entry {package.end}, must end at {min(border, end)}")
    if len(package.proof) > PROOF_HASHES_MAX or any(len(h) != HASH_BYTES for h in package.proof):
        raise Malformed("package", "proof", f"must be at most {PROOF_HASHES_MAX} hashes of {HASH_BYTES} bytes")


def check_proof(package: Package, entries: Sequence[bytes], before: Sequence[bytes], target: Checkpoint) -> None:
    """Check a package against the checkpoint (tlog-mirror, add-entries). Raises `Unverified`.

    `entries` are the package's own, `before` those of the same tile that the log already holds.
    """
    rounded = package.start - package.start % PACKAGE_ENTRIES_MAX
    subtree = root_of([leaf_hash(e) for e in (*before, *entries)])
    verify_subtree_consistency(rounded, package.end, target.size, package.proof, subtree, target.root)


def package_borders(start: int, end: int) -> list[tuple[int, int]]:
    """The canonical sequence of packages covering [start, end)."""
    borders = []
    while start < end:
        stop = min(start - start % PACKAGE_ENTRIES_MAX + PACKAGE_ENTRIES_MAX, end)
        borders.append((start, stop))
        start = stop
    return borders
