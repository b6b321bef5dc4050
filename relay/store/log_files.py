"""One log on disk: `entries.pack` and one pack a tile level with one of upper hashes beside it, all append-only.

`entries.pack` holds C2SP entry bundles one after the other (each entry with its length as uint16be), so a bundle is a slice.
Entries are synced on every append. Tile hashes follow from the entries: their packs are synced only now and then, and opening
makes again what was written after the last time. Their lengths say nothing: a power cut may leave zeros where hashes were.
`synced.pack` says how many entries' hashes are sure to be there: 8 bytes (uint64be) a time, the last ones count.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from relay.core import merkle
from relay.core.errors import Malformed, NotFound
from relay.core.grown import extension_proof
from relay.core.limits import ENTRY_BYTES
from relay.core.merkle import HASH_BYTES
from relay.core.tile_reader import TileHashReader
from relay.core.tiles import TILE_HEIGHT, TILE_LEVEL_MAX, TILE_WIDTH, UPPER_BYTES, TileAppender, decode_entries
from relay.durable.packs import Pack

ROW_BYTES: Final = 2 + ENTRY_BYTES
_PREFIX: Final = ENTRY_BYTES.to_bytes(2, "big")
_REBUILD_ENTRIES: Final = 65_536
CACHE_QUARTERS: Final = 1024
"""For proofs of entries all over a log: up to 11 MB. All quarters above the leaves of 16 million entries find room.

Who proves along a log's growing edge alone, as a relay does, uses none of these places.
"""
SYNC_ENTRIES: Final = 65_536
"""Tiles are synced when so many entries have been appended since: what opening makes again takes a fraction of a second."""
_MARK_BYTES: Final = 8


class LogPacks:
    """Implements relay.ports.LogFiles. One thread appends at a time; any number read.

    The owner keeps the committed size in its database and opens the log with it; whatever lies beyond is cut off on
    opening, so a crash between the two is harmless.
    """

    def __init__(
        self,
        folder: Path,
        committed_size: int,
        open_pack: Callable[[Path], Pack] = Pack,
    ) -> None:
        self._entries = open_pack(folder / "entries.pack")
        self._tiles = [open_pack(folder / f"tiles-{level}.pack") for level in range(TILE_LEVEL_MAX + 1)]
        self._upper = [open_pack(folder / f"upper-{level}.pack") for level in range(TILE_LEVEL_MAX + 1)]
        self._marks = open_pack(folder / "synced.pack")
        self._marks.truncate(self._marks.size - self._marks.size % _MARK_BYTES)
        self._appending = threading.Lock()
        if self._entries.size < committed_size * ROW_BYTES:
            raise Malformed(
                str(self._entries.path),
                "",
                f"holds {self._entries.size // ROW_BYTES} entries, {committed_size} are committed; restore it from a backup",
            )
        self._entries.truncate(committed_size * ROW_BYTES)
        self._size = committed_size
        self._synced = self._last_mark()
        self._appender = self._restore(self._synced)
        self._sync_tiles()
        self._reader = TileHashReader(self, self._size, CACHE_QUARTERS)

    @classmethod
    def open(
        cls,
        directory: Path,
        committed_size: int,
        open_pack: Callable[[Path], Pack] = Pack,
    ) -> LogPacks:
        """Open or create; cut off what was never committed; rebuild tile hashes that are missing. Raises `Malformed`."""
        return cls(directory, committed_size, open_pack)

    def _last_mark(self) -> int:
        """Entries whose tile hashes survive whatever happens; 0 is always safe."""
        size = self._marks.size
        return int.from_bytes(self._marks.read(size - _MARK_BYTES, _MARK_BYTES), "big") if size else 0

    def _mark(self) -> None:
        self._marks.append(self._size.to_bytes(_MARK_BYTES, "big"))
        self._marks.sync()
        self._synced = self._size

    def _sync_tiles(self) -> None:
        """Make the hashes of all entries durable, then say so. Every entry must be committed: a mark is not taken back."""
        if self._synced != self._size:
            for pack in (*self._tiles, *self._upper):
                pack.sync()
            self._mark()

    def _restore(self, trusted: int) -> TileAppender:
        """Take the tiles of `trusted` entries as far as every level reaches, whole tiles only; hash the entries from there on again."""
        if self._synced > self._size:
            self._mark()
        held = min(trusted, self._size)
        for level, pack in enumerate(self._tiles):
            count = pack.size // HASH_BYTES
            if count < self._size >> TILE_HEIGHT * level:
                held = min(held, count << TILE_HEIGHT * level)
        for level, pack in enumerate(self._upper):
            tiles = pack.size // UPPER_BYTES
            if tiles < self._size >> TILE_HEIGHT * (level + 1):
                held = min(held, tiles << TILE_HEIGHT * (level + 1))
        if held < self._size:
            held -= held % TILE_WIDTH
        for level, pack in enumerate(self._tiles):
            pack.truncate((held >> TILE_HEIGHT * level) * HASH_BYTES)
        for level, pack in enumerate(self._upper):
            pack.truncate((held >> TILE_HEIGHT * (level + 1)) * UPPER_BYTES)
        appender = TileAppender.restore(held, self)
        while held < self._size:
            end = min(held + _REBUILD_ENTRIES, self._size)
            self._write_tiles(appender, self.entries(held, end))
            held = end
        return appender

    def _write_tiles(self, appender: TileAppender, entries: Sequence[bytes]) -> None:
        for growth in appender.append(entries):
            self._tiles[growth.level].append(growth.hashes)
            if growth.upper:
                self._upper[growth.level].append(growth.upper)

    @property
    def size(self) -> int:
        """Entries held."""
        return self._size

    def append(self, entries: Sequence[bytes]) -> None:
        """Append entries, durable on return, and their tile hashes. Raises `StorageFailed`."""
        if any(len(entry) != ENTRY_BYTES for entry in entries):
            raise Malformed("log", "entry", f"every entry must be {ENTRY_BYTES} bytes")
        with self._appending:
            if self._size - self._synced >= SYNC_ENTRIES:
                self._sync_tiles()
            self._entries.append(b"".join([_PREFIX + entry for entry in entries]))
            self._entries.sync()
            self._write_tiles(self._appender, entries)
            self._size += len(entries)
            self._reader.grow(self._size)

    def entries(self, start: int, end: int) -> list[bytes]:
        """See the port."""
        if not 0 <= start <= end <= self._size:
            raise NotFound(f"entries [{start}, {end}) of {self._size}")
        entries = decode_entries(self._entries.read(start * ROW_BYTES, (end - start) * ROW_BYTES))
        if len(entries) != end - start or any(len(e) != ENTRY_BYTES for e in entries):
            raise Malformed(str(self._entries.path), f"entries {start} to {end}", "are damaged; restore from a backup")
        return entries

    def entry_bundle(self, index: int, width: int) -> bytes:
        """The bytes of a C2SP entry bundle. Raises `NotFound`."""
        start = index * TILE_WIDTH
        if start + width > self._size:
            raise NotFound(f"entry bundle {index} of width {width}")
        return self._entries.read(start * ROW_BYTES, width * ROW_BYTES)

    def read_hashes(self, level: int, start: int, count: int) -> bytes:
        """See relay.core.tiles.TileSource."""
        if not 0 <= level <= TILE_LEVEL_MAX:
            raise NotFound(f"tile level {level}")
        return self._tiles[level].read(start * HASH_BYTES, count * HASH_BYTES)

    def read_upper(self, level: int, tile: int) -> bytes:
        """See relay.core.tiles.TileSource."""
        if not 0 <= level <= TILE_LEVEL_MAX:
            raise NotFound(f"tile level {level}")
        return self._upper[level].read(tile * UPPER_BYTES, UPPER_BYTES)

    def root(self, size: int) -> bytes:
        """See the port."""
        self._check_size(size)
        return merkle.root_from(size, self._reader)

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """See the port."""
        self._check_size(size)
        if not 0 <= index < size:
            raise NotFound(f"no entry {index} in a tree of {size}")
        return self._reader.inclusion_proof(index, size)

    def consistency_proof(self, size1: int, size2: int) -> list[bytes]:
        """See the port."""
        self._check_size(size2)
        return merkle.consistency_proof(size1, size2, self._reader)

    def extension_proof(self, size: int, entries: Sequence[bytes]) -> list[bytes]:
        """See the port."""
        self._check_size(size)
        return extension_proof(size, entries, self._reader)

    def subtree_proof(self, start: int, end: int, size: int) -> list[bytes]:
        """See the port."""
        self._check_size(size)
        return merkle.subtree_consistency_proof(start, end, size, self._reader)

    def _check_size(self, size: int) -> None:
        if size > self._size:
            raise NotFound(f"a tree of {size}; {self._size} entries are held")

    def truncate(self, size: int) -> None:
        """Cut back to `size` entries; only for what was never committed."""
        with self._appending:
            if size < self._size:
                self._entries.truncate(size * ROW_BYTES)
                self._size = size
                self._appender = self._restore(size)
                self._reader = TileHashReader(self, size, CACHE_QUARTERS)

    def close(self) -> None:
        """Close the files. Safe to call twice."""
        for pack in (self._entries, *self._tiles, *self._upper, self._marks):
            pack.close()
