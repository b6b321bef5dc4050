"""Logs and servers that lie. What their key has signed halts the source for good; what anybody could have changed does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from adapters.tlog.fetch import FolderFetch
from adapters.tlog.source import TlogSource
from relay.core.bundle import parse_ledger_proof
from relay.core.errors import Contradicted, NotFound, Unavailable
from relay.core.tiles import TILE_BYTES
from tests.tlog.bench import first_blocks, opened, proven
from tests.tlog.writer import LOG, NOW_S, ORIGIN, WITNESSES, Key, Log, folder_log

W1, W2, W3 = WITNESSES


async def after_poll(source: TlogSource) -> object:
    await asyncio.sleep(0.04)
    return await source.head()


async def contradicts(source: TlogSource, *words: str) -> Contradicted:
    """The source says so now and again, and still proves what was cosigned before."""
    with pytest.raises(Contradicted) as found:
        await after_poll(source)
    for word in words:
        assert word in found.value.reason
    feed = source.blocks(1)
    blocks = [await anext(feed)]
    with pytest.raises(Contradicted):
        while True:
            blocks.append(await anext(feed))
    for block in blocks:
        assert proven(await source.prove(block.anchors[0])).fact["size"] == block.anchors[0].size
    return found.value


async def unusable(source: TlogSource, word: str) -> None:
    with pytest.raises(Unavailable, match=word):
        await after_poll(source)


async def test_same_size_with_another_root_halts(tmp_path: Path) -> None:
    """An equivocating log, with the whole quorum behind both roots."""
    log = folder_log(tmp_path / "log")
    first = log.publish(5)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await first_blocks(source, 1)
        mine = log.root(5)
        log.fork(3, 5)
        second = log.publish(5)
        found = await contradicts(source, mine.hex(), log.root(5).hex())
        assert (found.pieces["checkpoint"], found.pieces["earlier"]) == (second, first)
        assert proven(parse_ledger_proof(found.pieces["anchor"], what="anchor")).fact["root"] == mine.hex()


async def test_growth_that_does_not_extend_halts(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    log.publish(300)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await first_blocks(source, 1)
        mine = log.root(300)
        log.fork(299, 900)
        log.publish(900)
        found = await contradicts(source, "size 300", "size 900", mine.hex(), log.root(900).hex())
        assert set(found.pieces) == {"checkpoint", "earlier", "anchor", "fork"}


async def test_contradiction_needs_no_witness(tmp_path: Path) -> None:
    """The log's own key is enough: one checkpoint waits for cosignatures when the other comes."""
    log = folder_log(tmp_path / "log")
    log.publish(3)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await first_blocks(source, 1)
        log.publish(8, witnesses=())
        await unusable(source, "2 cosignatures")
        log.fork(5, 8)
        log.publish(8, witnesses=())
        await contradicts(source, "size 8")


async def test_contradiction_survives_a_restart_and_a_log_that_repents(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    first = log.publish(5)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await first_blocks(source, 1)
        log.fork(3, 5)
        log.publish(5)
        await contradicts(source)
    log.fork(0, 0)
    log.publish(5)
    assert (tmp_path / "log/checkpoint").read_bytes() == first
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await contradicts(source, "size 5")
    (tmp_path / "log/checkpoint").unlink()
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await contradicts(source, "size 5")


async def test_smaller_size_is_an_old_copy_and_no_contradiction(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    old = log.publish(5)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await first_blocks(source, 1)
        log.publish(300)
        await first_blocks(source, 2)
        log.put("checkpoint", old)
        await unusable(source, "an old copy")
        log.publish(301)
        assert [b.anchors[0].size for b in await first_blocks(source, 3)] == [5, 300, 301]


async def test_smaller_size_with_a_root_that_never_was_halts(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    log.publish(300)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await first_blocks(source, 1)
        other = folder_log(tmp_path / "other")
        other.fork(0, 100)
        log.put("checkpoint", other.note(100))
        await contradicts(source, "size 100", "size 300")


async def test_too_few_witnesses_is_no_block(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    log.publish(5, witnesses=(W2,))
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await unusable(source, "2 cosignatures")
        assert source._journal.height == 0
        log.publish(5, witnesses=(W2, W3))
        assert (await first_blocks(source, 1))[0].height == 1


@pytest.mark.parametrize(
    "lines",
    [
        lambda text: [Key("stranger.example/w", 4).line(text, NOW_S)],
        lambda text: [Key(W2.name, 4, "another seed").line(text, NOW_S)],  # the name of a witness, another key
        lambda text: [Key(W2.name, 1).line(text)],  # a plain signature is no cosignature
        lambda text: [W2.line(text, NOW_S * 2)],  # a time that has not come
        lambda text: [Key(ORIGIN, 4).line(text, NOW_S)],  # the log as its own witness
    ],
)
async def test_what_is_no_cosignature_of_a_pinned_witness_does_not_count(
    tmp_path: Path, lines: Callable[[str], list[str]]
) -> None:
    log = folder_log(tmp_path / "log")
    log.publish(5)
    text = log.text(5)
    log.put("checkpoint", f"{text}\n{LOG.line(text)}{W1.line(text, NOW_S)}{''.join(lines(text))}".encode())
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await unusable(source, "2 cosignatures")


async def test_doubled_or_broken_cosignature_refuses_the_note(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    log.publish(6)
    text = log.text(6)
    good = [LOG.line(text), W1.line(text, NOW_S), W2.line(text, NOW_S)]
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        log.put("checkpoint", f"{text}\n{''.join([*good, W1.line(text, NOW_S + 1)])}".encode())
        await unusable(source, "two signature lines")
        log.put("checkpoint", f"{text}\n{''.join([*good, W3.line(log.text(5), NOW_S)])}".encode())
        await unusable(source, "does not hold")
        log.put("checkpoint", f"{text}\n{''.join(good)}".encode())
        assert (await first_blocks(source, 1))[0].height == 1


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (
            lambda log: Log(log.put, log.entries, Key("other.example/log", 1), WITNESSES, "other.example/log"),
            "is other",
        ),
        (lambda log: Log(log.put, log.entries, Key(ORIGIN, 1, "thief")), "no known key"),
    ],
)
async def test_wrong_origin_or_key_is_another_log(tmp_path: Path, make: Callable[[Log], Log], word: str) -> None:
    make(folder_log(tmp_path / "log")).publish(5)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await unusable(source, word)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"one line\n",
        f"{ORIGIN}\n5\nAAAA\n\n— x y\n".encode(),
        f"{ORIGIN}\n05\n".encode(),
        b"x" * 70_000,
    ],
)
async def test_what_is_no_checkpoint_is_refused(tmp_path: Path, data: bytes) -> None:
    folder_log(tmp_path / "log").put("checkpoint", data)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await unusable(source, "checkpoint")


def lying(path: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        (folder / path).write_bytes(change((folder / path).read_bytes()))

    return do


def gone(path: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).unlink()


@pytest.mark.parametrize(
    "damage",
    [
        lying("tile/0/002.p/88", lambda data: bytes([data[0] ^ 1]) + data[1:]),
        lying("tile/0/002.p/88", lambda data: data[:-1]),
        lying("tile/0/002.p/88", lambda data: data + bytes(32)),
        lying("tile/0/002.p/88", lambda _: b""),
        lying("tile/0/002.p/88", lambda _: bytes(TILE_BYTES + 1)),
        lying("tile/1/000.p/2", lambda data: data[32:] + data[:32]),
        lying("tile/0/000", lambda data: data[:-32] + bytes(32)),  # a full tile below the edge
        lying("tile/0/000", lambda data: data[:-1]),
        lying("tile/0/000", lambda data: data + bytes(1)),
        gone("tile/0/002.p/88"),
        gone("tile/1/000.p/2"),
        gone("tile/0/000"),
    ],
)
async def test_tile_that_lies_is_cut_off_or_missing_is_never_used(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """No contradiction either: the log's key has not signed it. Mended, the log goes on."""
    log = folder_log(tmp_path / "log")
    log.publish(5)
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await first_blocks(source, 1)
        log.grow(600)
        log.write_tiles(600)
        damage(tmp_path / "log")
        log.put("checkpoint", log.note(600))
        await unusable(source, "tile")
        assert source._journal.height == 1
        log.publish(600)
        assert (await first_blocks(source, 2))[1].anchors[0].root == log.root(600)


async def test_partial_tile_that_is_full_later_is_read_again(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        for height, size in enumerate((255, 256, 257, 511, 512, 700), 1):
            log.publish(size)
            assert (await first_blocks(source, height))[-1].anchors[0].root == log.root(size)


async def test_path_that_leads_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    log = folder_log(tmp_path / "log")
    log.publish(5)
    fetch = FolderFetch(tmp_path / "log")
    with pytest.raises(Unavailable, match="leads out"):
        await fetch.get("../secret", 100)
    (tmp_path / "log/link").symlink_to(tmp_path / "secret")
    with pytest.raises(Unavailable, match="leads out"):
        await fetch.get("link", 100)
    with pytest.raises(NotFound):
        await fetch.get("tile", 100)
    with pytest.raises(Unavailable, match="longer than 3"):
        await fetch.get("checkpoint", 3)
    (tmp_path / "log/checkpoint").unlink()
    (tmp_path / "log/checkpoint").symlink_to(tmp_path / "secret")
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        await unusable(source, "leads out")


async def test_link_within_the_folder_is_read(tmp_path: Path) -> None:
    """Some logs publish by renaming a link."""
    log = folder_log(tmp_path / "log")
    log.publish(5)
    (tmp_path / "log/checkpoint").rename(tmp_path / "log/checkpoint.5")
    (tmp_path / "log/checkpoint").symlink_to("checkpoint.5")
    async with opened(tmp_path / "log", tmp_path / "data") as source:
        assert (await source.head()).height == 1


Asking = Callable[[TlogSource], Awaitable[object]]


@pytest.mark.parametrize("asking", [lambda s: s.head(), lambda s: s.find(ORIGIN, 9), lambda s: first_blocks(s, 1)])
async def test_many_askers_share_one_look(tmp_path: Path, asking: Asking) -> None:
    folder_log(tmp_path / "log").publish(5)
    async with opened(tmp_path / "log", tmp_path / "data", poll_s=3600) as source:
        looks = 0
        get = source._fetch.get

        async def counted(path: str, bytes_max: int) -> bytes:
            nonlocal looks
            looks += path == "checkpoint"
            return await get(path, bytes_max)

        source._fetch.get = counted  # type: ignore[method-assign]
        await asyncio.gather(*(asking(source) for _ in range(20)))
        assert looks == 1
