"""Logs that roles serve over HTTP: one spelling a path, true to the checkpoint, and read back by the family that reads any log."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from adapters.tlog.entries import read_entries
from adapters.tlog.fetch import HttpFetch
from adapters.tlog.tree import LogTiles
from relay.config.roles import read_court, read_desk, read_relay
from relay.core.checkpoint import parse_checkpoint
from relay.core.errors import Malformed, Unavailable
from relay.ports.witness import ServedLog
from relay.store.log_files import LogPacks
from relay.transport.credentials import TlsFiles
from relay.wire.logs_http import REQUESTS_MAX, LogSite, serving_http
from tests.support.bundles import make_home
from tests.support.command import courtrelay
from tests.tlog.bench import first_blocks, opened, proven
from tests.tlog.writer import ORIGIN, Log

HASH = hashlib.sha256(ORIGIN.encode()).hexdigest()


class Served:
    """A log in packs, with the notes of a written one."""

    def __init__(self, packs: LogPacks) -> None:
        self.packs = packs
        self.log = Log(lambda _path, _data: None)
        self.note: bytes | None = None
        self.url = ""
        self.port = 0

    def publish(self, size: int) -> None:
        old = self.packs.size
        self.log.grow(size)
        self.packs.append(self.log.entries[old:size])
        self.note = self.log.note(size)

    @property
    def served(self) -> ServedLog:
        async def newest() -> bytes | None:
            return self.note

        async def files() -> LogPacks:
            return self.packs

        return ServedLog(origin=ORIGIN, newest=newest, files=files)


@asynccontextmanager
async def serving(folder: Path, tls: TlsFiles | None = None) -> AsyncIterator[Served]:
    served = Served(LogPacks.open(folder, 0))
    site = LogSite([served.served])
    async with serving_http(site.handle, listen="127.0.0.1:0", tls=tls) as port:
        served.port = port
        served.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/{HASH}"
        yield served
    served.packs.close()


async def raw(port: int, target: str, method: str = "GET", *headers: str) -> tuple[int, dict[str, str], bytes]:
    """A request as it is, whatever a client library would make of its path."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *headers]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    return int(first.split(" ")[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in rest)}, body


async def test_what_is_served_is_a_log_that_the_family_reads(tmp_path: Path) -> None:
    async with serving(tmp_path / "log") as served:
        served.publish(1)
        async with opened(served.url, tmp_path / "data") as source:
            for height, size in enumerate((1, 256, 257, 700), 1):
                served.publish(size)
                (block,) = await first_blocks(source, 1, height)
                assert proven(await source.prove(block.anchors[0])).fact["root"] == served.log.root(size).hex()
        fetch = HttpFetch(served.url)
        target, _ = parse_checkpoint(await fetch.get("checkpoint", 65_536))
        parts = [part async for part in read_entries(LogTiles(fetch), target, 0, 700)]
        assert [entry for part in parts for entry in part] == served.log.entries
        await fetch.close()


async def test_content_types_and_caching(tmp_path: Path) -> None:
    async with serving(tmp_path / "log") as served:
        served.publish(300)
        status, headers, body = await raw(served.port, f"/{HASH}/checkpoint")
        assert (status, headers["content-type"], body) == (200, "text/plain; charset=utf-8", served.note)
        assert headers["cache-control"] == "no-cache"
        again = await raw(served.port, f"/{HASH}/checkpoint", "GET", f"If-None-Match: {headers['etag']}")
        assert (again[0], again[2]) == (304, b"")
        for path in ("tile/0/000", "tile/1/000.p/1", "tile/entries/001.p/44"):
            status, headers, body = await raw(served.port, f"/{HASH}/{path}")
            assert (status, headers["content-type"]) == (200, "application/octet-stream")
            assert "immutable" in headers["cache-control"]
            assert body
        status, headers, body = await raw(served.port, f"/{HASH}/tile/0/000", "HEAD")
        assert (status, headers["content-length"], body) == (200, "8192", b"")
        status, headers, _ = await raw(served.port, f"/{HASH}/tile/0/005")
        assert (status, headers["cache-control"]) == (404, "no-store")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "checkpoint",
        f"/{HASH}",
        f"/{HASH}/",
        f"/{HASH}/checkpoint/",
        f"/{HASH}//checkpoint",
        f"//{HASH}/checkpoint",
        f"/{HASH}/checkpoint?x=1",
        f"/{HASH}/checkpoint?",
        f"/{HASH}/check%70oint",
        f"/{HASH}/./checkpoint",
        f"/{HASH}/../{HASH}/checkpoint",
        f"/{HASH.upper()}/checkpoint",
        f"/{HASH[:-1]}/checkpoint",
        f"/{hashlib.sha256(b'other').hexdigest()}/checkpoint",
        f"/{HASH}/tile/0/000.p/256",
        f"/{HASH}/tile/0/000.p/0",
        f"/{HASH}/tile/0/000.p/01",
        f"/{HASH}/tile/0/000.p/",
        f"/{HASH}/tile/00/000",
        f"/{HASH}/tile/7/000",
        f"/{HASH}/tile/64/000",
        f"/{HASH}/tile/-1/000",
        f"/{HASH}/tile/0/0",
        f"/{HASH}/tile/0/0000",
        f"/{HASH}/tile/0/x000/000",
        f"/{HASH}/tile/0/x00/000",
        f"/{HASH}/tile/0/001",  # the partial one is not the whole
        f"/{HASH}/tile/0/001.p/45",  # beyond the checkpoint
        f"/{HASH}/tile/0/002.p/1",
        f"/{HASH}/tile/1/000.p/2",
        f"/{HASH}/tile/2/000.p/1",
        f"/{HASH}/tile/0/x999/x999/x999/x999/x999/999",
        f"/{HASH}/tile/entries/001",
        f"/{HASH}/tile/entries/001.p/45",
        f"/{HASH}/tile/data/000",
        f"/{HASH}/tile/0/..",
        f"/{HASH}/" + "a" * 3000,
        "/add-checkpoint",
        f"/witness/{HASH}/checkpoint",
    ],
)
async def test_any_other_spelling_is_not_found(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path / "log") as served:
        served.publish(300)
        served.packs.append([b"\x01" + bytes(64)])  # held, and not yet under a checkpoint
        status, _, body = await raw(served.port, path or "*")
        assert status in (400, 404)
        assert ORIGIN.encode() not in body


async def test_other_methods_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path / "log") as served:
        served.publish(3)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            status, headers, _ = await raw(served.port, f"/{HASH}/checkpoint", method, "Content-Length: 0")
            assert (status, headers["allow"]) == (405, "GET, HEAD")


async def test_checkpoint_that_the_entries_do_not_bear_out_is_not_shown(tmp_path: Path) -> None:
    async with serving(tmp_path / "log") as served:
        assert (await raw(served.port, f"/{HASH}/checkpoint"))[0] == 404
        served.publish(300)
        good = served.note
        assert (await raw(served.port, f"/{HASH}/checkpoint"))[2] == good
        served.note = served.log.note(300, root=bytes(32))
        assert (await raw(served.port, f"/{HASH}/checkpoint"))[2] == good
        served.log.grow(400)
        served.note = served.log.note(400)  # its entries are not here
        assert (await raw(served.port, f"/{HASH}/checkpoint"))[2] == good
        served.note = served.log.note(5)  # an older one
        assert (await raw(served.port, f"/{HASH}/checkpoint"))[2] == good


async def test_too_many_at_once_are_told_to_come_again(tmp_path: Path) -> None:
    released = asyncio.Event()
    packs = LogPacks.open(tmp_path / "log", 0)

    async def newest() -> bytes | None:
        await released.wait()
        return None

    async def files() -> LogPacks:
        return packs

    site = LogSite([ServedLog(origin=ORIGIN, newest=newest, files=files)])
    async with serving_http(site.handle, listen="127.0.0.1:0", tls=None) as port:
        waiting = [asyncio.create_task(raw(port, f"/{HASH}/checkpoint")) for _ in range(REQUESTS_MAX)]
        while site._running < REQUESTS_MAX:
            await asyncio.sleep(0.01)
        status, headers, _ = await raw(port, f"/{HASH}/checkpoint")
        assert (status, headers["retry-after"]) == (503, "1")
        released.set()
        assert {answer[0] for answer in await asyncio.gather(*waiting)} == {404}
    packs.close()


async def test_mutual_tls_asks_for_a_certificate(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    court, relay = read_court(home / "court/config.toml"), read_relay(home / "relay/config.toml")
    async with serving(tmp_path / "log", court.common.tls) as served:
        served.publish(300)
        own = {
            "tls": "own",
            "ca": str(relay.common.tls.ca),
            "certificate": str(relay.common.tls.certificate),
            "key": str(relay.common.tls.key),
        }
        async with opened(served.url, tmp_path / "data", **own) as source:
            assert (await source.head()).height == 1
        bare = HttpFetch(served.url)
        with pytest.raises(Unavailable):
            await bare.get("checkpoint", 65_536)
        await bare.close()
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"{served.url}/checkpoint", ssl=False)


async def test_revoked_certificate_is_not_let_in(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    assert courtrelay("identity", "revoke", "relay-desk", "--home", home).code == 0
    court, relay = read_court(home / "court/config.toml"), read_relay(home / "relay/config.toml")
    desk = read_desk(home / "relay-desk/desk.toml")
    async with serving(tmp_path / "log", court.common.tls) as served:
        served.publish(3)
        for tls, let_in in ((desk.tls, False), (relay.common.tls, True)):
            fetch = HttpFetch(served.url, (tls.ca, tls.certificate, tls.key))
            if let_in:
                assert await fetch.get("checkpoint", 65_536) == served.note
            else:
                with pytest.raises(Unavailable):
                    await fetch.get("checkpoint", 65_536)
            await fetch.close()


async def test_address_that_is_taken_or_wrong_files_are_told(tmp_path: Path) -> None:
    async with serving(tmp_path / "log") as served:
        with pytest.raises(Malformed, match="http: listen"):
            async with serving_http(LogSite([]).handle, listen=f"127.0.0.1:{served.port}", tls=None):
                pass
    missing = TlsFiles(ca=tmp_path / "ca", certificate=tmp_path / "c", key=tmp_path / "k")
    with pytest.raises(Malformed, match="cannot be read"):
        async with serving_http(LogSite([]).handle, listen="127.0.0.1:0", tls=missing):
            pass
