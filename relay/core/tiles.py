"""Tiles: which 8,192-byte block holds which hashes (C2SP tlog-tiles), how they grow, and proofs from them.

Level l of the tiles holds, one after the other, the hashes of the subtrees of 256^l leaves that are complete. Written one
after the other they are one stream a level, 32 bytes a hash; a tile is a slice of 256 of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from relay.core.errors import Malformed, Unverified
from relay.core.limits import TREE_SIZE_MAX
from relay.core.merkle import EMPTY_ROOT, HASH_BYTES, node_hash

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 256
TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES
TILE_LEVEL_MAX: Final = 6
UPPER_HASHES: Final = 6
UPPER_BYTES: Final = UPPER_HASHES * HASH_BYTES
ENTRY_LENGTH_BYTES: Final = 2

_sha256 = hashlib.sha256
_PATH: Final = re.compile(r"tile/(entries|[0-6])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class TileSource(Protocol):
    """Where tiles are read from."""

    def read_hashes(self, level: int, start: int, count: int) -> bytes:
        """`count` hashes of a level from hash `start` on, 32 bytes each; never across a tile's border. Raises `NotFound`."""

    def read_upper(self, level: int, tile: int) -> bytes:
        """The six upper hashes of a full tile: four of 64 hashes each, then two of 128. Raises `NotFound`."""


def tile_path(level: int | None, index: int, width: int = TILE_WIDTH) -> str:
    """The tile's path below the log's prefix; `level` None is an entry bundle (tlog-tiles, "Merkle Tree" and "Log Entries")."""
    groups = [f"{index % 1000:03d}"]
    rest = index // 1000
    while rest:
        groups.insert(0, f"x{rest % 1000:03d}")
        rest //= 1000
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{'entries' if level is None else level}/{'/'.join(groups)}{partial}"


def parse_tile_path(path: str) -> tuple[int | None, int, int]:
    """(level, index, width) of a path. Raises `Malformed` unless it is the one spelling."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise Malformed("tile path", "", "must be tile/<level or entries>/<groups of three digits>[.p/<width>]")
    level = None if match[1] == "entries" else int(match[1])
    index = int(match[2].replace("x", "").replace("/", ""))
    width = int(match[3]) if match[3] else TILE_WIDTH
    if index > TREE_SIZE_MAX or tile_path(level, index, width) != path or (match[3] and width >= TILE_WIDTH):
        raise Malformed("tile path", "", "is not in its one spelling")
    return level, index, width


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: each entry with its length as uint16be."""
    return b"".join(len(e).to_bytes(ENTRY_LENGTH_BYTES, "big") + e for e in entries)


def decode_entries(data: bytes) -> list[bytes]:
    """The inverse. Raises `Malformed`."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + ENTRY_LENGTH_BYTES
        end = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or end > len(data):
            raise Malformed("entry bundle", f"entry {len(entries)}", "is cut off")
        entries.append(data[start:end])
        at = end
    return entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What one level's streams grow by: tile hashes, and the six upper hashes of every tile that became full."""

    level: int
    hashes: bytes
    upper: bytes


class TileAppender:
    """Grows the tiles. Holds the size and, for every level, the hashes of its last, partial tile."""

    def __init__(self, size: int, partial: Sequence[Sequence[bytes]]) -> None:
        for level, hashes in enumerate(partial):
            if len(hashes) != (size >> TILE_HEIGHT * level) % TILE_WIDTH:
                raise Malformed("tiles", f"level {level}", f"{len(hashes)} hashes do not fit a tree of {size}")
        self.size = size
        self._partial = [list(hashes) for hashes in partial]

    @classmethod
    def empty(cls) -> TileAppender:
        """No entries yet."""
        return cls(0, ())

    @classmethod
    def restore(cls, size: int, source: TileSource) -> TileAppender:
        """Read the partial tiles of a tree of `size`. Raises what `source` raises."""
        partial = []
        level = 0
        while size >> TILE_HEIGHT * level:
            count = size >> TILE_HEIGHT * level
            width = count % TILE_WIDTH
            data = source.read_hashes(level, count - width, width) if width else b""
            partial.append(_hashes(data, width))
            level += 1
        return cls(size, partial)

    def append(self, entries: Sequence[bytes]) -> list[Growth]:
        """Append entries; returns what each level's streams grow by, lowest level first."""
        sha = _sha256
        return self.append_leaves([sha(b"\x00" + entry).digest() for entry in entries])

    def append_leaves(self, leaf_hashes: Sequence[bytes]) -> list[Growth]:
        """The same for leaf hashes."""
        self.size += len(leaf_hashes)
        grown = []
        level = 0
        rising = list(leaf_hashes)
        while rising:
            hashes = b"".join(rising)
            if level == len(self._partial):
                self._partial.append([])
            pending = self._partial[level] + rising
            whole = len(pending) - len(pending) % TILE_WIDTH
            rising, upper = [], []
            for i in range(0, whole, TILE_WIDTH):
                root, crown = tile_root(pending[i : i + TILE_WIDTH])
                rising.append(root)
                upper += crown
            grown.append(Growth(level=level, hashes=hashes, upper=b"".join(upper)))
            self._partial[level] = pending[whole:]
            level += 1
        return grown

    def root(self) -> bytes:
        """Root of everything appended."""
        hashed = b""
        for hashes in self._partial:
            level = [*hashes, hashed] if hashed else list(hashes)
            if level:
                hashed = _ragged_root(level)
        return hashed or EMPTY_ROOT


def tile_root(hashes: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Root of a full tile, and its upper hashes: the four of 64 leaves, then the two of 128."""
    sha = _sha256
    level = hashes
    upper: list[bytes] = []
    while len(level) > 1:
        pairs = iter(level)
        level = [sha(b"\x01" + a + b).digest() for a, b in zip(pairs, pairs, strict=True)]
        if len(level) in (4, 2):
            upper += level
    return level[0], upper


def _ragged_root(level: list[bytes]) -> bytes:
    """Root over hashes of which the last may stand for fewer leaves than the others (RFC 6962's right edge)."""
    while len(level) > 1:
        parents = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) & 1:
            parents.append(level[-1])
        level = parents
    return level[0]


def _hashes(data: bytes, width: int) -> list[bytes]:
    if len(data) != width * HASH_BYTES:
        raise Unverified("tile", f"{len(data)} bytes where {width} hashes should be")
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]
