"""A connection to an MQTT broker: TLS, who we are, acknowledged publishing, bounded reading, and no error but our own.

MQTT 5.0 or 3.1.1, by aiomqtt (an extra), which is imported when a connection is first opened.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from relay.core.errors import Denied, Malformed, Unavailable

if TYPE_CHECKING:
    import aiomqtt

T = TypeVar("T")

CALL_S: Final = 5.0
PACKET_BYTES_MAX: Final = 64 * 1024
"""Said to MQTT 5 brokers when connecting, which then send no larger packet (3.1.2.11.4); 3.1.1 has no such word."""
INCOMING_MAX: Final = 256
"""Messages that wait to be looked at; what comes beyond is dropped."""
OUTGOING_MAX: Final = 16
AT_LEAST_ONCE: Final = 1
FAILED: Final = 0x80
HUNG_UP: Final = "it ended the connection without an answer; see its log: it may want another certificate"
_UNLOGGED: Final = logging.getLogger("relay.transport.broker.aiomqtt")
_UNLOGGED.setLevel(logging.CRITICAL)
"""The library's words: everything in them is raised here as an error, too."""
_leaving: Final[set[asyncio.Task[None]]] = set()
"""Connections given up while they were being made; each is closed when it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTls:
    """PEM files. Without a certificate of its own a client shows none, and says who it is by name and password."""

    ca: Path
    certificate: Path | None
    key: Path | None

    def context(self) -> ssl.SSLContext:
        """The broker's name is checked against its certificate. Raises `Malformed` naming the file."""
        at = self.ca
        try:
            made = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(self.ca))
            made.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None and self.key is not None:
                at = self.certificate
                made.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise Malformed(str(at), "", f"cannot be used for TLS with the broker: {error}") from None
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """`tls` None: plain TCP, for the loopback alone. An empty `username`: none is said."""

    host: str
    port: int
    tls: BrokerTls | None
    version: Literal["5", "3.1.1"]
    username: str
    password: str
    keepalive_s: int

    def __str__(self) -> str:
        return f"the broker at {self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"BrokerSettings({self.host}:{self.port})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker publishes, retained, when the connection ends without a word."""

    topic: str
    payload: bytes


class BrokerLink:
    """Implements relay.ports.notices.Broker. Made by `connected`."""

    def __init__(self, settings: BrokerSettings, client: aiomqtt.Client, refusals: dict[int, str]) -> None:
        self._settings = settings
        self._client = client
        self._refusals = refusals
        self._heard: asyncio.Queue[bytes] = asyncio.Queue(maxsize=INCOMING_MAX)
        self._reading = asyncio.create_task(self._read(), name=f"read {settings}")

    async def _read(self) -> None:
        """Ends with the connection."""
        from aiomqtt import MqttError

        try:
            async for message in self._client.messages:
                if not self._heard.full():
                    self._heard.put_nowait(message.payload if isinstance(message.payload, bytes) else b"")
        except MqttError:
            return

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """See the port."""
        self._refusals.clear()
        await self._do(self._client.publish(topic, payload, qos=AT_LEAST_ONCE, retain=retain, timeout=CALL_S))
        if self._refusals:
            _, why = self._refusals.popitem()
            raise Denied(f"{self._settings} does not let this role publish {topic}: {why}; see its access list")

    async def subscribe(self, topic: str) -> None:
        """Returns when the broker has agreed. Raises `Denied`, `Unavailable`."""
        codes = await self._do(self._client.subscribe(topic, qos=AT_LEAST_ONCE, timeout=CALL_S))
        for code in codes:
            if (code if isinstance(code, int) else code.value) >= FAILED:
                raise Denied(f"{self._settings} does not let this role read {topic}: {code}; see its access list")

    async def rest(self, seconds: float) -> None:
        """See the port."""
        await asyncio.wait({self._reading}, timeout=seconds)
        if self._reading.done():
            raise self._gone()

    async def next(self, seconds: float) -> bytes | None:
        """The payload of the next message; None when none came for a while. Raises `Unavailable` when the connection has ended."""
        getting = asyncio.create_task(self._heard.get(), name=f"await a message of {self._settings}")
        try:
            await asyncio.wait({getting, self._reading}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not getting.done():
                getting.cancel()
        if getting.done() and not getting.cancelled():
            return getting.result()
        if self._reading.done():
            raise self._gone()
        return None

    async def close(self) -> None:
        """Stop reading."""
        self._reading.cancel()
        await asyncio.wait({self._reading})

    def _gone(self) -> Unavailable:
        return Unavailable(f"{self._settings} has ended the connection")

    async def _do(self, work: Awaitable[T]) -> T:
        """Until it is done or the connection has ended."""
        from aiomqtt import MqttError

        doing = asyncio.ensure_future(work)
        try:
            await asyncio.wait({doing, self._reading}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise self._gone()
            return doing.result()
        except (MqttError, ValueError) as error:
            raise Unavailable(f"{self._settings}: {error}") from None
        finally:
            doing.cancel()


def need_library() -> None:
    """Raises `Malformed` where the extra is not installed."""
    if find_spec("aiomqtt") is None:
        raise Malformed("configuration", "mqtt", "needs the extra courtrelay[mqtt]: install it")


@asynccontextmanager
async def connected(settings: BrokerSettings, name: str, *, will: Will | None = None) -> AsyncIterator[BrokerLink]:
    """A clean session under a client id. A second connection of the same name ends the first.

    Raises `Malformed` (TLS files, or the extra is not installed), `Denied` (the broker refuses this client), `Unavailable`.
    """
    refusals: dict[int, str] = {}
    client = _client(settings, name, will, refusals)
    await _enter(settings, client)
    link = BrokerLink(settings, client, refusals)
    try:
        yield link
    finally:
        await link.close()
        await _leave(client)


def _client(settings: BrokerSettings, name: str, will: Will | None, refusals: dict[int, str]) -> aiomqtt.Client:
    need_library()
    import aiomqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    class Client(aiomqtt.Client):
        """The library's, with what it leaves out."""

        def _on_disconnect(
            self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None
        ) -> None:
            """A broker that hangs up instead of answering is not waited for."""

            def fail() -> None:
                if not self._connected.done():
                    self._connected.set_exception(aiomqtt.MqttError(HUNG_UP))
                    self._connected.exception()  # looked at, should nobody wait any more

            self._loop.call_soon_threadsafe(fail)
            super()._on_disconnect(client, userdata, flags, reason_code, properties)

        async def __aexit__(self, *raised: Any) -> None:
            """Look at why it ended: an exception that nobody looks at is logged by the loop."""
            try:
                await super().__aexit__(*raised)
            finally:
                if self._disconnected.done() and not self._disconnected.cancelled():
                    self._disconnected.exception()

        def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
            """Keep the reason code: an acknowledgement may be a refusal (MQTT 5, 3.4.2.1)."""
            if reason_code.value >= FAILED:
                refusals[mid] = str(reason_code)
            super()._on_publish(client, userdata, mid, reason_code, properties)

        def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
            """The library watches a socket a moment later, which may be closed by then, or its number another's."""

            def write() -> None:
                try:
                    client.loop_write()
                except Exception as error:
                    if not self._disconnected.done():
                        self._disconnected.set_exception(error)

            def watch() -> None:
                if client.socket() is sock and sock.fileno() >= 0:
                    self._loop.add_writer(sock.fileno(), write)

            self._loop.call_soon_threadsafe(watch)

    five = settings.version == "5"
    properties = None
    if five:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = PACKET_BYTES_MAX
    return Client(
        settings.host,
        settings.port,
        username=settings.username or None,
        password=settings.password or None,
        identifier=name,
        protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
        clean_session=None if five else True,
        properties=properties,
        will=aiomqtt.Will(will.topic, will.payload, qos=AT_LEAST_ONCE, retain=True) if will else None,
        timeout=CALL_S,
        keepalive=settings.keepalive_s,
        tls_context=settings.tls.context() if settings.tls else None,
        max_queued_incoming_messages=INCOMING_MAX,
        max_queued_outgoing_messages=OUTGOING_MAX,
        logger=_UNLOGGED,
    )


async def _enter(settings: BrokerSettings, client: aiomqtt.Client) -> None:
    """Connect; a caller who goes meanwhile leaves no connection behind."""
    from aiomqtt import MqttError
    from aiomqtt.exceptions import MqttConnectError

    entering = asyncio.create_task(client.__aenter__(), name=f"connect to {settings}")
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        leaving = asyncio.create_task(_leave_late(entering, client), name=f"leave {settings}")
        _leaving.add(leaving)
        leaving.add_done_callback(_leaving.discard)
        raise
    except MqttConnectError as error:
        raise Denied(f"{settings} refuses this client: {error}") from None
    except (MqttError, OSError, ValueError) as error:
        raise Unavailable(f"{settings} cannot be reached: {error}") from None


async def _leave_late(entering: asyncio.Task[Any], client: aiomqtt.Client) -> None:
    await asyncio.wait({entering})
    if entering.exception() is None:
        await _leave(client)


async def _leave(client: aiomqtt.Client) -> None:
    """Say goodbye where somebody still listens."""
    from aiomqtt import MqttError

    try:
        await client.__aexit__(None, None, None)
    except (MqttError, OSError):
        return
