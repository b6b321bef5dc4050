"""A timestamp authority over HTTP or HTTPS (RFC 3161 section 3.4): one POST, an answer that is bounded in size and time, no redirects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from relay.core.errors import Malformed, Unavailable
from relay.core.limits import TIMESTAMP_BYTES_MAX
from relay.core.timestamp import ImprintHash

if TYPE_CHECKING:
    import aiohttp

QUERY: Final = "application/timestamp-query"
REPLY: Final = "application/timestamp-reply"
TIMEOUT_S: Final = 20.0
_READ_BYTES: Final = 8 * 1024


class HttpTimestampAuthority:
    """Implements relay.ports.timestamps.TimestampAuthority. Each question has a connection of its own: they are rare."""

    def __init__(self, name: str, url: str, hash_name: ImprintHash, timeout_s: float = TIMEOUT_S) -> None:
        try:
            import aiohttp  # noqa: F401  190 ms, and only those need it who have an authority
        except ImportError:
            raise Malformed(
                "configuration", "time.authority", "needs aiohttp: install the extra courtrelay[http]"
            ) from None
        self._name = name
        self._url = url
        self._hash_name: ImprintHash = hash_name
        self._timeout_s = timeout_s

    @property
    def name(self) -> str:
        """See the port."""
        return self._name

    @property
    def hash_name(self) -> ImprintHash:
        """See the port."""
        return self._hash_name

    async def ask(self, request: bytes) -> bytes:
        """See the port."""
        import aiohttp

        headers = {"Content-Type": QUERY, "Accept": REPLY, "Accept-Encoding": "identity", "User-Agent": "courtrelay"}
        session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        try:
            async with session, session.post(self._url, data=request, headers=headers, allow_redirects=False) as answer:
                self._check(answer)
                return await self._body(answer)
        except TimeoutError:
            raise Unavailable(f"{self._url}: no whole answer within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(
                f"{self._url}: {ascii(str(error)[:200]) if str(error) else type(error).__name__}"
            ) from None

    def _check(self, answer: aiohttp.ClientResponse) -> None:
        if 300 <= answer.status < 400:
            where = answer.headers.get("Location", "nowhere")[:200]
            raise Unavailable(f"{self._url}: redirects to {where!a}; redirects are not followed")
        if answer.status != 200:
            raise Unavailable(f"{self._url}: answers with status {answer.status}")
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != REPLY:
            raise Unavailable(f"{self._url}: answers with content of type {kind[:80]!a}, not {REPLY}")
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Unavailable(f"{self._url}: answers in a coding that was not asked for")

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        data = bytearray()
        async for chunk in answer.content.iter_chunked(_READ_BYTES):
            data += chunk
            if len(data) > TIMESTAMP_BYTES_MAX:
                raise Unavailable(f"{self._url}: answers with more than {TIMESTAMP_BYTES_MAX} bytes")
        return bytes(data)
