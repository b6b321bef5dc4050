"""JSON-RPC over one WebSocket: calls by id, and the announcement of new heads as an event.

A head that is announced is a hint to look, never the truth; so is silence (adapters.evm.feed has the watchdog).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from adapters.evm.rpc import (
    ANSWER_BYTES_MAX,
    CALL_S,
    CONNECT_S,
    Broke,
    Call,
    NoAnswer,
    Rpc,
    RpcError,
    outcome,
    read_json,
)
from relay.core.errors import Unavailable

if TYPE_CHECKING:
    import aiohttp

HEARTBEAT_S: Final = 20.0
CLOSE_S: Final = 2.0
CALLS_MAX: Final = 4096
"""Calls that wait for an answer at once."""


class WsRpc(Rpc):
    """A node behind ws(s)://; connects when it is needed and again after a loss."""

    def __init__(self, url: str, chain_id: int) -> None:
        super().__init__(url, chain_id)
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[object]] = {}
        self._opening = asyncio.Lock()
        self._subscribed = False
        self._heads: set[asyncio.Event] = set()

    async def exchange(self, calls: Sequence[Call], deadline_s: float) -> list[object]:
        """See `Rpc`."""
        try:
            async with asyncio.timeout(deadline_s):
                return await self._ask(await self._connected(), calls)
        except TimeoutError:
            raise NoAnswer(f"{self.endpoint} does not answer within {deadline_s:g} s") from None

    async def watch(self, event: asyncio.Event) -> None:
        """From now on `event` is set whenever the node announces a head and when the connection is lost. Raises as `call` does."""
        self._heads.add(event)
        async with asyncio.timeout(CALL_S):
            socket = await self._connected()
            if not self._subscribed:
                self._subscribed = True
                (answer,) = await self._ask(socket, [("eth_subscribe", ("newHeads",))])
                if isinstance(answer, RpcError):
                    self._subscribed = False
                    raise Unavailable(f"{self.endpoint} announces no heads: {answer.message}")

    def unwatch(self, event: asyncio.Event) -> None:
        """The event is no longer of interest."""
        self._heads.discard(event)

    @property
    def watching(self) -> bool:
        """Whether heads are being announced, as far as is known."""
        return self._subscribed and self._socket is not None and not self._socket.closed

    async def drop(self) -> None:
        """Give up the connection; the next call makes another."""
        socket, self._socket = self._socket, None
        reader, self._reader = self._reader, None
        self._subscribed = False
        if reader is not None:
            reader.cancel()
            await asyncio.wait({reader})
        if socket is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await socket.close()
        self._lost()

    async def close(self) -> None:
        """See `Rpc`."""
        self._closed = True
        await self.drop()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _connected(self) -> aiohttp.ClientWebSocketResponse:
        async with self._opening:
            if self._socket is None or self._socket.closed:
                await self.drop()
                socket = await self._connect()
                self._reader = asyncio.create_task(self._read(socket), name=f"answers of {self.endpoint}")
                try:
                    (answer,) = await self._ask(socket, [("eth_chainId", ())])
                    self.check_chain(answer)
                except BaseException:
                    await self.drop()
                    await socket.close()
                    raise
                self._socket = socket  # only now: nobody shall use a connection to another chain
            return self._socket

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        import aiohttp

        self.check_open()
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S))
        try:
            return await self._session.ws_connect(
                self.url, max_msg_size=ANSWER_BYTES_MAX, compress=0, heartbeat=HEARTBEAT_S, autoclose=True
            )
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{self.endpoint} cannot be reached: {type(error).__name__}") from None

    async def _ask(self, socket: aiohttp.ClientWebSocketResponse, calls: Sequence[Call]) -> list[object]:
        if len(self._waiting) + len(calls) > CALLS_MAX:
            raise Unavailable(f"{self.endpoint} has {len(self._waiting)} calls to answer already")
        loop = asyncio.get_running_loop()
        requests = self.requests(calls)
        numbers = [int(str(one["id"])) for one in requests]
        futures = [loop.create_future() for _ in numbers]
        self._waiting.update(zip(numbers, futures, strict=True))
        try:
            for request in requests:  # batches over WebSocket are refused by some nodes; pipelined calls by none
                await socket.send_str(json.dumps(request, separators=(",", ":")))
            done, _ = await asyncio.wait(futures) if futures else (set(), None)
            del done
            answers = [future.result() for future in futures]
            return [outcome(answer, n, self.endpoint) for answer, n in zip(answers, numbers, strict=True)]
        except (ConnectionError, RuntimeError):
            raise Broke(f"{self.endpoint} broke off") from None
        finally:
            for number in numbers:
                future = self._waiting.pop(number, None)
                if future is not None:
                    future.cancel()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        import aiohttp

        try:
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                try:
                    self._take(read_json(message.data, self.endpoint))
                except Unavailable:
                    break  # a node that sends nonsense is a node to connect to again
        finally:
            if self._reader is asyncio.current_task():  # not one that was dropped before
                self._reader = self._socket = None
                self._subscribed = False
                self._lost()
                await socket.close()

    def _take(self, message: object) -> None:
        if not isinstance(message, dict):
            raise Unavailable(f"{self.endpoint} sends something that is no answer")
        if message.get("method") == "eth_subscription":
            for event in self._heads:
                event.set()
            return
        number = message.get("id")
        future = self._waiting.get(number) if isinstance(number, int) else None
        if future is not None and not future.done():
            future.set_result(message)

    def _lost(self) -> None:
        """Nobody waits for a connection that is gone."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(Broke(f"{self.endpoint} broke off"))
                future.exception()  # seen, whoever asks
        for event in self._heads:
            event.set()
