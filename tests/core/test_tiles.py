"""Tiles: paths, growth, and proofs from packs on disk that equal those of a tree in memory, whatever a crash cut off."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.errors import Malformed, NotFound, Unverified
from relay.core.merkle import MemoryTree, leaf_hash, root_of
from relay.core.tile_reader import TileHashReader, expand, fold
from relay.core.tiles import TileAppender, decode_entries, encode_entries, parse_tile_path, tile_path, tile_root
from relay.store.log_files import LogPacks

EDGES = (1, 2, 63, 64, 65, 255, 256, 257, 511, 512, 513, 1000, 65_535, 65_536, 65_537, 66_000)


def entries(count: int) -> list[bytes]:
    chosen = random.Random(count)
    return [b"\x01" + chosen.randbytes(64) for _ in range(count)]


def packs_of(folder: Path, made: list[bytes], seed: int = 1) -> LogPacks:
    """Appended in groups of all sizes."""
    packs = LogPacks.open(folder, 0)
    chosen = random.Random(seed)
    at = 0
    while at < len(made):
        count = chosen.randrange(1, 5000)
        packs.append(made[at : at + count])
        at += count
    return packs


@pytest.mark.parametrize("size", EDGES)
def test_proofs_from_packs_equal_those_of_a_tree_in_memory(tmp_path: Path, size: int) -> None:
    made = entries(size)
    packs, tree = packs_of(tmp_path, made), MemoryTree([leaf_hash(e) for e in made])
    assert packs.root(size) == tree.root()
    cold = TileHashReader(packs, size, 0)
    chosen = random.Random(size)
    for _ in range(40):
        now = chosen.randrange(1, size + 1)
        index, old = chosen.randrange(now), chosen.randrange(1, now + 1)
        assert packs.inclusion_proof(index, now) == cold.inclusion_proof(index, now) == tree.inclusion_proof(index, now)
        assert packs.consistency_proof(old, now) == tree.consistency_proof(old, now)
    packs.close()


@pytest.mark.parametrize("name", ["tiles-0.pack", "tiles-1.pack", "upper-0.pack"])
@pytest.mark.parametrize("cut", [1, 32, 192, 5000, 10**9])
def test_tile_hashes_cut_off_by_a_crash_are_made_again(tmp_path: Path, name: str, cut: int) -> None:
    made = entries(3000)
    packs = packs_of(tmp_path, made)
    root = packs.root(3000)
    packs.close()
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: max(0, len(data) - cut)])
    again = LogPacks.open(tmp_path, 3000)
    assert again.root(3000) == root
    assert again.inclusion_proof(7, 3000) == MemoryTree([leaf_hash(e) for e in made]).inclusion_proof(7)
    again.close()


def test_what_was_never_committed_is_cut_off(tmp_path: Path) -> None:
    made = entries(700)
    packs_of(tmp_path, made).close()
    again = LogPacks.open(tmp_path, 300)
    assert again.size == 300
    assert again.root(300) == root_of([leaf_hash(e) for e in made[:300]])
    again.append(made[300:])
    assert again.root(700) == root_of([leaf_hash(e) for e in made])
    again.close()


def test_lost_committed_entries_are_said_not_papered_over(tmp_path: Path) -> None:
    packs_of(tmp_path, entries(10)).close()
    with pytest.raises(Malformed, match="restore it from a backup"):
        LogPacks.open(tmp_path, 11)


def test_truncating_goes_back_to_an_earlier_tree(tmp_path: Path) -> None:
    made = entries(600)
    packs = packs_of(tmp_path, made)
    packs.truncate(257)
    assert packs.root(257) == root_of([leaf_hash(e) for e in made[:257]])
    with pytest.raises(NotFound):
        packs.entries(256, 258)
    packs.close()


def test_entry_of_another_length_is_malformed(tmp_path: Path) -> None:
    packs = LogPacks.open(tmp_path, 0)
    with pytest.raises(Malformed):
        packs.append([b"short"])
    assert packs.size == 0
    packs.close()


@settings(max_examples=60)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6))
def test_growing_in_any_steps_gives_one_tree(steps: list[int]) -> None:
    made = entries(sum(steps))
    appender = TileAppender.empty()
    streams: dict[int, bytes] = {}
    at = 0
    for step in steps:
        for growth in appender.append(made[at : at + step]):
            streams[growth.level] = streams.get(growth.level, b"") + growth.hashes
        at += step
    assert appender.root() == root_of([leaf_hash(e) for e in made])
    assert len(streams.get(0, b"")) == 32 * len(made)


def test_upper_hashes_are_those_of_the_tile() -> None:
    hashes = [leaf_hash(bytes([n])) for n in range(256)]
    root, upper = tile_root(hashes)
    assert root == root_of(hashes)
    assert upper == [root_of(hashes[i : i + 64]) for i in range(0, 256, 64)] + [
        root_of(hashes[:128]),
        root_of(hashes[128:]),
    ]


def test_quarter_of_another_length_is_unverified() -> None:
    for data in (b"", bytes(2047), bytes(2049)):
        with pytest.raises(Unverified):
            expand(data)
    with pytest.raises(Unverified):
        fold(bytes(31), 1)


@given(st.none() | st.integers(0, 6), st.integers(0, 10**9), st.integers(1, 256))
def test_tile_path_has_one_spelling(level: int | None, index: int, width: int) -> None:
    assert parse_tile_path(tile_path(level, index, width)) == (level, index, width)


@pytest.mark.parametrize(
    "path",
    ["tile/0/0", "tile/0/x000/001", "tile/7/000", "tile/0/000.p/256", "tile/0/000.p/0", "tile/00/000", "tile/0/1000"],
)
def test_other_spellings_of_tile_paths_are_malformed(path: str) -> None:
    with pytest.raises(Malformed):
        parse_tile_path(path)


@given(st.lists(st.binary(max_size=80), max_size=20))
def test_entry_bundles_read_back(made: list[bytes]) -> None:
    assert decode_entries(encode_entries(made)) == made


def test_entry_bundle_cut_short_is_malformed() -> None:
    data = encode_entries([b"abc", b"defg"])
    for end in (1, 4, len(data) - 1):
        with pytest.raises(Malformed):
            decode_entries(data[:end])
