"""The library's MQTT client with what it leaves out. Imported when a connection is first opened: aiomqtt is an extra."""

from __future__ import annotations

from typing import Any, Final

import aiomqtt

REFUSED: Final = 0x80
"""Reason codes from here on are refusals (MQTT 5, 2.4)."""
HUNG_UP: Final = "it ended the connection without an answer; see its log: it may want another certificate"


class Client(aiomqtt.Client):
    """The library's, with what it leaves out. `refusals`: message id → why the broker did not take it."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.refusals: dict[int, str] = {}

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
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
        if reason_code.value >= REFUSED:
            self.refusals[mid] = str(reason_code)
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
