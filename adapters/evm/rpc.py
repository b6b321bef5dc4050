"""JSON-RPC 2.0 to one node, over HTTP: bounded answers, a deadline per call, ids checked, the chain's id checked.

Nothing a node answers is believed further than its form; what it says of blocks is checked where it is used.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from adapters.evm.values import quantity
from relay.core.errors import Unavailable

if TYPE_CHECKING:
    import aiohttp

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
CALL_S: Final = 20.0
CONNECT_S: Final = 5.0
CONNECTIONS_MAX: Final = 16
PIECE_BYTES: Final = 64 * 1024
REASON_CHARS_MAX: Final = 300
NO_BATCHES: Final = 8
"""How many calls run at once where a node refuses batches."""

Call = tuple[str, Sequence[object]]


class NoAnswer(Unavailable):
    """The request may have reached the node; its answer never came."""


class Broke(NoAnswer):
    """The connection ended under the call."""


class RpcError(Exception):
    """The node's own error answer. `data` is what a reverted call returned, as hex, if the node says it."""

    def __init__(self, endpoint: str, code: int, message: str, data: object) -> None:
        super().__init__(f"{endpoint} refuses: {message}")
        self.code = code
        self.message = message
        self.data = data


def shown(url: str) -> str:
    """An endpoint's name for people: its path and user may be secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def read_json(data: bytes | str, endpoint: str) -> object:
    """Raises `Unavailable`."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise Unavailable(f"{endpoint} answers with something that is no JSON; is it an Ethereum node?") from None


def outcome(answer: object, number: int, endpoint: str) -> object:
    """The result in one answer, or the `RpcError` that stands for it. Raises `Unavailable` for another call's answer."""
    if not isinstance(answer, dict) or answer.get("id") != number:
        raise Unavailable(f"{endpoint} answers another call than it was asked")
    error = answer.get("error")
    if error is None:
        if "result" not in answer:
            raise Unavailable(f"{endpoint} answers neither with a result nor with an error")
        return answer["result"]
    return fault(error, endpoint)


def fault(error: object, endpoint: str) -> RpcError:
    """An error member, whatever form it has."""
    given = error if isinstance(error, Mapping) else {}
    code = given.get("code")
    message = "".join(c if c.isprintable() else " " for c in str(given.get("message", "no reason given")))
    number = code if isinstance(code, int) and not isinstance(code, bool) else 0
    return RpcError(endpoint, number, message[:REASON_CHARS_MAX], given.get("data"))


class Rpc:
    """One node. Subclasses carry the bytes; `close` may be called twice."""

    def __init__(self, url: str, chain_id: int) -> None:
        self.url = url
        self.endpoint = shown(url)
        self._chain_id = chain_id
        self._numbers = itertools.count(1)
        self._closed = False

    async def call(self, method: str, *params: object, deadline_s: float = CALL_S) -> object:
        """One call's result. Raises `RpcError` (the node refuses), `NoAnswer`, `Unavailable`."""
        (result,) = await self.batch([(method, params)], deadline_s=deadline_s)
        if isinstance(result, RpcError):
            raise result
        return result

    async def batch(self, calls: Sequence[Call], *, deadline_s: float = CALL_S) -> list[object]:
        """Results in the order of the calls; a refused one is an `RpcError` in its place. Raises `NoAnswer`, `Unavailable`."""
        try:
            return await self.exchange(calls, deadline_s)
        except Broke:
            # a connection that was kept may have ended long ago; no call here does more when it comes twice
            try:
                return await self.exchange(calls, deadline_s)
            except Unavailable as error:
                raise NoAnswer(str(error)) from None  # the first time it may have arrived all the same

    async def exchange(self, calls: Sequence[Call], deadline_s: float) -> list[object]:
        """As `batch`, over the connection there is. Raises `Broke` as well."""
        raise NotImplementedError

    def check_open(self) -> None:
        """Raises `Unavailable` after `close`: a connection made then would be closed by nobody."""
        if self._closed:
            raise Unavailable(f"the connection to {self.endpoint} was closed here")

    async def close(self) -> None:
        """Give up connections, for good: calls under way end with `NoAnswer`, later ones with `Unavailable`."""
        raise NotImplementedError

    def requests(self, calls: Sequence[Call]) -> list[dict[str, object]]:
        """The calls as JSON-RPC objects with fresh ids."""
        return [
            {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": list(params)}
            for method, params in calls
        ]

    def check_chain(self, answer: object) -> None:
        """Raises `Unavailable` that names both chains."""
        if isinstance(answer, RpcError):
            raise Unavailable(f"{self.endpoint} does not say its chain id: {answer.message}")
        found = quantity(answer, "the chain id")
        if found != self._chain_id:
            raise Unavailable(
                f"{self.endpoint} is a node of chain {found}, configured is {self._chain_id}: "
                "correct ledger.endpoints or ledger.chain_id"
            )


class HttpRpc(Rpc):
    """A node behind http(s)://."""

    def __init__(self, url: str, chain_id: int) -> None:
        super().__init__(url, chain_id)
        self._session: aiohttp.ClientSession | None = None
        self._checked = False
        self._batches = True

    async def exchange(self, calls: Sequence[Call], deadline_s: float) -> list[object]:
        """See `Rpc`."""
        if not self._checked:
            self.check_chain((await self._ask([("eth_chainId", ())], deadline_s))[0])
            self._checked = True
        if len(calls) > 1 and not self._batches:
            return await self._one_by_one(calls, deadline_s)
        return await self._ask(calls, deadline_s)

    async def _one_by_one(self, calls: Sequence[Call], deadline_s: float) -> list[object]:
        room = asyncio.Semaphore(NO_BATCHES)

        async def one(call: Call) -> object:
            async with room:
                return (await self._ask([call], deadline_s))[0]

        return list(await asyncio.gather(*(one(call) for call in calls)))

    async def _ask(self, calls: Sequence[Call], deadline_s: float) -> list[object]:
        requests = self.requests(calls)
        body = json.dumps(requests[0] if len(requests) == 1 else requests, separators=(",", ":")).encode()
        answers = read_json(await self._post(body, deadline_s), self.endpoint)
        if len(requests) == 1:
            return [outcome(answers, _number(requests[0]), self.endpoint)]
        if isinstance(answers, dict):  # an error for the whole: the node takes no batches, or none this large
            self._batches = False
            return await self._one_by_one(calls, deadline_s)
        if not isinstance(answers, list) or len(answers) != len(requests):
            raise Unavailable(
                f"{self.endpoint} answers a batch of {len(requests)} calls with another number of answers"
            )
        by_id = {a.get("id"): a for a in answers if isinstance(a, dict) and isinstance(a.get("id"), int)}
        return [outcome(by_id.get(_number(one)), _number(one), self.endpoint) for one in requests]

    async def _post(self, body: bytes, deadline_s: float) -> bytes:
        import aiohttp

        try:
            async with (
                asyncio.timeout(deadline_s),
                self._open().post(self.url, data=body, allow_redirects=False) as response,
            ):
                data = bytearray()
                async for piece in response.content.iter_chunked(PIECE_BYTES):
                    data += piece
                    if len(data) > ANSWER_BYTES_MAX:
                        raise Unavailable(f"{self.endpoint} answers with more than {ANSWER_BYTES_MAX} bytes")
                if response.status >= 500 or response.status in (401, 403, 404, 429):
                    raise Unavailable(f"{self.endpoint} answers with HTTP status {response.status}")
                return bytes(data)
        except TimeoutError:
            self._checked = False
            raise NoAnswer(f"{self.endpoint} does not answer within {deadline_s:g} s") from None
        except aiohttp.ClientConnectorError as error:
            self._checked = False
            raise Unavailable(f"{self.endpoint} cannot be reached: {error.strerror or 'refused'}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._checked = False
            raise Broke(f"{self.endpoint} broke off: {type(error).__name__}") from None

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        self.check_open()
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
                auto_decompress=False,  # nothing has to be unpacked before it is refused
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        """See `Rpc`."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _number(request: Mapping[str, Any]) -> int:
    return int(request["id"])


def open_rpc(url: str, chain_id: int) -> Rpc:
    """A client for one endpoint; connects with the first call."""
    if url.startswith("ws"):
        from adapters.evm.sockets import WsRpc

        return WsRpc(url, chain_id)
    return HttpRpc(url, chain_id)
