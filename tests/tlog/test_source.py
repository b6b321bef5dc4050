"""A log in a folder as a source of anchors: everything cosigned comes once, in order, and is proven."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import pymerkle
import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from adapters.tlog import ADAPTER
from adapters.tlog.source import open_source
from relay.app.adapters import load_adapter, verifiers
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, Denied, Malformed, NotFound, Unavailable
from tests.support.command import environment
from tests.tlog.bench import LEDGER, first_blocks, opened, proven, root_of, settings
from tests.tlog.writer import LOG, NOW_S, ORIGIN, WITNESSES, Key, folder_log


async def test_checkpoint_is_found_and_proven(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    log.publish(5)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        head = await source.head()
        assert (source.ledger, head.height, head.final_height) == (LEDGER, 1, 1)
        (block,) = await first_blocks(source, 1)
        (anchor,) = block.anchors
        assert (anchor.origin, anchor.size, anchor.root) == (ORIGIN, 5, log.root(5))
        assert (block.height, block.parent_hash, block.block_hash) == (1, bytes(32), head.block_hash)
        assert await source.find(ORIGIN, 5) == anchor
        fact = proven(await source.prove(anchor))
        assert (fact.ledger, fact.block_hash, fact.tx_id) == (LEDGER, anchor.block_hash, anchor.tx_id)
        # the second of three witnesses made up the quorum, a second after the first
        assert fact.time_ms == anchor.time_ms == block.time_ms == (NOW_S + 1) * 1000
        assert fact.fact == {
            "type": "anchor",
            "origin": ORIGIN,
            "size": 5,
            "root": log.root(5).hex(),
            "sender": ORIGIN,
        }


async def test_roots_are_those_of_another_implementation(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    log.grow(300)
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for data in log.entries:
        tree.append_entry(data)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        for height, size in enumerate((1, 2, 255, 256, 257, 300), 1):
            log.publish(size)
            block = (await first_blocks(source, 1, height))[0]
            assert block.anchors[0].root == tree.get_root(size)


@given(
    steps=st.lists(st.integers(1, 400), min_size=1, max_size=6), seen=st.lists(st.booleans(), min_size=6, max_size=6)
)
@run(max_examples=25, deadline=None)
def test_any_growth_is_delivered_once_and_in_order(steps: list[int], seen: list[bool]) -> None:
    """Whatever sizes a log publishes, and whichever of them are looked at: each of those is one block, with a proof."""

    async def play(folder: Path) -> None:
        log, size, expected = folder_log(folder / "log"), 0, []
        for number, step in enumerate(steps):
            size += step
            log.publish(size, time_s=NOW_S + 10 * number)
            if seen[number] or number == len(steps) - 1:
                async with opened(folder / "log", folder / "data") as source:  # each time as after a restart
                    assert (await source.head()).height == len(expected) + 1
                expected.append(size)
        async with opened(folder / "log", folder / "data") as source:
            blocks = await first_blocks(source, len(expected))
            assert [block.anchors[0].size for block in blocks] == expected
            assert [block.height for block in blocks] == list(range(1, len(expected) + 1))
            assert all(b.parent_hash == a.block_hash for a, b in pairwise(blocks))
            for block in blocks:
                fact = proven(await source.prove(block.anchors[0]))
                assert fact.fact["root"] == log.root(block.anchors[0].size).hex()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))


async def test_live_feed_shows_what_comes_later(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    log.publish(1)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        waiting = asyncio.create_task(first_blocks(source, 2))
        await first_blocks(source, 1)
        log.publish(700)
        assert [block.anchors[0].size for block in await waiting] == [1, 700]


async def test_closing_ends_what_waits_and_opens_nothing_again(tmp_path: Path) -> None:
    folder_log(tmp_path / "log").publish(1)
    async with opened(tmp_path / "log", tmp_path / "data", poll_s=60) as source:
        (block,) = await first_blocks(source, 1)
        waiting = asyncio.ensure_future(anext(source.blocks(2)))
        await asyncio.sleep(0.05)
        await source.close()
        for asking in (waiting, source.head(), source.find(ORIGIN, 1), source.prove(block.anchors[0])):
            with pytest.raises(Unavailable, match="closed here"):
                async with asyncio.timeout(60):
                    await asking


async def test_feed_begins_anywhere_with_the_parent_before_it(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        for height, size in enumerate((1, 2, 3), 1):
            log.publish(size)
            await first_blocks(source, 1, height)
        whole = await first_blocks(source, 3)
        assert await first_blocks(source, 2, 2) == whole[1:]


async def test_log_without_entries_has_no_block(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    log.put("checkpoint", log.note(0))
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        assert (await source.head()).height == 0
        log.publish(1)
        assert (await first_blocks(source, 1))[0].height == 1


async def test_anchoring_returns_what_the_log_has_published(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    log.publish(5)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        mine = Checkpoint(origin=ORIGIN, size=5, root=log.root(5))
        anchor = await source.anchor(mine)
        assert anchor == await source.anchor(mine) == await source.find(ORIGIN, 5)
        with pytest.raises(Conflict, match="another root"):
            await source.anchor(Checkpoint(origin=ORIGIN, size=5, root=bytes(32)))
        with pytest.raises(Conflict, match="size 5 already"):
            await source.anchor(Checkpoint(origin=ORIGIN, size=4, root=log.root(4)))
        with pytest.raises(Denied, match="publishes its checkpoints itself"):
            await source.anchor(Checkpoint(origin=ORIGIN, size=6, root=bytes(32)))
        with pytest.raises(Denied, match="not other"):
            await source.anchor(Checkpoint(origin="other.example/log", size=5, root=log.root(5)))


async def test_what_was_never_seen_is_not_found(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    log.publish(5)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        assert await source.find(ORIGIN, 4) is None
        assert await source.find("other.example/log", 5) is None
        anchor = await source.find(ORIGIN, 5)
        assert anchor is not None
        for changes in ({"tx_id": bytes(32)}, {"size": 4}):
            with pytest.raises(NotFound):
                await source.prove(type(anchor)(**{**{f: getattr(anchor, f) for f in anchor.__slots__}, **changes}))


async def test_missing_log_is_unavailable_and_comes_back(tmp_path: Path) -> None:
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        with pytest.raises(Unavailable):
            await source.head()
        folder_log(tmp_path / "log").publish(5)
        await asyncio.sleep(0.05)
        assert (await source.head()).height == 1


async def test_partial_tile_that_was_dropped_is_read_from_the_full_one(tmp_path: Path) -> None:
    """A log may delete a partial tile once the full one is there, although an older checkpoint is still shown."""
    log = folder_log(tmp_path / "log")
    log.grow(600)
    log.write_tiles(600)
    log.publish(300)
    (tmp_path / "log/tile/0/001.p/44").unlink()
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        assert (await first_blocks(source, 1))[0].anchors[0].root == log.root(300)


async def test_first_quorum_stays_whatever_is_cosigned_later(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    log.publish(5)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        first = await source.find(ORIGIN, 5)
        log.publish(5, time_s=NOW_S + 1000)
        await asyncio.sleep(0.05)
        assert (await source.head()).height == 1
        assert await source.find(ORIGIN, 5) == first


async def test_two_readers_do_not_share_a_folder(tmp_path: Path) -> None:
    folder_log(tmp_path / "log").publish(5)
    async with opened(tmp_path / "log", tmp_path / "data"):
        with pytest.raises(Conflict):
            await open_source(settings(str(tmp_path / "log"), tmp_path / "data"))
    with pytest.raises(Malformed, match="belongs to the log"):
        await open_source(settings(str(tmp_path / "log"), tmp_path / "data", ledger="tlog:other"))


def test_family_is_built_in() -> None:
    assert load_adapter("tlog") is ADAPTER
    assert verifiers()["tlog"] is ADAPTER.verify_proof


def test_family_without_a_network_imports_no_http_client() -> None:
    """Verifying a proof offline, or following a folder, must not take the time of an HTTP library."""
    program = "import sys, adapters.tlog, relay.app.adapters as a; a.verifiers(); sys.exit('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], env=environment(), check=False)
    assert done.returncode == 0


async def test_log_is_no_court_ledger() -> None:
    with pytest.raises(Malformed, match="court"):
        await ADAPTER.open_court({})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"url": "ftp://x.example/log"}, "ledger.url"),
        ({"url": "https://user@x.example/log"}, "ledger.url"),
        ({"url": "https://x.example/log?a=1"}, "ledger.url"),
        ({"url": "https://x.example:port/log"}, "ledger.url"),
        ({"url": "file://host/log"}, "ledger.url"),
        ({"url": "log"}, "ledger.url"),
        ({"url": ""}, "ledger.url"),
        ({"origin": "other.example/log"}, "ledger.origin"),
        ({"log_key": WITNESSES[0].vkey}, "ledger.log_key"),
        ({"log_key": "nonsense"}, "ledger.log_key"),
        ({"witnesses": []}, "ledger.witnesses"),
        ({"witnesses": [7]}, "ledger.witnesses"),
        ({"witnesses": [LOG.vkey]}, "ledger.witnesses"),
        ({"witnesses": [WITNESSES[0].vkey, WITNESSES[0].vkey]}, "ledger.witnesses"),
        ({"witnesses": [Key(ORIGIN, 4, "x").vkey]}, "ledger.witnesses"),
        ({"witnesses": [Key("witness.example/w9", 4, ORIGIN).vkey]}, "ledger.witnesses"),
        ({"threshold": 1}, "ledger.threshold"),
        ({"threshold": 5}, "ledger.threshold"),
        ({"threshold": True}, "ledger.threshold"),
        ({"threshold": "3"}, "ledger.threshold"),
        ({"data": "relative"}, "ledger.data"),
        ({"poll_s": 0}, "ledger.poll_s"),
        ({"poll_s": "5"}, "ledger.poll_s"),
        ({"tls": "none"}, "ledger.tls"),
        ({"url": "https://x.example/log", "tls": "own"}, r"key\.pem: cannot be read"),
        ({"ledger": "a b"}, "ledger.ledger"),
        ({"surprise": 1}, "ledger.surprise"),
    ],
)
async def test_wrong_settings_name_the_key(tmp_path: Path, change: dict[str, object], word: str) -> None:
    with pytest.raises(Malformed, match=word):
        await open_source(settings(str(tmp_path / "log"), tmp_path / "data", **change))


def test_root_pins_the_log_first() -> None:
    assert root_of().validators[0].name == ORIGIN
