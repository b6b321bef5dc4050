"""Entries read from a log's own bundles: only what its checkpoint commits to, in order, fit for a push to a relay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from adapters.tlog.entries import read_entries
from adapters.tlog.fetch import FolderFetch, HttpFetch
from adapters.tlog.tree import LogTiles
from relay.core.checkpoint import Checkpoint, parse_checkpoint
from relay.core.errors import Unavailable
from relay.core.merkle import MemoryTree, subtree_consistency_proof
from relay.core.package import Package
from relay.services.mirroring import PackageIntake
from relay.store.log_files import LogPacks
from tests.tlog.web import served
from tests.tlog.writer import ORIGIN, Log, folder_log, leaf

SIZE = 600


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Log]:
    folder = tmp_path_factory.mktemp("whole")
    log = folder_log(folder)
    log.publish(SIZE)
    return folder, log


def checkpoint(log: Log, size: int) -> Checkpoint:
    return Checkpoint(origin=ORIGIN, size=size, root=log.root(size))


async def read(folder: Path, target: Checkpoint, start: int, end: int, **bounds: int) -> list[bytes]:
    got: list[bytes] = []
    async for part in read_entries(LogTiles(FolderFetch(folder)), target, start, end, **bounds):
        assert part
        got += part
    return got


@given(data=st.data())
@run(max_examples=40, deadline=None)
def test_any_range_is_what_was_logged(whole: tuple[Path, Log], data: st.DataObject) -> None:
    import asyncio

    folder, log = whole
    start = data.draw(st.integers(0, SIZE))
    end = data.draw(st.integers(start, SIZE))
    assert asyncio.run(read(folder, checkpoint(log, SIZE), start, end)) == log.entries[start:end]


async def test_older_checkpoint_of_a_log_that_has_grown(tmp_path: Path) -> None:
    """Its partial bundle may be gone; the full one begins with it."""
    log = folder_log(tmp_path)
    log.publish(300)
    log.publish(SIZE)
    assert await read(tmp_path, checkpoint(log, 300), 200, 300) == log.entries[200:300]
    (tmp_path / "tile/entries/001.p/44").unlink()
    assert await read(tmp_path, checkpoint(log, 300), 200, 300) == log.entries[200:300]


async def test_bundles_over_http_come_compressed(whole: tuple[Path, Log]) -> None:
    folder, log = whole
    async with served(folder) as site:
        fetch = HttpFetch(site.url)
        parts = [part async for part in read_entries(LogTiles(fetch), checkpoint(log, SIZE), 0, SIZE)]
        await fetch.close()
    assert [entry for part in parts for entry in part] == log.entries


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"\x00",
        lambda data: data + b"\x00\x01x",
        lambda data: data[:10] + bytes([data[10] ^ 1]) + data[11:],
        lambda data: data[67:] + data[:67],
        lambda data: data[67:],
        lambda _: b"",
        lambda data: data * 2,
    ],
)
@pytest.mark.parametrize("path", ["tile/entries/000", "tile/entries/002.p/88"])
async def test_bundle_that_is_not_the_trees_is_refused(
    tmp_path: Path, path: str, change: Callable[[bytes], bytes]
) -> None:
    log = folder_log(tmp_path)
    log.publish(SIZE)
    (tmp_path / path).write_bytes(change((tmp_path / path).read_bytes()))
    with pytest.raises(Unavailable):
        await read(tmp_path, checkpoint(log, SIZE), 0, SIZE)


async def test_missing_bundle_is_unavailable(tmp_path: Path) -> None:
    log = folder_log(tmp_path)
    log.publish(SIZE)
    (tmp_path / "tile/entries/002.p/88").unlink()
    with pytest.raises(Unavailable, match="missing"):
        await read(tmp_path, checkpoint(log, SIZE), 0, SIZE)
    (tmp_path / "tile/entries/000").unlink()
    with pytest.raises(Unavailable, match="missing"):
        await read(tmp_path, checkpoint(log, SIZE), 0, 10)


async def test_entries_larger_than_agreed_are_not_fetched(tmp_path: Path) -> None:
    log = folder_log(tmp_path)
    log.entries = [bytes(70)] * 256
    log.publish(256)
    with pytest.raises(Unavailable, match="longer than"):
        await read(tmp_path, checkpoint(log, 256), 0, 256)
    assert await read(tmp_path, checkpoint(log, 256), 0, 256, entry_bytes_max=70) == log.entries


async def test_range_beyond_the_checkpoint_is_a_mistake_of_the_caller(whole: tuple[Path, Log]) -> None:
    folder, log = whole
    with pytest.raises(RuntimeError):
        await read(folder, checkpoint(log, 10), 5, 11)


async def test_what_is_read_makes_packages_that_a_mirror_takes(whole: tuple[Path, Log], tmp_path: Path) -> None:
    """From the log's own tiles into a relay's mirror, without a custodian in between."""
    folder, log = whole
    target, _ = parse_checkpoint((folder / "checkpoint").read_bytes())
    tree = MemoryTree([leaf(entry) for entry in log.entries])
    packs = LogPacks.open(tmp_path / "mirror", 0)

    class Mirror:
        files = packs

        @property
        def size(self) -> int:
            return packs.size

        async def append(self, entries: list[bytes]) -> int:
            packs.append(entries)
            return packs.size

    intake, start = PackageIntake(Mirror(), target), 0  # type: ignore[arg-type]
    async for part in read_entries(LogTiles(FolderFetch(folder)), target, 0, target.size):
        proof = subtree_consistency_proof(start, start + len(part), target.size, tree)
        assert await intake.take([Package(start=start, entries=b"".join(part), proof=tuple(proof))]) == start + len(
            part
        )
        start += len(part)
    intake.check_root()
    packs.close()
