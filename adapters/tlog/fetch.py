"""Where a log's files come from: a folder, or an HTTP server. Bounded, without redirects; what arrives is checked by the caller."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import ssl
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from relay.core.errors import Malformed, NotFound, Unavailable
from relay.private.files import read_private

if TYPE_CHECKING:
    import aiohttp

TIMEOUT_S: Final = 20.0
CONNECTIONS: Final = 8
_READ_BYTES: Final = 64 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS


class Fetch(Protocol):
    """Reads the files of one log."""

    async def get(self, path: str, bytes_max: int) -> bytes:
        """A file by its path below the log's prefix. Raises `NotFound`; `Unavailable`, also for one above `bytes_max`."""

    async def close(self) -> None:
        """Release connections. Safe to call twice."""


class FolderFetch:
    """A folder with the log's files. Nothing outside of it is read, whatever links stand in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def get(self, path: str, bytes_max: int) -> bytes:
        """See `Fetch`."""
        return await asyncio.to_thread(self._read, path, bytes_max)

    def _read(self, path: str, bytes_max: int) -> bytes:
        try:
            folder = self._folder.resolve(strict=True)
            wanted = (folder / path).resolve(strict=True)
            if not wanted.is_relative_to(folder):
                raise Unavailable(f"{path} of the log in {self._folder} leads out of the folder")
            with os.fdopen(os.open(wanted, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise NotFound(f"{path} is no file")
                data = file.read(bytes_max + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFound(f"the log in {self._folder} has no {path}") from None
        except (OSError, RuntimeError) as error:
            raise Unavailable(f"{path} of the log in {self._folder} cannot be read: {error}") from None
        return _bounded(data, path, bytes_max)

    async def close(self) -> None:
        """See `Fetch`."""


class HttpFetch:
    """A server with the log's files. The answer kept for a path with an entity tag is used again when the server says so."""

    def __init__(self, url: str, tls: tuple[Path, Path, Path] | None = None) -> None:
        self._url = url
        self._context = None if tls is None else _context(*tls)
        self._session: aiohttp.ClientSession | None = None
        self._kept: tuple[str, str, bytes] | None = None

    async def get(self, path: str, bytes_max: int) -> bytes:
        """See `Fetch`."""
        import aiohttp  # 190 ms, and only those need it who read a log over the network
        from yarl import URL

        headers = {"Accept-Encoding": "gzip, identity", "User-Agent": "courtrelay"}
        kept = self._kept if self._kept is not None and self._kept[0] == path else None
        if kept is not None:
            headers["If-None-Match"] = kept[1]
        try:
            session = self._open()
            url = URL(f"{self._url}/{path}", encoded=True)
            async with session.get(url, headers=headers, allow_redirects=False) as answer:
                if kept is not None and answer.status == 304:
                    return kept[2]
                self._check_status(answer, path)
                data = await _body(answer, path, bytes_max)
                tag = answer.headers.get("ETag", "")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"{self._url}/{path}: {error or type(error).__name__}") from None
        if tag and path == "checkpoint":
            self._kept = (path, tag, data)
        return data

    def _check_status(self, answer: aiohttp.ClientResponse, path: str) -> None:
        if answer.status in (404, 410):
            raise NotFound(f"{self._url} has no {path}")
        if 300 <= answer.status < 400:
            where = answer.headers.get("Location", "nowhere")[:200]
            raise Unavailable(f"{self._url}/{path} redirects to {where!a}; redirects are not followed")
        if answer.status != 200:
            raise Unavailable(f"{self._url}/{path} answers with status {answer.status}")

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self._context or True),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        """See `Fetch`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _context(ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    read_private(key)  # refuses one that others may read
    try:
        context = ssl.create_default_context(cafile=str(ca))
        context.load_cert_chain(str(certificate), str(key))
    except (OSError, ssl.SSLError) as error:
        raise Malformed(
            "configuration", "ledger.tls", f"{ca}, {certificate} or {key}: {error}", concern="key"
        ) from None
    return context


async def _body(answer: aiohttp.ClientResponse, path: str, bytes_max: int) -> bytes:
    """At most `bytes_max`, before and after unpacking."""
    coding = answer.headers.get("Content-Encoding", "identity").lower()
    if coding not in ("gzip", "identity"):
        raise Unavailable(f"{path} comes in the coding {coding[:40]!a}; only gzip was asked for")
    data = bytearray()
    async for chunk in answer.content.iter_chunked(_READ_BYTES):
        data += chunk
        if len(data) > bytes_max:
            break
    _bounded(data, path, bytes_max)
    if coding == "identity":
        return bytes(data)
    unpacking = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacking.decompress(bytes(data), bytes_max + 1)
    except zlib.error as error:
        raise Unavailable(f"{path} is not gzip: {error}") from None
    _bounded(unpacked, path, bytes_max)
    if not unpacking.eof or unpacking.unused_data:
        raise Unavailable(f"{path} is not one whole gzip stream")
    return unpacked


def _bounded(data: bytes | bytearray, path: str, bytes_max: int) -> bytes:
    if len(data) > bytes_max:
        raise Unavailable(f"{path} is longer than {bytes_max} bytes")
    return bytes(data)


def open_fetch(url: str, tls: tuple[Path, Path, Path] | None = None) -> Fetch:
    """A folder's absolute path, or an address. Raises `Malformed` for TLS files that cannot be used, or without aiohttp."""
    if url.startswith("/"):
        return FolderFetch(Path(url))
    if importlib.util.find_spec("aiohttp") is None:
        raise Malformed(
            "configuration", "ledger.url", "a log over HTTP needs aiohttp: install the extra courtrelay[http]"
        )
    return HttpFetch(url, tls)
