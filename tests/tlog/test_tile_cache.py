"""Full tiles that were found to be true are kept, so many and no more, the oldest of them dropped first."""

from __future__ import annotations

import pytest

from adapters.tlog import tree
from adapters.tlog.tree import LogTiles
from relay.core.tiles import TILE_WIDTH

HASHES = [bytes([number]) * 32 for number in range(TILE_WIDTH)]


class Served:
    """Every tile has the same hashes; `asked` is what was fetched."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get(self, path: str, bytes_max: int) -> bytes:
        self.asked.append(path)
        return b"".join(HASHES)

    async def close(self) -> None:
        pass


async def test_oldest_tile_is_dropped_and_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "CACHED_TILES", 2)
    served = Served()
    tiles = LogTiles(served)
    root = tree.tile_root(HASHES)[0]
    for index in (0, 1, 0, 2, 0, 1):
        await tiles.full(0, index, root)
    assert [path.rpartition("/")[2] for path in served.asked] == ["000", "001", "002", "001"]
    assert len(tiles._cache) == 2
