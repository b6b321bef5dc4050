"""Entries of a log from its own entry bundles, each checked against a signed checkpoint before it is given out.

A pusher can be fed from here when the custodian's part of the log is not on its own disk: `read_entries` gives what
`relay.core.package` takes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from adapters.tlog.tree import LogTiles, Tree
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Malformed, NotFound, Unavailable
from relay.core.limits import ENTRY_BYTES
from relay.core.merkle import leaf_hash
from relay.core.tiles import ENTRY_LENGTH_BYTES, TILE_WIDTH, decode_entries, tile_path

ENTRY_BYTES_LARGEST: Final = 2**16 - 1
"""What an entry bundle can hold at all."""


async def read_entries(
    tiles: LogTiles, checkpoint: Checkpoint, start: int, end: int, *, entry_bytes_max: int = ENTRY_BYTES
) -> AsyncIterator[list[bytes]]:
    """Entries [start, end) of a checkpoint whose signature the caller has checked, one bundle's worth at a time.

    Raises `Unavailable` for a bundle that is missing, larger than `entry_bytes_max` allows, or does not have its leaves in the
    tree; RuntimeError for a range beyond the checkpoint.
    """
    if not 0 <= start <= end <= checkpoint.size:
        raise RuntimeError(f"no entries [{start}, {end}) in a tree of {checkpoint.size}")
    if start == end:
        return
    tree = await tiles.at(checkpoint)
    for index in range(start // TILE_WIDTH, (end - 1) // TILE_WIDTH + 1):
        first = index * TILE_WIDTH
        bundle = await _bundle(tiles, tree, index, entry_bytes_max)
        yield bundle[max(start - first, 0) : end - first]


async def _bundle(tiles: LogTiles, tree: Tree, index: int, entry_bytes_max: int) -> list[bytes]:
    """All entries of one bundle as far as the tree goes."""
    leaves = await tree.tile(0, index)
    bytes_max = TILE_WIDTH * (ENTRY_LENGTH_BYTES + entry_bytes_max)
    path, width = tile_path(None, index, len(leaves)), len(leaves)
    try:
        data = await tiles.fetch.get(path, bytes_max)
    except NotFound:
        data, width = await _whole(tiles, index, width, bytes_max), TILE_WIDTH
    try:
        entries = decode_entries(data)
    except Malformed as error:
        raise Unavailable(f"{path}: {error}") from None
    if len(entries) != width or [leaf_hash(entry) for entry in entries[: len(leaves)]] != leaves:
        raise Unavailable(f"{path} does not hold the entries of the tree that the log has signed")
    return entries[: len(leaves)]


async def _whole(tiles: LogTiles, index: int, width: int, bytes_max: int) -> bytes:
    """The full bundle: the log has grown and dropped the partial one."""
    path = tile_path(None, index)
    if width == TILE_WIDTH:
        raise Unavailable(f"{path} is missing; it belongs to the checkpoint")
    try:
        return await tiles.fetch.get(path, bytes_max)
    except NotFound:
        raise Unavailable(f"{path} is missing, and so is the partial one of {width}") from None
