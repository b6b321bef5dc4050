"""Tiles: which 8,192-byte block holds which hashes (C2SP tlog-tiles), how they grow, and proofs from them.

Level l of the tiles holds, one after the other, the hashes of the subtrees of 256^l leaves that are complete. Written one
after the other they are one stream a level, 32 bytes a hash; a tile is a slice of 256 of them.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol

from relay.core.errors import Malformed, NotFound, Unverified
from relay.core.limits import TREE_SIZE_MAX
from relay.core.merkle import EMPTY_ROOT, HASH_BYTES, node_hash, range_hash

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 256
TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES
TILE_LEVEL_MAX: Final = 6
ENTRY_LENGTH_BYTES: Final = 2

_sha256 = hashlib.sha256
_PATH: Final = re.compile(r"tile/(entries|[0-6])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class TileSource(Protocol):
    """Where tiles are read from."""

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """The first `width` hashes of a tile, 32 bytes each. Raises `NotFound`."""


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
            data = source.read_tile(level, count // TILE_WIDTH, width) if width else b""
            partial.append(_hashes(data, width))
            level += 1
        return cls(size, partial)

    def append(self, entries: Sequence[bytes]) -> list[tuple[int, bytes]]:
        """Append entries; returns for each level that grew (level, bytes to append to its stream)."""
        sha = _sha256
        return self.append_leaves([sha(b"\x00" + entry).digest() for entry in entries])

    def append_leaves(self, leaf_hashes: Sequence[bytes]) -> list[tuple[int, bytes]]:
        """The same for leaf hashes."""
        self.size += len(leaf_hashes)
        grown = []
        level = 0
        rising = list(leaf_hashes)
        while rising:
            grown.append((level, b"".join(rising)))
            if level == len(self._partial):
                self._partial.append([])
            pending = self._partial[level] + rising
            whole = len(pending) - len(pending) % TILE_WIDTH
            rising = [tile_root(pending[i : i + TILE_WIDTH]) for i in range(0, whole, TILE_WIDTH)]
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


def tile_root(hashes: Sequence[bytes]) -> bytes:
    """Root of a full tile: eight levels of pairs."""
    sha = _sha256
    level = hashes
    while len(level) > 1:
        pairs = iter(level)
        level = [sha(b"\x01" + a + b).digest() for a, b in zip(pairs, pairs, strict=True)]
    return level[0]


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


class TileHashReader:
    """A `HashReader` over tiles with a bounded cache of expanded tiles; safe to share between threads that read.

    A cached full tile holds its 510 hashes below the root, so that a proof is lookups only. Without cache, or for partial
    tiles, the few hashes a proof needs are folded from the tile's bytes.
    """

    def __init__(self, source: TileSource, size: int, cache_tiles: int = 256) -> None:
        self._source = source
        self._size = size
        self._cache_tiles = cache_tiles
        self._cache: OrderedDict[tuple[int, int], list[list[bytes]]] = OrderedDict()

    @property
    def size(self) -> int:
        """Leaves that may be read."""
        return self._size

    def grow(self, size: int) -> None:
        """The tree has grown; full tiles in the cache stay true."""
        self._size = max(self._size, size)

    def node(self, level: int, index: int) -> bytes:
        """See `HashReader`. Raises `NotFound` beyond the size, `Unverified` for a short tile."""
        if (index + 1) << level > self._size:
            raise NotFound(f"node {index} at level {level} is beyond a tree of {self._size}")
        tile_level, height = divmod(level, TILE_HEIGHT)
        position = index << height
        tile, offset = divmod(position, TILE_WIDTH)
        have = (self._size >> TILE_HEIGHT * tile_level) - tile * TILE_WIDTH
        if have >= TILE_WIDTH and self._cache_tiles:
            return self._expanded(tile_level, tile)[height][offset >> height]
        data = self._source.read_tile(tile_level, tile, min(have, TILE_WIDTH))
        return fold(data, offset, 1 << height)

    def _expanded(self, level: int, tile: int) -> list[list[bytes]]:
        key = (level, tile)
        found = self._cache.get(key)
        if found is not None:
            try:
                self._cache.move_to_end(key)
            except KeyError:  # another thread dropped it meanwhile
                pass
            return found
        levels = [_hashes(self._source.read_tile(level, tile, TILE_WIDTH), TILE_WIDTH)]
        sha = _sha256
        while len(levels[-1]) > 2:
            pairs = iter(levels[-1])
            levels.append([sha(b"\x01" + a + b).digest() for a, b in zip(pairs, pairs, strict=True)])
        self._cache[key] = levels
        while len(self._cache) > self._cache_tiles:
            self._cache.popitem(last=False)
        return levels


def fold(data: bytes, offset: int, count: int) -> bytes:
    """Root of `count` (a power of two) neighbouring hashes of a tile's bytes, from hash `offset` on."""
    start, end = offset * HASH_BYTES, (offset + count) * HASH_BYTES
    if end > len(data):
        raise Unverified("tile", f"{len(data)} bytes; hash {offset + count - 1} is not in it")
    if count == 1:
        return data[start:end]
    sha = _sha256
    step = 2 * HASH_BYTES
    level = [sha(b"\x01" + data[i : i + step]).digest() for i in range(start, end, step)]
    while len(level) > 1:
        pairs = iter(level)
        level = [sha(b"\x01" + a + b).digest() for a, b in zip(pairs, pairs, strict=True)]
    return level[0]


def cold_inclusion_proof(index: int, size: int, source: TileSource) -> list[bytes]:
    """An inclusion proof that reads each tile it touches once and keeps nothing (RFC 6962 section 2.1.1).

    Inside one tile the siblings on the way up cover the whole tile once, so expanding it costs as much as folding them.
    """
    reader = TileHashReader(source, size, cache_tiles=TILE_LEVEL_MAX + 1)
    proof = []
    start, end = 0, size
    ranges = []
    while end - start > 1:
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        ranges.append((middle, end) if index < middle else (start, middle))
        start, end = (start, middle) if index < middle else (middle, end)
    for a, b in reversed(ranges):
        proof.append(range_hash(a, b, reader))
    return proof
