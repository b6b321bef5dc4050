"""One log's tree at a signed checkpoint: tiles are fetched when they are needed, and none is used that does not lead to the root.

The partial tiles at the right edge give the root all together. Every full tile hashes to one place in a tile a level higher,
up to the edge. So what a server adds, changes or cuts off shows before it is used, and cannot be taken for what the log signed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from adapters.tlog.fetch import Fetch
from relay.core.checkpoint import Checkpoint
from relay.core.errors import NotFound, Unavailable
from relay.core.merkle import HASH_BYTES, HashReader, consistency_proof, inclusion_proof
from relay.core.tile_reader import fold
from relay.core.tiles import TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, TileAppender, tile_path, tile_root

CACHED_TILES: Final = 256
"""Full tiles kept, 8,192 bytes each: they never change."""


class LogTiles:
    """The tiles of one log, with a bounded cache of full ones that were found to be true."""

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch
        self._cache: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    async def at(self, checkpoint: Checkpoint) -> Tree:
        """The tree of a checkpoint whose signature holds. Raises `Unavailable` when the tiles are not there or have another root."""
        size = checkpoint.size
        levels = [level for level in range(8) if size >> TILE_HEIGHT * level]
        edge = await asyncio.gather(*(self._partial(level, size >> TILE_HEIGHT * level) for level in levels))
        if TileAppender(size, edge).root() != checkpoint.root:
            raise Unavailable(f"the tiles of {checkpoint.origin} at size {size} do not have the checkpoint's root")
        return Tree(self, size, edge)

    async def _partial(self, level: int, count: int) -> list[bytes]:
        """The hashes at the end of a level that fill no whole tile; from the whole one where the log has grown since."""
        index, width = divmod(count, TILE_WIDTH)
        if not width:
            return []
        try:
            data = await self._get(tile_path(level, index, width), width)
        except NotFound:
            data = await self._get(tile_path(level, index), TILE_WIDTH, "the partial one is missing too")
        return _split(data)[:width]

    async def full(self, level: int, index: int, root: bytes) -> bytes:
        """The bytes of a full tile with that root. Raises `Unavailable`."""
        key = (level, index)
        found = self._cache.get(key)
        path = tile_path(level, index)
        if found is None:
            found = await self._get(path, TILE_WIDTH, "it belongs to the checkpoint")
        if tile_root(_split(found))[0] != root:
            raise Unavailable(f"{path} does not belong to the tree that the log has signed")
        self._cache[key] = found
        self._cache.move_to_end(key)
        while len(self._cache) > CACHED_TILES:
            self._cache.popitem(last=False)
        return found

    async def _get(self, path: str, width: int, needed: str = "") -> bytes:
        """A tile of exactly that width. Raises `NotFound` unless it is `needed`, which says why."""
        try:
            data = await self.fetch.get(path, TILE_BYTES)
        except NotFound as error:
            if needed:
                raise Unavailable(f"{error}; {needed}") from None
            raise
        if len(data) != width * HASH_BYTES:
            raise Unavailable(f"{path} has {len(data)} bytes where {width} hashes should be")
        return data


class Tree:
    """A tree whose root a checkpoint has signed."""

    def __init__(self, tiles: LogTiles, size: int, edge: list[list[bytes]]) -> None:
        self._tiles = tiles
        self._edge = edge
        self.size = size

    async def tile(self, level: int, index: int) -> list[bytes]:
        """The hashes of one tile as far as this tree goes. Raises `Unavailable`."""
        count = self.size >> TILE_HEIGHT * level
        if index == count // TILE_WIDTH:
            return self._edge[level] if level < len(self._edge) else []
        if index > count // TILE_WIDTH:
            return []
        above = await self.tile(level + 1, index // TILE_WIDTH)
        return _split(await self._tiles.full(level, index, above[index % TILE_WIDTH]))

    async def root_at(self, size: int) -> bytes:
        """Root of the first `size` entries of this tree. Raises `Unavailable`."""
        if not 0 <= size <= self.size:
            raise RuntimeError(f"a tree of {self.size} has no first {size} entries")
        edge: list[list[bytes]] = []
        for level in range(8):
            index, width = divmod(size >> TILE_HEIGHT * level, TILE_WIDTH)
            if not index and not width:
                break
            edge.append((await self.tile(level, index))[:width] if width else [])
        return TileAppender(size, edge).root()

    async def consistency_from(self, size: int) -> list[bytes]:
        """RFC 6962 consistency proof from the first `size` entries to this tree. Raises `Unavailable`."""
        return await self._made(lambda known: consistency_proof(size, self.size, known))

    async def inclusion_of(self, index: int) -> list[bytes]:
        """RFC 6962 inclusion proof of an entry in this tree. Raises `Unavailable`."""
        return await self._made(lambda known: inclusion_proof(index, self.size, known))

    async def _made(self, prove: Callable[[HashReader], list[bytes]]) -> list[bytes]:
        """What `prove` makes of the tiles that it asks for."""
        known: dict[tuple[int, int], list[bytes]] = {}
        while True:
            try:
                return prove(_Known(known))
            except _Missing as missing:
                known[missing.place] = await self.tile(*missing.place)


class _Missing(Exception):
    """A tile has to be fetched first."""

    def __init__(self, place: tuple[int, int]) -> None:
        super().__init__(place)
        self.place = place


class _Known:
    """A `HashReader` over the tiles fetched so far."""

    def __init__(self, tiles: dict[tuple[int, int], list[bytes]]) -> None:
        self._tiles = tiles

    def node(self, level: int, index: int) -> bytes:
        """See relay.core.merkle.HashReader. Raises `_Missing`."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile, start = divmod(index << height, TILE_WIDTH)
        if (tile_level, tile) not in self._tiles:
            raise _Missing((tile_level, tile))
        return fold(b"".join(self._tiles[tile_level, tile][start : start + (1 << height)]), 1 << height)


def _split(data: bytes) -> list[bytes]:
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]
