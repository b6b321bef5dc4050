"""Proofs from tiles (RFC 6962 section 2.1.1), with a bounded cache of expanded quarters of tiles."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from contextlib import suppress
from typing import Final

from relay.core.errors import NotFound, Unverified
from relay.core.merkle import HASH_BYTES, range_hash
from relay.core.tiles import TILE_HEIGHT, TILE_WIDTH, UPPER_BYTES, TileSource

QUARTER: Final = 64
QUARTER_HEIGHT: Final = 6
EDGES_MAX: Final = 1024
PARTIAL_MAX: Final = 4096
EDGE_QUARTERS_MAX: Final = 32
"""Quarters along a growing edge, at all levels together."""

_FOUR: Final = 4 * HASH_BYTES
_sha256 = hashlib.sha256
Levels = tuple[bytes, ...]
"""Hashes by height, one after the other: of a quarter at heights 0 to 5, of its whole tile at heights 6 and 7.

Eight long strings take half the memory of some hundred and thirty short ones.
"""


class TileHashReader:
    """A `HashReader` over tiles; safe to share between threads that read.

    `cache_quarters` bounds the memory: about 5 kB each. With 0 nothing is kept between calls.
    """

    def __init__(self, source: TileSource, size: int, cache_quarters: int = 4096) -> None:
        self._source = source
        self._size = size
        self._limit = cache_quarters
        self._cache: OrderedDict[tuple[int, int], Levels] = OrderedDict()
        self._growing: OrderedDict[tuple[int, int], Levels] = OrderedDict()
        self._partial: dict[tuple[int, int], bytes] = {}
        self._edges: dict[tuple[int, int], bytes] = {}

    @property
    def size(self) -> int:
        """Leaves that may be read."""
        return self._size

    def grow(self, size: int) -> None:
        """The tree has grown; full tiles in the cache stay true."""
        self._size = max(self._size, size)
        self._partial.clear()

    def node(self, level: int, index: int) -> bytes:
        """See `HashReader`. Raises `NotFound` beyond the size, `Unverified` for a short tile."""
        if (index + 1) << level > self._size:
            raise NotFound(f"node {index} at level {level} is beyond a tree of {self._size}")
        tile_level, height = divmod(level, TILE_HEIGHT)
        position = index << height
        if (position // TILE_WIDTH + 1) * TILE_WIDTH <= self._size >> TILE_HEIGHT * tile_level:
            key = (tile_level, position // QUARTER)
            # a growing edge goes over the whole log and comes back to nothing: what it reads has a few places of its own
            kept, limit = (self._cache, self._limit) if key in self._cache else (self._growing, EDGE_QUARTERS_MAX)
            return _hash(self._quarter(key, kept, min(limit, self._limit)), height, _place(position, height))
        found = self._partial.get((level, index))
        if found is None:
            found = fold(self._source.read_hashes(tile_level, position, 1 << height), 1 << height)
            if self._limit and len(self._partial) < PARTIAL_MAX:
                self._partial[level, index] = found
        return found

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[size]): siblings from the leaf upwards, a whole tile's eight at a time where the tile is full."""
        if not 0 <= index < size <= self._size:
            raise ValueError(f"no leaf {index} in a tree of {size}; {self._size} may be read")
        proof: list[bytes] = []
        level, last, here = 0, size - 1, index
        while last:
            tile_level = level // TILE_HEIGHT
            if (here // TILE_WIDTH + 1) * TILE_WIDTH <= size >> level:
                proof += self._siblings(tile_level, here)
                level, last, here = level + TILE_HEIGHT, last >> TILE_HEIGHT, here >> TILE_HEIGHT
                continue
            for _ in range(TILE_HEIGHT):
                sibling = here ^ 1
                if sibling <= last:
                    whole = (sibling + 1) << level <= size
                    proof.append(self.node(level, sibling) if whole else self._edge(sibling << level, size))
                level, last, here = level + 1, last >> 1, here >> 1
                if not last:
                    break
        return proof

    def _edge(self, start: int, size: int) -> bytes:
        """Hash of the ragged right edge [start, size); the same few are asked for again and again."""
        found = self._edges.get((start, size))
        if found is None:
            found = range_hash(start, size, self)
            if len(self._edges) >= EDGES_MAX:
                self._edges.clear()
            self._edges[start, size] = found
        return found

    def _siblings(self, level: int, position: int) -> list[bytes]:
        """The eight siblings on the way up through a full tile.

        Leaves are asked for all over the log: once the cache is full, a quarter of leaves is not worth another's place,
        and its siblings are folded without keeping anything.
        """
        quarter = position // QUARTER
        if level or len(self._cache) < self._limit or (level, quarter) in self._cache:
            levels = self._quarter((level, quarter), self._cache, self._limit)
            return [_hash(levels, h, _place(position, h) ^ 1) for h in range(TILE_HEIGHT)]
        data = self._source.read_hashes(level, quarter * QUARTER, QUARTER)
        upper = self._upper(level, quarter // 4)
        made = []
        for height in range(QUARTER_HEIGHT):
            start = (_place(position, height) ^ 1) << height
            end = start + (1 << height)
            made.append(fold(data[start * HASH_BYTES : end * HASH_BYTES], 1 << height))
        for height, first in ((QUARTER_HEIGHT, 0), (QUARTER_HEIGHT + 1, 4)):
            start = (first + (_place(position, height) ^ 1)) * HASH_BYTES
            made.append(upper[start : start + HASH_BYTES])
        return made

    def _upper(self, level: int, tile: int) -> bytes:
        upper = self._source.read_upper(level, tile)
        if len(upper) != UPPER_BYTES:
            raise Unverified("tile", f"{len(upper)} bytes where six upper hashes should be")
        return upper

    def _quarter(self, key: tuple[int, int], kept: OrderedDict[tuple[int, int], Levels], limit: int) -> Levels:
        found = kept.get(key)
        if found is not None:
            with suppress(KeyError):  # another thread dropped it meanwhile
                kept.move_to_end(key)
            return found
        level, quarter = key
        data = self._source.read_hashes(level, quarter * QUARTER, QUARTER)
        upper = self._upper(level, quarter // 4)
        levels = (*expand(data), upper[:_FOUR], upper[_FOUR:])
        if limit:
            kept[key] = levels
            while len(kept) > limit:
                kept.popitem(last=False)
        return levels


def _place(position: int, height: int) -> int:
    """Where the node over `position` stands at its height in `Levels`."""
    if height < QUARTER_HEIGHT:
        return position % QUARTER >> height
    return position % TILE_WIDTH >> height


def _hash(levels: Levels, height: int, place: int) -> bytes:
    return levels[height][place * HASH_BYTES : (place + 1) * HASH_BYTES]


def expand(data: bytes) -> Levels:
    """The hashes of a quarter at heights 0 to 5. Raises `Unverified` for another length."""
    if len(data) != QUARTER * HASH_BYTES:
        raise Unverified("tile", f"{len(data)} bytes where {QUARTER} hashes should be")
    sha = _sha256
    levels = [data]
    while len(data) > 2 * HASH_BYTES:
        data = b"".join([sha(b"\x01" + data[i : i + 64]).digest() for i in range(0, len(data), 64)])
        levels.append(data)
    return tuple(levels)


def fold(data: bytes, count: int) -> bytes:
    """Root of `count` (a power of two) neighbouring hashes. Raises `Unverified` for another length."""
    if len(data) != count * HASH_BYTES:
        raise Unverified("tile", f"{len(data)} bytes where {count} hashes should be")
    if count == 1:
        return data
    sha = _sha256
    level = [sha(b"\x01" + data[i : i + 64]).digest() for i in range(0, len(data), 64)]
    while len(level) > 1:
        pairs = iter(level)
        level = [sha(b"\x01" + a + b).digest() for a, b in zip(pairs, pairs, strict=True)]
    return level[0]
