"""A log behind a real HTTP server: what is sent is bounded and checked, and nothing leads elsewhere."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from pathlib import Path

import pytest
from aiohttp import web

from adapters.tlog.fetch import HttpFetch
from relay.core.errors import NotFound, Unavailable
from tests.tlog.bench import first_blocks, opened, proven
from tests.tlog.web import Handler, breaks_off, endless, fixed, served
from tests.tlog.writer import ORIGIN, folder_log


async def test_log_over_http_is_followed_and_proven(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    async with served(tmp_path / "log") as site, opened(site.url + "/", tmp_path / "data") as source:
        for height, size in enumerate((1, 256, 600, 900), 1):
            log.publish(size)
            blocks = await first_blocks(source, height)
            fact = proven(await source.prove(blocks[-1].anchors[0]))
            assert (fact.fact["size"], fact.fact["root"]) == (size, log.root(size).hex())


async def test_checkpoint_that_is_unchanged_is_not_sent_again(tmp_path: Path) -> None:
    folder_log(tmp_path / "log").publish(5)
    async with served(tmp_path / "log") as site, opened(site.url, tmp_path / "data") as source:
        await first_blocks(source, 1)
        for _ in range(3):
            await asyncio.sleep(0.03)
            await source.head()
        assert site.unchanged == 3
        assert site.asked["tile/0/000.p/5"] == 1


async def test_full_tiles_are_fetched_once(tmp_path: Path) -> None:
    log = folder_log(tmp_path / "log")
    log.publish(5)
    async with served(tmp_path / "log") as site, opened(site.url, tmp_path / "data") as source:
        for height, size in enumerate((5, 300, 301, 302), 1):
            log.publish(size)
            await first_blocks(source, height)
        assert site.asked["tile/0/000"] == 1


@pytest.mark.parametrize(
    ("path", "handler", "word"),
    [
        (
            "checkpoint",
            fixed(b"", 302, Location="http://other.example/checkpoint"),
            "redirects to 'http://other.example",
        ),
        ("checkpoint", fixed(b"", 301, Location="/some/log/checkpoint2"), "redirects are not followed"),
        ("checkpoint", fixed(b"", 500), "status 500"),
        ("checkpoint", fixed(b"", 304), "redirects to 'nowhere'"),
        ("checkpoint", fixed(b"x" * 70_000), "longer than 65536"),
        ("checkpoint", endless, "longer than 65536"),
        ("checkpoint", breaks_off, "checkpoint"),
        ("checkpoint", fixed(gzip.compress(bytes(10_000_000)), Content_Encoding="gzip"), "longer than 65536"),
        ("checkpoint", fixed(b"no gzip", Content_Encoding="gzip"), "is not gzip"),
        ("checkpoint", fixed(gzip.compress(b"x")[:-4], Content_Encoding="gzip"), "one whole gzip"),
        ("checkpoint", fixed(gzip.compress(b"x") + b"y", Content_Encoding="gzip"), "one whole gzip"),
        ("checkpoint", fixed(zlib.compress(b"x"), Content_Encoding="deflate"), "coding 'deflate'"),
        ("checkpoint", fixed(b"<html>not found</html>"), "no checkpoint that can be used"),
        ("tile/0/000.p/5", endless, "longer than 8192"),
        ("tile/0/000.p/5", fixed(bytes(8193)), "longer than 8192"),
        ("tile/0/000.p/5", fixed(bytes(159)), "5 hashes should be"),
        ("tile/0/000.p/5", fixed(bytes(160)), "do not have the checkpoint's root"),
    ],
)
async def test_answer_that_is_too_long_or_strange_is_refused(
    tmp_path: Path, path: str, handler: Handler, word: str
) -> None:
    folder_log(tmp_path / "log").publish(5)
    async with served(tmp_path / "log") as site, opened(site.url, tmp_path / "data") as source:
        site.instead[path] = handler
        with pytest.raises(Unavailable, match=word):
            await source.head()
        site.instead.clear()
        assert (await first_blocks(source, 1))[0].anchors[0].origin == ORIGIN


async def test_redirect_is_not_followed_to_another_server(tmp_path: Path) -> None:
    """The other server is never asked, although it has the very same log."""
    folder_log(tmp_path / "log").publish(5)
    async with served(tmp_path / "log") as site, served(tmp_path / "log") as other:

        async def away(_request: web.Request) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(f"{other.url}/checkpoint")

        site.instead["checkpoint"] = away
        async with opened(site.url, tmp_path / "data") as source:
            with pytest.raises(Unavailable, match="redirects"):
                await source.head()
        assert other.asked == {}


async def test_server_that_is_away_is_unavailable(tmp_path: Path) -> None:
    async with opened("http://127.0.0.1:1/log", tmp_path / "data") as source:
        with pytest.raises(Unavailable):
            await source.head()
    fetch = HttpFetch("http://127.0.0.1:1/log")
    with pytest.raises(Unavailable):
        await fetch.get("checkpoint", 100)
    await fetch.close()
    await fetch.close()


async def test_what_the_server_does_not_have_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    async with served(tmp_path / "log") as site:
        fetch = HttpFetch(site.url)
        with pytest.raises(NotFound):
            await fetch.get("tile/0/000", 100)
        await fetch.close()
