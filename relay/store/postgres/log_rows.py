"""A log's entries and tiles as rows: C2SP entry bundles and tiles of 256, the last of each partial."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, Final, TypeVar

from relay.core import merkle
from relay.core.errors import Malformed, NotFound
from relay.core.grown import extension_proof
from relay.core.limits import ENTRY_BYTES
from relay.core.merkle import HASH_BYTES
from relay.core.tile_reader import TileHashReader
from relay.core.tiles import ENTRY_LENGTH_BYTES, TILE_WIDTH, decode_entries
from relay.store.log_files import CACHE_QUARTERS
from relay.store.postgres.database import PostgresDatabase

ROW_BYTES: Final = ENTRY_LENGTH_BYTES + ENTRY_BYTES

T = TypeVar("T")


class LogRows:
    """Implements relay.ports.LogFiles. Only from other threads than the event loop's: each read waits for the database."""

    def __init__(self, database: PostgresDatabase, log: int, size: int) -> None:
        self._database = database
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._size = size
        self._reader = TileHashReader(self, size, CACHE_QUARTERS)

    @property
    def size(self) -> int:
        """Entries that are committed, as far as this worker knows."""
        return self._size

    def grow(self, size: int) -> None:
        """More entries are committed now."""
        self._size = size
        self._reader.grow(size)

    def entries(self, start: int, end: int) -> list[bytes]:
        """See the port. Raises `Unavailable`, `StorageFailed`, `Malformed` for damaged rows."""
        if not 0 <= start <= end <= self._size:
            raise NotFound(f"entries [{start}, {end}) of {self._size}")
        if start == end:
            return []
        first, last = start // TILE_WIDTH, (end - 1) // TILE_WIDTH
        rows = self._wait(
            self._database.read(
                lambda c: c.fetch(
                    "SELECT data FROM entry_bundle WHERE log = $1 AND number BETWEEN $2 AND $3 ORDER BY number",
                    self._log,
                    first,
                    last,
                )
            )
        )
        whole = decode_entries(b"".join(row["data"] for row in rows))
        found = whole[start - first * TILE_WIDTH : end - first * TILE_WIDTH]
        if len(found) != end - start or any(len(entry) != ENTRY_BYTES for entry in found):
            raise Malformed(self._database.name, f"entries {start} to {end}", "are damaged; restore from a backup")
        return found

    def read_hashes(self, level: int, start: int, count: int) -> bytes:
        """See relay.core.tiles.TileSource."""
        number, at = divmod(start, TILE_WIDTH)
        return self._tile(
            "SELECT substring(data FROM $4 FOR $5) FROM tile WHERE log = $1 AND level = $2 AND number = $3",
            level,
            number,
            at * HASH_BYTES + 1,
            count * HASH_BYTES,
        )

    def read_upper(self, level: int, tile: int) -> bytes:
        """See relay.core.tiles.TileSource."""
        return self._tile("SELECT upper FROM tile WHERE log = $1 AND level = $2 AND number = $3", level, tile)

    def _tile(self, sql: str, *values: int) -> bytes:
        found: bytes | None = self._wait(self._database.read(lambda c: c.fetchval(sql, self._log, *values)))
        if found is None:
            raise Malformed(self._database.name, f"tile {values[:2]}", "is missing; restore from a backup")
        return found

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

    def _wait(self, asked: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()


def slices(start: int, data: bytes, unit: int) -> Iterator[tuple[int, int, bytes]]:
    """Cut what is appended at position `start` into rows of 256 units: (row, bytes the row holds already, bytes to add)."""
    at = 0
    while at < len(data):
        row, held = divmod(start + at // unit, TILE_WIDTH)
        end = min(len(data), at + (TILE_WIDTH - held) * unit)
        yield row, held * unit, data[at:end]
        at = end
