"""The pages' server: uvicorn inside the gateway's event loop, with our own lifetime, bounds and view of certificates.

No signal handlers: it stops when its caller does. A connection that sends no whole request head in time is closed, whatever it sends
meanwhile (RFC 9112 section 9.5 leaves the time to the server).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from relay.core.errors import Malformed
from relay.durable.errors import StorageFailed
from relay.private.files import read_private
from relay.transport.ports import refuse_listening
from relay.web.guard import HEAD_BYTES_MAX

HEAD_WITHIN_S: Final = 10.0
IDLE_S: Final = 30
CONNECTIONS_MAX: Final = 256
GRACE_S: Final = 5
BACKLOG: Final = 128
_ANSWERING: Final = (h11.IDLE, h11.SEND_RESPONSE)


class PageProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with a time for the head, and the client's certificate in `scope["state"]["certificate"]` (DER)."""

    head_within_s = HEAD_WITHIN_S
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        shown = tls.getpeercert(binary_form=True) if tls is not None else None
        self.app_state = {**self.app_state, "certificate": shown or b""}
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        if self._head_timer is None and self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._await_head()
        elif self.conn.their_state is not h11.IDLE:
            self._stop_timer()

    def on_response_complete(self) -> None:
        """See H11Protocol. What has come of the next head already has its time from now on."""
        super().on_response_complete()
        if self._head_timer is None and self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._stop_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """For a request that is none. In the middle of an answer there is nothing to say."""
        if self.conn.our_state in _ANSWERING:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_within_s, self._too_slow)

    def _too_slow(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _Server(Server):
    """Signals belong to the gateway."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See Server."""
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A running server. `failed` raises what must end the whole process: storage that failed."""

    port: int
    failed: asyncio.Future[None]

    async def watch(self) -> None:
        """Never returns; raises `StorageFailed`."""
        await self.failed


@asynccontextmanager
async def serving_pages(
    app: ASGIApp,
    *,
    listen: str,
    tls: ssl.SSLContext | None,
    protocol: type[PageProtocol] = PageProtocol,
    behind_proxy: bool = False,
) -> AsyncIterator[Serving]:
    """Serve while the body runs. `behind_proxy`: a proxy on the loopback ends TLS and says whom it speaks for (X-Forwarded-For).

    Raises `Malformed` for an address that cannot be used.
    """
    listening = _listening(listen)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except StorageFailed as error:
            if not failed.done():
                failed.set_exception(error)
            raise

    context: dict[str, Any] = {} if tls is None else {"ssl_context_factory": lambda _config, _default: tls}
    config = Config(
        guarded,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=behind_proxy,
        forwarded_allow_ips=["127.0.0.1", "::1"],
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        **context,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listening]), name="pages")
    try:
        yield Serving(port=int(listening.getsockname()[1]), failed=failed)
    finally:
        server.should_exit = True
        await task
        failed.cancel()


def _listening(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
    except OSError as error:
        raise refuse_listening("web", "listen", listen, str(error)) from None


def pages_context(ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS for browsers: a client's certificate is asked for, and checked against `ca` when one is shown. Raises `Malformed`."""
    read_private(key)  # refuses one that others may read
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_cert_chain(str(certificate), str(key))
        context.set_alpn_protocols(["http/1.1"])
    except (OSError, ssl.SSLError) as error:
        raise Malformed("web", "tls", f"the TLS files cannot be used: {error}", concern="key") from None
    return context
