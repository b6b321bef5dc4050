"""Logs over HTTP at the paths of C2SP tlog-tiles, and a witness's `add-checkpoint`. Entries are commitments: nothing here is personal.

A log stands below the hash of its origin (C2SP tlog-mirror): `/<sha256 of the origin, hex>/checkpoint`, `/…/tile/<level>/<number>`,
`/…/tile/entries/<number>`. One spelling of each path is answered; every other one, with a query or an escape in it too, is not found.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from relay.core.addcheckpoint import BODY_BYTES_MAX
from relay.core.checkpoint import parse_checkpoint
from relay.core.errors import Denied, Malformed, NotFound, RelayError, Unavailable, Unverified
from relay.core.tiles import TILE_HEIGHT, TILE_WIDTH, encode_entries, parse_tile_path
from relay.ports.witness import ServedLog, TiledFiles
from relay.services.court.witness import OtherSize, Witness
from relay.telemetry.events import LOG_NOT_ITS_CHECKPOINT, LOG_REQUEST_FAILED, log_event
from relay.transport.credentials import TlsFiles
from relay.transport.ports import refuse_listening

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger(__name__)

REQUESTS_MAX: Final = 64
"""At the same time; more are told to come again."""
LINE_BYTES_MAX: Final = 4096
BODY_S: Final = 20.0
IDLE_S: Final = 60.0
ADD_CHECKPOINT: Final = "/add-checkpoint"
_LOG: Final = re.compile(r"/([0-9a-f]{64})/(.{1,128})")
_WITNESSED: Final = re.compile(r"/witness/([0-9a-f]{64})/checkpoint")
_TEXT: Final = "text/plain; charset=utf-8"
_SIZE: Final = "text/x.tlog.size"
_BYTES: Final = "application/octet-stream"
_FRESH: Final = {"Cache-Control": "no-cache"}
_FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_NEVER: Final = {"Cache-Control": "no-store"}


def origin_hash(origin: str) -> str:
    """The first part of a log's paths."""
    return hashlib.sha256(origin.encode()).hexdigest()


class _Log:
    """One log: the newest checkpoint that its own entries bear out, and tiles up to there."""

    def __init__(self, served: ServedLog) -> None:
        self._served = served
        self._note = b""
        self._size = 0
        self._checking = asyncio.Lock()

    async def checkpoint(self) -> bytes:
        """Raises `NotFound` before the first one."""
        async with self._checking:
            newest = await self._served.newest()
            if newest is not None and newest != self._note:
                await self._take(newest)
        if not self._note:
            raise NotFound(f"no checkpoint of {self._served.origin} yet")
        return self._note

    async def _take(self, note: bytes) -> None:
        """A note is shown only when the entries held here have its root."""
        checkpoint, _ = parse_checkpoint(note)
        files = await self._served.files()
        if checkpoint.size < self._size or checkpoint.size > files.size:
            return
        if checkpoint.size and await asyncio.to_thread(files.root, checkpoint.size) != checkpoint.root:
            log_event(log, LOG_NOT_ITS_CHECKPOINT, origin=checkpoint.origin, size=checkpoint.size)
            return
        self._note, self._size = note, checkpoint.size

    async def tile(self, path: str) -> bytes:
        """A tile or an entry bundle. Raises `Malformed`, `NotFound`."""
        level, index, width = parse_tile_path(path)
        await self.checkpoint()
        end = index * TILE_WIDTH + width
        if end > self._size >> TILE_HEIGHT * (level or 0):
            raise NotFound(f"{path} is beyond the checkpoint")
        return await asyncio.to_thread(_read, await self._served.files(), level, end - width, width)


def _read(files: TiledFiles, level: int | None, start: int, count: int) -> bytes:
    if level is None:
        return encode_entries(files.entries(start, start + count))
    return files.read_hashes(level, start, count)


class LogSite:
    """Answers requests. `witness` None: nobody is asked to cosign here."""

    def __init__(self, logs: Sequence[ServedLog], witness: Witness | None = None) -> None:
        self._logs = {origin_hash(one.origin): _Log(one) for one in logs}
        self._witness = witness
        self._witnessed = {origin_hash(origin): origin for origin in witness.origins} if witness else {}
        self._running = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request. Never raises an error of the contract."""
        from aiohttp import web

        if self._running >= REQUESTS_MAX:
            return web.Response(status=503, text="busy\n", headers={"Retry-After": "1", **_NEVER})
        self._running += 1
        try:
            return await self._answer(request)
        except (NotFound, Malformed):
            return web.Response(status=404, text="not found\n", headers=_NEVER)
        except RelayError as error:
            log_event(log, LOG_REQUEST_FAILED, method=request.method, path=request.raw_path[:200], reason=error)
            return web.Response(status=503, text="not now\n", headers={"Retry-After": "1", **_NEVER})
        finally:
            self._running -= 1

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        from aiohttp import web

        path = request.raw_path
        if path == ADD_CHECKPOINT and self._witness is not None:
            if request.method != "POST":
                return web.Response(status=405, headers={"Allow": "POST"})
            return await _add_checkpoint(self._witness, request)
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        if self._witness is not None and (asked := _WITNESSED.fullmatch(path)) is not None:
            note = await self._witness.latest(self._witnessed.get(asked[1], ""))
            if note is None:
                raise NotFound(path)
            return _checkpoint(request, note)
        match = _LOG.fullmatch(path)
        if match is None or match[1] not in self._logs:
            raise NotFound("no such path")
        if match[2] == "checkpoint":
            return _checkpoint(request, await self._logs[match[1]].checkpoint())
        return web.Response(body=await self._logs[match[1]].tile(match[2]), content_type=_BYTES, headers=_FOREVER)


def _checkpoint(request: web.BaseRequest, note: bytes) -> web.Response:
    from aiohttp import web

    tag = f'"{hashlib.sha256(note).hexdigest()[:32]}"'
    headers = {"Content-Type": _TEXT, "ETag": tag, **_FRESH}
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=note, headers=headers)


async def _add_checkpoint(witness: Witness, request: web.BaseRequest) -> web.Response:
    """Statuses as C2SP tlog-witness has them."""
    from aiohttp import web

    def refuse(status: int, why: str) -> web.Response:
        return web.Response(status=status, text=f"{why}\n", headers=_NEVER)

    if "Content-Encoding" in request.headers:
        return refuse(415, "the body must not be compressed")
    try:
        line = await witness.add_checkpoint(await _body(request))
    except TimeoutError:
        return refuse(408, f"the body must come within {BODY_S:.0f} seconds")
    except Malformed as error:
        return refuse(400, str(error))
    except NotFound as error:
        return refuse(404, str(error))
    except Denied as error:
        return refuse(403, error.reason)
    except OtherSize as error:
        return web.Response(status=409, body=f"{error.size}\n".encode(), headers={"Content-Type": _SIZE, **_NEVER})
    except Unverified as error:
        return refuse(422, str(error))
    except Unavailable as error:
        return refuse(503, str(error))
    return web.Response(body=line, headers={"Content-Type": _TEXT, **_NEVER})


async def _body(request: web.BaseRequest) -> bytes:
    """At most a byte more than is allowed, which the parser then refuses. Raises TimeoutError."""
    data = bytearray()
    async with asyncio.timeout(BODY_S):
        async for chunk in request.content.iter_chunked(BODY_BYTES_MAX + 1):
            data += chunk
            if len(data) > BODY_BYTES_MAX:
                break
    return bytes(data[: BODY_BYTES_MAX + 1])


def server_context(tls: TlsFiles) -> ssl.SSLContext:
    """Both sides show a certificate; where the role has revocation lists, a client's must stand under one and not in it.

    The lists are read once: a new one counts after a restart, and a list that has expired refuses everybody. Raises `Malformed`.
    """
    tls.read()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tls.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(str(tls.certificate), str(tls.key))
        for path in tls.crl.values():
            context.load_verify_locations(cafile=str(path))
            context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    except (OSError, ssl.SSLError) as error:
        raise Malformed("http", "tls", f"the role's TLS files cannot be used: {error}", concern="key") from None
    return context


@asynccontextmanager
async def serving_http(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], *, listen: str, tls: TlsFiles | None
) -> AsyncIterator[int]:
    """Serve until the body ends; gives the port. Raises `Malformed` for TLS files or an address that cannot be used."""
    try:
        from aiohttp import web
    except ImportError:
        raise Malformed("http", "listen", "needs aiohttp: install the extra courtrelay[http]") from None
    context = None if tls is None else server_context(tls)
    server = web.Server(
        handle,
        access_log=None,
        max_line_size=LINE_BYTES_MAX,
        max_field_size=LINE_BYTES_MAX,
        keepalive_timeout=IDLE_S,
        auto_decompress=False,
    )
    runner = web.ServerRunner(server)
    await runner.setup()
    try:
        host, _, port = listen.rpartition(":")
        site = web.TCPSite(runner, host.strip("[]"), int(port), ssl_context=context)
        try:
            await site.start()
        except OSError as error:
            raise refuse_listening("http", "listen", listen, str(error)) from None
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
